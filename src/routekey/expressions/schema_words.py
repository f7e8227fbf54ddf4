"""The faults of a body in the words that API Gateway is known to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

MAX_FAULTS = 20


def explained(errors: list[Any]) -> list[str]:
    missing: dict[str, list[str]] = {}  # required names, by where they are missing
    texts: list[str] = []
    for error in errors[:MAX_FAULTS]:
        found = error.kind.as_dict()
        if error.kind.name == "required":
            at = msgspec.json.encode(error.instance_path).decode()
            if at not in missing:
                missing[at] = []
                texts.append(at)
            missing[at].append(found["property"])
        else:
            texts.append(_WORDS.get(error.kind.name, _other)(found, error.instance, error))
    return [
        f"object has missing required properties ({_json(sorted(missing[text]))})" if text in missing else text
        for text in texts
    ]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:500]


def _other(found: dict[str, Any], value: Any, error: Any) -> str:
    return str(error.message)[:300]


_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def _type(found: dict[str, Any], value: Any, error: Any) -> str:
    kind = _KINDS.get(type(value), "null")
    allowed = _json(sorted(found["types"]))
    return f"instance type ({kind}) does not match any allowed primitive type (allowed: {allowed})"


_WORDS: dict[str, Callable[[dict[str, Any], Any, Any], str]] = {
    "type": _type,
    "enum": lambda f, v, e: f"instance value ({_json(v)}) not found in enum (possible values: {_json(f['options'])})",
    "minimum": lambda f, v, e: (
        f"numeric instance is lower than the required minimum (minimum: {_json(f['limit'])}, found: {_json(v)})"
    ),
    "maximum": lambda f, v, e: (
        f"numeric instance is greater than the required maximum (maximum: {_json(f['limit'])}, found: {_json(v)})"
    ),
    "exclusiveMinimum": lambda f, v, e: (
        f"numeric instance is not strictly greater than the required minimum {_json(f['limit'])}"
    ),
    "exclusiveMaximum": lambda f, v, e: (
        f"numeric instance is not strictly lower than the required maximum {_json(f['limit'])}"
    ),
    "minLength": lambda f, v, e: f"string {_json(v)} is too short (length: {len(v)}, required minimum: {f['limit']})",
    "maxLength": lambda f, v, e: f"string {_json(v)} is too long (length: {len(v)}, maximum allowed: {f['limit']})",
    "pattern": lambda f, v, e: (
        f"ECMA 262 regex {_json(f['pattern'])} does not match input string {_json(v)}"
        if "pattern" in f
        else _other(f, v, e)  # it gave up
    ),
    "format": lambda f, v, e: f"string {_json(v)} is invalid against the format {_json(f['format'])}",
    "additionalProperties": lambda f, v, e: (
        f"object instance has properties which are not allowed by the schema: {_json(sorted(f['unexpected']))}"
    ),
    "additionalItems": lambda f, v, e: f"array only allows {f['limit']} items, instance has {len(v)}",
    "minItems": lambda f, v, e: (
        f"array is too short: must have at least {f['limit']} elements but instance has {len(v)} elements"
    ),
    "maxItems": lambda f, v, e: (
        f"array is too long: must have at most {f['limit']} elements but instance has {len(v)} elements"
    ),
    "uniqueItems": lambda f, v, e: "array must not contain duplicate elements",
    "minProperties": lambda f, v, e: (
        f"object has too few properties (found {len(v)} but schema requires at least {f['limit']})"
    ),
    "maxProperties": lambda f, v, e: (
        f"object has too many properties (found {len(v)} but schema requires at most {f['limit']})"
    ),
    "multipleOf": lambda f, v, e: f"remainder of division is not zero ({_json(v)} / {_json(f['multiple_of'])})",
    "oneOf": lambda f, v, e: f"instance failed to match exactly one schema (of {len(f['context'])})",
    "anyOf": lambda f, v, e: f"instance failed to match at least one required schema among {len(f['context'])}",
    "not": lambda f, v, e: "instance matched a schema which it should not have",
}

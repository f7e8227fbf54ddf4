"""Models of messages: JSON Schema draft 4, compiled once (spec 1.9, 3.6).

The validator is a library's; what is ours is that no schema and no message can keep it busy, and the words for what is
wrong, which are those that API Gateway is known to use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from routekey.errors import ExpressionError

MAX_SCHEMA_DEPTH = 60
MAX_UNFOLDED = 1000  # references, along every way that meets none twice
MAX_CHECKS = 2000  # that one value may have to pass, through $ref and allOf
MAX_DEPTH = 100  # of a message
MAX_EXPLAINED = 16 * 1024  # characters of a message whose every fault is told; of a longer one the first is
MAX_FAULTS = 20
MAX_BRANCHED_DEPTH = (
    6  # of a message explained by a schema that recurs through anyOf or oneOf: the cost doubles a level
)

_MODEL = re.compile(r"https?://apigateway\.amazonaws\.com/restapis/[^/]+/models/([A-Za-z0-9]+)/?")
_BASE = "https://apigateway.amazonaws.com/restapis/api/models/"

Validator = Callable[[str], list[str]]


def parse_schema(name: str, text: str) -> Any:
    """The document of a model's schema. ExpressionError when it is none."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ExpressionError(f"the schema of model {name} is not JSON ({error})") from None
    if not isinstance(document, dict):
        raise ExpressionError(f"the schema of model {name} is not a JSON object")
    return document


def compile_schema(name: str, schemas: Mapping[str, Any]) -> Validator:
    """What tells all that is wrong with a body by the model `name`; `schemas` are the models of its API, by name.

    ExpressionError when the schema is no draft-04 schema, refers to what is not there, or never comes to an end.
    """
    import jsonschema_rs

    document = schemas[name]
    branching, repeating = _Survey(schemas).check(name)

    def retrieve(uri: str) -> Any:
        match = _MODEL.fullmatch(uri)
        if match is None or match[1] not in schemas:
            raise LookupError(f"{uri} is no model of this API")
        return schemas[match[1]]

    try:
        validator = jsonschema_rs.Draft4Validator(
            document,
            base_uri=_BASE + name,
            retriever=retrieve,
            validate_formats=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=1 << 20),
        )
    except jsonschema_rs.ValidationError as error:
        at = "/".join(map(str, error.instance_path))
        raise ExpressionError(f"the schema of model {name}: {error.message:.300}{f' at {at}' if at else ''}") from None
    except ValueError as error:
        raise ExpressionError(f"the schema of model {name}: {error}") from None

    def faults(body: str) -> list[str]:
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return ["the body is not JSON"]
        depth = _depth(value)
        if depth > MAX_DEPTH:
            return [f"the body nests deeper than {MAX_DEPTH} levels"]
        try:
            if validator.is_valid(value):
                return []
            if branching and depth > MAX_BRANCHED_DEPTH:
                return ["instance failed to match the schema"]
            if repeating or len(body) > MAX_EXPLAINED:
                validator.validate(value)
            return _explained(list(validator.iter_errors(value)))
        except jsonschema_rs.ValidationError as error:
            return _explained([error])
        except ValueError as error:  # what the validator cannot take at all
            return [str(error)[:200]]

    return faults


def _depth(value: Any) -> int:
    """How deep a value nests, as far as that matters."""
    level = [value]
    for depth in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
        level = [each for each in below if isinstance(each, (dict, list))]
        if not level:
            return depth + 1
    return MAX_DEPTH + 1


# What schemas may cost


class _Survey:
    """Walks the schemas of an API before the validator does: it would follow their circles for ever."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._cost: dict[int, int] = {}
        self._busy: set[int] = set()

    def check(self, name: str) -> tuple[bool, bool]:
        """Whether the schema recurs through anyOf or oneOf, and through what else checks one value twice.

        ExpressionError where validation would not end.
        """
        seen: dict[int, tuple[Any, str]] = {}
        waiting = [(self._schemas[name], name, 0)]
        while waiting:
            schema, model, depth = waiting.pop()
            if id(schema) in seen:
                continue
            if depth > MAX_SCHEMA_DEPTH:
                raise ExpressionError(f"the schema of model {name} nests deeper than {MAX_SCHEMA_DEPTH} levels")
            seen[id(schema)] = schema, model
            self._weigh(schema, model, name)
            waiting += [(each, model, depth + 1) for each in _parts(schema)]
            target = self._target(schema, model)
            if target is not None:
                waiting.append((*target, 0))
        self._unfold(name)
        branching, repeating = (
            any(
                self._reaches_itself(schema, model)
                for schema, model in seen.values()
                if isinstance(schema, dict) and not schema.keys().isdisjoint(keywords)
            )
            for keywords in (("anyOf", "oneOf"), ("allOf", "not", "dependencies", "patternProperties"))
        )
        return branching, repeating

    def _unfold(self, name: str) -> None:
        """Follow every way that meets no schema twice: the validator copies each, and forgets between them."""
        left = MAX_UNFOLDED
        waiting: list[tuple[Any, str, frozenset[int]]] = [(self._schemas[name], name, frozenset())]
        while waiting:
            schema, model, way = waiting.pop()
            target = self._target(schema, model)
            if target is None:
                waiting += [(each, model, way) for each in _parts(schema) if isinstance(each, (dict, list))]
            elif id(target[0]) not in way:
                left -= 1
                if left < 0:
                    raise ExpressionError(f"the references of model {name} unfold to more than {MAX_UNFOLDED}")
                waiting.append((*target, way | {id(target[0])}))

    def _weigh(self, schema: Any, model: str, name: str, depth: int = 0) -> int:
        """How many checks one value has to pass by `schema`."""
        if not isinstance(schema, dict):
            return 1
        known = self._cost.get(id(schema))
        if known is not None:
            return known
        if id(schema) in self._busy or depth > MAX_CHECKS // 10:
            raise ExpressionError(f"the schema of model {name} refers to itself without an end")
        self._busy.add(id(schema))
        target = self._target(schema, model)
        inside = [target] if target is not None else [(each, model) for each in _same_value(schema)]
        cost = 1 + sum(self._weigh(each, where, name, depth + 1) for each, where in inside)
        self._busy.discard(id(schema))
        if cost > MAX_CHECKS:
            raise ExpressionError(f"the schema of model {name} unfolds to more than {MAX_CHECKS} checks of one value")
        self._cost[id(schema)] = cost
        return cost

    def _target(self, schema: Any, model: str) -> tuple[Any, str] | None:
        """The schema that `$ref` leads to, and the model it is in."""
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str):
            return None
        uri, _, pointer = reference.partition("#")
        of = model
        if uri:
            match = _MODEL.fullmatch(uri if "//" in uri else _BASE + uri)
            if match is None or match[1] not in self._schemas:
                raise ExpressionError(f"the schema of model {model}: $ref {reference:.200} is no model of this API")
            model = match[1]
        found = self._schemas[model]
        for step in unquote(pointer).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            elif isinstance(found, dict) and step in found:
                found = found[step]
            else:
                raise ExpressionError(f"the schema of model {of}: $ref {reference:.200} leads nowhere")
        return found, model

    def _reaches_itself(self, start: Any, model: str) -> bool:
        seen: set[int] = set()
        waiting = [(each, model) for each in _parts(start)]
        while waiting:
            schema, where = waiting.pop()
            if schema is start:
                return True
            if id(schema) not in seen:
                seen.add(id(schema))
                waiting += [(each, where) for each in _parts(schema)]
                target = self._target(schema, where)
                if target is not None:
                    waiting.append(target)
        return False


def _parts(schema: Any) -> Iterator[Any]:
    """The values right inside a schema that may be schemas, or hold some."""
    if isinstance(schema, dict):
        yield from (each for key, each in schema.items() if key not in ("enum", "default") and each is not None)
    elif isinstance(schema, list):
        yield from schema


def _same_value(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas inside that check the very same value."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        branches = schema.get(keyword)
        yield from branches if isinstance(branches, list) else ()
    if "not" in schema:
        yield schema["not"]
    dependencies = schema.get("dependencies")
    if isinstance(dependencies, dict):
        yield from (each for each in dependencies.values() if isinstance(each, dict))


# What is wrong, in words


def _explained(errors: list[Any]) -> list[str]:
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

"""JSON as routing reads it: strict, and numbers keep their text."""

from __future__ import annotations

import math
from typing import Any

import msgspec


class NumberText(str):
    """A number with a fraction or an exponent, as it was written."""

    __slots__ = ()


class NotJson(Exception):
    """A body that strict JSON does not allow, or that nests too deep."""


def _number(text: str) -> NumberText:
    if math.isinf(float(text)):
        raise ValueError(text)
    return NumberText(text)


MAX_DEPTH = 200  # of lists and objects in each other

_decoder = msgspec.json.Decoder(float_hook=_number)


def parse(text: str) -> Any:
    """The value of `text`; NotJson when it is none."""
    try:
        value = _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise NotJson from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _deep(value):
        raise NotJson
    return value


def _deep(value: Any) -> bool:
    """Whether it nests deeper than what is done with it later could bear."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def to_text(value: Any) -> str:
    """`value` as a selection expression prints it (spec 3.2): lists and objects the way Java does."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(to_text, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={to_text(each)}" for name, each in value.items()) + "}"
    return str(value)


def to_json(value: Any) -> str:
    """`value` as compact JSON, its numbers as they were written."""
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(to_json, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{to_json(name)}:{to_json(each)}" for name, each in value.items()) + "}"
    return msgspec.json.encode(value).decode()

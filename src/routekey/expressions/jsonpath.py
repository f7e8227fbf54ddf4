"""JSONPath, compiled once to chained functions (spec 5.5, after Jayway's rules).

Filters and functions other than `length()` are not here yet: a path that uses them does not compile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from routekey.errors import ExpressionError

MAX_PATH = 2000  # characters
MAX_MATCHES = 10_000  # of an indefinite path


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()

Step = Callable[[Any], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path. `find` gives the value or MISSING; an indefinite path always gives a list."""

    text: str
    definite: bool
    find: Callable[[Any], Any]


_NAME = re.compile(r"[^.\[\]()'\"\s,?@]+")
_INDEX = re.compile(r"\s*-?\d+\s*")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*")
_QUOTED = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\s*")


def compile_path(text: str) -> Path:
    """The path `text`, with or without its leading `$`. ExpressionError when it is none."""
    if len(text) > MAX_PATH:
        raise ExpressionError(f"the path is longer than {MAX_PATH} characters")
    at = 1 if text.startswith("$") else 0
    source = text if at else f".{text}"
    steps: list[tuple[Step, bool, str | None]] = []
    while at < len(source):
        if source.startswith("..", at):
            at, step = _deep(source, at + 2)
            steps.append((step, False, None))
        elif source[at] == ".":
            at, entry = _dotted(source, at + 1)
            steps.append(entry)
        elif source[at] == "[":
            at, entry = _bracket(source, at)
            steps.append(entry)
        else:
            raise ExpressionError(f"{text}: '.' or '[' is expected at character {at + 1}")
    return _chain(text, steps)


def _chain(text: str, steps: list[tuple[Step, bool, str | None]]) -> Path:
    definite = all(each for _, each, _ in steps)
    keys = tuple(key for _, _, key in steps if key is not None)
    if definite and len(keys) == len(steps):
        return Path(text, True, _by_keys(keys))
    functions = [step for step, _, _ in steps]

    def walk(value: Any, depth: int) -> Iterator[Any]:
        if depth == len(functions):
            yield value
            return
        for each in functions[depth](value):
            yield from walk(each, depth + 1)

    def first(value: Any) -> Any:
        return next(walk(value, 0), MISSING)

    def every(value: Any) -> Any:
        found = []
        for each in walk(value, 0):
            found.append(each)
            if len(found) == MAX_MATCHES:
                break
        return found

    return Path(text, definite, first if definite else every)


def _by_keys(keys: tuple[str, ...]) -> Callable[[Any], Any]:
    def find(value: Any) -> Any:
        for key in keys:
            if type(value) is not dict or key not in value:
                return MISSING
            value = value[key]
        return value

    return find


def _dotted(source: str, at: int) -> tuple[int, tuple[Step, bool, str | None]]:
    if source.startswith("*", at):
        return at + 1, (_wildcard, False, None)
    match = _NAME.match(source, at)
    if match is None:
        raise ExpressionError(f"{source}: a name is expected at character {at + 1}")
    if source.startswith("(", match.end()):
        if match[0] == "length" and source.startswith("()", match.end()):
            return match.end() + 2, (_length, True, None)
        raise ExpressionError(f"{source}: {match[0]}() is not a function that is available")
    return match.end(), (_key(match[0]), True, match[0])


def _deep(source: str, at: int) -> tuple[int, Step]:
    if source.startswith("[", at):
        at, (inner, _, _) = _bracket(source, at)
    else:
        at, (inner, _, _) = _dotted(source, at)

    def step(value: Any) -> Iterator[Any]:
        stack = [value]
        while stack:
            here = stack.pop()
            yield from inner(here)
            children = list(here.values()) if isinstance(here, dict) else here if isinstance(here, list) else []
            stack.extend(reversed(children))

    return at, step


def _bracket(source: str, at: int) -> tuple[int, tuple[Step, bool, str | None]]:
    end = _closing(source, at)
    inner = source[at + 1 : end]
    bare = inner.strip()
    if bare == "*":
        return end + 1, (_wildcard, False, None)
    if bare.startswith(("?", "(")):
        raise ExpressionError(f"{source}: filters are not available")
    match = _SLICE.fullmatch(inner)
    if match is not None:
        return end + 1, (_slice(match[1], match[2]), False, None)
    if _INDEX.fullmatch(inner):
        return end + 1, (_index(int(inner)), True, None)
    parts = _items(source, inner)
    if all(isinstance(part, str) for part in parts):
        if len(parts) == 1:
            return end + 1, (_key(str(parts[0])), True, str(parts[0]))
        return end + 1, (_pick([str(part) for part in parts]), True, None)
    indexes = [part for part in parts if isinstance(part, int)]
    if len(indexes) != len(parts):
        raise ExpressionError(f"{source}: keys and numbers do not mix in [{inner}]")
    steps = [_index(part) for part in indexes]
    return end + 1, (lambda value: (each for step in steps for each in step(value)), False, None)


def _closing(source: str, at: int) -> int:
    quote = ""
    position = at + 1
    while position < len(source):
        character = source[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "]":
            return position
        position += 1
    raise ExpressionError(f"{source}: '[' at character {at + 1} is not closed")


def _items(source: str, inner: str) -> list[str | int]:
    parts: list[str | int] = []
    at = 0
    while True:
        match = _QUOTED.match(inner, at)
        if match is not None:
            text = match[1] if match[1] is not None else match[2]
            parts.append(re.sub(r"\\(.)", r"\1", text))
        else:
            match = _INDEX.match(inner, at)
            if match is None:
                raise ExpressionError(f"{source}: [{inner}] is neither a number, a quoted key, a slice nor *")
            parts.append(int(match[0]))
        at = match.end()
        if at == len(inner):
            return parts
        if inner[at] != ",":
            raise ExpressionError(f"{source}: ',' is expected in [{inner}]")
        at += 1


def _key(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _pick(names: list[str]) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield {name: value[name] for name in names if name in value}

    return step


def _index(number: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= number < len(value):
            yield value[number]

    return step


def _slice(low: str, high: str) -> Step:
    bounds = slice(int(low) if low else None, int(high) if high else None)

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[bounds]

    return step


def _wildcard(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _length(value: Any) -> Iterator[Any]:
    if isinstance(value, list | dict | str):
        yield len(value)

"""Selection expressions and the keys they select (spec 12.1, 12.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from routekey.errors import ExpressionError
from routekey.expressions.json import NotJson, parse, to_text
from routekey.expressions.jsonpath import MISSING, Path, compile_path

MAX_EXPRESSION = 2000  # characters
API_KEY_EXPRESSIONS = ("$request.header.x-api-key", "$context.authorizer.usageIdentifierKey")

_ROOTS = (
    "request.body",
    "request.header",
    "request.basepath",
    "integration.response",
    "response",
    "context.authorizer.usageIdentifierKey",
)
_NAME = re.compile(r"\.[A-Za-z0-9_-]+")


class Response(Protocol):
    """What an integration response's expressions can read."""

    @property
    def status(self) -> int: ...

    def values(self, name: str) -> Sequence[str]:
        """Every value of the header `name`, matched without regard to case."""


Variable = Callable[[Any, str, Response | None], str]


@dataclass(frozen=True, slots=True)
class Selection:
    """A compiled expression."""

    text: str
    static: str | None  # its value, where it has no variable
    parts: tuple[str | Variable, ...]
    of_message: Callable[[str], str | None]

    def evaluate(self, body: str, response: Response | None = None) -> str:
        """Its value for a message; variables of a body that is not JSON are empty."""
        if self.static is not None:
            return self.static
        try:
            document = parse(body)
        except NotJson:
            document = MISSING
        return _join(self.parts, document, body, response)


def _join(parts: Sequence[str | Variable], document: Any, body: str, response: Response | None) -> str:
    return "".join(part if isinstance(part, str) else part(document, body, response) for part in parts)


def compile_selection(text: str, *, response: bool = False) -> Selection:
    """The expression `text`; with `response` it may read the integration's answer.

    `of_message` of the result gives its value for a message, or None for one that is not JSON,
    which no route is selected by. ExpressionError names the place that is wrong.
    """
    if len(text) > MAX_EXPRESSION:
        raise ExpressionError(f"the expression is longer than {MAX_EXPRESSION} characters")
    parts: list[str | Variable] = []
    at = 0
    while at < len(text):
        at = _part(text, at, parts, response)
    merged = _merge(parts)
    static = "".join(str(part) for part in merged) if all(isinstance(part, str) for part in merged) else None
    return Selection(text, static, tuple(merged), _of_message(merged))


def _part(text: str, at: int, parts: list[str | Variable], response: bool) -> int:
    if text.startswith("\\$", at):
        parts.append("$")
        return at + 2
    if text.startswith("${", at):
        end = _closing(text, at + 2)
        parts.append(_variable(text[at + 2 : end], response))
        return end + 1
    if text[at] == "$":
        end = _bare_end(text, at + 1)
        if end > at + 1:
            parts.append(_variable(text[at + 1 : end], response))
            return end
    parts.append(text[at])
    return at + 1


def _closing(text: str, at: int) -> int:
    quote, brackets = "", 0
    for position in range(at, len(text)):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and brackets:
            quote = character
        elif character == "[":
            brackets += 1
        elif character == "]":
            brackets -= 1
        elif character == "}" and brackets <= 0:
            return position
    raise ExpressionError(f"{text}: '${{' at character {at - 1} is not closed")


def _bare_end(text: str, at: int) -> int:
    """Where the variable that begins at `at` ends; `at` itself when none begins there."""
    root = next((root for root in _ROOTS if text.startswith(root, at)), None)
    if root is None or _NAME.match("." + text[at + len(root) : at + len(root) + 1]):
        return at
    end = at + len(root)
    while end < len(text):
        match = _NAME.match(text, end)
        if match is not None:
            end = match.end()
        elif text[end] == "[" and "]" in text[end:]:
            end = text.index("]", end) + 1
        else:
            break
    return end


def _variable(name: str, response: bool) -> Variable:
    root = next((root for root in _ROOTS if name == root or name.startswith((root + ".", root + "["))), None)
    rest = name[len(root) :] if root else ""
    if root == "request.body":
        if not rest:
            return lambda document, body, answer: body
        return _body_variable(compile_path("$" + rest))
    if response and root in ("integration.response", "response"):
        return _response_variable(rest.removeprefix("."))
    return lambda document, body, answer: ""


def _body_variable(path: Path) -> Variable:
    find = path.get

    def value(document: Any, body: str, answer: Response | None) -> str:
        found = MISSING if document is MISSING else find(document)
        return "" if found is MISSING else to_text(found)

    return value


def _response_variable(name: str) -> Variable:
    if name == "statuscode":
        return lambda document, body, answer: str(answer.status) if answer is not None else ""
    kind, _, header = name.partition(".")
    if kind == "header" and header:
        return lambda document, body, answer: ([*answer.values(header), ""][0]) if answer is not None else ""
    if kind == "multivalueheader" and header:
        return lambda document, body, answer: ",".join(answer.values(header)) if answer is not None else ""
    return lambda document, body, answer: ""


def _merge(parts: Sequence[str | Variable]) -> list[str | Variable]:
    merged: list[str | Variable] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _of_message(parts: Sequence[str | Variable]) -> Callable[[str], str | None]:
    def value(body: str) -> str | None:
        try:
            return _join(parts, parse(body), body, None)
        except NotJson:
            return None

    return value


def compile_response_key(key: str) -> Callable[[str], bool] | None:
    """Whether a value is the one that the integration response `key` stands for; None for `$default`."""
    if key == "$default":
        return None
    if len(key) >= 2 and key.startswith("/") and key.endswith("/"):
        try:
            pattern = re.compile(key[1:-1], re.DOTALL)
        except (re.error, OverflowError, RecursionError) as error:
            raise ExpressionError(f"Invalid value for integrationResponseKey: {key:.200} ({error})") from None
        return lambda value: pattern.fullmatch(value) is not None
    return lambda value: value == key

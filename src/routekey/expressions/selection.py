"""Selection expressions and the keys they select (spec 12.1, 12.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from routekey.errors import EvaluationError, ExpressionError
from routekey.expressions.java_regex import compile_java, matches_compiled
from routekey.expressions.json import to_text
from routekey.expressions.jsonpath import MISSING, Path, compile_path
from routekey.expressions.scope import Message, Response

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
_WORDS = re.compile("[A-Za-z0-9 _-]*")  # a pattern that only matches itself
KEY_SECONDS = 0.05  # of one match of an integration response's key, whose subject clients may influence


Variable = Callable[[Message, Response | None], str]


@dataclass(frozen=True, slots=True)
class Selection:
    """A compiled expression."""

    text: str
    static: str | None  # its value, where it has no variable
    parts: tuple[str | Variable, ...]
    of_message: Callable[[Message], str | None]

    def evaluate(self, message: Message, response: Response | None = None) -> str:
        """Its value for a message; variables of a body that is not JSON are empty."""
        return self.static if self.static is not None else _join(self.parts, message, response)


def _join(parts: Sequence[str | Variable], message: Message, response: Response | None) -> str:
    return "".join(part if isinstance(part, str) else part(message, response) for part in parts)


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
            return lambda message, answer: message.body
        return _body_variable(compile_path("$" + rest))
    if response and root in ("integration.response", "response"):
        return _response_variable(rest.removeprefix("."))
    return lambda message, answer: ""


def _body_variable(path: Path) -> Variable:
    find = path.get

    def value(message: Message, answer: Response | None) -> str:
        document = message.document
        found = MISSING if document is MISSING else find(document)
        return "" if found is MISSING else to_text(found)

    return value


def _response_variable(name: str) -> Variable:
    if name == "statuscode":
        return lambda message, answer: str(answer.status) if answer is not None else ""
    kind, _, header = name.partition(".")
    if kind == "header" and header:
        return lambda message, answer: ([*answer.values(header), ""][0]) if answer is not None else ""
    if kind == "multivalueheader" and header:
        return lambda message, answer: ",".join(answer.values(header)) if answer is not None else ""
    return lambda message, answer: ""


def _merge(parts: Sequence[str | Variable]) -> list[str | Variable]:
    merged: list[str | Variable] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _of_message(parts: Sequence[str | Variable]) -> Callable[[Message], str | None]:
    if len(parts) == 1 and not isinstance(parts[0], str):
        variable = parts[0]  # as nearly all are
        return lambda message: None if message.document is MISSING else variable(message, None)

    def value(message: Message) -> str | None:
        return None if message.document is MISSING else _join(parts, message, None)

    return value


def compile_response_key(key: str) -> Callable[[str], bool] | None:
    """Whether a value is the one that the integration response `key` stands for; None for `$default`.

    The function raises EvaluationError where a pattern takes too long on a value.
    """
    if key == "$default":
        return None
    if len(key) < 2 or not (key.startswith("/") and key.endswith("/")):
        return lambda value: value == key
    pattern = key[1:-1]
    if _WORDS.fullmatch(pattern):
        return lambda value: value == pattern
    try:
        compiled = compile_java(pattern, dot_is_all=True)
    except EvaluationError as error:
        raise ExpressionError(f"Invalid value for integrationResponseKey: {key:.200} ({error})") from None
    return lambda value: matches_compiled(value, compiled, KEY_SECONDS)

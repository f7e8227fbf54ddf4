"""Java's regular expressions, with a limit on their time: patterns come from authors, subjects from clients."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from routekey.errors import EvaluationError

MAX_SUBJECT = 256 * 1024  # characters
MAX_RESULT = 1024 * 1024  # characters
SECONDS = 0.25  # of one match: subjects are chosen by clients, and backtracking can take for ever

_POSIX = {
    "Lower": "a-z", "Upper": "A-Z", "ASCII": "\\x00-\\x7F", "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9",
    "Punct": "!-/:-@\\[-`{-~", "Graph": "!-~", "Print": " -~", "Blank": " \\t", "Cntrl": "\\x00-\\x1F\\x7F",
    "XDigit": "0-9a-fA-F", "Space": " \\t\\n\\x0B\\f\\r",
}  # fmt: skip
_PROPERTY = re.compile(r"\\([pP])\{(?:Is)?(\w+)\}")


@lru_cache(maxsize=256)
def compile_java(pattern: str, *, dot_is_all: bool = False) -> Any:
    """The pattern compiled; EvaluationError when it is none. Classes such as \\w are ASCII, as in Java."""
    import regex  # costs 30 ms, and few templates need it

    if len(pattern) > 4096:
        raise EvaluationError("the pattern is longer than 4096 characters")
    translated = _PROPERTY.sub(_posix, pattern).replace("\\h", "[ \\t\\xA0]").replace("\\Z", "(?=\\n?\\Z)")
    translated = (
        translated.replace("\\z", "\\Z").replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
    )
    try:
        return regex.compile(translated, regex.ASCII | regex.VERSION0 | (regex.DOTALL if dot_is_all else 0))
    except (regex.error, OverflowError, RecursionError) as error:
        raise EvaluationError(f"{pattern:.200} is no regular expression: {error}") from None


def _posix(match: re.Match[str]) -> str:
    inside = _POSIX.get(match[2])
    if inside is None:
        return match[0]
    return f"[{'^' if match[1] == 'P' else ''}{inside}]"


def _subject(subject: str) -> str:
    if len(subject) > MAX_SUBJECT:
        raise EvaluationError(f"a text of more than {MAX_SUBJECT} characters is too long for a regular expression")
    return subject


def _late(pattern: str) -> EvaluationError:
    return EvaluationError(f"{pattern:.200} takes too long on this text")


def matches(subject: str, pattern: str, seconds: float = SECONDS) -> bool:
    return matches_compiled(subject, compile_java(pattern), seconds)


def matches_compiled(subject: str, compiled: Any, seconds: float) -> bool:
    """Whether what `compile_java` gave fits the whole of `subject`. EvaluationError when that takes too long."""
    try:
        found = compiled.fullmatch(_subject(subject), timeout=seconds)
    except TimeoutError:
        raise _late(compiled.pattern) from None
    return found is not None


def replace(subject: str, pattern: str, replacement: str, count: int = 0, seconds: float = SECONDS) -> str:
    """replaceAll; with a count of 1 replaceFirst."""
    compiled = compile_java(pattern)
    pieces = _replacement(replacement, compiled)
    size = 0

    def one(match: Any) -> str:
        nonlocal size
        made = "".join(piece if isinstance(piece, str) else match.group(piece) or "" for piece in pieces)
        size += len(made)
        if size > MAX_RESULT:
            raise EvaluationError(f"a string is longer than {MAX_RESULT} characters")
        return made

    try:
        return str(compiled.sub(one, _subject(subject), count=count, timeout=seconds))
    except TimeoutError:
        raise _late(pattern) from None


def _replacement(text: str, compiled: Any) -> list[str | int]:
    """The parts of a replacement: `$1` is a group, `\\x` is x."""
    pieces: list[str | int] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            if at + 1 >= len(text):
                raise EvaluationError("character to be escaped is missing")
            pieces.append(text[at + 1])
            at += 2
        elif character == "$":
            match = re.compile(r"[0-9]").match(text, at + 1)
            if match is None:
                raise EvaluationError("Illegal group reference")
            group, at = int(match[0]), match.end()
            if group > compiled.groups:
                raise EvaluationError(f"No group {group}")
            while at < len(text) and text[at] in "0123456789" and int(f"{group}{text[at]}") <= compiled.groups:
                group = int(f"{group}{text[at]}")
                at += 1
            pieces.append(group)
        else:
            pieces.append(character)
            at += 1
    return pieces


def split(subject: str, pattern: str, limit: int = 0, seconds: float = SECONDS) -> list[str]:
    """String.split: without a limit trailing empty parts are dropped; an empty match at the start splits nothing."""
    compiled = compile_java(pattern)
    parts: list[str] = []
    last = 0
    try:
        for match in compiled.finditer(_subject(subject), timeout=seconds):
            if limit > 0 and len(parts) == limit - 1:
                break
            if match.end() == 0 or (match.start() == match.end() == len(subject)):
                continue
            parts.append(subject[last : match.start()])
            last = match.end()
    except TimeoutError:
        raise _late(pattern) from None
    if not parts and last == 0:
        return [subject]
    parts.append(subject[last:])
    if limit == 0:
        while parts and not parts[-1]:
            parts.pop()
    return parts

"""JSON as json-smart's permissive mode reads it: what `$input` sees of a body.

Strict JSON takes the fast decoder; everything else this reader, which is lenient in the same ways:
single quotes, bare words, stray commas, leading zeros, control characters in strings.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from routekey.expressions.jsonpath import JsonArray
from routekey.expressions.vtl.values import double_text, wrap

MAX_DEPTH = 400
DELETE = "\x7f"  # passed over, like other control characters that are not escaped
_BLANK = " \t\r\n"


class NotReadable(Exception):
    """Not even the permissive mode makes sense of it."""


def _float(text: str) -> Any:
    number = float(text)
    # A long one keeps its digits where a double would lose some.
    if len(text) > 18 and double_text(number) != text:
        return Decimal(text)
    return number


_decode = msgspec.json.Decoder(float_hook=_float).decode


def read(text: str) -> Any:
    """The value of `text`. NotReadable when there is none."""
    text = text.replace(DELETE, "")
    try:
        value = _decode(text)
        return wrap(value) if "[" in text else value
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    reader = _Reader(text)
    try:
        value = reader.value("")
    except RecursionError:
        raise NotReadable("nested too deep") from None
    reader.blanks()
    if reader.at < len(text):
        raise NotReadable(f"unexpected text at {reader.at}")
    return value


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def blanks(self) -> None:
        text, at = self.text, self.at
        while at < len(text) and text[at] in _BLANK:
            at += 1
        self.at = at

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def value(self, stops: str) -> Any:
        self.blanks()
        character = self.peek()
        if character in ("{", "["):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise NotReadable("nested too deep")
            result = self.object() if character == "{" else self.array()
            self.depth -= 1
            return result
        if character in ("'", '"'):
            return self.quoted()
        if not character:
            raise NotReadable("empty")
        if character in "}]:":
            raise NotReadable(f"unexpected {character}")
        return self.bare(stops)

    def object(self) -> dict[str, Any]:
        self.at += 1
        result: dict[str, Any] = {}
        while True:
            self.blanks()
            character = self.peek()
            if not character:
                raise NotReadable("an object is not closed")
            if character == "}":
                self.at += 1
                return result
            if character == ",":
                self.at += 1
                continue
            if character in ":]{[":
                raise NotReadable(f"unexpected {character}")
            name = self.quoted() if character in "'\"" else self.word(":")
            self.blanks()
            if self.peek() != ":":
                raise NotReadable("a colon is missing")
            self.at += 1
            result[name] = self.value(",}")
            self.blanks()
            if self.peek() not in (",", "}"):
                raise NotReadable("a comma is missing")

    def array(self) -> JsonArray:
        self.at += 1
        result = JsonArray()
        while True:
            self.blanks()
            character = self.peek()
            if not character:
                raise NotReadable("an array is not closed")
            if character == "]":
                self.at += 1
                return result
            if character == ",":
                self.at += 1
                continue
            result.append(self.value(",]"))
            self.blanks()
            if self.peek() not in (",", "]"):
                raise NotReadable("a comma is missing")

    def quoted(self) -> str:
        quote = self.peek()
        self.at += 1
        parts: list[str] = []
        while True:
            character = self.peek()
            if not character:
                raise NotReadable("a string is not closed")
            self.at += 1
            if character == quote:
                return "".join(parts)
            if character == "\\":
                parts.append(self.escape())
            elif character >= " ":
                parts.append(character)

    def escape(self) -> str:
        character = self.peek()
        self.at += 1
        if character == "u":
            digits = self.text[self.at : self.at + 4]
            try:
                code = int(digits, 16)
            except ValueError:
                raise NotReadable("a bad \\u escape") from None
            self.at += 4
            return chr(code)
        simple = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "b": "\b"}
        return simple.get(character, character)

    def word(self, stops: str) -> str:
        start = self.at
        while self.peek() and self.peek() not in stops:
            self.at += 1
        return self.text[start : self.at].strip()

    def bare(self, stops: str) -> Any:
        word = self.word(stops) if stops else self.rest()
        if word in ("true", "false"):
            return word == "true"
        if word == "null":
            return None
        if word == "NaN":
            return float("nan")
        return _number(word)

    def rest(self) -> str:
        word = self.text[self.at :].strip()
        self.at = len(self.text)
        return word


def _number(word: str) -> Any:
    body = word[1:] if word[:1] in "+-" else word
    if body.isascii() and body.isdigit() and len(word) < 1000:
        return int(word)
    if body and body[0] in "0123456789." and any(digit in "0123456789" for digit in body):
        try:
            return _float(word) if "_" not in word else word
        except ValueError:
            return word
    return word

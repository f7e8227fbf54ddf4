"""What a template can do wrong, and how far it may go."""

from __future__ import annotations

from dataclasses import dataclass


class TemplateError(Exception):
    """A template that does not parse, or that fails while it is rendered; `line` and `column` count from 1."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column
        self.message = message


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one render; each is an error of its own, except the turns of a loop, which just end."""

    loop_turns: int = 1000  # of one #foreach, as on AWS
    steps: int = 200_000  # nodes evaluated
    output: int = 2 * 1024 * 1024  # characters
    string: int = 1024 * 1024  # characters of any one string
    items: int = 100_000  # of any one list or map, a range's span included
    macro_depth: int = 20
    digits: int = 1000  # of an integer
    regex_seconds: float = 0.5  # of all regular expressions together


MAX_NESTING = 100  # of blocks, parentheses and literals, at compile time
MAX_NUMBER = 400  # characters of one in the source
MAX_SOURCE = 300 * 1024  # characters (spec 5.1)

"""JSONPath, compiled once to chained functions, by the rules of Jayway's implementation (spec vtl 5)."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from routekey.errors import EvaluationError, ExpressionError
from routekey.expressions import java_regex

MAX_PATH = 2000  # characters
MAX_NESTING = 30  # of filters
MAX_VISITS = 200_000  # values looked at in one search


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


class JsonArray(list[Any]):
    """A JSON array. Templates print it as JSON, and any other list, such as that of `keys()`, as [a, b]."""

    __slots__ = ()


class Search:
    """One evaluation: the document that `$` means, how much of it was looked at, and what regular expressions took."""

    __slots__ = ("left", "root", "seconds")

    def __init__(self, root: Any) -> None:
        self.root = root
        self.left = MAX_VISITS
        self.seconds = java_regex.SECONDS

    def matches(self, subject: str, pattern: str) -> bool:
        """EvaluationError when all matches of this evaluation together take too long."""
        started = time.perf_counter()
        try:
            return java_regex.matches(subject, pattern, self.seconds)
        finally:
            self.seconds -= time.perf_counter() - started
            if self.seconds <= 0:
                raise EvaluationError(f"{pattern:.200} takes too long on these values")

    def visit(self, count: int = 1) -> None:
        self.left -= count
        if self.left < 0:
            raise EvaluationError(f"a path looks at more than {MAX_VISITS} values")


Step = Callable[[Any, Search], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path.

    `find` gives the value or MISSING; an indefinite path always gives a JsonArray. EvaluationError when a
    function does not fit its value, or the search is too long; `get` gives MISSING then.
    """

    text: str
    definite: bool
    find: Callable[[Any], Any]

    def get(self, document: Any) -> Any:
        try:
            return self.find(document)
        except EvaluationError:
            return MISSING


@dataclass(frozen=True, slots=True)
class _Part:
    step: Step
    definite: bool = True
    key: str | None = None  # where the step is one plain key


_NAME = re.compile(r"[^.\[\]()'\"\s,?@]+")
_FILTER_NAME = re.compile(r"[^.\[\]()'\"\s,?@=<>!~&|]+")
_INDEX = re.compile(r"\s*-?\d{1,9}\s*")
_SLICE = re.compile(r"\s*(-?\d{0,9})\s*:\s*(-?\d{0,9})\s*(:\s*-?\d{0,9}\s*)?")
_QUOTED = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\s*", re.DOTALL)
_CALL = re.compile(r"\(\s*\)")


def compile_path(text: str) -> Path:
    """The path `text`, with or without its leading `$.`. ExpressionError when it is none."""
    if len(text) > MAX_PATH:
        raise ExpressionError(f"the path is longer than {MAX_PATH} characters")
    source = text if text.startswith("$") else f"$.{text}"
    parser = _Parser(source)
    parts = parser.steps(1)
    if parser.at < len(source):
        raise ExpressionError(f"{text}: '.' or '[' is expected at character {parser.at + 1}")
    return _assemble(text, parts)


def _assemble(text: str, parts: list[_Part]) -> Path:
    definite = all(part.definite for part in parts)
    keys = [part.key for part in parts if part.key is not None]
    if len(keys) == len(parts):
        return Path(text, True, _by_keys(keys))
    walk = _walker(parts)
    if definite:
        return Path(text, True, lambda document: next(walk(document, Search(document)), MISSING))
    return Path(text, False, lambda document: JsonArray(walk(document, Search(document))))


def _by_keys(keys: list[str]) -> Callable[[Any], Any]:
    def find(value: Any) -> Any:
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                return MISSING
            value = value[key]
        return value

    return find


def _walker(parts: list[_Part]) -> Step:
    steps = [part.step for part in parts]

    def walk(value: Any, search: Search, depth: int = 0) -> Iterator[Any]:
        if depth == len(steps):
            yield value
            return
        for each in steps[depth](value, search):
            search.visit()
            yield from walk(each, search, depth + 1)

    return walk


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.nesting = 0

    def fail(self, wanted: str) -> ExpressionError:
        return ExpressionError(f"{self.source}: {wanted} is expected at character {self.at + 1}")

    def steps(self, start: int) -> list[_Part]:
        """The steps that begin at `start`, as far as they go."""
        self.at = start
        parts = []
        while self.at < len(self.source):
            if self.source.startswith("..", self.at):
                self.at += 2
                parts.append(_Part(_deep(self.one().step), definite=False))
            elif self.source[self.at] == ".":
                self.at += 1
                parts.append(self.one(dotted=True))
            elif self.source[self.at] == "[":
                parts.append(self.bracket())
            else:
                break
        return parts

    def one(self, dotted: bool = False) -> _Part:
        if not dotted and self.source.startswith("[", self.at):
            return self.bracket()
        if self.source.startswith("*", self.at):
            self.at += 1
            return _Part(_wildcard, definite=False)
        match = (_FILTER_NAME if self.nesting else _NAME).match(self.source, self.at)
        if match is None:
            raise self.fail("a name")
        self.at = match.end()
        if not self.source.startswith("(", self.at):
            return _Part(_key(match[0]), key=match[0])
        call = _CALL.match(self.source, self.at)
        function = FUNCTIONS.get(match[0])
        if call is None or function is None:
            raise ExpressionError(f"{self.source}: {match[0]}(...) is not a function of paths")
        self.at = call.end()
        return _Part(function)

    def bracket(self) -> _Part:
        start = self.at
        inner_start = start + 1
        stripped = self.source[inner_start:].lstrip()
        if stripped.startswith("?"):
            return self.filter()
        end = self.closing(start)
        inner = self.source[inner_start:end]
        self.at = end + 1
        if inner.strip() == "*":
            return _Part(_wildcard, definite=False)
        match = _SLICE.fullmatch(inner)
        if match is not None:
            if match[3] and not match[1] and not match[2]:
                raise ExpressionError(f"{self.source}: [{inner}] is no slice")
            return _Part(_slice(match[1], match[2]), definite=False)  # a step behind it is ignored
        if _INDEX.fullmatch(inner):
            return _Part(_index(int(inner)))
        return self.union(inner)

    def union(self, inner: str) -> _Part:
        parts = self.items(inner)
        names = [part for part in parts if isinstance(part, str)]
        indexes = [part for part in parts if isinstance(part, int)]
        if len(names) == len(parts):
            if len(names) == 1:
                return _Part(_key(names[0]), key=names[0])
            return _Part(_pick(names))
        if names:
            raise ExpressionError(f"{self.source}: keys and numbers do not mix in [{inner}]")
        steps = [_index(index) for index in indexes]
        return _Part(lambda value, search: (each for step in steps for each in step(value, search)), definite=False)

    def closing(self, at: int) -> int:
        quote = ""
        position = at + 1
        while position < len(self.source):
            character = self.source[position]
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
        raise ExpressionError(f"{self.source}: '[' at character {at + 1} is not closed")

    def items(self, inner: str) -> list[str | int]:
        parts: list[str | int] = []
        at = 0
        while True:
            match = _QUOTED.match(inner, at)
            if match is not None:
                parts.append(_unescape(match))
            else:
                match = _INDEX.match(inner, at)
                if match is None:
                    raise ExpressionError(
                        f"{self.source}: [{inner}] is neither a number, a quoted key, a slice, a filter nor *"
                    )
                parts.append(int(match[0]))
            at = match.end()
            if at == len(inner):
                return parts
            if inner[at] != ",":
                raise ExpressionError(f"{self.source}: ',' is expected in [{inner}]")
            at += 1

    # filters

    def filter(self) -> _Part:
        self.at += 1
        self.blanks()
        self.at += 1  # the question mark
        self.expect("(")
        test = self.either()
        self.expect(")")
        self.expect("]")

        def step(value: Any, search: Search) -> Iterator[Any]:
            if isinstance(value, list):
                candidates = value
            elif isinstance(value, dict):
                candidates = [value]
            else:
                return
            for each in candidates:
                search.visit()
                if test(each, search):
                    yield each

        return _Part(step, definite=False)

    def blanks(self) -> None:
        while self.source[self.at : self.at + 1].isspace():
            self.at += 1

    def expect(self, text: str) -> None:
        self.blanks()
        if not self.source.startswith(text, self.at):
            raise self.fail(f"'{text}'")
        self.at += len(text)

    def take(self, text: str) -> bool:
        self.blanks()
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def either(self) -> Test:
        tests = [self.both()]
        while self.take("||"):
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else lambda value, search: any(test(value, search) for test in tests)

    def both(self) -> Test:
        tests = [self.test()]
        while self.take("&&"):
            tests.append(self.test())
        return tests[0] if len(tests) == 1 else lambda value, search: all(test(value, search) for test in tests)

    def test(self) -> Test:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise ExpressionError(f"{self.source}: filters are nested deeper than {MAX_NESTING}")
        try:
            self.blanks()
            if self.source.startswith("!", self.at) and not self.source.startswith("!=", self.at):
                self.at += 1
                inner = self.test()
                return lambda value, search: not inner(value, search)
            if self.take("("):
                inner = self.either()
                self.expect(")")
                return inner
            return self.comparison()
        finally:
            self.nesting -= 1

    def comparison(self) -> Test:
        left, is_path = self.operand()
        self.blanks()
        if self.take("=~"):
            pattern, _ = self.operand()
            return lambda value, search: _matches(left(value, search), pattern(value, search), search)
        for name, compare in COMPARISONS:
            if self.source.startswith(name, self.at) and not (
                name[-1].isalpha() and self.source[self.at + len(name) : self.at + len(name) + 1].isalnum()
            ):
                self.at += len(name)
                right, _ = self.operand()
                return lambda value, search: compare(left(value, search), right(value, search))
        if not is_path:
            raise self.fail("a comparison")
        return lambda value, search: left(value, search) is not MISSING

    def operand(self) -> tuple[Operand, bool]:
        """A path or a literal, and whether it is a path."""
        self.blanks()
        character = self.source[self.at : self.at + 1]
        if character in ("@", "$"):
            parts = self.steps(self.at + 1)
            walk = _walker(parts)
            definite = all(part.definite for part in parts)
            from_root = character == "$"

            def value_of(value: Any, search: Search) -> Any:
                found = walk(search.root if from_root else value, search)
                return next(found, MISSING) if definite else list(found)

            return value_of, True
        constant = self.constant()
        return (lambda value, search: constant), False

    def constant(self) -> Any:
        self.blanks()
        quoted = _QUOTED.match(self.source, self.at)
        if quoted is not None:
            self.at = quoted.end()
            return _unescape(quoted)
        if self.take("["):
            items: list[Any] = []
            while not self.take("]"):
                if len(items) > 1000:
                    raise ExpressionError(f"{self.source}: a list is too long")
                items.append(self.constant())
                self.take(",")
            return items
        if self.source.startswith("/", self.at):
            return self.pattern()
        word = re.compile(r"-?[\w.+]+").match(self.source, self.at)
        if word is None:
            raise self.fail("a value")
        self.at = word.end()
        simple = {"true": True, "false": False, "null": None, "empty": True}
        if word[0] in simple:
            return simple[word[0]]
        try:
            return int(word[0]) if word[0].lstrip("-").isdigit() else float(word[0])
        except ValueError:
            raise self.fail("a value") from None

    def pattern(self) -> Any:
        match = re.compile(r"/((?:[^/\\]|\\.)*)/([a-zA-Z]*)").match(self.source, self.at)
        if match is None:
            raise self.fail("the end of the regular expression")
        self.at = match.end()
        flags = "".join(flag for flag in match[2] if flag in "imsux")
        try:
            java_regex.compile_java(f"(?{flags}){match[1]}" if flags else match[1])
        except EvaluationError as error:
            raise ExpressionError(f"{self.source}: {error}") from None
        return _Pattern(f"(?{flags}){match[1]}" if flags else match[1])


Test = Callable[[Any, Search], bool]
Operand = Callable[[Any, Search], Any]


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str


def _unescape(match: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", match[1] if match[1] is not None else match[2], flags=re.DOTALL)


# comparisons


def _number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """A number in the form that compares with any other."""
    return Decimal(str(value)) if isinstance(value, float | Decimal) else value


def _equal(left: Any, right: Any) -> bool:
    left, right = (None if value is MISSING else value for value in (left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if (_number(left) and isinstance(right, str)) or (isinstance(left, str) and _number(right)):
        try:
            return Decimal(str(left)) == Decimal(str(right))
        except ArithmeticError:
            return False
    if _number(left) and _number(right):
        return bool(_plain(left) == _plain(right))
    return type(left) is type(right) and bool(left == right)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if _number(left) and _number(right):
            return test(_plain(left), _plain(right))
        return isinstance(left, str) and isinstance(right, str) and test(left, right)

    return compare


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return isinstance(left, list) and any(_equal(each, right) for each in left)


def _size(left: Any, right: Any) -> bool:
    return isinstance(left, str | list) and _number(right) and len(left) == right


def _matches(left: Any, right: Any, search: Search) -> bool:
    if isinstance(left, _Pattern):
        left, right = right, left
    return isinstance(right, _Pattern) and isinstance(left, str) and search.matches(left, right.text)


def _in(left: Any, right: Any) -> bool:
    return isinstance(right, list) and any(_equal(left, each) for each in right)


COMPARISONS: tuple[tuple[str, Callable[[Any, Any], bool]], ...] = (
    ("===", lambda left, right: type(left) is type(right) and _equal(left, right)),
    ("!==", lambda left, right: type(left) is not type(right) or not _equal(left, right)),
    ("==", _equal),
    ("!=", lambda left, right: not _equal(left, right)),
    ("<=", _ordered(lambda left, right: left <= right)),
    (">=", _ordered(lambda left, right: left >= right)),
    ("<", _ordered(lambda left, right: left < right)),
    (">", _ordered(lambda left, right: left > right)),
    ("subsetof", lambda left, right: isinstance(left, list) and all(_in(each, right) for each in left)),
    ("anyof", lambda left, right: isinstance(left, list) and any(_in(each, right) for each in left)),
    ("noneof", lambda left, right: isinstance(left, list) and not any(_in(each, right) for each in left)),
    ("contains", _contains),
    ("size", _size),
    ("empty", lambda left, right: isinstance(left, str | list) and (not left) is right),
    ("nin", lambda left, right: not _in(left, right)),
    ("in", _in),
)


# steps


def _key(name: str) -> Step:
    def step(value: Any, search: Search) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _pick(names: list[str]) -> Step:
    def step(value: Any, search: Search) -> Iterator[Any]:
        if isinstance(value, dict):
            yield {name: value[name] for name in names if name in value}

    return step


def _index(number: int) -> Step:
    def step(value: Any, search: Search) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= number < len(value):
            yield value[number]

    return step


def _slice(low: str, high: str) -> Step:
    bounds = slice(int(low) if low else None, int(high) if high else None)

    def step(value: Any, search: Search) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[bounds]

    return step


def _wildcard(value: Any, search: Search) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _deep(inner: Step) -> Step:
    def step(value: Any, search: Search) -> Iterator[Any]:
        stack = [value]
        while stack:
            here = stack.pop()
            search.visit()
            yield from inner(here, search)
            if isinstance(here, dict):
                stack.extend(reversed(list(here.values())))
            elif isinstance(here, list):
                stack.extend(reversed(here))

    return step


# functions


def _length(value: Any, search: Search) -> Iterator[Any]:
    if isinstance(value, list | dict):
        yield len(value)


def _keys(value: Any, search: Search) -> Iterator[Any]:
    if isinstance(value, dict):
        yield list(value)


def _ends(position: int) -> Step:
    def step(value: Any, search: Search) -> Iterator[Any]:
        if isinstance(value, list) and value:
            yield value[position]

    return step


def _aggregate(function: Callable[[list[float]], float]) -> Step:
    def step(value: Any, search: Search) -> Iterator[Any]:
        numbers = [float(each) for each in value if _number(each)] if isinstance(value, list) else []
        if not numbers:
            raise EvaluationError("an aggregation function found no numbers in an array")
        yield function(numbers)

    return step


def _deviation(numbers: list[float]) -> float:
    mean = sum(numbers) / len(numbers)
    return math.sqrt(sum((number - mean) ** 2 for number in numbers) / len(numbers))


FUNCTIONS: dict[str, Step] = {
    "length": _length,
    "size": _length,
    "keys": _keys,
    "first": _ends(0),
    "last": _ends(-1),
    "sum": _aggregate(sum),
    "min": _aggregate(min),
    "max": _aggregate(max),
    "avg": _aggregate(lambda numbers: sum(numbers) / len(numbers)),
    "stddev": _aggregate(_deviation),
}

"""JSONPath beside the corpus: what is definite, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from routekey.errors import ExpressionError
from routekey.expressions.jsonpath import MISSING, compile_path

DOCUMENT: Any = {
    "a": {"b": [10, 20, 30], "c": {"d": None}},
    "list": [{"n": 1, "m": 5}, {"n": 2}, 7],
    "odd key": 1,
    "it's": 2,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a.b", [10, 20, 30]),
        ("a.b", [10, 20, 30]),
        ("$['a']['b'][1]", 20),
        ("$.a.b[-1]", 30),
        ("$.a.b[3]", MISSING),
        ("$.a.c.d", None),
        ("$.a.x", MISSING),
        ("$.a.b.x", MISSING),
        ("$.a.b.length()", 3),
        ("$['odd key']", 1),
        ("$['it\\'s']", 2),
        ('$["odd key"]', 1),
        ("$['odd key', 'it\\'s']", {"odd key": 1, "it's": 2}),
    ],
)
def test_a_definite_path_gives_the_value_or_nothing(path: str, value: Any) -> None:
    compiled = compile_path(path)
    assert compiled.definite
    assert compiled.find(DOCUMENT) == value


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.a.b[*]", [10, 20, 30]),
        ("$.a.b[0,2]", [10, 30]),
        ("$.a.b[1:]", [20, 30]),
        ("$.a.b[:2]", [10, 20]),
        ("$.a.b[-2:]", [20, 30]),
        ("$..n", [1, 2]),
        ("$.list[*].n", [1, 2]),
        ("$.list.*", [{"n": 1, "m": 5}, {"n": 2}, 7]),
        ("$.nothing[*]", []),
        ("$..[0]", [10, {"n": 1, "m": 5}]),
    ],
)
def test_an_indefinite_path_always_gives_a_list(path: str, values: list[Any]) -> None:
    compiled = compile_path(path)
    assert not compiled.definite
    assert compiled.find(DOCUMENT) == values


@pytest.mark.parametrize(
    "path", ["$.", "$[", "$['a'", "$.a[?(@.n]", "$.a[b]", "$.sum(1)", "$a", "$[1,'a']", "$.a..", "x" * 3000]
)
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ExpressionError):
        compile_path(path)

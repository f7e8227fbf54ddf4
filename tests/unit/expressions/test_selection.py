"""Selection expressions: the grammar of spec 12.1, the tables of spec 3.2 and 12.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routekey.errors import ExpressionError
from routekey.expressions.scope import document_of
from routekey.expressions.selection import compile_response_key, compile_selection


@dataclass
class Text:
    """A message that is nothing but its body."""

    body: str

    @property
    def document(self) -> Any:
        return document_of(self.body)


BODY = '{"service":"chat","action":"join","data":{"room":"room1234"},"n":[1,2.50,1e3,{"a":null,"b":true}],"a b":"c"}'


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$request.body.action", "join"),
        ("${request.body.action}", "join"),
        ("${request.body.service}/${request.body.action}", "chat/join"),
        ("${request.body.action}-${request.body.invalidPath}", "join-"),
        ("$request.body.service/$request.body.action", "chat/join"),
        ("$request.body.action-x", ""),
        ("$request.body.data.room", "room1234"),
        ("$request.body.n[0]", "1"),
        ("$request.body.n[1]", "2.50"),
        ("$request.body.n[2]", "1e3"),
        ("$request.body.n", "[1, 2.50, 1e3, {a=null, b=true}]"),
        ("$request.body.data", "{room=room1234}"),
        ("$request.body.n[3].a", "null"),
        ("${request.body['a b']}", "c"),
        ("${request.body['}']}", ""),
        ("$request.body", BODY),
        ("action", "action"),
        ("\\$default", "$default"),
        ("$default", "$default"),
        ("a\\b", "a\\b"),
        ("$", "$"),
        ("cost: $5", "cost: $5"),
        ("$request.header.x-api-key", ""),
        ("$context.routeKey", "$context.routeKey"),
        ("${context.routeKey}", ""),
        ("$request.bodyguard", "$request.bodyguard"),
        ("$request.body.action.", "join."),
        ("", ""),
    ],
)
def test_an_expression_has_the_value_of_the_guide(expression: str, value: str) -> None:
    selection = compile_selection(expression)
    assert selection.evaluate(Text(BODY)) == value
    assert selection.of_message(Text(BODY)) == value


@pytest.mark.parametrize("body", ["", "plain", "{'a':1}", "[1,]", "\ufeff{}", "NaN", "[" * 100_000, '{"a":1e400}'])
def test_a_message_that_is_not_json_has_no_value(body: str) -> None:
    for expression in ("$request.body.a", "$request.body.a[0]", "static"):
        assert compile_selection(expression).of_message(Text(body)) is None


@pytest.mark.parametrize(
    "expression", ["${request.body.a", "${request.body['a}", "${request.body.a[?(@.b]}", "x" * 2001]
)
def test_an_expression_that_does_not_parse_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        compile_selection(expression)


@dataclass
class Answer:
    status: int = 404
    headers: dict[str, list[str]] = field(default_factory=lambda: {"x-kind": ["a", "b"]})
    text: str = ""
    document: Any = None

    def values(self, name: str) -> Sequence[str]:
        return self.headers.get(name.lower(), [])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$integration.response.statuscode", "404"),
        ("${integration.response.statuscode}", "404"),
        ("${response.statuscode}", "404"),
        ("$integration.response.header.X-Kind", "a"),
        ("$integration.response.multivalueheader.X-Kind", "a,b"),
        ("$integration.response.header.other", ""),
        ("${request.body.action}-${response.statuscode}", "join-404"),
    ],
)
def test_the_expressions_of_a_response_read_the_answer(expression: str, value: str) -> None:
    assert compile_selection(expression, response=True).evaluate(Text(BODY), Answer()) == value


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("200", "200", True),
        ("200", "2000", False),
        ("/200/", "200", True),
        ("/20/", "200", False),
        (r"/2\d{2}/", "204", True),
        ("/.*bad.*/", "a\nbad\nb", True),
        ("/(4|5)../", "503", True),
        ("/", "/", True),
    ],
)
def test_a_response_key_is_a_whole_match_or_equal(key: str, value: str, fits: bool) -> None:
    matches = compile_response_key(key)
    assert matches is not None
    assert matches(value) == fits


def test_a_response_key_that_is_no_pattern_is_refused() -> None:
    with pytest.raises(ExpressionError, match="integrationResponseKey"):
        compile_response_key("/(/")


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(alphabet="$request.body{}[]'\"-\\ab0123*:,?()@é", max_size=40), st.text(max_size=60))
def test_any_expression_compiles_or_is_refused_and_any_body_has_a_value_or_none(expression: str, body: str) -> None:
    try:
        selection = compile_selection(expression)
    except ExpressionError:
        return
    assert isinstance(selection.evaluate(Text(body)), str)
    assert selection.of_message(Text(body)) is None or isinstance(selection.of_message(Text(body)), str)

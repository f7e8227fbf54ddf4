"""Parameter mappings: the grammar of spec 12.3, the sources of spec 4.5 and 6.4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routekey.errors import ExpressionError
from routekey.expressions.parameters import compile_request_mapping, compile_response_mapping
from routekey.expressions.scope import document_of

BODY = (
    '{"name":"Ada","n":1,"f":2.50,"e":1e3,"t":true,"none":null,"o":{"a":[1,2.0]},"list":[{"n":1},{"n":2}],'
    '"a b":"odd","empty":""}'
)


@dataclass
class Request:
    """A handshake and a message in one: every source has something to read."""

    body: str = BODY
    headers: dict[str, list[str]] = field(default_factory=lambda: {"x-who": ["a", "b"], "empty": [""]})
    query: dict[str, list[str]] = field(default_factory=lambda: {"q": ["1", "2"]})
    stage_variables: Mapping[str, str] = field(default_factory=lambda: {"env": "prod", "a.b": "dotted"})
    context: dict[str, object] = field(
        default_factory=lambda: {"routeKey": "$default", "identity.sourceIp": "::1", "connectedAt": 12, "flag": True}
    )

    @property
    def document(self) -> Any:
        return document_of(self.body)

    def header_values(self, name: str) -> Sequence[str]:
        return self.headers.get(name.lower(), ())

    def query_values(self, name: str) -> Sequence[str]:
        return self.query.get(name, ())

    def context_value(self, name: str) -> object:
        return self.context.get(name)


@dataclass
class Answer:
    status: int = 200
    text: str = '{"who":"Ada","list":[1,2]}'
    headers: dict[str, list[str]] = field(default_factory=lambda: {"x-kind": ["a", "b"]})

    @property
    def document(self) -> Any:
        return document_of(self.text)

    def values(self, name: str) -> Sequence[str]:
        return self.headers.get(name.lower(), ())


ANYWHERE = [
    ("'literal'", "literal"),
    ("''", ""),
    ("'it's 'quoted''", "it's 'quoted'"),
    ("'${stageVariables.env}'", "${stageVariables.env}"),
    ("context.routeKey", "$default"),
    ("context.identity.sourceIp", "::1"),
    ("context.connectedAt", "12"),
    ("context.flag", "true"),
    ("context.nothing", None),
    ("stageVariables.env", "prod"),
    ("stageVariables.a.b", "dotted"),
    ("stageVariables.nothing", None),
]


@pytest.mark.parametrize("side", ["route", "method"])
@pytest.mark.parametrize(
    ("source", "value"),
    [
        *ANYWHERE,
        ("SIDE.request.header.X-Who", "b"),
        ("SIDE.request.header.x-WHO", "b"),
        ("SIDE.request.header.empty", ""),
        ("SIDE.request.header.nothing", None),
        ("SIDE.request.multivalueheader.X-Who", "a,b"),
        ("SIDE.request.multivalueheader.nothing", None),
        ("SIDE.request.querystring.q", "2"),
        ("SIDE.request.querystring.Q", None),
        ("SIDE.request.multivaluequerystring.q", "1,2"),
        ("SIDE.request.multivaluequerystring.nothing", None),
        ("SIDE.request.path.room", None),
        ("SIDE.request.body", BODY),
        ("SIDE.request.body.name", "Ada"),
        ("SIDE.request.body.n", "1"),
        ("SIDE.request.body.f", "2.50"),
        ("SIDE.request.body.e", "1e3"),
        ("SIDE.request.body.t", "true"),
        ("SIDE.request.body.none", None),
        ("SIDE.request.body.empty", ""),
        ("SIDE.request.body.o", '{"a":[1,2.0]}'),
        ("SIDE.request.body.o.a[1]", "2.0"),
        ("SIDE.request.body.o.a[-1]", "2.0"),
        ("SIDE.request.body.list[*].n", "[1,2]"),
        ("SIDE.request.body.list[?(@.n > 1)]", '[{"n":2}]'),
        ("SIDE.request.body.list.length()", "2"),
        ("SIDE.request.body['a b']", "odd"),
        ("SIDE.request.body..n", "[1,1,2]"),
        ("SIDE.request.body.nothing", None),
        ("SIDE.request.body.nothing.more", None),
    ],
)
def test_a_source_of_a_request_has_its_value_or_none(side: str, source: str, value: str | None) -> None:
    mapping = compile_request_mapping("integration.request.header.X", source.replace("SIDE", side))
    assert mapping.source(Request()) == value


@pytest.mark.parametrize("body", ["", "not json", "[1,]", '{"name":NaN}'])
def test_a_path_into_a_body_that_is_not_json_finds_nothing(body: str) -> None:
    mapping = compile_request_mapping("integration.request.header.X", "route.request.body.name")
    assert mapping.source(Request(body)) is None
    whole = compile_request_mapping("integration.request.header.X", "route.request.body")
    assert whole.source(Request(body)) == (body or None)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        *ANYWHERE,
        ("integration.response.header.X-Kind", "b"),
        ("integration.response.header.x-KIND", "b"),
        ("integration.response.header.nothing", None),
        ("integration.response.multivalueheader.X-Kind", "a,b"),
        ("integration.response.multivalueheader.nothing", None),
        ("integration.response.body", '{"who":"Ada","list":[1,2]}'),
        ("integration.response.body.who", "Ada"),
        ("integration.response.body.list", "[1,2]"),
        ("integration.response.body.list[0]", "1"),
        ("integration.response.body.nothing", None),
    ],
)
@pytest.mark.parametrize("side", ["method", "route"])
def test_a_source_of_a_response_has_its_value_or_none(side: str, source: str, value: str | None) -> None:
    name, find = compile_response_mapping(f"{side}.response.header.X-Own", source)
    assert name == "X-Own"
    assert find(Request(), Answer()) == value


def test_an_answer_that_is_empty_or_not_json_has_nothing_to_map() -> None:
    _, part = compile_response_mapping("method.response.header.x", "integration.response.body.who")
    _, whole = compile_response_mapping("method.response.header.x", "integration.response.body")
    assert (part(Request(), Answer(text="")), whole(Request(), Answer(text=""))) == (None, None)
    assert (part(Request(), Answer(text="who")), whole(Request(), Answer(text="who"))) == (None, "who")


@pytest.mark.parametrize("location", ["header", "querystring", "path"])
@pytest.mark.parametrize("name", ["X-Who", "a.b", "$filter", "under_score", "0"])
def test_a_target_says_which_part_it_is(location: str, name: str) -> None:
    mapping = compile_request_mapping(f"integration.request.{location}.{name}", "'x'")
    assert (mapping.location, mapping.name, mapping.static) == (location, name, True)
    assert not compile_request_mapping(f"integration.request.{location}.{name}", "context.stage").static


@pytest.mark.parametrize(
    "target",
    ["", "X", "header.X", "integration.request.X", "integration.request.header", "integration.request.header.",
     "integration.request.body.X", "integration.request.header.a b", "integration.request.header.a:b",
     "integration.request.header.X\n", "integration.request.multivalueheader.X", "route.request.header.X",
     "integration.response.header.X", "Integration.Request.Header.X", "integration.request.header.é"],
)  # fmt: skip
def test_a_target_of_another_form_is_refused_by_name(target: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_request_mapping(target, "'x'")
    assert target in str(caught.value)


@pytest.mark.parametrize(
    "target",
    ["", "X", "method.response.X", "method.response.header.", "method.response.body", "integration.response.header.X",
     "method.request.header.X", "method.response.querystring.X", "method.response.header.a b"],
)  # fmt: skip
def test_a_response_target_of_another_form_is_refused(target: str) -> None:
    with pytest.raises(ExpressionError):
        compile_response_mapping(target, "'x'")


NOWHERE = ["", "x", "'open", "open'", "'", '"x"', "context", "context.", "context.a b", "stageVariables.",
           "stageVariables", "${stageVariables.env}", "$context.stage", "body"]  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [*NOWHERE, "route.request.header", "route.request.header.", "route.request.cookie.a", "route.request.header.a b",
     "request.header.a", "integration.response.body", "integration.response.header.a", "route.request.bodyguard",
     "route.request.body.", "route.request.body[", "route.request.body[a]", "route.request.body.a[?(@.b]",
     "route.response.header.a"],
)  # fmt: skip
def test_a_source_of_another_form_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_request_mapping("integration.request.header.X", source)


@pytest.mark.parametrize(
    "source",
    [*NOWHERE, "route.request.header.a", "route.request.body", "method.request.body.a", "integration.response.a",
     "integration.response.statuscode", "integration.response.bodyguard", "integration.response.body["],
)  # fmt: skip
def test_a_response_source_of_another_form_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_response_mapping("method.response.header.X", source)


_PIECES = st.sampled_from(
    ["route.request.", "integration.response.", "body", "header.", "context.", "stageVariables.", ".a", "[0]", "[*]",
     "'", "..", "?(@.n)", "['a b']", "$", "é", "\n"]
)  # fmt: skip


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=6).map("".join), st.text(max_size=40))
def test_any_source_compiles_or_is_refused_and_gives_a_text_or_nothing(source: str, body: str) -> None:
    try:
        value = compile_request_mapping("integration.request.header.X", source).source(Request(body))
        assert value is None or isinstance(value, str)
    except ExpressionError:
        pass
    try:
        value = compile_response_mapping("method.response.header.X", source)[1](Request(body), Answer(text=body))
        assert value is None or isinstance(value, str)
    except ExpressionError:
        pass

"""What becomes of the answers of HTTP backends: responses, templates, headers, content, their way here (spec 6)."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import struct
import threading
import time
import zlib
from typing import Any

import pytest

from tests.backends import HEAD, RawBackend, answering, closing, read_request, with_length
from tests.behaviours.test_connect import FRAME as REFUSAL
from tests.behaviours.test_connect import refused
from tests.support import Backend, RunningGateway, TestApi, error, eventually, http, lambda_uri, silent

kinds = pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])


def says(text: bytes | str, status: int = 200, **headers: str) -> Backend:
    """A backend with one answer; `_` in the names of `headers` stands for `-`."""
    body = text.encode() if isinstance(text, str) else text
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Backend(lambda seen: (status, named, body))


def response(key: str, template: str | None = None, **members: Any) -> dict[str, Any]:
    templates = {} if template is None else {"ResponseTemplates": {"$default": template}}
    return {"IntegrationResponseKey": key, **templates, **members}


def frame(api: TestApi, message: str = "x") -> str:
    """The frame that a message is answered with; of an error frame its message."""
    with api.connect() as client:
        client.send(message)
        got = str(client.recv(5))
    return error(got) if got.startswith('{"message":') else got


# Which response fits


@pytest.mark.parametrize(
    ("status", "keys", "chosen"),
    [
        (200, ["/200/"], "/200/"),
        (200, ["/2\\d\\d/"], "/2\\d\\d/"),
        (204, ["/2\\d{2}/", "$default"], "/2\\d{2}/"),
        (200, ["/2../"], "/2../"),
        (200, ["/(?:200|201)/"], "/(?:200|201)/"),
        (201, ["/20[01]/"], "/20[01]/"),
        (404, ["/4.*/", "$default"], "/4.*/"),
        (404, ["$default", "/4.*/"], "/4.*/"),
        (200, ["/20/", "$default"], "$default"),
        (200, ["/00/", "$default"], "$default"),
        (200, ["/2\\d/", "/\\d0$/", "$default"], "$default"),
        (200, ["/404|20/", "$default"], "$default"),
        (200, ["/.*/"], "/.*/"),
        (200, ["/(?!2)\\d+/", "/(?=2)\\d+/"], "/(?=2)\\d+/"),
        (200, ["/2.*/", "/200/", "200"], "/2.*/"),
        (200, ["200", "/2.*/"], "200"),
        (200, ["/200/", "/2.*/"], "/200/"),
        (200, ["2..", "20", "$default"], "$default"),
        (500, ["/2../", "/4../", "$default"], "$default"),
        (299, ["299"], "299"),
        (200, ["/2\\d\\d", "2\\d\\d/", "$default"], "$default"),
    ],
)
def test_the_first_response_whose_key_fits_the_status_answers(
    gateway: RunningGateway, status: int, keys: list[str], chosen: str
) -> None:
    with says("", status) as backend:
        responses = [response(key, f"[{at}]") for at, key in enumerate(keys)]
        api = gateway.api({"$default": http(backend.url, two_way=True, responses=responses)})
        assert frame(api) == f"[{keys.index(chosen)}]"


def test_a_status_that_no_response_fits_is_an_error_where_an_answer_is_wanted(gateway: RunningGateway) -> None:
    with says("", 404) as backend:
        responses = [response("/2../"), response("40")]
        api = gateway.api({
            "$default": http(backend.url, two_way=True, responses=responses),
            "one-way": http(backend.url, responses=responses),
            "none": http(backend.url, two_way=True, responses=[]),
        })  # fmt: skip
        with api.connect() as client:
            client.send("x")
            assert error(client.recv(5)) == "Internal server error"
            client.send('{"action":"none"}')
            assert error(client.recv(5)) == "Internal server error"
            client.send('{"action":"one-way"}')
            eventually(lambda: len(backend.seen) == 3)
            assert silent(client)


@kinds
@pytest.mark.parametrize("status", [200, 300, 401, 501])
def test_a_one_way_route_says_nothing_whatever_the_backend_answers(
    gateway: RunningGateway, kind: str, status: int
) -> None:
    backend = says("not for the client", status)
    with backend, gateway.api({"$default": http(backend.url, kind)}).connect() as client:
        client.send("x")
        eventually(lambda: backend.seen)
        assert silent(client)


@pytest.mark.parametrize("key", ["/(?:a|aa)+c?d/", "/(a|b|ab)*(?=c)/"])
def test_a_pattern_that_takes_for_ever_ends_in_an_error_frame_and_holds_nobody_up(
    gateway: RunningGateway, key: str
) -> None:
    source = 'def handler(event, context):\n    raise RuntimeError(event["why"])'
    arn = gateway.function(f"raises-{len(key)}", source)
    integration = {
        "IntegrationType": "AWS", "IntegrationMethod": "POST", "IntegrationUri": lambda_uri(arn), "two_way": True,
        "responses": [response(key, "matched"), response("$default", "default")],
    }  # fmt: skip
    with gateway.api({"$default": integration}).connect() as client:
        client.send('{"why":"x"}')  # the function has started
        assert client.recv(10) == "default"
        started = time.monotonic()
        client.send(json.dumps({"why": "ab" * 5000}))
        client.send(json.dumps({"why": "a" * 10_000}))
        frames = [str(client.recv(5)), str(client.recv(5))]
        assert time.monotonic() - started < 3
    assert "Internal server error" in [each if each == "default" else error(each) for each in frames]


# Response templates


BOTH = {"$default": "default", "a": "picked"}


@pytest.mark.parametrize(
    ("templates", "expression", "message", "expected"),
    [
        (None, None, "x", '{"from":"backend"}'),
        (BOTH, None, "x", "default"),
        ({"application/json": "json"}, None, "x", "json"),
        ({"text/plain": "plain", "text/html": "html"}, None, "x", "plain"),
        ({"text/plain": "plain", "$default": "default"}, None, "x", "default"),
        ({"text/html": "html"}, None, "x", '{"from":"backend"}'),
        (BOTH, "a", "x", "picked"),
        (BOTH, "\\$default", "x", "default"),
        ({"201": "picked", "$default": "default"}, "$integration.response.statuscode", "x", "picked"),
        ({"201": "picked", "$default": "default"}, "${integration.response.statuscode}", "x", "picked"),
        ({"kind-201": "picked"}, "kind-${integration.response.statuscode}", "x", "picked"),
        (BOTH, "$integration.response.header.X-Kind", "x", "picked"),
        (BOTH, "${integration.response.header.x-kind}", "x", "picked"),
        (BOTH, "${integration.response.header.X-Missing}", "x", "default"),
        ({"a,b": "picked", "$default": "default"}, "${integration.response.multivalueheader.X-Many}", "x", "picked"),
        (BOTH, "${request.body.kind}", '{"kind":"a"}', "picked"),
        (BOTH, "${request.body.kind}", '{"kind":"b"}', "default"),
        (BOTH, "${request.body.kind}", "no JSON", "default"),
        (BOTH, "${request.body.from}", "x", "default"),
        ({"a": "picked", "application/json": "json"}, "nosuch", "x", "json"),
        ({"a": "picked", "text/plain": "plain"}, "nosuch", "x", "plain"),
        ({"a": "picked"}, "nosuch", "x", '{"from":"backend"}'),
        ({"$default": "$input.path('$.from') $input.json('$.from') $context.routeKey"}, None, "x",
         'backend "backend" $default'),
        ({"$default": "[$input.body]"}, None, '{"from":"client"}', '[{"from":"backend"}]'),
    ],
)  # fmt: skip
def test_the_response_template_is_chosen_by_expression_or_content_type(
    gateway: RunningGateway, templates: dict[str, str] | None, expression: str | None, message: str, expected: str
) -> None:
    answer = (
        b"HTTP/1.1 201 Created\r\nContent-Type: text/plain; charset=utf-8\r\nX-Kind: a\r\nX-Many: a\r\nX-Many: b\r\n"
        b'Content-Length: 18\r\n\r\n{"from":"backend"}'
    )
    members: dict[str, Any] = {} if templates is None else {"ResponseTemplates": templates}
    if expression is not None:
        members["TemplateSelectionExpression"] = expression
    with RawBackend(answering(answer)) as backend:
        responses = [response("$default", **members)]
        api = gateway.api({"$default": http(backend.url, two_way=True, responses=responses)})
        assert frame(api, message) == expected


def test_an_empty_response_template_or_body_sends_nothing(gateway: RunningGateway) -> None:
    with says("something") as backend, says("") as empty:
        api = gateway.api({
            "template": http(backend.url, two_way=True, responses=[response("$default", "")]),
            "body": http(empty.url, two_way=True),
            "proxy": http(empty.url, "HTTP_PROXY", two_way=True),
            "input": http(empty.url, two_way=True, responses=[response("$default", "[$input.body]")]),
        })  # fmt: skip
        with api.connect() as client:
            for action in ("template", "body", "proxy"):
                client.send(json.dumps({"action": action}))
            eventually(lambda: len(backend.seen) + len(empty.seen) == 3)
            assert silent(client)
            client.send('{"action":"input"}')
            assert client.recv(5) == "[{}]"


def test_a_response_template_that_fails_is_an_internal_server_error(gateway: RunningGateway) -> None:
    with says("x") as backend:
        responses = [response("$default", "$context.stage.substring(99)")]
        api = gateway.api({"$default": http(backend.url, two_way=True, responses=responses)})
        assert frame(api) == "Internal server error"


def test_a_response_template_sees_what_the_request_template_overrode(gateway: RunningGateway) -> None:
    with says("x") as backend:
        integration = http(
            backend.url,
            two_way=True,
            RequestTemplates={"$default": "#set($context.requestOverride.header.X-Who = 'Ada')x"},
            responses=[response("$default", "by $context.requestOverride.header.X-Who")],
        )
        assert frame(gateway.api({"$default": integration})) == "by Ada"
    assert backend.seen[0].headers["X-Who"] == "Ada"


# Headers, which only the answer to a handshake has

ANSWER = (
    b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Own: 1\r\nContent-Type: application/json\r\nContent-Length: 35\r\n\r\n"
    b'{"deep":{"er":[7,"x"]},"text":"ok"}'
)
PARAMETERS = {
    "method.response.header.X-Last": "integration.response.header.set-cookie",
    "method.response.header.X-All": "integration.response.multivalueheader.Set-Cookie",
    "route.response.header.X-Body": "integration.response.body.deep.er[1]",
    "method.response.header.X-Object": "integration.response.body.deep",
    "method.response.header.X-Static": "'static'",
    "method.response.header.X-Event": "context.eventType",
    "method.response.header.X-Env": "stageVariables.env",
    "method.response.header.X-None": "integration.response.body.missing",
    "method.response.header.X-No-Header": "integration.response.header.missing",
    "method.response.header.X-No-Variable": "stageVariables.missing",
    "method.response.header.Content-Length": "'3'",
    "method.response.header.Connection": "'upgrade, close'",
    "method.response.header.Sec-WebSocket-Accept": "'x'",
}
MAPPED = {
    "x-last": "b=2",
    "x-all": "a=1,b=2",
    "x-body": "x",
    "x-object": '{"er":[7,"x"]}',
    "x-static": "static",
    "x-event": "CONNECT",
    "x-env": "production",
}


def connecting(gateway: RunningGateway, backend: RawBackend | Backend, **members: Any) -> TestApi:
    """An API whose $connect is an HTTP integration with one response."""
    integration = http(backend.url, responses=[response("$default", **members)])
    return gateway.api({"$connect": integration}, variables={"env": "production"})


def test_response_parameters_reach_the_101(gateway: RunningGateway) -> None:
    with RawBackend(answering(b"HTTP/1.1 200 OK\r\n" + ANSWER)) as backend:
        api = connecting(gateway, backend, ResponseParameters=PARAMETERS)
        with api.connect() as client:
            assert client.response is not None
            headers = {name.lower(): value for name, value in client.response.headers.raw_items()}
    assert MAPPED.items() <= headers.items()
    assert headers["connection"] == "Upgrade"
    assert not {"x-none", "x-no-header", "x-no-variable", "x-own", "set-cookie", "content-length"} & set(headers)


def test_response_parameters_reach_a_refusal_with_the_mapped_body(gateway: RunningGateway) -> None:
    with RawBackend(answering(b"HTTP/1.1 403 Forbidden\r\n" + ANSWER)) as backend:
        template = "no: $input.path('$.deep.er[0]')"
        status, headers, body = refused(connecting(gateway, backend, template=template, ResponseParameters=PARAMETERS))
    assert (status, body) == (403, "no: 7")
    assert MAPPED.items() <= headers.items()
    assert headers["connection"] == "close"
    assert headers["content-length"] == "5"
    assert not {"x-none", "x-no-header", "x-no-variable", "x-own", "set-cookie"} & set(headers)


@pytest.mark.parametrize(("offered", "chosen"), [(["chat", "other"], "chat"), (None, None)])
def test_a_response_parameter_may_choose_the_subprotocol(
    gateway: RunningGateway, offered: Any, chosen: str | None
) -> None:
    parameters = {"method.response.header.sec-websocket-protocol": "'chat'"}
    with says("") as backend:
        api = connecting(gateway, backend, ResponseParameters=parameters)
        with api.connect(subprotocols=offered) as client:
            assert client.subprotocol == chosen


# The handshake's outcome


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_of_an_http_backend_accepts(gateway: RunningGateway, status: int) -> None:
    backend = says("" if status == 204 else "dropped", status)
    with backend, connecting(gateway, backend).connect() as client:
        assert client.response is not None
        assert client.response.status_code == 101
        assert silent(client)


@pytest.mark.parametrize(("status", "body"), [(302, "go away"), (304, ""), (401, "go away"), (503, "go away")])
def test_another_status_of_an_http_backend_refuses_with_it(gateway: RunningGateway, status: int, body: str) -> None:
    answer = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    with RawBackend(answering(answer.encode())) as backend:
        code, _, got = refused(connecting(gateway, backend))
    assert (code, got) == (status, body)


def test_a_handshake_without_a_fitting_response_is_refused_with_500(gateway: RunningGateway) -> None:
    with says("") as backend:
        api = gateway.api({"$connect": http(backend.url, responses=[response("/4../")])})
        status, _, body = refused(api)
    match = REFUSAL.fullmatch(body)
    assert (status, match and match[1]) == (500, "Internal server error")


@pytest.mark.parametrize(
    ("answered", "template", "status"),
    [
        (200, "#set($context.responseOverride.status = 401)", 401),
        (200, "#set($context.responseOverride.status = '402')", 402),
        (500, "#set($context.responseOverride.status = 200)", 101),
        (401, "#set($context.responseOverride.status = 204)", 101),
        (401, "#set($context.responseOverride.status = 600)", 401),
        (401, "#set($context.responseOverride.status = 99)", 401),
        (401, "#set($context.responseOverride.status = 'ok')", 401),
        (401, "#set($context.responseOverride.status = true)", 401),
        (200, "#if($input.path('$.admin') != true)#set($context.responseOverride.status = 403)#end", 403),
    ],
)
def test_a_response_template_may_decide_on_the_handshake(
    gateway: RunningGateway, answered: int, template: str, status: int
) -> None:
    with says('{"admin":false}', answered) as backend:
        api = connecting(gateway, backend, template="told" + template)
        if status == 101:
            with api.connect():
                return
        code, _, body = refused(api)
    assert (code, body) == (status, "told")


def test_a_response_template_overrides_headers(gateway: RunningGateway) -> None:
    template = (
        "#set($context.responseOverride.status = $input.path('$.status'))"
        "#set($context.responseOverride.header.x-mapped = 'overridden')"
        "#set($context.responseOverride.header['X-New'] = $input.path('$.new'))"
    )
    parameters = {"method.response.header.X-Mapped": "'mapped'", "method.response.header.X-Kept": "'kept'"}
    expected = {"x-mapped": "overridden", "x-new": "7", "x-kept": "kept"}
    with says('{"status":200,"new":7}') as good, says('{"status":418,"new":7}') as bad:
        api = connecting(gateway, good, template=template, ResponseParameters=parameters)
        with api.connect() as client:
            assert client.response is not None
            headers = {name.lower(): value for name, value in client.response.headers.raw_items()}
            assert expected.items() <= headers.items()
        status, headers, _ = refused(connecting(gateway, bad, template=template, ResponseParameters=parameters))
    assert status == 418
    assert expected.items() <= headers.items()


# Content handling

BINARY = b"\x00\x01\xfe\xff text"
BASE64 = base64.b64encode(BINARY).decode()


@pytest.mark.parametrize(
    ("answer", "strategy", "template", "expected"),
    [
        ("text é".encode(), None, None, "text é"),
        ("text é".encode(), "CONVERT_TO_TEXT", None, "text é"),
        (b"dGV4dA==", "CONVERT_TO_BINARY", None, "text"),
        (b" dGV4\r\ndA==\n", "CONVERT_TO_BINARY", None, "text"),
        (BASE64.encode(), "CONVERT_TO_BINARY", None, "\x00\x01\ufffd\ufffd text"),
        (b"no base64!", "CONVERT_TO_BINARY", None, "Internal server error"),
        (BINARY, None, None, "\x00\x01\ufffd\ufffd text"),
        (BINARY, "CONVERT_TO_TEXT", None, BASE64),
        (BINARY, "CONVERT_TO_BINARY", None, "\x00\x01\ufffd\ufffd text"),
        (BINARY, "CONVERT_TO_TEXT", "<$input.body>", f"<{BASE64}>"),
        (b"text", "CONVERT_TO_TEXT", "<$input.body>", "<text>"),
        (b'{"data":"dGV4dA=="}', "CONVERT_TO_BINARY", "$input.path('$.data')", "text"),
        (b'{"data":"?"}', "CONVERT_TO_BINARY", "$input.path('$.data')", "Internal server error"),
    ],
)
def test_content_handling_converts_the_answer(
    gateway: RunningGateway, answer: bytes, strategy: str | None, template: str | None, expected: str
) -> None:
    members = {} if strategy is None else {"ContentHandlingStrategy": strategy}
    with says(answer) as backend:
        responses = [response("$default", template, **members)]
        assert frame(gateway.api({"$default": http(backend.url, two_way=True, responses=responses)})) == expected


def test_a_binary_answer_of_an_http_proxy_is_sent_as_text(gateway: RunningGateway) -> None:
    with says(BINARY) as backend:
        api = gateway.api({"$default": http(backend.url, "HTTP_PROXY", two_way=True)})
        with api.connect() as client:
            client.send("x")
            assert client.recv(5) == "\x00\x01\ufffd\ufffd text"


# How answers travel

TEXT = "a long text, é, " * 200
PLAIN = TEXT.encode()


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def in_chunks(body: bytes, more: bytes = b"", trailers: bytes = b"") -> bytes:
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return HEAD + more + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailers + b"\r\n"


@kinds
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(with_length(PLAIN), id="plain"),
        pytest.param(in_chunks(PLAIN), id="chunks"),
        pytest.param(in_chunks(PLAIN, trailers=b"X-Sum: 1\r\n"), id="chunks and a trailer"),
        pytest.param(with_length(gzip.compress(PLAIN), b"Content-Encoding: gzip\r\n"), id="gzip"),
        pytest.param(with_length(gzip.compress(PLAIN), b"content-encoding: GZIP\r\n"), id="GZIP"),
        pytest.param(with_length(gzip.compress(PLAIN), b"Content-Encoding: x-gzip\r\n"), id="x-gzip"),
        pytest.param(in_chunks(gzip.compress(PLAIN), b"Content-Encoding: gzip\r\n"), id="gzip in chunks"),
        pytest.param(with_length(zlib.compress(PLAIN), b"Content-Encoding: deflate\r\n"), id="deflate"),
        pytest.param(with_length(raw_deflate(PLAIN), b"Content-Encoding: deflate\r\n"), id="raw deflate"),
        pytest.param(with_length(PLAIN, b"Content-Encoding: identity\r\n"), id="identity"),
        pytest.param(
            with_length(gzip.compress(PLAIN[:1000]) + gzip.compress(PLAIN[1000:]), b"Content-Encoding: gzip\r\n"),
            id="gzip of two members",
        ),
        *(
            pytest.param(with_length(gzip.compress(PLAIN) + padding, b"Content-Encoding: gzip\r\n"), id=f"padding {at}")
            for at, padding in enumerate([b"\0" * 512, b"\0" * 200_000, b"\r\n", b"not gzip"])
        ),
        pytest.param(
            with_length(gzip.compress(PLAIN) + b"\0", b"Content-Encoding: gzip\r\n"),
            id="one byte of padding",
        ),
        pytest.param(
            in_chunks(PLAIN, trailers=b"Content-Encoding: gzip\r\n"),
            id="a trailer that looks like a header",
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + with_length(PLAIN), id="continue first"),
        pytest.param(b"HTTP/1.1 103 Hints\r\nContent-Encoding: gzip\r\n\r\n" + with_length(PLAIN), id="hints first"),
    ],
)
def test_the_client_gets_the_text_however_it_travels(gateway: RunningGateway, kind: str, answer: bytes) -> None:
    with RawBackend(answering(answer)) as backend:
        api = gateway.api({"$default": http(backend.url, kind, two_way=True)})
        with api.connect() as client:
            for _ in range(2):
                client.send("x")
                assert client.recv(5) == TEXT
        assert len(backend.accepted) == 1


@kinds
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HEAD + b"\r\n" + PLAIN, id="until it closes"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + PLAIN, id="HTTP/1.0"),
        pytest.param(with_length(PLAIN, b"Connection: close\r\n"), id="Connection: close"),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PLAIN), id="gzip until it closes"),
    ],
)
def test_a_backend_may_close_after_each_answer(gateway: RunningGateway, kind: str, answer: bytes) -> None:
    with RawBackend(closing(answer)) as backend:
        api = gateway.api({"$default": http(backend.url, kind, two_way=True)})
        with api.connect() as client:
            for _ in range(2):
                client.send("x")
                assert client.recv(5) == TEXT
        assert len(backend.accepted) == 2


def test_an_answer_may_come_byte_by_byte(gateway: RunningGateway) -> None:
    def serve(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while read_request(client):
            for byte in in_chunks("in pieces é".encode()):
                client.sendall(bytes([byte]))

    with RawBackend(serve) as backend:
        assert frame(gateway.api({"$default": http(backend.url, two_way=True)})) == "in pieces é"


@kinds
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("POST", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("POST", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("POST", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("POST", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_ends_at_its_head(
    gateway: RunningGateway, kind: str, method: str, answer: bytes
) -> None:
    """Were more waited for, the message would end in an error frame."""
    with RawBackend(answering(answer)) as backend:
        members = {"responses": [response("$default", "no body: $input.body")]} if kind == "HTTP" else {}
        integration = http(backend.url, kind, IntegrationMethod=method, TimeoutInMillis=100, two_way=True, **members)
        with gateway.api({"$default": integration}).connect() as client:
            client.send("x")
            if kind == "HTTP":
                assert client.recv(5) == "no body: {}"
            else:
                eventually(lambda: backend.accepted)
                with pytest.raises(TimeoutError):
                    client.recv(0.2)


@kinds
@pytest.mark.parametrize(("size", "fits"), [(128 * 1024, True), (128 * 1024 + 1, False)])
def test_an_answer_of_more_than_128_kb_is_too_long_for_a_frame(
    gateway: RunningGateway, kind: str, size: int, fits: bool
) -> None:
    with says("x" * size) as backend:
        api = gateway.api({"$default": http(backend.url, kind, two_way=True), "one-way": http(backend.url, kind)})
        with api.connect() as client:
            client.send("x")
            got = str(client.recv(5))
            assert got == "x" * size if fits else error(got) == "Internal server error"
            client.send('{"action":"one-way"}')
            eventually(lambda: len(backend.seen) == 2)
            assert silent(client)


def test_a_template_may_shorten_an_answer_that_is_too_long(gateway: RunningGateway) -> None:
    with says(json.dumps({"short": "yes", "long": "x" * 1_000_000})) as backend:
        responses = [response("$default", "$input.path('$.short')")]
        assert frame(gateway.api({"$default": http(backend.url, two_way=True, responses=responses)})) == "yes"


# Connections to backends


@pytest.mark.parametrize(
    "idle",
    [
        1,
        pytest.param(
            3,
        ),
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_stale_connections_to_a_backend_cost_no_message(gateway: RunningGateway, idle: int, reset: bool) -> None:
    """As behind a load balancer that was restarted: each old connection ends when it is used again."""
    together = threading.Barrier(idle)
    stale = threading.Event()

    def serve(client: socket.socket) -> None:
        while request := read_request(client):
            if not stale.is_set():
                together.wait(5)
            elif client in old:
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            client.sendall(with_length(request.partition(b"\r\n\r\n")[2]))

    with RawBackend(serve) as backend:
        api = gateway.api({"$default": http(backend.url, two_way=True)})
        with api.connect() as client:
            for number in range(idle):
                client.send(str(number))
            assert sorted(str(client.recv(5)) for _ in range(idle)) == [str(number) for number in range(idle)]
            old = list(backend.accepted)
            stale.set()
            client.send("again")
            assert client.recv(5) == "again"


def test_a_message_that_a_new_connection_loses_is_not_sent_twice(gateway: RunningGateway) -> None:
    """It may have been acted upon."""
    requests = []

    def serve(client: socket.socket) -> None:
        requests.append(read_request(client))

    with RawBackend(serve) as backend:
        assert frame(gateway.api({"$default": http(backend.url, two_way=True)})) == "Internal server error"
        assert len(requests) == len(backend.accepted) == 1


def test_a_message_that_was_answered_in_part_is_not_sent_twice(gateway: RunningGateway) -> None:
    requests = []

    def serve(client: socket.socket) -> None:
        while request := read_request(client):
            requests.append(request)
            if len(requests) == 2:
                client.sendall(b"HTTP/1.1 2")
                return
            client.sendall(with_length(b"ok"))

    with RawBackend(serve) as backend:
        with gateway.api({"$default": http(backend.url, two_way=True)}).connect() as client:
            client.send("1")
            assert client.recv(5) == "ok"
            client.send("2")
            assert error(client.recv(5)) == "Internal server error"
        assert len(requests) == 2


def test_a_late_answer_does_not_reach_another_message(gateway: RunningGateway) -> None:
    late = threading.Event()

    def serve(client: socket.socket) -> None:
        while request := read_request(client):
            if request.endswith(b"slow"):
                late.wait(5)
            client.sendall(with_length(request.rpartition(b"\r\n")[2]))

    with RawBackend(serve) as backend:
        api = gateway.api({"$default": http(backend.url, two_way=True, TimeoutInMillis=100)})
        with api.connect() as client:
            client.send("slow")
            assert error(client.recv(5)) == "Endpoint request timed out"
            client.send("first")
            late.set()
            assert client.recv(5) == "first"
            client.send("second")
            assert client.recv(5) == "second"


def test_more_than_one_answer_to_a_request_does_not_reach_another_message(gateway: RunningGateway) -> None:
    def serve(client: socket.socket) -> None:
        while request := read_request(client):
            client.sendall(with_length(request.rpartition(b"\r\n")[2]) + with_length(b"smuggled"))

    backend = RawBackend(serve)
    with backend, gateway.api({"$default": http(backend.url, two_way=True)}).connect() as client:
        for number in range(5):
            client.send(str(number))
            assert client.recv(5) == str(number)

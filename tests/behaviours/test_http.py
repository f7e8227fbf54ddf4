"""What HTTP and HTTP_PROXY integrations ask of their backends (spec 4.1 to 4.9)."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import regex

from tests.backends import RawBackend, read_request
from tests.behaviours.test_connect import FRAME as REFUSAL
from tests.behaviours.test_connect import refused
from tests.support import Backend, Lines, RunningGateway, Seen, TestApi, error, eventually, http, mock

kinds = pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])


def mirrored(seen: Seen) -> tuple[int, Mapping[str, str], bytes]:
    """An answer that tells what was asked."""
    told = {"method": seen.method, "target": seen.target, "headers": seen.headers, "body": seen.body.decode("latin-1")}
    return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()


@pytest.fixture
def mirror() -> Iterator[Backend]:
    with Backend(mirrored) as backend:
        yield backend


def ask(api: TestApi, message: str = "x") -> Seen:
    """The request that a message ends in, as the mirror tells it."""
    with api.connect() as client:
        client.send(message)
        frame = client.recv(5)
    told = json.loads(frame)
    assert "target" in told, frame
    return Seen(told["method"], told["target"], told["headers"], told["body"].encode("latin-1"))


def two_way(uri: str, kind: str = "HTTP", **members: Any) -> dict[str, Any]:
    return http(uri, kind, two_way=True, **members)


# The request


def test_an_http_integration_without_a_template_sends_the_message_as_it_is(
    gateway: RunningGateway, mirror: Backend
) -> None:
    api = gateway.api({"$default": two_way(mirror.url + "/path?fixed=1")})
    seen = ask(api, "no JSON é")
    assert (seen.method, seen.target, seen.body) == ("POST", "/path?fixed=1", "no JSON é".encode())
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", seen.headers.pop("X-Amzn-Trace-Id"))
    assert seen.headers == {
        "Host": mirror.url.removeprefix("http://"),
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"AmazonAPIGateway_{api.id}",
        "x-amzn-apigateway-api-id": api.id,
        "Content-Length": str(len(seen.body)),
    }


@pytest.mark.parametrize("path", ["", "/"])
def test_a_uri_without_a_path_asks_for_the_root(gateway: RunningGateway, mirror: Backend, path: str) -> None:
    assert ask(gateway.api({"$default": two_way(mirror.url + path)})).target == "/"


@kinds
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_the_method_is_the_integrations_own_and_some_have_no_body(
    gateway: RunningGateway, kind: str, method: str
) -> None:
    requests = []

    def serve(client: socket.socket) -> None:
        while request := read_request(client):
            requests.append(request)
            client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with RawBackend(serve) as backend:
        api = gateway.api({"$default": two_way(backend.url, kind, IntegrationMethod=method)})
        with api.connect() as client:
            client.send("one")
            eventually(lambda: len(requests) == 1)
            client.send("two")
            eventually(lambda: len(requests) == 2)
    for request, text in zip(requests, (b"one", b"two"), strict=True):
        head, _, body = request.partition(b"\r\n\r\n")
        bodyless = method in ("GET", "HEAD", "OPTIONS")
        assert head.split(b"\r\n")[0] == f"{method} / HTTP/1.1".encode()
        assert body == (b"" if bodyless else text)
        assert (b"content-length" in head.lower()) == (not bodyless)
        assert b"transfer-encoding" not in head.lower()


@kinds
def test_what_is_mapped_replaces_default_headers(gateway: RunningGateway, mirror: Backend, kind: str) -> None:
    names = ["host", "ACCEPT", "content-type", "User-agent"]
    parameters = {f"integration.request.header.{name}": "'mine'" for name in names}
    seen = ask(gateway.api({"$default": two_way(mirror.url, kind, RequestParameters=parameters)}))
    got = {name.lower(): value for name, value in seen.headers.items()}
    assert {name.lower(): got[name.lower()] for name in names} == {name.lower(): "mine" for name in names}


@kinds
@pytest.mark.parametrize("name", ["Expect", "proxy-authenticate", "TE", "Via"])
def test_some_headers_are_dropped_though_they_are_mapped(
    gateway: RunningGateway, mirror: Backend, kind: str, name: str
) -> None:
    parameters = {f"integration.request.header.{name}": "'x'", "integration.request.header.Referer": "'kept'"}
    seen = ask(gateway.api({"$default": two_way(mirror.url, kind, RequestParameters=parameters)}))
    assert name.lower() not in {each.lower() for each in seen.headers}
    assert seen.headers["Referer"] == "kept"


REFUSED = ["Content-Length", "transfer-encoding", "x-amzn-trace-id", "X-Amzn-Apigateway-Api-Id"]


@kinds
@pytest.mark.parametrize("name", REFUSED)
def test_some_headers_cannot_be_mapped(gateway: RunningGateway, mirror: Backend, kind: str, name: str) -> None:
    parameters = {f"integration.request.header.{name}": "'1'"}
    api = gateway.api({"$default": two_way(mirror.url, kind, RequestParameters=parameters)})
    with api.connect() as client:
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"
    assert not mirror.seen


@pytest.mark.parametrize("name", REFUSED)
def test_a_template_cannot_set_what_cannot_be_mapped(gateway: RunningGateway, mirror: Backend, name: str) -> None:
    template = f"#set($context.requestOverride.header['{name}'] = '1')x"
    api = gateway.api({"$default": two_way(mirror.url, RequestTemplates={"$default": template})})
    with api.connect() as client:
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"
    assert not mirror.seen


@kinds
def test_redirects_are_not_followed(gateway: RunningGateway, kind: str) -> None:
    with Backend(lambda seen: (302, {"Location": "/elsewhere"}, b"go there")) as backend:
        responses = [{"IntegrationResponseKey": "302"}]
        members = {"responses": responses} if kind == "HTTP" else {}
        with gateway.api({"$default": two_way(backend.url + "/here", kind, **members)}).connect() as client:
            client.send("x")
            assert client.recv(5) == "go there"
    assert [seen.target for seen in backend.seen] == ["/here"]


@kinds
def test_an_http_backend_hears_of_a_disconnect_without_a_body(
    gateway: RunningGateway, mirror: Backend, kind: str
) -> None:
    parameters = {
        "integration.request.header.code": "context.disconnectStatusCode",
        "integration.request.header.reason": "context.disconnectReason",
        "integration.request.querystring.event": "context.eventType",
        "integration.request.header.body": "route.request.body",
        "integration.request.header.auth": "route.request.header.Auth",
    }
    api = gateway.api({"$disconnect": http(mirror.url + "/gone", kind, RequestParameters=parameters)})
    with api.connect(additional_headers={"Auth": "secret"}) as client:
        client.close(4001, "done")
    eventually(lambda: mirror.seen)
    [seen] = mirror.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/gone?event=DISCONNECT", b"")
    assert (seen.headers["code"], seen.headers["reason"]) == ("4001", "done")
    assert not {"body", "auth"} & set(seen.headers)


# The handshake


HANDSHAKE = [
    ("Auth", "secret"),
    ("X-Twice", "one"),
    ("X-Twice", "two"),
    ("Referer", "http://example.com/"),
    ("Content-Encoding", "gzip"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Authorization", "Basic eDp5"),
    ("TE", "trailers"),
    ("Trailer", "X-Last"),
    ("Via", "1.1 proxy"),
    ("X-Amzn-Apigateway-Api-Id", "forged"),
    ("X-User", "forged"),
]


def handshake_at(gateway: RunningGateway, kind: str, **members: Any) -> tuple[TestApi, str, list[tuple[str, str]]]:
    """What a handshake with HANDSHAKE and a query asks of its backend: the API, request line and headers."""
    requests = []

    def serve(client: socket.socket) -> None:
        requests.append(read_request(client))
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with RawBackend(serve) as backend:
        api = gateway.api({"$connect": http(backend.url + "/in?fixed=1", kind, **members)})
        with api.connect("?a=1&a=2&b=%20c", additional_headers=HANDSHAKE, user_agent_header="me/1.0"):
            pass
    [request] = requests
    head, _, body = request.decode().partition("\r\n\r\n")
    assert body == ""
    line, *headers = head.split("\r\n")
    named = [header.partition(": ") for header in headers]
    assert {"Host": backend.url.removeprefix("http://")}.items() <= {name: value for name, _, value in named}.items()
    return api, line, [(name, value) for name, _, value in named]


def test_an_http_proxy_backend_gets_the_handshake_but_for_what_is_between_two_hops(gateway: RunningGateway) -> None:
    api, line, headers = handshake_at(gateway, "HTTP_PROXY", IntegrationMethod="GET")
    assert line == "GET /in?fixed=1&a=1&a=2&b=%20c HTTP/1.1"
    names = [name.lower() for name, _ in headers]
    assert {("Auth", "secret"), ("X-Twice", "one"), ("X-Twice", "two"), ("User-Agent", "me/1.0")} <= set(headers)
    assert ("Referer", "http://example.com/") in headers
    assert ("Sec-WebSocket-Version", "13") in headers
    assert ("x-amzn-apigateway-api-id", api.id) in headers
    assert names.count("host") == names.count("x-amzn-trace-id") == names.count("x-amzn-apigateway-api-id") == 1
    gone = "content-encoding connection upgrade keep-alive proxy-authorization te trailer via transfer-encoding"
    assert not set(names) & set(gone.split())


def test_a_mapping_replaces_a_header_of_the_handshake(gateway: RunningGateway) -> None:
    parameters = {
        "integration.request.header.sec-websocket-version": "'0'",
        "integration.request.header.X-Twice": "'once'",
        "integration.request.querystring.more": "route.request.querystring.b",
    }
    _, line, headers = handshake_at(gateway, "HTTP_PROXY", RequestParameters=parameters)
    assert line == "POST /in?fixed=1&a=1&a=2&b=%20c&more=%20c HTTP/1.1"
    got = [pair for pair in headers if pair[0].lower() in ("sec-websocket-version", "x-twice")]
    assert sorted(got) == [("X-Twice", "once"), ("sec-websocket-version", "0")]


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("route.request.querystring.a", ["2"]),
        ("route.request.querystring.missing", []),
        ("context.authorizer.principalId", []),
        ("stageVariables.missing", []),
    ],
)
@pytest.mark.parametrize("name", ["X-User", "x-user"])
def test_a_client_cannot_send_a_header_that_is_mapped(
    gateway: RunningGateway, name: str, source: str, values: list[str]
) -> None:
    parameters = {f"integration.request.header.{name}": source}
    _, _, headers = handshake_at(gateway, "HTTP_PROXY", RequestParameters=parameters)
    assert [value for each, value in headers if each.lower() == "x-user"] == values


def test_an_http_backend_gets_nothing_of_the_handshake_that_is_not_mapped(gateway: RunningGateway) -> None:
    parameters = {"integration.request.header.token": "route.request.header.Auth"}
    api, line, headers = handshake_at(gateway, "HTTP", RequestParameters=parameters)
    assert line == "POST /in?fixed=1 HTTP/1.1"
    got = dict(headers)
    assert len(got) == len(headers)
    del got["Host"], got["X-Amzn-Trace-Id"]
    assert got == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"AmazonAPIGateway_{api.id}",
        "x-amzn-apigateway-api-id": api.id,
        "token": "secret",
        "Content-Length": "0",
    }


# Stage variables


@kinds
def test_stage_variables_stand_for_any_part_of_the_uri(gateway: RunningGateway, mirror: Backend, kind: str) -> None:
    host, _, port = mirror.url.removeprefix("http://").partition(":")
    uri = (
        "http://${stageVariables.host}:${stageVariables.port}"
        "/in/${stageVariables.path}/${stageVariables.none}?who=${stageVariables.query}&none=${stageVariables.none}"
    )
    variables = {"host": host, "port": port, "path": "a/b", "query": "x&y=z"}
    api = gateway.api({"$default": two_way(uri, kind)}, variables=variables)
    assert ask(api).target == "/in/a/b/?who=x&y=z&none="


def test_a_stage_variable_may_be_the_whole_uri(gateway: RunningGateway, mirror: Backend) -> None:
    variables = {"uri": mirror.url + "/whole?uri=1"}
    api = gateway.api({"$default": two_way("${stageVariables.uri}")}, variables=variables)
    assert ask(api).target == "/whole?uri=1"


@kinds
@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://${stageVariables.nope}/", "(stage variable nope is not set)"),
        ("http://${stageVariables.nope}:80/", "(stage variable nope is not set)"),
        ("${stageVariables.nope}", "(stage variable nope is not set)"),
        ("${stageVariables.b}${stageVariables.a}", "(stage variable a, b is not set)"),
        ("${stageVariables.scheme}://127.0.0.1/", "ftp://127.0.0.1/ is no http:// or https:// URI"),
        ("http://127.0.0.1:${stageVariables.port}/", "http://127.0.0.1:none/"),
    ],
)
def test_a_uri_that_stage_variables_leave_unusable_is_an_internal_server_error_that_names_them(
    gateway: RunningGateway, lines: Lines, kind: str, uri: str, why: str
) -> None:
    variables = {"scheme": "ftp", "port": "none"}
    api = gateway.api({"$connect": None, "$default": two_way(uri, kind)}, variables=variables)
    with api.connect() as client:
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"
    assert why in lines.failed(api)["error"]


# Request parameters

BODY = (
    '{"name":"a b","n":1.50,"big":12345678901234567890,"yes":true,"list":[1,"two"],'
    '"map":{"a":{"b":[1]}},"null":null,"a.b":"dot"}'
)
FROM_A_MESSAGE = {
    "route.request.body": BODY,
    "method.request.body": BODY,
    "route.request.body.name": "a b",
    "method.request.body.name": "a b",
    "route.request.body.n": "1.50",
    "route.request.body.big": "12345678901234567890",
    "route.request.body.yes": "true",
    "route.request.body.list": '[1,"two"]',
    "route.request.body.list[1]": "two",
    "route.request.body.list[*]": '[1,"two"]',
    "route.request.body.map": '{"a":{"b":[1]}}',
    "route.request.body.map.a.b[0]": "1",
    "route.request.body['a.b']": "dot",
    "route.request.body.null": None,
    "route.request.body.missing": None,
    "route.request.body.name.deeper": None,
    "route.request.header.Auth": None,
    "route.request.querystring.a": None,
    "route.request.multivalueheader.Auth": None,
    "route.request.multivaluequerystring.a": None,
    "context.routeKey": "$default",
    "context.eventType": "MESSAGE",
    "context.stage": "test",
    "context.messageDirection": "IN",
    "context.identity.sourceIp": "127.0.0.1",
    "context.identity.userAgent": "me/1.0",
    "context.disconnectReason": None,
    "context.nosuch": None,
    "context.identity": None,
    "stageVariables.env": "production",
    "stageVariables.nosuch": None,
    "'literal'": "literal",
    "'it's'": "it's",
    "'context.stage'": "context.stage",
}


def mapped(location: str, sources: Any) -> dict[str, str]:
    return {f"integration.request.{location}.p{at}": source for at, source in enumerate(sources)}


def by_source(found: Mapping[str, str], sources: Any) -> dict[str, str | None]:
    return {source: found.get(f"p{at}") for at, source in enumerate(sources)}


@kinds
def test_a_message_gives_its_parameters_and_what_yields_nothing_is_left_out(
    gateway: RunningGateway, mirror: Backend, kind: str
) -> None:
    integration = two_way(mirror.url, kind, RequestParameters=mapped("header", FROM_A_MESSAGE))
    api = gateway.api({"$default": integration}, variables={"env": "production"})
    with api.connect("?a=1", additional_headers={"Auth": "secret"}, user_agent_header="me/1.0") as client:
        client.send(BODY)
        found = json.loads(client.recv(5))["headers"]
    assert by_source(found, FROM_A_MESSAGE) == FROM_A_MESSAGE


def test_context_values_of_a_message_are_those_of_this_message(gateway: RunningGateway, mirror: Backend) -> None:
    sources = ["context.connectionId", "context.apiId", "context.messageId", "context.requestId",
               "context.extendedRequestId", "context.requestTimeEpoch", "context.requestTime", "context.connectedAt",
               "context.domainName"]  # fmt: skip
    api = gateway.api({"$default": two_way(mirror.url, RequestParameters=mapped("header", sources))})
    with api.connect() as client:
        found = []
        for _ in range(2):
            client.send("x")
            found.append(by_source(json.loads(client.recv(5))["headers"], sources))
        [connection_id] = api.connection_ids()
    for each in found:
        assert each["context.connectionId"] == connection_id
        assert each["context.apiId"] == api.id
        assert each["context.requestId"] == each["context.extendedRequestId"]
        assert re.fullmatch(r"\d{13}", str(each["context.requestTimeEpoch"]))
        assert re.fullmatch(r"\d{2}/\w{3}/\d{4}:\d{2}:\d{2}:\d{2} \+0000", str(each["context.requestTime"]))
    for name in ("context.messageId", "context.requestId"):
        assert found[0][name] != found[1][name]
    assert found[0]["context.connectedAt"] == found[1]["context.connectedAt"]


@pytest.mark.parametrize(("depth", "found"), [(150, True), (250, False), (900, False)])
def test_a_mapped_value_may_be_nested_but_not_without_bound(
    gateway: RunningGateway, mirror: Backend, depth: int, found: bool
) -> None:
    nested = "[" * depth + "]" * depth
    parameters = mapped("header", ["route.request.body.x"])
    api = gateway.api({"$default": two_way(mirror.url, RequestParameters=parameters)})
    assert ask(api, f'{{"x":{nested}}}').headers.get("p0") == (nested if found else None)


@pytest.mark.parametrize("message", ["not JSON", ""])
def test_a_message_that_is_not_json_has_a_body_but_no_members(
    gateway: RunningGateway, mirror: Backend, message: str
) -> None:
    sources = ["route.request.body", "route.request.body.name"]
    api = gateway.api({"$default": two_way(mirror.url, RequestParameters=mapped("header", sources))})
    found = by_source(ask(api, message).headers, sources)
    assert found == {"route.request.body": message or None, "route.request.body.name": None}


FROM_A_HANDSHAKE = {
    "route.request.header.X-Twice": "two",
    "method.request.header.X-Twice": "two",
    "route.request.header.x-twice": "two",
    "route.request.header.Missing": None,
    "route.request.multivalueheader.X-Twice": "one,two",
    "method.request.multivalueheader.x-twice": "one,two",
    "route.request.multivalueheader.Missing": None,
    "route.request.querystring.a": "2",
    "method.request.querystring.b": " c",
    "route.request.querystring.A": None,
    "route.request.querystring.missing": None,
    "route.request.multivaluequerystring.a": "1,2",
    "route.request.multivaluequerystring.missing": None,
    "route.request.body": None,
    "route.request.body.name": None,
    "context.eventType": "CONNECT",
    "context.routeKey": "$connect",
    "context.messageId": None,
    "stageVariables.env": "production",
    "'literal'": "literal",
}


@kinds
def test_a_handshake_gives_its_parameters(gateway: RunningGateway, mirror: Backend, kind: str) -> None:
    declared = {
        f"route.request.{source.split('.', 2)[2]}": {"Required": False}
        for source in FROM_A_HANDSHAKE
        if re.match(r"\w+\.request\.(header|querystring)\.", source)
    }
    integration = http(mirror.url, kind, RequestParameters=mapped("header", FROM_A_HANDSHAKE))
    integration["route"] = {"RequestParameters": declared}
    api = gateway.api({"$connect": integration}, variables={"env": "production"})
    with api.connect("?a=1&a=2&b=%20c", additional_headers=[("X-Twice", "one"), ("X-Twice", "two")]):
        pass
    [seen] = mirror.seen
    # Header values lose the blanks around them on the way.
    expected = {source: value and value.strip() for source, value in FROM_A_HANDSHAKE.items()}
    assert by_source(seen.headers, FROM_A_HANDSHAKE) == expected


@kinds
def test_literals_go_into_path_and_query_verbatim_and_all_else_is_encoded(
    gateway: RunningGateway, mirror: Backend, kind: str
) -> None:
    parameters = {
        "integration.request.path.literal": "'a/b%20c+d;e=f'",
        "integration.request.path.body": "route.request.body.s",
        "integration.request.path.variable": "stageVariables.v",
        "integration.request.path.gone": "route.request.body.gone",
        "integration.request.querystring.literal": "'a%20b&more=1+2'",
        "integration.request.querystring.body": "route.request.body.s",
        "integration.request.querystring.variable": "stageVariables.v",
        "integration.request.querystring.gone": "route.request.body.gone",
        "integration.request.querystring.key": "context.routeKey",
    }
    uri = mirror.url + "/{literal}/{body}/{variable}/{gone}/end?first=1"
    api = gateway.api({"$default": two_way(uri, kind, RequestParameters=parameters)}, variables={"v": "x/y?z=1&w#"})
    seen = ask(api, '{"s":"a b/c?d=e&f#g%20+é{x}"}')
    body, variable = "a%20b%2Fc%3Fd%3De%26f%23g%2520%2B%C3%A9%7Bx%7D", "x%2Fy%3Fz%3D1%26w%23"
    path, _, query = seen.target.partition("?")
    assert path == f"/a/b%20c+d;e=f/{body}/{variable}//end"
    assert query.split("&") == [
        "first=1", "literal=a%20b", "more=1+2", f"body={body}", f"variable={variable}", "key=%24default"
    ]  # fmt: skip


@kinds
@pytest.mark.parametrize("where", ["..", ".", "../x", "a/../b", "a/.."])
def test_a_path_variable_does_not_lead_out_of_its_place(
    gateway: RunningGateway, mirror: Backend, lines: Lines, kind: str, where: str
) -> None:
    parameters = {"integration.request.path.room": "route.request.body.room"}
    api = gateway.api({"$default": two_way(mirror.url + "/in/{room}/end", kind, RequestParameters=parameters)})
    with api.connect() as client:
        client.send(json.dumps({"room": where}))
        assert error(client.recv(5)) == "Internal server error"
    assert f"path variable room is '{where}'" in lines.failed(api)["error"]
    assert not mirror.seen


def test_neither_does_one_that_a_template_sets(gateway: RunningGateway, mirror: Backend, lines: Lines) -> None:
    templates = {"$default": "#set($context.requestOverride.path.room = $input.path('$.room'))x"}
    api = gateway.api({"$default": two_way(mirror.url + "/in/{room}", RequestTemplates=templates)})
    with api.connect() as client:
        client.send('{"room":"../admin"}')
        assert error(client.recv(5)) == "Internal server error"
    assert "path variable room" in lines.failed(api)["error"]
    assert not mirror.seen


@pytest.mark.parametrize(("where", "target"), [("'../x'", "/in/../x"), ("route.request.body.room", "/in/..a...")])
def test_other_dots_in_a_path_are_the_authors_or_harmless(
    gateway: RunningGateway, mirror: Backend, where: str, target: str
) -> None:
    parameters = {"integration.request.path.room": where}
    api = gateway.api({"$default": two_way(mirror.url + "/in/{room}", RequestParameters=parameters)})
    assert ask(api, '{"room":"..a..."}').target == target


def test_a_path_whose_pattern_takes_long_on_many_elements_holds_nobody_up(
    gateway: RunningGateway, mirror: Backend
) -> None:
    pattern = "(?:a|aa)+c?d"
    length, took = 15, 0.0
    while took < 0.03:  # long, but not so long that a single match is given up
        length += 1
        started = time.monotonic()
        assert not regex.fullmatch(pattern, "a" * length)
        took = time.monotonic() - started
    parameters = {"integration.request.header.x": f"route.request.body.list[?(@.a =~ /{pattern}/)]"}
    api = gateway.api(
        {"$default": two_way(mirror.url, RequestParameters=parameters), "ping": mock("pong", two_way=True)}
    )
    with api.connect() as client, api.connect() as other:
        started = time.monotonic()
        client.send(json.dumps({"list": [{"a": "a" * length}] * 60}))
        other.send('{"action":"ping"}')
        assert other.recv(20) == "pong"
        client.recv(20)
        assert time.monotonic() - started < 1


# Templates


def test_a_template_overrides_header_path_and_query(gateway: RunningGateway, mirror: Backend) -> None:
    parameters = {
        "integration.request.header.X-Who": "'mapped'",
        "integration.request.header.kept": "'mapped'",
        "integration.request.path.room": "'mapped'",
        "integration.request.querystring.q": "'mapped'",
    }
    template = """
#set($context.requestOverride.header.x-who = $input.path('$.who'))
#set($context.requestOverride.header['Content-Type'] = 'text/plain')
#set($context.requestOverride.header.new = 7)
#set($context.requestOverride.path.room = 'a b/c')
#set($context.requestOverride.querystring.q = 'a b&c')
#set($context.requestOverride.querystring['n w'] = true)
made for $input.path('$.who')"""
    integration = two_way(mirror.url + "/{room}", RequestParameters=parameters, RequestTemplates={"$default": template})
    seen = ask(gateway.api({"$default": integration}), '{"who":"Ada"}')
    assert seen.target == "/a%20b%2Fc?q=a%20b%26c&n%20w=true"
    assert seen.body.decode().strip() == "made for Ada"
    got = {name.lower(): value for name, value in seen.headers.items()}
    assert (got["x-who"], got["kept"], got["new"], got["content-type"]) == ("Ada", "mapped", "7", "text/plain")


@pytest.mark.parametrize(
    ("templates", "expression", "message", "body"),
    [
        ({"$default": "default", "application/json": "json"}, None, "x", "default"),
        ({"application/json": "json", "text/plain": "text"}, None, "x", "json"),
        ({"$default": "default", "a": "picked"}, "a", "x", "picked"),
        ({"$default": "default", "200": "picked"}, "200", "x", "picked"),
        ({"$default": "default", "200": "picked"}, "$request.body.n", '{"n":200}', "picked"),
        ({"$default": "default", "200": "picked"}, "$request.body.n", '{"n":"200"}', "picked"),
        ({"$default": "default", "a": "picked"}, "$request.body.kind", '{"kind":"a"}', "picked"),
        ({"$default": "default", "a": "picked"}, "${request.body.kind}", '{"kind":"a"}', "picked"),
        (
            {"$default": "default", "a-b": "picked"},
            "${request.body.x}-${request.body.y}",
            '{"x":"a","y":"b"}',
            "picked",
        ),
        ({"$default": "default", "[a, b]": "picked"}, "$request.body.x", '{"x":["a","b"]}', "picked"),
        ({"$default": "default", "{k=v}": "picked"}, "$request.body.x", '{"x":{"k":"v"}}', "picked"),
        ({"$default": "default", "x": "other"}, "\\$default", "x", "default"),
        ({"$default": "default", "x": "other"}, "$default", "x", "default"),
        ({"$default": "default", "A": "other"}, "$request.body.kind", '{"kind":"a"}', "default"),
        ({"$default": "default", "a": "other"}, "$request.body.kind", '{"kind":"b"}', "default"),
        ({"$default": "default", "a": "other"}, "$request.body.kind", "no JSON", "default"),
        ({"$default": "default", "a": "other"}, "$request.header.kind", '{"kind":"a"}', "default"),
        ({"application/json": "json"}, "nosuch", "as it is", "as it is"),
        ({"$default": ""}, None, "x", ""),
        ({"$default": "default", "a": ""}, "a", "x", ""),
        ({"$default": "<$input.path('$.a.b[0]') $input.json('$.a')>"}, None, '{"a":{"b":[7]}}', '<7 {"b":[7]}>'),
    ],
)
def test_the_request_template_is_chosen_by_expression_or_content_type(
    gateway: RunningGateway,
    mirror: Backend,
    templates: dict[str, str],
    expression: str | None,
    message: str,
    body: str,
) -> None:
    members: dict[str, Any] = {} if expression is None else {"TemplateSelectionExpression": expression}
    api = gateway.api({"$default": two_way(mirror.url, RequestTemplates=templates, **members)})
    assert ask(api, message).body.decode() == body


@pytest.mark.parametrize(
    ("templates", "expression", "content_type", "body"),
    [
        ({"application/json": "json", "text/plain": "text"}, None, "text/plain; charset=utf-8", "text"),
        ({"application/json": "json", "text/plain": "text"}, None, None, "json"),
        ({"$default": "default", "text/plain": "text"}, None, "text/plain", "default"),
        ({"application/json": "json"}, None, "text/plain", ""),
        ({"$default": "default", "a": "picked"}, "a", "text/plain", "picked"),
        ({"$default": "default", "a": "other"}, "$request.body.kind", None, "default"),
        ({"$default": "$input.params('q') $input.params('Auth') $context.eventType"}, None, None, "1 secret CONNECT"),
    ],
)
def test_a_handshake_chooses_the_template_by_its_content_type(
    gateway: RunningGateway,
    mirror: Backend,
    templates: dict[str, str],
    expression: str | None,
    content_type: str | None,
    body: str,
) -> None:
    members: dict[str, Any] = {} if expression is None else {"TemplateSelectionExpression": expression}
    headers = {"Auth": "secret"} | ({} if content_type is None else {"Content-Type": content_type})
    api = gateway.api({"$connect": http(mirror.url, RequestTemplates=templates, **members)})
    with api.connect("?q=1", additional_headers=headers):
        pass
    assert [seen.body.decode() for seen in mirror.seen] == [body]


@pytest.mark.parametrize(
    ("matching", "templates", "behavior", "outcome"),
    [
        (True, {"$default": "made"}, "WHEN_NO_MATCH", "transform"),
        (True, {"$default": "made"}, "WHEN_NO_TEMPLATES", "transform"),
        (True, {"$default": "made"}, "NEVER", "transform"),
        (False, {"text/other": "made"}, "WHEN_NO_MATCH", "pass"),
        (False, {"text/other": "made"}, "WHEN_NO_TEMPLATES", "refuse"),
        (False, {"text/other": "made"}, "NEVER", "refuse"),
        (False, {}, "WHEN_NO_MATCH", "pass"),
        (False, {}, "WHEN_NO_TEMPLATES", "pass"),
        (False, {}, "NEVER", "refuse"),
    ],
)
def test_what_no_template_fits_is_passed_or_refused_as_the_integration_says(
    gateway: RunningGateway,
    mirror: Backend,
    matching: bool,
    templates: dict[str, str],
    behavior: str,
    outcome: str,
) -> None:
    members: dict[str, Any] = {"RequestTemplates": templates, "PassthroughBehavior": behavior}
    connecting = gateway.api({"$connect": http(mirror.url, **members)})
    one_way = http(mirror.url, **members)
    api = gateway.api(
        {"$default": two_way(mirror.url, **members), "one-way": one_way, "ping": mock("pong", two_way=True)}
    )
    if outcome != "refuse":
        assert ask(api, "as it is").body == (b"made" if matching else b"as it is")
        with connecting.connect():
            assert mirror.seen[-1].body == (b"made" if matching else b"")
        return
    with api.connect() as client:
        for message in ("as it is", '{"action":"one-way"}'):
            client.send(message)
            assert error(client.recv(5)) == "Unsupported Media Type"
        client.send('{"action":"ping"}')
        assert client.recv(5) == "pong"
    code, _, body = refused(connecting)
    match = REFUSAL.fullmatch(body)
    assert (code, match and match[1]) == (415, "Unsupported Media Type")
    assert not mirror.seen


@pytest.mark.parametrize("behavior", ["WHEN_NO_TEMPLATES", "NEVER"])
def test_an_http_proxy_passes_the_body_whatever_its_templates_say(
    gateway: RunningGateway, mirror: Backend, behavior: str
) -> None:
    templates = {"text/other": "x", "$default": "made"}
    integration = two_way(mirror.url, "HTTP_PROXY", PassthroughBehavior=behavior, RequestTemplates=templates)
    assert ask(gateway.api({"$default": integration}), "as it is").body == b"as it is"


def test_a_request_template_that_fails_calls_nobody(gateway: RunningGateway, mirror: Backend) -> None:
    templates = {"$default": "$context.stage.substring(99)"}
    with gateway.api({"$default": two_way(mirror.url, RequestTemplates=templates)}).connect() as client:
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"
    assert not mirror.seen


# Content handling

BINARY = bytes(range(256))
BASE64 = base64.b64encode(BINARY).decode()


@kinds
@pytest.mark.parametrize(
    ("strategy", "message", "body"),
    [
        (None, "é " + BASE64, ("é " + BASE64).encode()),
        ("CONVERT_TO_TEXT", "é " + BASE64, ("é " + BASE64).encode()),
        ("CONVERT_TO_BINARY", BASE64, BINARY),
        ("CONVERT_TO_BINARY", f" {BASE64[:40]}\r\n\t{BASE64[40:]}\n", BINARY),
        ("CONVERT_TO_BINARY", "", b""),
        ("CONVERT_TO_BINARY", "aGk=", b"hi"),
        ("CONVERT_TO_BINARY", "aGk", None),
        ("CONVERT_TO_BINARY", "no base64!", None),
        ("CONVERT_TO_BINARY", "_-8=", None),
        ("CONVERT_TO_BINARY", "aGk=aGk=", None),
        ("CONVERT_TO_BINARY", "é", None),
    ],
)
def test_content_handling_makes_bytes_of_base64(
    gateway: RunningGateway, mirror: Backend, kind: str, strategy: str | None, message: str, body: bytes | None
) -> None:
    members: dict[str, Any] = {} if strategy is None else {"ContentHandlingStrategy": strategy}
    api = gateway.api({"$default": two_way(mirror.url, kind, **members)})
    if body is not None:
        assert ask(api, message).body == body
        return
    with api.connect() as client:
        client.send(message)
        assert error(client.recv(5)) == "Internal server error"
    assert not mirror.seen


@pytest.mark.parametrize(("message", "body"), [('{"data":"AP8="}', b"\x00\xff"), ('{"data":"?"}', None)])
def test_content_handling_applies_to_what_the_template_makes(
    gateway: RunningGateway, mirror: Backend, message: str, body: bytes | None
) -> None:
    templates = {"$default": "$input.path('$.data')"}
    members: dict[str, Any] = {"RequestTemplates": templates, "ContentHandlingStrategy": "CONVERT_TO_BINARY"}
    api = gateway.api({"$default": two_way(mirror.url, **members)})
    if body is not None:
        assert ask(api, message).body == body
        return
    with api.connect() as client:
        client.send(message)
        assert error(client.recv(5)) == "Internal server error"

"""Messages: which route they take, who gets an answer, and what an error looks like (spec 3, 6)."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.backends import RawBackend, closing
from tests.behaviours.functions import OBEDIENT
from tests.support import FRAME, Backend, Lines, RunningGateway, TestApi, error, mock, proxy, running, silent


@pytest.fixture(scope="module")
def router(gateway: RunningGateway) -> TestApi:
    """Each route answers with its own key."""
    keys = ["join", "a/b", "1", "1.50", "true", "null", "[1, x]", "{k=v}", "with space", "é", "$default"]
    return gateway.api({key: mock(f"to {key.strip('$')}", two_way=True) for key in keys})


@pytest.mark.parametrize(
    ("message", "route"),
    [
        ('{"action":"join"}', "join"),
        ('{"action":"a/b"}', "a/b"),
        ('{"action":"with space"}', "with space"),
        ('{"action":"\\u00e9"}', "é"),
        ('{"action":1}', "1"),
        ('{"action":1.50}', "1.50"),
        ('{"action":true}', "true"),
        ('{"action":null}', "null"),
        ('{"action":[1,"x"]}', "[1, x]"),
        ('{"action":{"k":"v"}}', "{k=v}"),
        ('{"action":"nobody","action":"join"}', "join"),
        ('{"action":"join","x":{"action":"a/b"}}', "join"),
        ('{"action":"$connect"}', "$default"),
        ('{"action":"$disconnect"}', "$default"),
        ('{"action":"$default"}', "$default"),
        ('{"action":"JOIN"}', "$default"),
        ('{"action":""}', "$default"),
        ('{"other":"join"}', "$default"),
        ("plain text", "$default"),
        ("", "$default"),
        ("[1]", "$default"),
        ('"join"', "$default"),
        ('\ufeff{"action":"join"}', "$default"),
        ('{"action":"join"} x', "$default"),
        ('{"action":"join","n":NaN}', "$default"),
        ("{'action':'join'}", "$default"),
        ("[" * 100_000, "$default"),
        (f'{{"action":"join","x":{"[" * 150 + "]" * 150}}}', "join"),
        (f'{{"action":"join","x":{"[" * 300 + "]" * 300}}}', "$default"),
        ('{"action":"join","x":' + '{"x":' * 300 + "1" + "}" * 301, "$default"),
        (f'{{"action":"join","x":[{"[]," * 300}[]]}}', "join"),
        (f'{{"action":{"[" * 150 + "]" * 150}}}', "$default"),
        (f'{{"action":{"[" * 900 + "]" * 900}}}', "$default"),
    ],
)
def test_a_message_takes_the_route_that_the_expression_selects(router: TestApi, message: str, route: str) -> None:
    with router.connect() as client:
        client.send([message[at : at + 30_000] for at in range(0, len(message), 30_000)] or message)
        assert client.recv(5) == f"to {route.strip('$')}"


@pytest.mark.parametrize(
    ("expression", "route"),
    [
        ("${request.body.service}/${request.body.action}", "chat/join"),
        ("${request.body.action}-${request.body.invalid}", "join-"),
        ("$request.body.data.room", "room1234"),
        ("$request.body.list[1]", "two"),
        ("$request.body.list[-1]", "three"),
        ("$request.body['action']", "join"),
        ("action", "action"),
        ("\\$default", "$default"),
        ("$request.header.action", "$default"),
    ],
)
def test_expressions_may_be_paths_concatenations_and_static(
    gateway: RunningGateway, expression: str, route: str
) -> None:
    keys = ["chat/join", "join-", "room1234", "two", "three", "join", "action", "$default"]
    api = gateway.api({key: mock(f"to {key.strip('$')}", two_way=True) for key in keys}, expression=expression)
    body = {"service": "chat", "action": "join", "data": {"room": "room1234"}, "list": ["one", "two", "three"]}
    with api.connect() as client:
        client.send(json.dumps(body))
        assert client.recv(5) == f"to {route.strip('$')}"
        client.send("not json")
        assert client.recv(5) == "to default"


def test_a_message_that_no_route_takes_is_forbidden_and_the_connection_lives_on(gateway: RunningGateway) -> None:
    api = gateway.api({"join": mock("yes", two_way=True)})
    with api.connect() as client:
        client.send('{"action":"leave"}')
        match = FRAME.fullmatch(str(client.recv(5)))
        assert match
        assert match[1] == "Forbidden"
        assert match[2] == api.connection_ids()[0]
        client.send("not json")
        assert error(client.recv(5)) == "Forbidden"
        client.send('{"action":"join"}')
        assert client.recv(5) == "yes"


@pytest.mark.parametrize(
    ("response", "expression", "answers"),
    [(True, True, True), (False, False, False), (True, False, True), (False, True, True)],
)
def test_a_route_answers_with_a_route_response_or_its_selection_expression(
    gateway: RunningGateway, response: bool, expression: bool, answers: bool
) -> None:
    route = {"RouteResponseSelectionExpression": "$default"} if expression else {}
    api = gateway.api({"join": mock("yes", two_way=response, route=route)})
    with api.connect() as client:
        client.send('{"action":"join"}')
        assert silent(client) != answers


def test_a_route_without_a_target_is_an_internal_server_error(gateway: RunningGateway) -> None:
    with gateway.api({"join": None}).connect() as client:
        client.send('{"action":"join"}')
        assert error(client.recv(5)) == "Internal server error"


@pytest.fixture(scope="module")
def obedient(gateway: RunningGateway) -> TestApi:
    arn = gateway.function("obedient", OBEDIENT)
    return gateway.api({"$default": proxy(arn, two_way=True), "oneway": proxy(arn), "fast": mock("fast", two_way=True)})


@pytest.mark.parametrize(
    ("answer", "frame"),
    [
        ({"statusCode": 200, "body": "text é"}, "text é"),
        ({"statusCode": "200", "body": "numeric text"}, "numeric text"),
        ({"statusCode": 500, "body": "still sent"}, "still sent"),
        ({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}, "hi"),
        ({"statusCode": 200, "body": "/w==", "isBase64Encoded": True}, "\ufffd"),
        ({"statusCode": 200, "body": "x", "headers": {"a": "b"}}, "x"),
        ({"statusCode": 200, "body": "y" * 100_000}, "y" * 100_000),
    ],
)
def test_a_two_way_function_answers_with_its_body(obedient: TestApi, answer: Any, frame: str) -> None:
    with obedient.connect() as client:
        client.send(json.dumps({"answer": answer})[:32768] if len(frame) < 1000 else big(client, answer))
        assert client.recv(5) == frame


def big(client: ClientConnection, answer: Any) -> list[str]:
    text = json.dumps({"answer": answer})
    return [text[at : at + 30_000] for at in range(0, len(text), 30_000)]


@pytest.mark.parametrize(
    "answer", [{"statusCode": 200}, {"statusCode": 200, "body": ""}, {"statusCode": 200, "body": None}]
)
def test_a_two_way_function_without_a_body_sends_nothing(obedient: TestApi, answer: Any) -> None:
    with obedient.connect() as client:
        client.send(json.dumps({"answer": answer}))
        assert silent(client)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        7,
        {"body": "no status"},
        {"statusCode": "ok", "body": "x"},
        {"statusCode": 600, "body": "x"},
        {"statusCode": True, "body": "x"},
        {"statusCode": "²00", "body": "x"},
        {"statusCode": 200, "headers": 7},
    ],
)
@pytest.mark.parametrize("action", ["two-way", "oneway"])
def test_a_malformed_result_is_an_internal_server_error_on_any_route(
    obedient: TestApi, answer: Any, action: str
) -> None:
    with obedient.connect() as client:
        client.send(json.dumps({"action": action, "answer": answer}))
        assert error(client.recv(5)) == "Internal server error"


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": 200, "body": 7},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
    ],
)
def test_a_body_that_is_no_text_matters_where_it_would_be_sent(obedient: TestApi, answer: Any) -> None:
    with obedient.connect() as client:
        client.send(json.dumps({"action": "two-way", "answer": answer}))
        assert error(client.recv(5)) == "Internal server error"
        client.send(json.dumps({"action": "oneway", "answer": answer}))
        assert silent(client)


@pytest.mark.parametrize("action", ["two-way", "oneway"])
def test_a_function_that_raises_is_an_internal_server_error_on_any_route(obedient: TestApi, action: str) -> None:
    with obedient.connect() as client:
        client.send(json.dumps({"action": action, "do": "raise"}))
        assert error(client.recv(5)) == "Internal server error"


def test_a_one_way_function_sends_nothing(obedient: TestApi) -> None:
    with obedient.connect() as client:
        client.send('{"action":"oneway","answer":{"statusCode":500,"body":"x"}}')
        assert silent(client)


def test_replies_go_out_as_they_finish(obedient: TestApi) -> None:
    with obedient.connect() as client:
        client.send('{"do":"sleep","seconds":0.4,"answer":{"statusCode":200,"body":"slow"}}')
        client.send('{"action":"fast"}')
        assert [client.recv(5), client.recv(5)] == ["fast", "slow"]


def test_an_answer_longer_than_128_kb_is_an_internal_server_error(gateway: RunningGateway) -> None:
    source = 'def handler(event, context):\n    return {"statusCode": 200, "body": "x" * (128 * 1024 + 1)}'
    api = gateway.api({"$default": proxy(gateway.function("too-long", source), two_way=True)})
    with api.connect() as client:
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"


def test_a_function_that_is_late_times_out(gateway: RunningGateway) -> None:
    arn = gateway.function("late-message", OBEDIENT)
    api = gateway.api({"$default": proxy(arn, TimeoutInMillis=250)})
    with api.connect() as client:
        started = time.monotonic()
        client.send('{"do":"sleep","seconds":2}')
        assert error(client.recv(5)) == "Endpoint request timed out"
        assert time.monotonic() - started < 1.5


def test_an_aws_proxy_that_does_not_post_is_an_internal_server_error(gateway: RunningGateway) -> None:
    arn = gateway.function("get-proxy", OBEDIENT)
    api = gateway.api({"$default": {**proxy(arn), "IntegrationMethod": "GET"}})
    with api.connect() as client:
        client.send("{}")
        assert error(client.recv(5)) == "Internal server error"


@pytest.fixture
def echo() -> Iterator[Backend]:
    with Backend(lambda seen: (200, {"Content-Type": "text/plain"}, b"got " + seen.body)) as backend:
        yield backend


def http_proxy(uri: str, **members: Any) -> dict[str, Any]:
    return {
        "IntegrationType": "HTTP_PROXY", "IntegrationMethod": "POST", "IntegrationUri": uri, "two_way": True, **members,
    }  # fmt: skip


def test_an_http_backend_gets_the_message_and_its_body_is_the_answer(gateway: RunningGateway, echo: Backend) -> None:
    api = gateway.api({"$default": http_proxy(echo.url + "/path?fixed=1")})
    with api.connect() as client:
        client.send("hello é")
        assert client.recv(5) == "got hello é"
    [seen] = echo.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/path?fixed=1", "hello é".encode())
    trace = seen.headers.pop("X-Amzn-Trace-Id")
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", trace)
    assert seen.headers == {
        "Host": echo.url.removeprefix("http://"),
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"AmazonAPIGateway_{api.id}",
        "x-amzn-apigateway-api-id": api.id,
        "Content-Length": str(len(seen.body)),
    }


def test_request_parameters_reach_an_http_backend(gateway: RunningGateway, echo: Backend) -> None:
    parameters = {
        "integration.request.header.connectionId": "context.connectionId",
        "integration.request.header.User-Agent": "'mine'",
        "integration.request.header.absent": "route.request.body.nothing",
        "integration.request.querystring.who": "route.request.body.name",
        "integration.request.querystring.all": "route.request.body.list",
        "integration.request.path.room": "stageVariables.room",
    }
    integration = http_proxy(echo.url + "/{room}/in", RequestParameters=parameters)
    api = gateway.api({"$default": integration}, variables={"room": "a/b"})
    with api.connect() as client:
        client.send('{"name":"a b","list":[1,2.50]}')
        client.recv(5)
        [connection_id] = api.connection_ids()
    [seen] = echo.seen
    assert seen.target == "/a%2Fb/in?who=a%20b&all=%5B1%2C2.50%5D"
    assert seen.headers["connectionId"] == connection_id
    assert seen.headers["User-Agent"] == "mine"
    assert "absent" not in seen.headers


def test_stage_variables_lead_to_the_backend_and_act_at_once(gateway: RunningGateway, echo: Backend) -> None:
    with Backend(lambda seen: (200, {}, b"other")) as other:
        hosts = [echo.url.removeprefix("http://"), other.url.removeprefix("http://")]
        api = gateway.api({"$default": http_proxy("http://${stageVariables.host}/")}, variables={"host": hosts[0]})
        with api.connect() as client:
            client.send("1")
            assert client.recv(5) == "got 1"
            gateway.client("apigatewayv2").update_stage(
                ApiId=api.id, StageName=api.stage, StageVariables={"host": hosts[1]}
            )
            client.send("2")
            assert client.recv(5) == "other"


def test_any_status_of_an_http_backend_is_an_answer(gateway: RunningGateway) -> None:
    with (
        Backend(lambda seen: (404, {}, b"not here")) as backend,
        gateway.api({"$default": http_proxy(backend.url)}).connect() as client,
    ):
        client.send("x")
        assert client.recv(5) == "not here"


def test_a_one_way_http_route_sends_nothing(gateway: RunningGateway, echo: Backend) -> None:
    with gateway.api({"$default": http_proxy(echo.url, two_way=False)}).connect() as client:
        client.send("x")
        assert silent(client)
    assert len(echo.seen) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_http_backend_is_called_with_the_integration_method(
    gateway: RunningGateway, echo: Backend, method: str
) -> None:
    with gateway.api({"$default": http_proxy(echo.url, IntegrationMethod=method)}).connect() as client:
        client.send("body")
        assert client.recv(5) == ("got " if method == "GET" else "got body")
    assert echo.seen[0].method == method


def test_an_http_backend_that_hangs_times_out(gateway: RunningGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with gateway.api({"$default": http_proxy(uri, TimeoutInMillis=100)}).connect() as client:
            client.send("x")
            assert error(client.recv(5)) == "Endpoint request timed out"


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"],
)
def test_an_http_backend_that_breaks_off_is_an_internal_server_error(gateway: RunningGateway, answer: bytes) -> None:
    with (
        RawBackend(closing(answer)) as backend,
        gateway.api({"$default": http_proxy(backend.url)}).connect() as client,
    ):
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"


def test_a_stale_kept_alive_connection_costs_no_message(gateway: RunningGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                client, _ = server.accept()
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                client.recv(65536)  # the next request arrives, and the backend hangs up on it
                client.close()

        threading.Thread(target=serve, daemon=True).start()
        uri = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with gateway.api({"$default": http_proxy(uri)}).connect() as client:
            client.send("1")
            assert client.recv(5) == "ok"
            client.send("2")
            assert client.recv(5) == "ok"


@pytest.mark.parametrize(
    ("templates", "passthrough", "message", "frame"),
    [
        ({"$default": '{"statusCode": 200}'}, "NEVER", "x", "two hundred"),
        ({"application/json": '{"statusCode": 200}'}, "NEVER", "x", "two hundred"),
        ({"$default": "{statusCode: 404}"}, "NEVER", "x", "four hundred four"),
        ({"$default": '{"statusCode": 201}'}, "NEVER", "x", "other"),
        ({"$default": '{"statusCode": "200"}'}, "NEVER", "x", "Internal server error"),
        ({"$default": ""}, "NEVER", "x", "Internal server error"),
        ({}, "NEVER", '{"statusCode": 200}', "Unsupported Media Type"),
        ({"other": "{}"}, "WHEN_NO_TEMPLATES", '{"statusCode": 200}', "Unsupported Media Type"),
        ({}, "WHEN_NO_TEMPLATES", '{"statusCode": 200}', "two hundred"),
        ({"other": "{}"}, "WHEN_NO_MATCH", '{"statusCode": 200}', "two hundred"),
    ],
)
def test_a_mock_answers_by_its_templates_and_passthrough_behavior(
    gateway: RunningGateway, templates: dict[str, str], passthrough: str, message: str, frame: str
) -> None:
    responses = [
        {"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": "other"}},
        {"IntegrationResponseKey": "/2.0/", "ResponseTemplates": {"application/json": "two hundred"}},
        {"IntegrationResponseKey": "404", "ResponseTemplates": {"$default": "four hundred four"}},
    ]
    integration = mock(RequestTemplates=templates, PassthroughBehavior=passthrough, responses=responses, two_way=True)
    with gateway.api({"$default": integration}).connect() as client:
        client.send(message)
        got = str(client.recv(5))
    assert (error(got) if got.startswith("{") else got) == frame


def test_a_template_selection_expression_picks_the_template(gateway: RunningGateway) -> None:
    integration = mock(
        TemplateSelectionExpression="${request.body.kind}",
        RequestTemplates={"good": '{"statusCode": 200}', "$default": '{"statusCode": 400}'},
        responses=[
            {"IntegrationResponseKey": "200", "ResponseTemplates": {"$default": "good"}},
            {"IntegrationResponseKey": "400", "ResponseTemplates": {"$default": "bad"}},
        ],
        two_way=True,
    )
    with gateway.api({"$default": integration}).connect() as client:
        client.send('{"kind":"good"}')
        assert client.recv(5) == "good"
        client.send("not json")
        assert client.recv(5) == "bad"


def test_many_messages_of_one_connection_are_bounded_in_flight_and_all_answered() -> None:
    arrived = threading.Semaphore(0)
    release = threading.Event()

    def answer(seen: Any) -> tuple[int, dict[str, str], bytes]:
        arrived.release()
        release.wait(10)
        return 200, {}, seen.body

    with running(in_flight=4) as own, Backend(answer) as backend:
        api = own.api({"$default": http_proxy(backend.url)})
        with api.connect() as client:
            for number in range(20):
                client.send(str(number))
            for _ in range(4):
                assert arrived.acquire(timeout=5)
            assert not arrived.acquire(timeout=0.2)
            release.set()
            assert sorted(int(client.recv(5)) for _ in range(20)) == list(range(20))


def test_what_a_client_says_cannot_break_out_of_a_header(gateway: RunningGateway, echo: Backend) -> None:
    parameters = {
        "integration.request.header.Host": "route.request.body.h",
        "integration.request.header.X-Name": "route.request.body.h",
    }
    with gateway.api({"$default": http_proxy(echo.url, RequestParameters=parameters)}).connect() as client:
        client.send(json.dumps({"h": "a\r\nX-Admin: yes\r\nContent-Length: 0\r\n\r\nDELETE /all HTTP/1.1\r\nHost: x"}))
        client.recv(5)
    [seen] = echo.seen
    assert seen.method == "POST"
    assert "X-Admin" not in seen.headers
    assert seen.headers["X-Name"].startswith("a  X-Admin: yes")


def test_mapped_text_goes_out_as_utf_8(gateway: RunningGateway, echo: Backend) -> None:
    parameters = {"integration.request.header.who": "route.request.body.who"}
    with gateway.api({"$default": http_proxy(echo.url, RequestParameters=parameters)}).connect() as client:
        client.send('{"who": "é"}')
        client.recv(5)
    assert echo.seen[0].headers["who"].encode("latin-1").decode() == "é"


@pytest.mark.parametrize("depth", [150, 300, 900])
def test_deeply_nested_values_select_routes_as_texts_or_not_at_all(
    gateway: RunningGateway, lines: Lines, depth: int
) -> None:
    key = "[" * depth + "]" * depth
    with gateway.api({key[:128]: mock("cut", two_way=True)}).connect() as client:
        client.send(f'{{"action":{key}}}')
        assert error(client.recv(5)) == "Forbidden"
    assert not [each for each in lines.records if each.exc_info]

"""Handshakes: held until $connect has answered, with every outcome of spec 2.3 and 2.5."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.behaviours.functions import OBEDIENT
from tests.support import Backend, RunningGateway, TestApi, eventually, mock, proxy, running

FRAME = re.compile(r'\{"message": "(.*)", "connectionId":"[A-Za-z0-9_-]{15}=", "requestId":"[A-Za-z0-9_-]{15}="\}')


def wish(gateway: RunningGateway, name: str, wanted: dict[str, Any], **members: Any) -> TestApi:
    """An API whose $connect function does what `wanted` says."""
    variables = {"WISH": json.dumps(wanted)}
    arn = gateway.function(name, OBEDIENT, Environment={"Variables": variables})
    return gateway.api({"$connect": proxy(arn, **members), "ping": mock("pong", two_way=True)})


def refused(api: TestApi, query: str = "", **options: Any) -> tuple[int, dict[str, str], str]:
    with pytest.raises(InvalidStatus) as caught, api.connect(query, **options):
        pass
    response = caught.value.response
    return (
        response.status_code,
        {k.lower(): v for k, v in response.headers.raw_items()},
        (response.body or b"").decode(),
    )


def test_an_api_without_a_connect_route_accepts(gateway: RunningGateway) -> None:
    with gateway.api({"ping": mock("pong", two_way=True)}).connect() as client:
        client.send('{"action":"ping"}')
        assert client.recv(5) == "pong"


def test_a_connect_route_without_an_integration_accepts(gateway: RunningGateway) -> None:
    with gateway.api({"$connect": None}).connect() as client:
        assert client.response is not None
        assert client.response.status_code == 101


def test_a_function_that_answers_2xx_accepts_and_its_headers_reach_the_101(gateway: RunningGateway) -> None:
    headers = {"Set-Cookie": "a=b", "Connection": "close", "Content-Length": "7", "X-Own": "1"}
    api = wish(gateway, "accepts", {"answer": {"statusCode": 204, "headers": headers, "body": "dropped"}})
    with api.connect() as client:
        assert client.response is not None
        assert client.response.headers["Set-Cookie"] == "a=b"
        assert client.response.headers["X-Own"] == "1"
        assert client.response.headers.get_all("Connection") == ["Upgrade"]
        with pytest.raises(TimeoutError):
            client.recv(0.05)


@pytest.mark.parametrize("status", [301, 401, 403, 501])
def test_a_function_that_answers_another_status_refuses_with_it(gateway: RunningGateway, status: int) -> None:
    answer = {
        "statusCode": status,
        "body": "bm8=",
        "isBase64Encoded": True,
        "headers": {"x-why": "single"},
        "multiValueHeaders": {"X-Why": ["one", "two"]},
    }
    code, headers, body = refused(wish(gateway, f"refuses-{status}", {"answer": answer}))
    assert (code, body, headers["x-why"]) == (status, "no", "two")


@pytest.mark.parametrize(
    ("name", "wanted", "status", "message"),
    [
        ("no-status", {"answer": {"body": "x"}}, 502, "Internal server error"),
        ("null", {"answer": None}, 502, "Internal server error"),
        ("text", {"answer": "ok"}, 502, "Internal server error"),
        ("raises", {"do": "raise"}, 502, "Internal server error"),
        ("odd-status", {"answer": {"statusCode": 99}}, 502, "Internal server error"),
    ],
)
def test_a_function_that_fails_refuses(
    gateway: RunningGateway, name: str, wanted: dict[str, Any], status: int, message: str
) -> None:
    code, headers, body = refused(wish(gateway, f"fails-{name}", wanted))
    match = FRAME.fullmatch(body)
    assert (code, match and match[1]) == (status, message)
    assert headers["content-type"] == "application/json; charset=UTF-8"
    assert headers["connection"] == "close"
    assert "x-amzn-errortype" not in headers
    assert "x-amzn-requestid" not in headers
    assert headers["x-amz-apigw-id"] == json.loads(body)["requestId"]


def test_a_function_that_is_late_refuses_with_504(gateway: RunningGateway) -> None:
    api = wish(gateway, "late", {"do": "sleep", "seconds": 3}, TimeoutInMillis=300)
    code, _, body = refused(api)
    assert (code, json.loads(body)["message"]) == (504, "Endpoint request timed out")


def test_a_function_that_does_not_exist_refuses_with_500(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": proxy("arn:aws:lambda:us-east-1:000000000000:function:nobody")})
    code, _, body = refused(api)
    assert (code, json.loads(body)["message"]) == (500, "Internal server error")


@pytest.mark.parametrize(("status", "body"), [(200, b"dropped"), (204, b"")])
def test_an_http_backend_that_answers_2xx_accepts(gateway: RunningGateway, status: int, body: bytes) -> None:
    with Backend(lambda seen: (status, {}, body)) as backend:
        integration = {
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "GET",
            "IntegrationUri": backend.url + "/in",
        }
        api = gateway.api({"$connect": integration})
        with api.connect("?a=1", additional_headers={"Auth": "secret"}, origin="http://example.com"):
            [seen] = backend.seen
    assert (seen.method, seen.target) == ("GET", "/in?a=1")
    assert seen.headers["Auth"] == "secret"
    assert seen.headers["Sec-WebSocket-Version"] == "13"
    assert seen.headers["Host"] == backend.url.removeprefix("http://")
    assert seen.headers["x-amzn-apigateway-api-id"] == api.id
    assert "Upgrade" not in seen.headers


def test_an_http_backend_that_answers_another_status_refuses_with_it(gateway: RunningGateway) -> None:
    with Backend(lambda seen: (403, {"X-Why": "so"}, b"go away")) as backend:
        integration = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": backend.url}
        code, headers, body = refused(gateway.api({"$connect": integration}))
    assert (code, headers["x-why"], body) == (403, "so", "go away")


def test_a_backend_where_nobody_listens_refuses_with_500(gateway: RunningGateway) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        integration = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": uri}
        code, _, body = refused(gateway.api({"$connect": integration}))
    assert (code, json.loads(body)["message"]) == (500, "Internal server error")


def test_a_backend_that_breaks_off_refuses_with_504(gateway: RunningGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            client, _ = server.accept()
            client.recv(65536)
            client.close()

        threading.Thread(target=hang_up, daemon=True).start()
        uri = f"http://127.0.0.1:{server.getsockname()[1]}/"
        integration = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": uri}
        code, _, body = refused(gateway.api({"$connect": integration}))
    assert (code, json.loads(body)["message"]) == (504, "Network error communicating with endpoint")


def test_a_mock_decides_by_its_status(gateway: RunningGateway) -> None:
    with gateway.api({"$connect": mock("dropped", status=200)}).connect():
        pass
    code, _, body = refused(gateway.api({"$connect": mock('{"no":"entry"}', status=403)}))
    assert (code, body) == (403, '{"no":"entry"}')


def test_a_mock_without_a_fitting_response_refuses_with_500(gateway: RunningGateway) -> None:
    integration = mock(status=200, responses=[{"IntegrationResponseKey": "/404/"}])
    code, _, body = refused(gateway.api({"$connect": integration}))
    assert (code, json.loads(body)["message"]) == (500, "Internal server error")


@pytest.mark.parametrize(
    ("offered", "answered", "chosen"),
    [
        (["chat", "v2"], {"sec-websocket-protocol": "chat"}, "chat"),
        (["chat"], {"Sec-WebSocket-Protocol": "other"}, "other"),
        (["chat"], {}, None),
        ([], {"Sec-WebSocket-Protocol": "chat"}, None),
    ],
)
def test_the_subprotocol_is_what_the_function_says(
    gateway: RunningGateway, offered: list[str], answered: dict[str, str], chosen: str | None
) -> None:
    name = f"protocol-{'-'.join(offered)}-{'-'.join(answered.values())}"
    api = wish(gateway, name, {"answer": {"statusCode": 200, "headers": answered}})
    request = (
        f"GET /{api.id}/test HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    if offered:
        request += f"Sec-WebSocket-Protocol: {', '.join(offered)}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.settimeout(10)
        client.sendall(f"{request}\r\n".encode())
        head = client.recv(4096).decode().lower()
    assert head.startswith("http/1.1 101")
    assert ("sec-websocket-protocol: " + str(chosen) in head) == (chosen is not None)
    assert ("sec-websocket-protocol" in head) == (chosen is not None)


def test_extensions_are_declined(gateway: RunningGateway) -> None:
    with gateway.api({"$connect": None}).connect(compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


@pytest.mark.parametrize(
    "route",
    [{"AuthorizationType": "AWS_IAM"}, {"ApiKeyRequired": True}],
)
def test_access_control_that_is_not_there_yet_lets_nobody_in(gateway: RunningGateway, route: dict[str, Any]) -> None:
    code, _, body = refused(gateway.api({"$connect": mock(route=route)}))
    assert (code, json.loads(body)["message"]) == (500, "Internal server error")


def test_required_request_parameters_have_to_be_there(gateway: RunningGateway) -> None:
    required = {"route.request.header.Auth": {"Required": True}, "route.request.querystring.room": {"Required": True}}
    api = gateway.api({"$connect": {**mock(), "route": {"RequestParameters": required}}})
    code, _, body = refused(api, "?room=")
    assert (code, json.loads(body)["message"]) == (400, "Missing required request parameters: [Auth, room]")
    with api.connect("?room=1", additional_headers={"auth": "x"}):
        pass


@pytest.mark.parametrize("path", ["/{api}/other", "/nosuchapi0/test", "/{api}", "/{api}/test/more", "/"])
def test_an_address_that_leads_nowhere_is_forbidden(gateway: RunningGateway, path: str) -> None:
    api = gateway.api({"$connect": None})
    status, headers, body = upgrade(gateway, path.format(api=api.id))
    assert (status, body) == (403, b'{"message":"Forbidden"}')
    assert headers["x-amzn-ErrorType"] == "ForbiddenException"


def test_one_trailing_slash_does_not_matter(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": None})
    assert upgrade(gateway, f"/{api.id}/test/")[0] == 101


def test_a_request_that_is_no_upgrade_is_forbidden(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": None})
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port)
    connection.request("GET", f"/{api.id}/test")
    response = connection.getresponse()
    assert (response.status, response.read()) == (403, b'{"message":"Forbidden"}')


@pytest.mark.parametrize("changes", [{"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": "short"}])
def test_a_malformed_upgrade_is_a_bad_request(gateway: RunningGateway, changes: dict[str, str]) -> None:
    api = gateway.api({"$connect": None})
    status, _, body = upgrade(gateway, f"/{api.id}/test", **changes)
    assert (status, body) == (400, b"")


def test_a_url_longer_than_4096_characters_is_refused(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": None})
    assert upgrade(gateway, f"/{api.id}/test?x={'y' * 4096}")[0] == 414


def test_a_disabled_default_endpoint_is_forbidden(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": None})
    gateway.client("apigatewayv2").update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    api.deploy()
    assert upgrade(gateway, f"/{api.id}/test")[0] == 403


def test_a_stage_without_a_deployment_is_forbidden(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": None})
    gateway.client("apigatewayv2").create_stage(ApiId=api.id, StageName="empty")
    assert upgrade(gateway, f"/{api.id}/empty")[0] == 403


def test_the_connection_cannot_be_addressed_while_connect_runs(gateway: RunningGateway) -> None:
    source = """
import boto3
def handler(event, context):
    rc = event["requestContext"]
    client = boto3.client("apigatewaymanagementapi", endpoint_url=f"https://{rc['domainName']}/{rc['stage']}")
    try:
        client.post_to_connection(ConnectionId=rc["connectionId"], Data=b"x")
        return {"statusCode": 200}
    except client.exceptions.GoneException:
        return {"statusCode": 418, "body": "gone"}
"""
    arn = gateway.function("early-push", source, Timeout=20)
    code, _, body = refused(gateway.api({"$connect": proxy(arn)}))
    assert (code, body) == (418, "gone")


def test_more_connects_a_second_than_the_quota_are_throttled() -> None:
    with running(connect_rate=0.001, connect_burst=2) as gateway:
        api = gateway.api({"$connect": None})
        with api.connect(), api.connect():
            code, _, body = refused(api)
        assert (code, json.loads(body)["message"]) == (429, "Too Many Requests")


@pytest.mark.parametrize("status", [101, 199])
def test_a_status_that_is_no_answer_refuses_with_502(gateway: RunningGateway, status: int) -> None:
    code, _, body = refused(wish(gateway, f"interim-{status}", {"answer": {"statusCode": status}}))
    assert (code, json.loads(body)["message"]) == (502, "Internal server error")


def test_a_body_that_is_no_text_does_not_matter_to_a_client_that_is_let_in(gateway: RunningGateway) -> None:
    with wish(gateway, "object-body", {"answer": {"statusCode": 200, "body": {"a": 1}}}).connect():
        pass


@pytest.mark.parametrize("whole_api", [True, False])
def test_a_stage_deleted_while_connect_runs_lets_nobody_in(gateway: RunningGateway, whole_api: bool) -> None:
    asked, release = threading.Event(), threading.Event()

    def answer(seen: Any) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        release.wait(10)
        return 200, {}, b""

    with Backend(answer) as backend, socket.create_connection(("127.0.0.1", gateway.port)) as client:
        integration = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": backend.url}
        api = gateway.api({"$connect": integration})
        client.sendall(handshake(f"/{api.id}/test"))
        assert asked.wait(10)
        v2 = gateway.client("apigatewayv2")
        if whole_api:
            v2.delete_api(ApiId=api.id)
        else:
            v2.delete_stage(ApiId=api.id, StageName="test")
        release.set()
        assert client.recv(12) == b"HTTP/1.1 403"


def test_a_client_that_leaves_while_connect_runs_is_not_kept(gateway: RunningGateway) -> None:
    api = wish(gateway, "slow-connect", {"do": "sleep", "seconds": 0.5, "answer": {"statusCode": 200}})
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(handshake(f"/{api.id}/test"))
    eventually(lambda: not api.connection_ids())
    with api.connect():
        assert len(api.connection_ids()) == 1


def handshake(path: str, **changes: str) -> bytes:
    headers = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **changes,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def upgrade(gateway: RunningGateway, path: str, **changes: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body that answer a handshake."""
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.settimeout(10)
        client.sendall(handshake(path, **changes))
        response = http.client.HTTPResponse(client)
        response.begin()
        return response.status, response.headers, b"" if response.status == 101 else response.read()

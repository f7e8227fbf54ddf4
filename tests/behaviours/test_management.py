"""@connections, as real SDKs send it: spec 8, and every trap of clients section 2."""

from __future__ import annotations

import http.client
import socket
from typing import Any
from urllib.parse import quote

import pytest

from tests.behaviours.test_connect import handshake
from tests.behaviours.test_disconnect import closed_with
from tests.support import ManualClock, RunningGateway, TestApi, mock, running


@pytest.fixture
def api(gateway: RunningGateway) -> TestApi:
    return gateway.api({"ping": mock("pong", two_way=True)})


def raw(
    gateway: RunningGateway, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read()


@pytest.mark.parametrize(
    "path",
    [
        "/{api}/{stage}/@connections/{id}",
        "/{api}/{stage}/@connections/{escaped}",
        "/{api}/{stage}/%40connections/{escaped}",
        "/{api}/{stage}//@connections/{escaped}",
        "//{api}//{stage}/@connections/{id}",
        "/{stage}/@connections/{escaped}",
        "/{api}/@connections/{escaped}",
        "/@connections/{escaped}",
        "/%40connections/{id}",
    ],
)
def test_every_form_of_the_address_reaches_the_connection(api: TestApi, path: str) -> None:
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        target = path.format(api=api.id, stage=api.stage, id=connection_id, escaped=quote(connection_id, safe=""))
        status, headers, body = raw(api.gateway, "POST", target, b"pushed")
        assert (status, body) == (200, b"")
        assert "x-amzn-RequestId" in headers
        assert client.recv(5) == "pushed"


@pytest.mark.parametrize("path", ["/{stage}/@connections/{id}", "/@connections/{id}", "/{stage}//%40connections/{id}"])
def test_the_execute_api_host_reaches_the_connection(api: TestApi, path: str) -> None:
    host = f"{api.id}.execute-api.us-east-1.amazonaws.com"
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        target = path.format(stage=api.stage, id=quote(connection_id, safe=""))
        assert raw(api.gateway, "POST", target, b"pushed", Host=host)[0] == 200
        assert client.recv(5) == "pushed"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/octet-stream", "x-amz-content-sha256": "abc"},
        {"Content-Type": "binary/octet-stream", "Connection": "close"},
    ],
)
def test_what_sdks_say_about_the_content_does_not_matter(api: TestApi, headers: dict[str, str]) -> None:
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        target = f"/{api.id}/{api.stage}/@connections/{connection_id}"
        assert raw(api.gateway, "POST", target, "text é".encode(), **headers)[0] == 200
        assert client.recv(5) == "text é"


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"aGVsbG8=", "aGVsbG8="), (b"\x00\xffend", "\x00\ufffdend"), (b"", ""), (b"x" * 131_072, "x" * 131_072)],
)
def test_data_arrives_as_one_text_message(api: TestApi, data: bytes, text: str) -> None:
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        api.management().post_to_connection(ConnectionId=connection_id, Data=data)
        assert client.recv(5) == text


def test_pushes_of_one_caller_arrive_in_order(api: TestApi) -> None:
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        for number in range(50):
            api.management().post_to_connection(ConnectionId=connection_id, Data=str(number).encode())
        assert [client.recv(5) for _ in range(50)] == [str(number) for number in range(50)]


def test_get_connection_says_who_and_since_when() -> None:
    with running(clock=ManualClock()) as gateway:
        api = gateway.api({"ping": mock("pong", two_way=True)})
        with api.connect(user_agent_header="example/1") as client:
            [connection_id] = api.connection_ids()
            target = f"/{api.id}/{api.stage}/@connections/{connection_id}"
            status, headers, body = raw(gateway, "GET", target)
            assert (status, headers["Content-Type"]) == (200, "application/json")
            identity = b'"identity":{"sourceIp":"127.0.0.1","userAgent":"example/1"}'
            at = b'"2021-12-25T10:45:28.331Z"'
            assert body == b'{"connectedAt":' + at + b"," + identity + b',"lastActiveAt":' + at + b"}"
            gateway.advance(5.5)
            client.send('{"action":"ping"}')
            client.recv(5)
            answer = api.management().get_connection(ConnectionId=connection_id)
            assert answer["LastActiveAt"].isoformat() == "2021-12-25T10:45:33.831000+00:00"
            assert answer["ConnectedAt"].isoformat() == "2021-12-25T10:45:28.331000+00:00"


def test_get_connection_of_a_client_without_a_user_agent_has_an_empty_one(api: TestApi) -> None:
    with api.connect(user_agent_header=None):
        [connection_id] = api.connection_ids()
        answer = api.management().get_connection(ConnectionId=connection_id)
        assert answer["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": ""}


def test_delete_connection_closes_and_a_second_one_is_gone(api: TestApi) -> None:
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        management = api.management()
        answer = management.delete_connection(ConnectionId=connection_id)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        with pytest.raises(management.exceptions.GoneException):
            management.delete_connection(ConnectionId=connection_id)
        assert closed_with(client) == (1000, "Connection Closed Normally")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_connection_that_is_not_there_is_gone(api: TestApi, method: str) -> None:
    status, headers, body = raw(api.gateway, method, f"/{api.id}/{api.stage}/@connections/AAAAAAAAAAAAAAA=")
    assert (status, headers["x-amzn-ErrorType"], body) == (410, "GoneException", b"")


@pytest.mark.parametrize("connection_id", ["short=", "AAAAAAAAAAAAAAA%253D", "AAAAAAAAAAAAAAAA", "AAAAAAA!AAAAAAA="])
def test_an_implausible_id_is_a_bad_request(api: TestApi, connection_id: str) -> None:
    status, headers, body = raw(api.gateway, "POST", f"/{api.id}/{api.stage}/@connections/{connection_id}", b"x")
    assert (status, headers["x-amzn-ErrorType"]) == (400, "BadRequestException")
    assert body.startswith(b'{"message":"Invalid connectionId: ')


def test_a_payload_over_128_kb_is_too_large(api: TestApi) -> None:
    with api.connect():
        [connection_id] = api.connection_ids()
        management = api.management()
        with pytest.raises(management.exceptions.PayloadTooLargeException):
            management.post_to_connection(ConnectionId=connection_id, Data=b"x" * 131_073)


def test_a_stage_that_does_not_exist_is_forbidden(api: TestApi) -> None:
    with api.connect():
        [connection_id] = api.connection_ids()
        path = f"/{api.id}/nothere/@connections/{connection_id}"
        status, headers, body = raw(api.gateway, "POST", path, b"x")
        assert (status, headers["x-amzn-ErrorType"]) == (403, "ForbiddenException")
        assert body == b'{"message":"Forbidden"}'


def test_any_stage_of_the_api_addresses_the_connection(api: TestApi) -> None:
    api.gateway.client("apigatewayv2").create_stage(ApiId=api.id, StageName="second")
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        assert raw(api.gateway, "POST", f"/{api.id}/second/@connections/{connection_id}", b"x")[0] == 200
        assert client.recv(5) == "x"


def test_another_api_does_not_reach_the_connection(api: TestApi) -> None:
    other = api.gateway.api({"ping": mock("pong")})
    with api.connect():
        [connection_id] = api.connection_ids()
        assert raw(api.gateway, "POST", f"/{other.id}/{other.stage}/@connections/{connection_id}", b"x")[0] == 410


def test_another_method_is_forbidden(api: TestApi) -> None:
    with api.connect():
        [connection_id] = api.connection_ids()
        assert raw(api.gateway, "PUT", f"/{api.id}/{api.stage}/@connections/{connection_id}", b"x")[0] == 403


def test_a_client_that_does_not_read_is_refused_pushes_and_closed_when_an_answer_is_lost() -> None:
    with running(clock=ManualClock(), send_buffer=200_000) as gateway:
        api = gateway.api({"ping": mock("pong" * 30_000, two_way=True)})
        with socket.create_connection(("127.0.0.1", gateway.port)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(handshake(f"/{api.id}/{api.stage}"))
            assert deaf.recv(12) == b"HTTP/1.1 101"
            management = api.management()
            [connection_id] = api.connection_ids()

            def push_until_full() -> Any:
                for _ in range(200):
                    management.post_to_connection(ConnectionId=connection_id, Data=b"x" * 100_000)

            with pytest.raises(management.exceptions.LimitExceededException):
                push_until_full()
            gateway.advance(31)
            assert api.connection_ids() == [connection_id], "pushes alone close nobody"
            [connection] = gateway.gateway.connections.all()
            gateway.call(connection.reply_dropped)
            gateway.advance(29)
            assert api.connection_ids() == [connection_id]
            gateway.advance(1.5)
            assert api.connection_ids() == []


def test_a_custom_domain_addresses_by_its_mapping_key(gateway: RunningGateway) -> None:
    api = gateway.api({"ping": mock("pong", two_way=True)})
    v2 = gateway.client("apigatewayv2")
    v2.create_domain_name(DomainName="push.example.com")
    v2.create_api_mapping(DomainName="push.example.com", ApiId=api.id, Stage=api.stage, ApiMappingKey="chat")
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        host = {"Host": "push.example.com"}
        assert raw(gateway, "POST", f"/chat/@connections/{connection_id}", b"x", **host)[0] == 200
        assert client.recv(5) == "x"
        status, _, body = raw(gateway, "POST", f"/{api.stage}/@connections/{connection_id}", b"x", **host)
        assert status == 403
        assert body.startswith(b'{"message":"No method found matching route')

"""Events of spec 13, compared field by field, absent keys included."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.behaviours.functions import RECORDER
from tests.support import RunningGateway, TestApi, eventually, proxy


class Like:
    """Equal to every string that the pattern matches whole."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __repr__(self) -> str:
        return f"Like({self.pattern!r})"


class Around:
    """Equal to every integer from `low` to `low` plus a minute in milliseconds."""

    def __init__(self, low: int) -> None:
        self.low = low

    def __eq__(self, other: object) -> bool:
        return type(other) is int and self.low <= other <= self.low + 60_000

    def __hash__(self) -> int:
        return self.low


ID = Like(r"[A-Za-z0-9_-]{15}=")
TIME = Like(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000")
TRACE = Like(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}")


class Recorded:
    """An API whose routes all end in one function that writes down what it gets."""

    def __init__(self, gateway: RunningGateway, name: str, file: Path, **options: Any) -> None:
        self.file = file
        arn = gateway.function(name, RECORDER, Environment={"Variables": {"RECORD": str(file)}})
        integration = proxy(arn)
        self.api: TestApi = gateway.api(
            {"$connect": integration, "$disconnect": integration, "$default": integration, "hi": integration}, **options
        )

    @property
    def host(self) -> str:
        return f"{self.api.id}.execute-api.us-east-1.amazonaws.com"

    def events(self, count: int) -> list[Any]:
        def read() -> list[Any]:
            lines = self.file.read_text().splitlines() if self.file.exists() else []
            return [json.loads(line) for line in lines] if len(lines) >= count else []

        return eventually(read)


@pytest.fixture
def recorded(gateway: RunningGateway, tmp_path: Path, request: pytest.FixtureRequest) -> Recorded:
    name = request.node.originalname[5:60]
    return Recorded(gateway, name, tmp_path / "events", variables=getattr(request, "param", {}))


def context(recorded: Recorded, route_key: str, event_type: str, connected_at: int, **more: Any) -> dict[str, Any]:
    return {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": ID,
        "requestId": ID,
        "requestTime": TIME,
        "requestTimeEpoch": Around(connected_at),
        "messageDirection": "IN",
        "stage": "test",
        "connectedAt": connected_at,
        "domainName": recorded.host,
        "connectionId": ID,
        "apiId": recorded.api.id,
        "identity": {"sourceIp": "127.0.0.1", "userAgent": "example-client/1.0"},
        **more,
    }


@pytest.mark.parametrize("recorded", [{"env": "prod"}], indirect=True)
def test_the_connect_event_holds_the_handshake(recorded: Recorded) -> None:
    headers = [("X-Twice", "one"), ("X-Twice", "two"), ("x-lower", "kept")]
    options = {"additional_headers": headers, "user_agent_header": "example-client/1.0"}
    with recorded.api.connect("?token=a%20b&many=1&many=2&plus=c+d", **options):
        [event] = recorded.events(1)
    port = str(recorded.api.gateway.port)
    connected_at = event["requestContext"]["connectedAt"]
    expected_headers = {
        "Host": recorded.host,
        "Sec-WebSocket-Key": Like(r"[A-Za-z0-9+/]{22}=="),
        "Sec-WebSocket-Version": "13",
        "User-Agent": "example-client/1.0",
        "X-Amzn-Trace-Id": TRACE,
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": port,
        "X-Forwarded-Proto": "http",
        "X-Twice": "two",
        "x-lower": "kept",
    }
    assert event == {
        "headers": expected_headers,
        "multiValueHeaders": {
            **{name: [value] for name, value in expected_headers.items()},
            "X-Twice": ["one", "two"],
        },
        "queryStringParameters": {"token": "a b", "many": "2", "plus": "c d"},
        "multiValueQueryStringParameters": {"token": ["a b"], "many": ["1", "2"], "plus": ["c d"]},
        "requestContext": context(recorded, "$connect", "CONNECT", connected_at),
        "stageVariables": {"env": "prod"},
        "isBase64Encoded": False,
    }
    assert list(event["headers"]) == sorted(event["headers"], key=str.lower)
    assert event["requestContext"]["requestId"] == event["requestContext"]["extendedRequestId"]


def test_the_connect_event_leaves_out_what_the_client_did_not_send(recorded: Recorded) -> None:
    with socket.create_connection(("127.0.0.1", recorded.api.gateway.port)) as client:
        client.sendall(
            f"GET /{recorded.api.id}/test HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\nX-Amzn-Trace-Id: Root=1-5-6\r\n\r\n".encode()
        )
        assert client.recv(12) == b"HTTP/1.1 101"
        [event] = recorded.events(1)
    assert set(event) == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1"}
    assert event["headers"]["X-Amzn-Trace-Id"] == "Root=1-5-6"
    assert "Connection" not in event["headers"]
    assert "Upgrade" not in event["headers"]


@pytest.mark.parametrize("recorded", [{"env": "prod"}], indirect=True)
def test_the_message_event_holds_the_exact_text(recorded: Recorded) -> None:
    text = '{ "action":"hi",  "data":"é\\u00e9" }'
    with recorded.api.connect(user_agent_header="example-client/1.0") as client:
        client.send(text)
        _, event = recorded.events(2)
    connected_at = event["requestContext"]["connectedAt"]
    assert event == {
        "requestContext": context(recorded, "hi", "MESSAGE", connected_at, messageId=ID),
        "stageVariables": {"env": "prod"},
        "body": text,
        "isBase64Encoded": False,
    }


def test_a_message_that_no_route_takes_is_an_event_of_the_default_route(recorded: Recorded) -> None:
    with recorded.api.connect() as client:
        client.send("not json")
        _, event = recorded.events(2)
    assert event["requestContext"]["routeKey"] == "$default"
    assert event["body"] == "not json"
    assert "stageVariables" not in event


def test_the_disconnect_event_says_why(recorded: Recorded) -> None:
    with recorded.api.connect(user_agent_header="example-client/1.0") as client:
        client.close(4001, "enough")
    _, event = recorded.events(2)
    headers = {"Host": recorded.host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    connected_at = event["requestContext"]["connectedAt"]
    assert event == {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": context(
            recorded, "$disconnect", "DISCONNECT", connected_at, disconnectStatusCode=4001, disconnectReason="enough"
        ),
        "isBase64Encoded": False,
    }


def test_the_connection_id_is_the_same_from_connect_to_disconnect(recorded: Recorded) -> None:
    with recorded.api.connect() as client:
        client.send('{"action":"hi"}')
        recorded.events(2)
    events = recorded.events(3)
    assert len({event["requestContext"]["connectionId"] for event in events}) == 1
    assert len({event["requestContext"]["requestId"] for event in events}) == 3

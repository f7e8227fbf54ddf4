"""The $disconnect route: after every kind of close, once, and never for a refused handshake (spec 2.7, 2.8)."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.behaviours.functions import RECORDER
from tests.behaviours.test_connect import refused
from tests.support import ManualClock, RunningGateway, TestApi, eventually, mock, proxy, running


class Witness:
    """An API whose $disconnect function writes down what it hears."""

    def __init__(self, gateway: RunningGateway, file: Path, **routes: Any) -> None:
        self.file = file
        name = f"witness-{file.parent.name[:50]}"
        arn = gateway.function(name, RECORDER, Environment={"Variables": {"RECORD": str(file)}})
        self.api: TestApi = gateway.api({"$disconnect": proxy(arn), "ping": mock("pong", two_way=True), **routes})

    def heard(self) -> list[tuple[int, str]]:
        """Code and reason of each DISCONNECT event so far."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        contexts = [json.loads(line)["requestContext"] for line in lines]
        return [(context["disconnectStatusCode"], context["disconnectReason"]) for context in contexts]


@pytest.fixture
def witness(gateway: RunningGateway, tmp_path: Path) -> Witness:
    return Witness(gateway, tmp_path / "events")


def closed_with(client: ClientConnection) -> tuple[int, str]:
    """Code and reason of the close frame that the client gets."""
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(5)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def delete(witness: Witness, client: ClientConnection) -> None:
    [connection_id] = witness.api.connection_ids()
    witness.api.management().delete_connection(ConnectionId=connection_id)


def frame(head: int, payload: bytes = b"", mask: bool = True) -> bytes:
    return struct.pack("!BB", head, len(payload) | (0x80 if mask else 0)) + (b"\0\0\0\0" if mask else b"") + payload


@pytest.mark.parametrize(
    ("close", "code", "reason"),
    [
        (lambda client: client.close(4000, "done"), 4000, "done"),
        (lambda client: client.close(1000), 1000, ""),
        (lambda client: client.socket.sendall(frame(0x88)), 1005, "Client-side close frame status not set"),
        (lambda client: client.socket.shutdown(socket.SHUT_RDWR), 1006, "Connection closed abnormally"),
    ],
)
def test_a_client_that_closes_is_heard_once(
    witness: Witness, close: Callable[[ClientConnection], None], code: int, reason: str
) -> None:
    with witness.api.connect() as client:
        close(client)
        assert eventually(witness.heard) == [(code, reason)]
    assert not witness.api.connection_ids()
    assert len(witness.heard()) == 1


@pytest.mark.parametrize(
    ("cause", "code", "reason"),
    [
        (lambda witness, client: client.send(b"binary"), 1003, "Binary is not supported"),
        (lambda witness, client: client.send("x" * 32_769), 1009, "Message too big"),
        (lambda witness, client: client.send(["x" * 30_000] * 5), 1009, "Message too big"),
        (lambda witness, client: client.socket.sendall(frame(0x81, b"\xff")), 1007, "Invalid UTF-8"),
        (lambda witness, client: client.socket.sendall(frame(0x81, b"x", mask=False)), 1002, "Protocol error"),
        (lambda witness, client: client.socket.sendall(frame(0x83)), 1002, "Protocol error"),
        (lambda witness, client: client.socket.sendall(frame(0xC1)), 1002, "Protocol error"),
        (delete, 1000, "Connection Closed Normally"),
    ],
)
def test_the_gateway_says_why_it_closes(
    witness: Witness, cause: Callable[[Witness, ClientConnection], None], code: int, reason: str
) -> None:
    with witness.api.connect() as client:
        cause(witness, client)
        assert closed_with(client) == (code, reason)
        assert eventually(witness.heard) == [(code, reason)]
    assert len(witness.heard()) == 1


def test_a_close_without_a_code_is_answered_without_one(witness: Witness) -> None:
    with witness.api.connect() as client:
        client.socket.sendall(frame(0x88))
        assert closed_with(client) == (1005, "")


def test_messages_after_a_close_are_dropped(witness: Witness) -> None:
    with witness.api.connect() as client:
        client.socket.sendall(frame(0x88, struct.pack("!H", 1000)) + frame(0x81, b'{"action":"ping"}'))
        assert closed_with(client) == (1000, "")


def test_a_refused_handshake_has_no_disconnect(gateway: RunningGateway, tmp_path: Path) -> None:
    witness = Witness(gateway, tmp_path / "events", **{"$connect": mock(status=403)})
    assert refused(witness.api)[0] == 403
    with pytest.raises(AssertionError):
        eventually(witness.heard, 0.3)


def test_disconnect_runs_on_the_deployment_of_now(gateway: RunningGateway, tmp_path: Path) -> None:
    old, new = Witness(gateway, tmp_path / "old" / "events"), tmp_path / "new" / "events"
    new.parent.mkdir()
    arn = gateway.function("witness-now", RECORDER, Environment={"Variables": {"RECORD": str(new)}})
    v2 = gateway.client("apigatewayv2")
    with old.api.connect():
        v2.update_integration(
            ApiId=old.api.id, IntegrationId=old.api.integrations["$disconnect"],
            IntegrationUri=proxy(arn)["IntegrationUri"],
        )  # fmt: skip
        old.api.deploy()
    eventually(new.exists)
    assert old.heard() == []


def test_deleting_a_stage_closes_its_connections_and_runs_disconnect(witness: Witness) -> None:
    with witness.api.connect() as client:
        witness.api.gateway.client("apigatewayv2").delete_stage(ApiId=witness.api.id, StageName=witness.api.stage)
        assert closed_with(client) == (1001, "Going away")
    assert eventually(witness.heard) == [(1001, "Going away")]


def test_deleting_an_api_closes_its_connections_without_disconnect(witness: Witness) -> None:
    with witness.api.connect() as client:
        witness.api.gateway.client("apigatewayv2").delete_api(ApiId=witness.api.id)
        assert closed_with(client) == (1001, "Going away")
    with pytest.raises(AssertionError):
        eventually(witness.heard, 0.3)


def test_a_gateway_that_stops_closes_and_runs_disconnect(tmp_path: Path) -> None:
    with running() as gateway:
        witness = Witness(gateway, tmp_path / "events")
        with witness.api.connect() as client:
            gateway.stop()
            assert closed_with(client) == (1001, "Going away")
    assert witness.heard() == [(1001, "Going away")]


def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    with running(clock=ManualClock()) as gateway:
        api = gateway.api({"ping": mock("pong", two_way=True)})
        with api.connect() as client:
            gateway.advance(599)
            client.send('{"action":"ping"}')
            assert client.recv(5) == "pong"
            gateway.advance(599)
            client.ping().wait(5)
            gateway.advance(599)
            [connection_id] = api.connection_ids()
            api.management().post_to_connection(ConnectionId=connection_id, Data=b"awake")
            assert client.recv(5) == "awake"
            gateway.advance(599)
            assert api.connection_ids() == [connection_id]
            client.pong()  # which does not count
            client.ping().wait(5)
            gateway.advance(600.5)
            assert closed_with(client) == (1001, "Going away")


def test_a_connection_is_closed_after_two_hours_whatever_it_does() -> None:
    with running(clock=ManualClock()) as gateway:
        api = gateway.api({"ping": mock("pong", two_way=True)})
        with api.connect() as client:
            for _ in range(14):
                gateway.advance(500)
                client.send('{"action":"ping"}')
                assert client.recv(5) == "pong"
            gateway.advance(200.5)
            assert closed_with(client) == (1001, "Going away")


def test_timers_are_adjustable() -> None:
    with running(clock=ManualClock(), idle_timeout=5.0, max_connection_age=8.0) as gateway:
        api = gateway.api({"ping": mock("pong", two_way=True)})
        with api.connect() as idle, api.connect() as busy:
            gateway.advance(4)
            busy.send('{"action":"ping"}')
            assert busy.recv(5) == "pong"
            gateway.advance(1.5)
            assert closed_with(idle) == (1001, "Going away")
            busy.send('{"action":"ping"}')
            assert busy.recv(5) == "pong"
            gateway.advance(3)
            assert closed_with(busy) == (1001, "Going away")

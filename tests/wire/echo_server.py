"""Sends every message back: `python -m tests.wire.echo_server [PORT]`, which prints the port it listens on."""

from __future__ import annotations

import sys

import uvloop

from routekey.clock import Deadlines, SystemClock
from routekey.wire.http import HttpRequest, HttpResponse, Socket, Upgrade
from routekey.wire.http11 import handshake_fault
from routekey.wire.listener import Listener

MAX_MESSAGE = 32 * 1024 * 1024  # above anything that the Autobahn suite sends


class Echo:
    """One connection: what comes goes back."""

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def received(self, data: str | bytes) -> None:
        self.socket.send(data)

    def pinged(self) -> None: ...

    def closed(self, code: int, reason: str) -> None: ...


class EchoEndpoint:
    def body_limit(self, method: str, target: str) -> int:
        return 0

    async def respond(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(426)

    async def upgrade(self, request: HttpRequest) -> HttpResponse | Upgrade:
        if handshake_fault(request) is not None:
            return HttpResponse(400)
        return Upgrade([], Echo(), MAX_MESSAGE, MAX_MESSAGE, binary=True)


async def serve(port: int) -> None:
    deadlines = Deadlines(SystemClock())
    listener = Listener(EchoEndpoint(), deadlines, context=None, max_connections=1000)
    print(listener.listen("127.0.0.1", port), flush=True)
    await deadlines.run()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))

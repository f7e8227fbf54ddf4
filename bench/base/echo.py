"""A bare echo on the gateway's own base: routekey.wire and nothing above it.

Prints its port. With a folder as argument it speaks TLS too, by certificates made there.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import uvloop

from routekey.clock import Deadlines, SystemClock
from routekey.wire import tls
from routekey.wire.http import HttpRequest, HttpResponse, Socket, Upgrade
from routekey.wire.listener import Listener, raise_descriptor_limit


class Echo:
    """Sends every message back."""

    __slots__ = ("socket",)

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def received(self, data: str | bytes) -> None:
        self.socket.send(data)

    def pinged(self) -> None:
        """Nothing to note."""

    def closed(self, code: int, reason: str) -> None:
        """Nothing to end."""


class Door:
    def body_limit(self, method: str, target: str) -> int:
        return 0

    async def respond(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(404)

    async def upgrade(self, request: HttpRequest) -> HttpResponse | Upgrade:
        return Upgrade([], Echo(), 32 * 1024, 128 * 1024)


async def main() -> None:
    context = None
    if len(sys.argv) > 1:
        authority = tls.ensure(Path(sys.argv[1]), ["localhost"], datetime.datetime.now(datetime.UTC))
        context = tls.server_context(authority.certificate, authority.key)
    deadlines = Deadlines(SystemClock())
    listener = Listener(Door(), deadlines, context=context, max_connections=raise_descriptor_limit() - 64)
    print(listener.listen("127.0.0.1", 0), flush=True)
    await deadlines.run()


uvloop.run(main())

"""The wire layer alone, with an endpoint that does what a test's request says."""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar

import uvloop

from routekey.clock import Clock, Deadlines, SystemClock
from routekey.wire.http import HttpRequest, HttpResponse, Socket, Upgrade
from routekey.wire.http11 import handshake_fault
from routekey.wire.listener import Listener
from tests.support import ManualClock

T = TypeVar("T")

LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
LIMIT = 1000  # bytes of a body
LARGE_LIMIT = 10_000_000  # of one sent to /large
FRAME = 32 * 1024
MESSAGE = 128 * 1024


class Session:
    """One WebSocket connection: echoes, and tells the test what happened."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.events: queue.Queue[tuple[object, ...]] = queue.Queue()
        self._opened = threading.Event()

    @property
    def socket(self) -> Socket:
        """Its socket, waited for where the handshake is not through yet."""
        assert self._opened.wait(5), "the connection was not opened"
        return self._socket

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        self._opened.set()
        self.events.put(("opened",))

    def received(self, data: str | bytes) -> None:
        self.events.put(("received", data))
        if self.path == "/held":
            self.socket.pause()
        else:
            self.socket.send(data)

    def pinged(self) -> None:
        self.events.put(("pinged",))

    def closed(self, code: int, reason: str) -> None:
        self.events.put(("closed", code, reason))

    def next(self) -> tuple[object, ...]:
        return self.events.get(timeout=5)


class Probe:
    """Answers with the body of the request, or its method and target; some paths do more.

    /gate waits until the test opens the gate, /fail raises, /refused refuses a handshake, /wide takes
    large and binary messages, /held stops reading after each message.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.seen: queue.Queue[HttpRequest] = queue.Queue()
        self.sessions: queue.Queue[Session] = queue.Queue()

    def body_limit(self, method: str, target: str) -> int:
        return LARGE_LIMIT if target == "/large" else LIMIT

    async def respond(self, request: HttpRequest) -> HttpResponse:
        self.seen.put(request)
        if request.path == "/gate":
            await self.gate.wait()
        if request.path == "/fail":
            raise RuntimeError("asked to fail")
        return HttpResponse(200, [], request.body or f"{request.method} {request.target}".encode())

    async def upgrade(self, request: HttpRequest) -> HttpResponse | Upgrade:
        self.seen.put(request)
        if request.path == "/gate":
            await self.gate.wait()
        if request.path == "/fail":
            raise RuntimeError("asked to fail")
        if request.path == "/refused" or handshake_fault(request) is not None:
            return HttpResponse(403, [], b"refused")
        session = Session(request.path)
        self.sessions.put(session)
        if request.path == "/wide":
            return Upgrade([], session, 1 << 24, 1 << 24, binary=True)
        return Upgrade([("X-Extra", "yes")], session, FRAME, MESSAGE)


class Server:
    """A Listener in its own thread and event loop."""

    def __init__(
        self,
        loop: str = "uvloop",
        *,
        clock: Clock | None = None,
        context: ssl.SSLContext | None = None,
        max_connections: int = 1000,
    ) -> None:
        self.clock = clock or SystemClock()
        self.loop = LOOPS[loop]()
        self.errors: list[object] = []  # what nobody caught in the loop
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

        def make() -> int:
            self.probe = Probe()
            self.deadlines = Deadlines(self.clock)
            self.listener = Listener(self.probe, self.deadlines, context=context, max_connections=max_connections)
            return self.listener.listen("127.0.0.1", 0)

        self.port = self.call(make)

    def call(self, function: Callable[[], T]) -> T:
        """Run a plain function in the server's loop."""

        async def work() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(5)

    def advance(self, seconds: float) -> None:
        """Move its ManualClock, and let what is due happen."""
        clock = self.clock
        assert isinstance(clock, ManualClock)

        def advance() -> None:  # in the loop, so that what it is about to do is done before
            clock.advance(seconds)
            self.deadlines.tick()

        self.call(advance)

    def open_gate(self) -> None:
        self.call(self.probe.gate.set)

    def request(self) -> HttpRequest:
        """The next request that the endpoint got."""
        return self.probe.seen.get(timeout=5)

    def session(self) -> Session:
        """The next WebSocket connection that was accepted."""
        return self.probe.sessions.get(timeout=5)

    @property
    def open(self) -> int:
        return self.call(lambda: self.listener.open)

    def stop(self) -> None:
        self.call(self.listener.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

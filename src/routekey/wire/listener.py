"""One port for HTTP, WebSocket and TLS: an accept loop of our own that looks at the first byte."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
import sys

from routekey.clock import Deadlines
from routekey.eager import Tasks
from routekey.wire.http import Endpoint
from routekey.wire.http11 import HttpConnection

log = logging.getLogger("routekey.wire")

ACCEPTS_PER_TURN = 64
MAX_SILENT = 4096  # accepted sockets that have not sent a byte; the oldest gives way
SILENT_SECONDS = 30.0
TLS_HANDSHAKE_SECONDS = 10.0
BACKLOG = 2048
SPARE_DESCRIPTORS = 256  # for the store, backends, functions and their pipes
RETRY_SECONDS = 0.1


def raise_descriptor_limit() -> int:
    """Raise this process's descriptor limit as far as it may, and give it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 1 << 20
    if sys.platform == "darwin":
        wanted = min(wanted, 10240)  # what macOS allows whatever the hard limit says
    if soft == resource.RLIM_INFINITY:
        return 1 << 20
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            log.debug("the descriptor limit stays at %d", soft)
    return soft


class Listener:
    """Accepts connections and gives each to an HttpConnection, over TLS if its first byte says so.

    Accepting pauses at `max_connections`, and while the process has no descriptor left.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        deadlines: Deadlines,
        *,
        context: ssl.SSLContext | None,
        max_connections: int,
    ) -> None:
        self.endpoint = endpoint
        self.deadlines = deadlines
        self.context = context
        self.max_connections = max_connections
        self.open = 0
        self.paused = False
        self.closed = True  # until it listens
        self.tasks = Tasks()  # requests under way
        self._silent: dict[_Silent, None] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    def listen(self, host: str, port: int) -> int:
        """Bind and begin to accept; gives the port. OSError when the address is taken."""
        self.loop = asyncio.get_running_loop()
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.socket = socket.socket(family, kind, proto)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(address)
            self.socket.listen(BACKLOG)
        except OSError:
            self.socket.close()
            raise
        self.socket.setblocking(False)
        self.closed = False
        self.loop.add_reader(self.socket.fileno(), self._accept)
        return int(self.socket.getsockname()[1])

    def close(self) -> None:
        """Accept no more; open connections go on."""
        if not self.closed:
            self.closed = True
            self.loop.remove_reader(self.socket.fileno())
            self.socket.close()
            for silent in list(self._silent):
                silent.drop()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if self.open >= self.max_connections:
                self._pause(None)
                return
            try:
                sock, _ = self.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open += 1
            self._look(sock)

    def _look(self, sock: socket.socket, silent: _Silent | None = None) -> None:
        try:
            first = sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            if silent is None:
                self._wait(sock)
            return
        except OSError:
            first = b""
        if silent is not None:
            self._forget(silent)
        if first:
            self._adopt(sock, first)
        else:
            sock.close()
            self._lost()

    def _wait(self, sock: socket.socket) -> None:
        silent = _Silent(self, sock, self.deadlines.clock.monotonic() + SILENT_SECONDS)
        self._silent[silent] = None
        self.deadlines.add(silent, silent.deadline)
        self.loop.add_reader(sock.fileno(), self._look, sock, silent)
        if len(self._silent) > MAX_SILENT:
            next(iter(self._silent)).drop()

    def _forget(self, silent: _Silent) -> None:
        self._silent.pop(silent, None)
        self.deadlines.remove(silent)
        self.loop.remove_reader(silent.sock.fileno())

    def _adopt(self, sock: socket.socket, first: bytes) -> None:
        connection = HttpConnection(self.endpoint, self.deadlines, self.tasks, self._lost)
        if first == b"\x16":
            if self.context is None:
                log.info("a client speaks TLS, and this gateway was started with --tls off")
                sock.close()
                self._lost()
                return
            adopting = self.loop.connect_accepted_socket(
                lambda: connection, sock, ssl=self.context, ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS
            )
        else:
            adopting = self.loop.connect_accepted_socket(lambda: connection, sock)
        task: asyncio.Task[object] = self.loop.create_task(self._adopted(adopting, connection, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopted(self, adopting: object, connection: HttpConnection, sock: socket.socket) -> None:
        try:
            await adopting  # type: ignore[misc]
        except (OSError, ssl.SSLError, asyncio.CancelledError) as error:
            log.debug("a connection ended before it began: %s", error)
            if not hasattr(connection, "transport"):
                sock.close()
                self._lost()

    def _lost(self) -> None:
        self.open -= 1
        if self.paused and self.open < self.max_connections:
            self._resume()

    def _pause(self, error: OSError | None) -> None:
        if self.paused or self.closed:
            return
        self.paused = True
        self.loop.remove_reader(self.socket.fileno())
        if error is None:
            log.warning("accepting is paused: %d connections are open, as many as are allowed", self.open)
        else:
            log.warning("accepting is paused: %s", error)
            self.loop.call_later(RETRY_SECONDS, self._resume)

    def _resume(self) -> None:
        if self.paused and not self.closed:
            self.paused = False
            self.loop.add_reader(self.socket.fileno(), self._accept)


class _Silent:
    """An accepted socket whose client has not spoken yet."""

    __slots__ = ("deadline", "listener", "sock", "timer_slot")

    def __init__(self, listener: Listener, sock: socket.socket, deadline: float) -> None:
        self.listener = listener
        self.sock = sock
        self.deadline = deadline
        self.timer_slot = 0

    def expired(self, now: float) -> float | None:
        self.drop()
        return None

    def drop(self) -> None:
        self.listener._forget(self)
        self.sock.close()
        self.listener._lost()

"""The client side of HTTP/1.1: pooled connections to the backends of integrations."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, NamedTuple, cast

import httptools

from routekey.clock import Deadlines
from routekey.wire.http import Headers, HttpResponse
from routekey.wire.tls import client_context

MAX_ANSWER = 10 * 1024 * 1024  # bytes of one answer's body
MAX_HEAD = 64 * 1024
MAX_CONNECTIONS = 512  # to one origin
IDLE_SECONDS = 30.0  # an unused connection is closed after this
CONNECT_SECONDS = 30.0  # that the attempt at a connection may take, its TLS handshake included: callers give up before


class TransportError(Exception):
    """The backend could not be reached, broke off, or answered no HTTP."""


class NotConnected(TransportError):
    """There is no connection: nothing of the request was sent."""


class BackendRefused(NotConnected):
    """Nobody listens there."""


class Origin(NamedTuple):
    """Where requests go: a TCP address, or the path of a Unix socket as `host` with port 0."""

    host: str
    port: int
    secure: bool = False
    server_name: str | None = None  # whom TLS asks for and verifies, where that is not `host`
    context: ssl.SSLContext | None = None  # for TLS, where it is not everybody's

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else f"unix:{self.host}"


class Exchange:
    """One request under way; `future` gives its HttpResponse or a TransportError."""

    __slots__ = ("connection", "data", "future", "method", "pool", "retried")

    def __init__(self, pool: _Pool, method: str, data: bytes) -> None:
        self.pool = pool
        self.method = method
        self.data = data
        self.future: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.connection: _Connection | None = None
        self.retried = False

    def abort(self) -> None:
        """Give it up: its connection cannot be used again."""
        self.future.cancel()
        if self.connection is not None:
            self.connection.transport.abort()
        else:
            self.pool.waiting.pop(self, None)

    def fail(self, error: TransportError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class HttpBackends:
    """Connections to every origin that integrations call, kept open between requests."""

    def __init__(self, deadlines: Deadlines, authority: str | None = None) -> None:
        """`authority` is a file of certificates that are trusted beside the system's."""
        self.deadlines = deadlines
        self._authority = authority
        self._context: ssl.SSLContext | None = None
        self._pools: dict[Origin, _Pool] = {}

    def send(self, origin: Origin, method: str, data: bytes) -> Exchange:
        """Send the whole request `data` to `origin`. Redirects are not followed."""
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = _Pool(self, origin)
        exchange = Exchange(pool, method, data)
        pool.submit(exchange)
        return exchange

    def drop(self, pool: _Pool) -> None:
        self._pools.pop(pool.origin, None)

    @property
    def context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = client_context(self._authority)
        return self._context

    def close(self) -> None:
        for pool in list(self._pools.values()):
            pool.close()


class _Pool:
    def __init__(self, backends: HttpBackends, origin: Origin) -> None:
        self.backends = backends
        self.origin = origin
        self.idle: list[_Connection] = []
        self.waiting: dict[Exchange, None] = {}  # in order; one that is given up leaves at once
        self.open = 0
        self.connecting = 0  # of `open`, those on their way
        self.closed = False
        self.tasks: set[asyncio.Task[None]] = set()

    def submit(self, exchange: Exchange) -> None:
        if self.idle:
            self.idle.pop().begin(exchange)
            return
        self.waiting[exchange] = None
        self._grow()

    def again(self, exchange: Exchange) -> None:
        """Send it on a new connection: idle ones may be as stale as the one that it was sent on."""
        self.waiting[exchange] = None
        if self.open >= MAX_CONNECTIONS and self.idle:
            self.idle.pop().transport.abort()  # which makes room for a new one
        else:
            self._grow()

    def _grow(self) -> None:
        if self.open < MAX_CONNECTIONS and not self.closed:
            self.open += 1
            self.connecting += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _connect(self) -> None:
        connection = _Connection(self)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._open(connection)
        except asyncio.CancelledError:
            self.connecting -= 1
            self.lost()
            raise
        except Exception as error:
            self.connecting -= 1
            refused = isinstance(error, (ConnectionRefusedError, FileNotFoundError)) or "Connect call" in str(error)
            kind = BackendRefused if refused else NotConnected
            why = f"no connection within {CONNECT_SECONDS:g} s" if isinstance(error, TimeoutError) else str(error)
            exchange = self._next()
            if exchange is not None:
                exchange.fail(kind(f"cannot connect: {why}"))
            self.lost()
            return
        self.connecting -= 1
        self.backends.deadlines.add(connection, connection.deadline)
        self.free(connection)

    async def _open(self, connection: _Connection) -> None:
        origin = self.origin
        loop = asyncio.get_running_loop()
        context = (origin.context or self.backends.context) if origin.secure else None
        name = (origin.server_name or origin.host) if origin.secure else None
        if origin.port:
            await loop.create_connection(
                lambda: connection, origin.host, origin.port, ssl=context, server_hostname=name
            )
        else:
            await loop.create_unix_connection(lambda: connection, origin.host, ssl=context, server_hostname=name)

    def _next(self) -> Exchange | None:
        while self.waiting:
            exchange = next(iter(self.waiting))
            del self.waiting[exchange]
            if not exchange.future.done():
                return exchange
        return None

    def free(self, connection: _Connection) -> None:
        """The connection can take another request."""
        exchange = self._next()
        if exchange is not None:
            connection.begin(exchange)
        else:
            connection.kept = True
            self.idle.append(connection)

    def lost(self) -> None:
        self.open -= 1
        if len(self.waiting) > self.connecting:
            self._grow()
        if self.open == 0:
            self.backends.drop(self)

    def close(self) -> None:
        self.closed = True
        for task in self.tasks:
            task.cancel()
        for connection in self.idle:
            connection.transport.abort()


class _Connection(asyncio.Protocol):
    """One kept-alive connection; one request at a time."""

    def __init__(self, pool: _Pool) -> None:
        self.pool = pool
        self.parser: Any = httptools.HttpResponseParser(self)
        self.exchange: Exchange | None = None
        self.kept = False  # it has lain idle, or answered before: it may be stale
        self.timer_slot = 0
        self.deadline = pool.backends.deadlines.clock.monotonic() + IDLE_SECONDS
        self._reset()

    def _reset(self) -> None:
        self.headers: Headers = []
        self.body: list[bytes] = []
        self.size = 0
        self.head_size = 0
        self.rest_size = 0  # bytes after the head that are no body: sizes of chunks, and trailers
        self.head_done = False
        self.until_close = False
        self.done = False  # answered, and good for another request once this read is through

    def begin(self, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.connection = self
        self._reset()
        if self.transport.is_closing():
            self._retry_or_fail("the backend closed the connection")
        else:
            self.transport.write(exchange.data)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.exchange is None:
            self.transport.abort()  # an answer to nothing
            return
        before, had_head = self.size, self.head_done
        if not had_head:
            self.head_size += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the backend switched protocols")
        except httptools.HttpParserError as error:
            self._fail(f"the backend answered no HTTP ({error.__context__ or error})")
        if had_head and self.size == before:
            self.rest_size += len(data)
        if self.exchange is not None:
            if not self.head_done and self.head_size > MAX_HEAD:
                self._fail(f"the head of the answer is longer than {MAX_HEAD} bytes")
            elif self.rest_size > MAX_HEAD:
                self._fail(f"what follows the body is longer than {MAX_HEAD} bytes")
        if self.done and not self.transport.is_closing():
            self.done = False
            self.kept = True
            self.deadline = self.pool.backends.deadlines.clock.monotonic() + IDLE_SECONDS
            self.pool.free(self)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.pool.backends.deadlines.remove(self)
        if self in self.pool.idle:
            self.pool.idle.remove(self)
        if self.exchange is not None:
            if self.head_done and self.until_close and error is None:
                self._complete()
            else:
                self._retry_or_fail("the backend closed the connection before it had answered")
        self.parser = None  # it and this hold each other
        self.pool.lost()

    # httptools

    def on_message_begin(self) -> None:
        if self.exchange is None:
            self.transport.abort()  # more than one answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_done:  # trailers are dropped
            self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.head_done = True
        names = {name.lower() for name, _ in self.headers}
        self.until_close = "content-length" not in names and "transfer-encoding" not in names
        final = self.parser.get_status_code() >= 200
        if final and self.exchange is not None and self.exchange.method == "HEAD":
            self._complete()
            self.transport.abort()  # the parser would wait for a body

    def on_body(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > MAX_ANSWER:
            self._fail(f"the answer is longer than {MAX_ANSWER} bytes")
        else:
            self.body.append(data)

    def on_message_complete(self) -> None:
        if self.exchange is None:
            return
        status = self.parser.get_status_code()
        if 100 <= status < 200:
            self._reset()
            return
        self.done = self.parser.should_keep_alive()
        self._complete()
        if not self.done:
            self.transport.close()

    # ends

    def _complete(self) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.connection = None
            if not exchange.future.done():
                status = self.parser.get_status_code()
                exchange.future.set_result(HttpResponse(status, self.headers, b"".join(self.body)))

    def _fail(self, message: str) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.connection = None
            exchange.fail(TransportError(message))
        self.transport.abort()

    def _retry_or_fail(self, message: str) -> None:
        """A kept-alive connection that turned out stale must not cost the message: it is sent once more."""
        exchange, self.exchange = self.exchange, None
        if exchange is None or exchange.future.done():
            return
        exchange.connection = None
        if self.kept and not exchange.retried and not self.head_size:
            exchange.retried = True
            self.pool.again(exchange)
        else:
            exchange.fail(TransportError(message))

    # Timed

    def expired(self, now: float) -> float | None:
        if self.exchange is not None:
            return now + IDLE_SECONDS
        if now < self.deadline:
            return self.deadline
        self.transport.close()
        return None

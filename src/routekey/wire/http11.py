"""The server side of HTTP/1.1: one connection, its requests one after the other."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import httptools

from routekey.clock import Deadlines
from routekey.eager import Tasks
from routekey.wire.http import (
    Endpoint,
    Headers,
    HttpRequest,
    HttpResponse,
    encode_response,
    header_lines,
)
from routekey.wire.websocket import WebSocket

log = logging.getLogger("routekey.wire")

MAX_HEAD = 64 * 1024  # request line and headers, bytes
HEAD_SECONDS = 30.0  # from the first byte, or the end of the last answer, to a whole head
BODY_SECONDS = 300.0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept that answers `key` (RFC 6455 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID).digest()).decode()  # noqa: S324


class HttpConnection(asyncio.Protocol):
    """Reads requests, asks the endpoint, writes answers in order; becomes a WebSocket on upgrade."""

    def __init__(self, endpoint: Endpoint, deadlines: Deadlines, tasks: Tasks, lost: Callable[[], None]) -> None:
        self.endpoint = endpoint
        self.deadlines = deadlines
        self.tasks = tasks
        self.lost = lost
        self.timer_slot = 0
        self.parser: Any = httptools.HttpRequestParser(self)
        self.waiting: deque[HttpRequest] = deque()
        self.busy = False
        self.refused: HttpResponse | None = None
        self.last = False  # no request after the ones that wait
        self.begun = 0  # messages begun, to tell a head that grows over many reads
        self.leftover = b""
        self.deadline = 0.0
        self.head_done = False
        self.head_size = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.source_ip = peer[0] if isinstance(peer, tuple) else ""
        own = transport.get_extra_info("sockname")
        self.port = own[1] if isinstance(own, tuple) else 0
        self.secure = transport.get_extra_info("ssl_object") is not None
        self._wait(HEAD_SECONDS)
        self.deadlines.add(self, self.deadline)
        self._reset()

    def connection_lost(self, error: Exception | None) -> None:
        self.last = True
        self.waiting.clear()
        self._let_go()
        self.lost()

    def data_received(self, data: bytes) -> None:
        if self.refused is not None or self.last:
            return
        before = self.begun, self.body_size
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(400, f"the request is not HTTP/1.1: {error.__context__ or error}")
        # A read that brought neither a new message nor a piece of its body is head or trailers.
        self.head_size = self.head_size + len(data) if before == (self.begun, self.body_size) else 0
        if self.head_size > MAX_HEAD:
            self._refuse(431, f"the request head is longer than {MAX_HEAD} bytes")
        if not self.busy:
            self._next()

    def _upgraded(self, rest: bytes) -> None:
        """The parser stops at any Upgrade; only WebSocket is one here, others (h2c) are plain requests."""
        if self.waiting and self.waiting[-1].upgrade:
            self.leftover = rest
            self.transport.pause_reading()
            return
        if self.parser.get_method() == b"CONNECT":
            self._refuse(400, "CONNECT is not served")
            return
        head = header_lines([pair for pair in self.headers if pair[0].lower() not in ("upgrade", "connection")])
        line = f"{self.parser.get_method().decode()} {self.url.decode('latin-1')} HTTP/1.1\r\n"
        self.parser = httptools.HttpRequestParser(self)
        self.data_received((line + head + "\r\n").encode("latin-1") + rest)

    def eof_received(self) -> bool:
        return False

    # httptools

    def _reset(self) -> None:
        self.url = b""
        self.headers: Headers = []
        self.body: list[bytes] = []
        self.body_size = 0
        self.head_size = 0
        self.head_done = False
        self.head_bytes = 0
        self.announced = 0  # its Content-Length
        self.expects = False  # a 100 Continue before it sends its body

    def on_message_begin(self) -> None:
        self.begun += 1
        self._reset()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_done:
            return  # a trailer is no header: what it says was not there when the request was let in
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))
        self.head_bytes += len(name) + len(value) + 4
        if len(name) == 14 and name.lower() == b"content-length" and value.isdigit():
            self.announced = int(value[:20])
        elif len(name) == 6 and name.lower() == b"expect":
            self.expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        self.head_done = True
        self._wait(BODY_SECONDS)
        if len(self.url) + self.head_bytes > MAX_HEAD:
            self._refuse(431, f"the request head is longer than {MAX_HEAD} bytes")
        self.limit = self.endpoint.body_limit(self.parser.get_method().decode(), self.url.decode("latin-1"))
        if self.announced > self.limit:
            self._too_large()
        elif self.expects and self.refused is None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self.body_size += len(data)
        if self.body_size > self.limit:
            self._too_large()
        elif self.refused is None:
            self.body.append(data)

    def on_message_complete(self) -> None:
        if self.refused is not None:
            return
        request = HttpRequest(
            self.parser.get_method().decode(),
            self.url.decode("latin-1"),
            self.headers,
            b"".join(self.body),
            self.source_ip,
            self.port,
            self.secure,
        )
        self.body = []
        if self.parser.should_upgrade():
            request.upgrade = _is_upgrade(request)
            if not request.upgrade:
                return  # _upgraded reads it again as a plain request
        elif not self.parser.should_keep_alive():
            self.last = True
        self.waiting.append(request)
        if self.busy:
            self.transport.pause_reading()

    def _let_go(self) -> None:
        """Parser and protocol hold each other: without this only the garbage collector would free them."""
        self.deadlines.remove(self)
        self.parser = None

    # requests in order

    def _next(self) -> None:
        if self.waiting:
            self.busy = True
            request = self.waiting.popleft()
            self.tasks.start(self._upgrade(request) if request.upgrade else self._answer(request))
        elif self.refused is not None:
            response, self.refused = self.refused, None
            self.last = True
            self.transport.write(encode_response(response, keep_alive=False))
            self._linger()

    async def _answer(self, request: HttpRequest) -> None:
        try:
            response = await self.endpoint.respond(request)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = HttpResponse(500, [("Content-Type", "application/json")], b'{"message":"Internal server error"}')
        self._write(response, request)

    async def _upgrade(self, request: HttpRequest) -> None:
        try:
            verdict = await self.endpoint.upgrade(request)
        except Exception:
            log.exception("handshake for %s failed", request.path)
            verdict = HttpResponse(500, [("Content-Type", "application/json")], b'{"message":"Internal server error"}')
        if isinstance(verdict, HttpResponse):
            verdict.close = True
            self._write(verdict, request)
            return
        if self.transport.is_closing():
            verdict.handler.closed(1006, "Connection closed abnormally")
            return
        self._let_go()
        key = accept_key(request.header("sec-websocket-key"))
        self.transport.write(
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {key}\r\n{header_lines(verdict.headers)}\r\n"
            ).encode("latin-1", "replace")
        )
        socket = WebSocket(verdict, self.lost)
        self.transport.set_protocol(socket)
        self.transport.resume_reading()  # before the handler can ask for a pause
        socket.connection_made(self.transport)
        if self.leftover:
            socket.data_received(self.leftover)

    def _write(self, response: HttpResponse, request: HttpRequest | None = None) -> None:
        self.busy = False
        if self.transport.is_closing():
            return
        keep = not (response.close or (self.last and not self.waiting))
        data = encode_response(response, keep)
        if request is not None and request.method == "HEAD":
            data = data[: len(data) - len(response.body)]
        self.transport.write(data)
        if not keep:
            self.waiting.clear()
            self.last = True
            self.transport.close()
            return
        self._wait(HEAD_SECONDS)
        if self.waiting or self.refused is not None:
            asyncio.get_running_loop().call_soon(self._next_if_idle)
        else:
            self.transport.resume_reading()

    def _linger(self) -> None:
        """Close so that the client can read the refusal: a close with unread data would reset it away."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._wait(5.0)
        else:
            self.transport.close()

    def _next_if_idle(self) -> None:
        if not self.busy:
            self._next()

    # limits

    def _wait(self, seconds: float) -> None:
        self.deadline = self.deadlines.clock.monotonic() + seconds

    def expired(self, now: float) -> float | None:
        if self.busy:
            return now + HEAD_SECONDS
        if now < self.deadline:
            return self.deadline
        self.transport.abort()
        return None

    def _too_large(self) -> None:
        self._refuse(413, f"the request body is longer than {self.limit} bytes", "PayloadTooLargeException")

    def _refuse(self, status: int, detail: str, code: str = "BadRequestException") -> None:
        if self.refused is None:
            message = detail.replace("\\", "\\\\").replace('"', "'")
            headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
            self.refused = HttpResponse(status, headers, f'{{"message":"{message}"}}'.encode(), close=True)


def _is_upgrade(request: HttpRequest) -> bool:
    if request.header("upgrade").lower() != "websocket" or request.method != "GET":
        return False
    return any(token.strip().lower() == "upgrade" for value in request.all("connection") for token in value.split(","))


def handshake_fault(request: HttpRequest) -> str | None:
    """What is wrong with the WebSocket part of an upgrade request, if anything (spec 2.1)."""
    if request.header("sec-websocket-version") != "13":
        return "Sec-WebSocket-Version must be 13"
    try:
        nonce = base64.b64decode(request.header("sec-websocket-key").encode(), validate=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) != 16:
        return "Sec-WebSocket-Key must be 16 bytes in base64"
    return None

"""WebSocket frames (RFC 6455), server side: a sans-I/O parser, and the protocol that feeds it."""

from __future__ import annotations

import asyncio
import codecs
import struct
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from routekey.wire.http import Upgrade

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without its compiled part
    from websockets.utils import apply_mask

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

MAX_SENT_FRAME = 32 * 1024  # longer messages go out in continuation frames (spec 2.6)
HIGH_WATER = 64 * 1024  # bytes waiting for a slow client, beyond which its messages are not read
CLOSE_SECONDS = 5.0  # how long a client may take to answer a close


class ProtocolError(Exception):
    """The peer broke the protocol: the connection closes with `code` and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Event(NamedTuple):
    opcode: int
    data: str | bytes  # text as str; binary and pings as bytes; a close as its reason
    code: int = 0  # of a close, 1005 when it came without one


_TOO_BIG = "Message too big"
_PROTOCOL = "Protocol error"


class FrameParser:
    """Client frames in, whole messages out. Holds no more than one message and one read."""

    __slots__ = (
        "binary",
        "chunks",
        "data",
        "decoder",
        "fragments",
        "kind",
        "max_frame",
        "max_message",
        "need",
        "pos",
        "size",
    )

    def __init__(self, max_frame: int, max_message: int, binary: bool = False) -> None:
        self.max_frame = max_frame
        self.max_message = max_message
        self.binary = binary
        self.data = b""
        self.pos = 0
        self.chunks: list[bytes] | None = None  # reads of a frame that is not whole yet
        self.need = 0  # bytes still missing before parsing makes sense
        self.kind = 0  # opcode of the message under way, 0 between messages
        self.size = 0
        self.fragments: list[str | bytes] | None = None
        self.decoder: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes) -> None:
        if self.chunks is not None:
            self.chunks.append(data)
            self.need -= len(data)
            if self.need > 0:
                if len(self.chunks) > 64:  # tiny reads would cost many times their bytes
                    self.chunks = [b"".join(self.chunks)]
                return
            self.data = b"".join(self.chunks)
            self.chunks = None
        elif self.pos < len(self.data):
            self.data = self.data[self.pos :] + data
        else:
            self.data = data
        self.pos = 0

    def _wait(self, missing: int) -> None:
        """Keep what is unread until `missing` more bytes are there."""
        rest = self.data[self.pos :]
        self.data = b""
        self.pos = 0
        self.chunks = [rest]
        self.need = missing

    def next(self) -> Event | None:
        """The next message or control frame, or None when more bytes are needed."""
        while True:
            if self.chunks is not None:
                return None
            data = self.data
            pos = self.pos
            have = len(data) - pos
            if have < 2:
                if have:
                    self._wait(2 - have)
                return None
            head = data[pos]
            opcode = head & 0x0F
            length = data[pos + 1]
            if length < 0x80:
                raise ProtocolError(1002, _PROTOCOL)  # a client must mask
            length &= 0x7F
            if head & 0x70:
                raise ProtocolError(1002, _PROTOCOL)
            at = pos + 2
            if length >= 126:
                wide = 2 if length == 126 else 8
                if opcode >= 8:
                    raise ProtocolError(1002, _PROTOCOL)
                if have < 2 + wide:
                    self._wait(2 + wide - have)
                    return None
                length = int.from_bytes(data[at : at + wide], "big")
                at += wide
            if opcode < 3:
                self._check(opcode, head >= 0x80, length)
            elif opcode not in (CLOSE, PING, PONG) or head < 0x80:
                raise ProtocolError(1002, _PROTOCOL)
            end = at + 4 + length
            if end > len(data):
                self._wait(end - len(data))
                return None
            self.pos = end
            payload = apply_mask(data[at + 4 : end], data[at : at + 4]) if length else b""
            if head == 0x81:  # a whole text message, nearly every frame
                try:
                    return Event(TEXT, payload.decode())
                except UnicodeDecodeError:
                    raise ProtocolError(1007, "Invalid UTF-8") from None
            event = self._control(opcode, payload) if opcode >= 8 else self._fragment(opcode, head >= 0x80, payload)
            if event is not None:
                return event

    def _check(self, opcode: int, final: bool, length: int) -> None:
        """Refuse a data frame by its head, before its payload is waited for."""
        if opcode == 0:
            if not self.kind:
                raise ProtocolError(1002, _PROTOCOL)
        elif self.kind:
            raise ProtocolError(1002, _PROTOCOL)
        elif opcode == BINARY and not self.binary:
            raise ProtocolError(1003, "Binary is not supported")
        if length > self.max_frame or self.size + length > self.max_message:
            raise ProtocolError(1009, _TOO_BIG)

    def _fragment(self, opcode: int, final: bool, payload: bytes) -> Event | None:
        if opcode:
            if final:
                return Event(opcode, payload)
            self.kind = opcode
            self.fragments = []
            if opcode == TEXT:
                self.decoder = codecs.getincrementaldecoder("utf-8")()
        assert self.fragments is not None
        if self.decoder is None:
            self.fragments.append(payload)
        else:
            try:
                self.fragments.append(self.decoder.decode(payload, final))
            except UnicodeDecodeError:
                raise ProtocolError(1007, "Invalid UTF-8") from None
        self.size += len(payload)
        # One-byte fragments would cost a list entry each: join before that grows.
        if len(self.fragments) > 64:
            self.fragments = [self._joined()]
        if not final:
            return None
        event = Event(self.kind, self._joined())
        self.kind = self.size = 0
        self.fragments = self.decoder = None
        return event

    def _joined(self) -> str | bytes:
        assert self.fragments is not None
        if self.decoder is None:
            return b"".join(cast("list[bytes]", self.fragments))
        return "".join(cast("list[str]", self.fragments))

    @staticmethod
    def _control(opcode: int, payload: bytes) -> Event:
        if opcode != CLOSE:
            return Event(opcode, payload)
        if not payload:
            return Event(CLOSE, "", 1005)
        if len(payload) < 2:
            raise ProtocolError(1002, _PROTOCOL)
        code = int.from_bytes(payload[:2], "big")
        if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
            raise ProtocolError(1002, _PROTOCOL)
        try:
            return Event(CLOSE, payload[2:].decode(), code)
        except UnicodeDecodeError:
            raise ProtocolError(1007, "Invalid UTF-8") from None


def frame(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """One server frame."""
    length = len(payload)
    head = opcode | 0x80 if final else opcode
    if length < 126:
        return bytes((head, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", head, 126, length) + payload
    return struct.pack("!BBQ", head, 127, length) + payload


def message(opcode: int, payload: bytes) -> bytes:
    """The frames of one message."""
    if len(payload) <= MAX_SENT_FRAME:
        return frame(opcode, payload)
    parts = [payload[at : at + MAX_SENT_FRAME] for at in range(0, len(payload), MAX_SENT_FRAME)]
    last = len(parts) - 1
    return b"".join(frame(0 if at else opcode, part, at == last) for at, part in enumerate(parts))


def close_payload(code: int, reason: str) -> bytes:
    """What stands in a close frame; 1005 stands for a close without a code, and is never sent."""
    if code == 1005:
        return b""
    text = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")  # whole characters only
    return code.to_bytes(2, "big") + text.encode()


class WebSocket(asyncio.Protocol):
    """One accepted connection. Replies to one read go out in one write."""

    __slots__ = (
        "buffer_full", "closing", "ended", "failed", "handler", "lost", "out", "out_size",
        "parser", "paused", "reading", "secure", "transport",
    )  # fmt: skip

    def __init__(self, upgrade: Upgrade, lost: Callable[[], None]) -> None:
        self.handler = upgrade.handler
        self.parser = FrameParser(upgrade.max_frame, upgrade.max_message, upgrade.binary)
        self.lost = lost
        self.out: list[bytes] | None = None
        self.out_size = 0
        self.reading = False  # inside data_received: replies wait for its end
        self.paused = False  # the handler has enough to do
        self.buffer_full = False  # the client does not read
        self.closing = False  # a close frame was sent
        self.failed = False  # the client broke the protocol: what it still sends is thrown away
        self.ended = False  # the handler knows that it is over
        self.secure = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.secure = transport.get_extra_info("ssl_object") is not None
        self.transport.set_write_buffer_limits(HIGH_WATER)
        self.handler.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.closing = True
        self._end(1006, "Connection closed abnormally")
        self.lost()

    def pause_writing(self) -> None:
        self.buffer_full = True
        self._flow()

    def resume_writing(self) -> None:
        self.buffer_full = False
        self._flow()
        self._parse()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if not self.failed:
            self.parser.feed(data)
            self._parse()

    def _parse(self) -> None:
        if self.reading:
            return
        self.reading = True
        parser = self.parser
        try:
            while self.closing or not (self.paused or self.buffer_full):
                event = parser.next()
                if event is None:
                    break
                if event.opcode == CLOSE:
                    self._client_closes(event.code, str(event.data))
                    break
                if self.closing:
                    continue  # what comes after a close was begun is dropped
                if event.opcode < CLOSE:
                    self.handler.received(event.data)
                elif event.opcode == PING:
                    self._write(frame(PONG, cast(bytes, event.data)))
                    self.handler.pinged()
                if self.out_size > HIGH_WATER:
                    self._flush()
        except ProtocolError as error:
            self._fail(error)
        finally:
            self.reading = False
            if self.out:
                self._flush()

    # Socket

    def send(self, data: str | bytes) -> None:
        if not self.closing:
            if isinstance(data, str):
                self._write(message(TEXT, data.encode("utf-8", "replace")))
            else:
                self._write(message(BINARY, data))

    def buffered(self) -> int:
        return self.out_size + self.transport.get_write_buffer_size()

    def close(self, code: int, reason: str) -> None:
        if self.closing:
            return
        self._write(frame(CLOSE, close_payload(code, reason)))
        self.closing = True
        self._flow()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)
        self._end(code, reason)
        self._parse()

    def abort(self) -> None:
        self.transport.abort()

    def pause(self) -> None:
        self.paused = True
        self._flow()

    def resume(self) -> None:
        self.paused = False
        self._flow()
        self._parse()

    # inside

    def _fail(self, error: ProtocolError) -> None:
        """Say why, stop listening, and let the client read it: a close with unread data would reset it away."""
        self.failed = True
        self.close(error.code, error.reason)
        self._flush()
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _write(self, data: bytes) -> None:
        self.out_size += len(data)
        if self.out is None:
            self.out = [data]
            if not self.reading:
                asyncio.get_running_loop().call_soon(self._flush)
        else:
            self.out.append(data)

    def _flush(self) -> None:
        out, self.out = self.out, None
        self.out_size = 0
        if out and not self.transport.is_closing():
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _flow(self) -> None:
        """Read from the client only while its messages can be handled and its answers delivered."""
        if self.transport.is_closing():
            return
        if (self.paused or self.buffer_full) and not self.closing:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _client_closes(self, code: int, reason: str) -> None:
        if not self.closing:
            self._write(frame(CLOSE, close_payload(code, reason)))
            self.closing = True
        self._flush()
        self.transport.close()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)
        self._end(code, reason if reason or code != 1005 else "Client-side close frame status not set")

    def _end(self, code: int, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self.handler.closed(code, reason)

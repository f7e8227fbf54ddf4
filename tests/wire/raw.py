"""A client that sends exactly the bytes a test says, and reads exactly what comes."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from types import TracebackType

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the sample of RFC 6455 1.3
MASK = b"\x37\xfa\x21\x3d"
SECONDS = 5.0


@dataclass
class Frame:
    """A frame from the server."""

    opcode: int
    payload: bytes
    final: bool = True

    @property
    def code(self) -> int:
        return int.from_bytes(self.payload[:2], "big")

    @property
    def reason(self) -> str:
        return self.payload[2:].decode()


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    wide: int | None = None,
) -> bytes:
    """One client frame; `wide` asks for a length field of 0, 2 or 8 bytes whatever the payload is."""
    length = len(payload)
    if wide is None:
        wide = 0 if length < 126 else 2 if length < 65536 else 8
    masked = 0x80 if mask is not None else 0
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    head += bytes([masked | {0: length, 2: 126, 8: 127}[wide]])
    if wide:
        head += length.to_bytes(wide, "big")
    if mask is None:
        return head + payload
    if mask == b"\0\0\0\0":
        return head + mask + payload
    return head + mask + bytes(byte ^ mask[i & 3] for i, byte in enumerate(payload))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return client_frame(CLOSE, code.to_bytes(2, "big") + reason)


def handshake(path: str = "/", extra: str = "") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    ).encode()


class Raw:
    """One TCP connection to 127.0.0.1."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send(self, *data: bytes) -> None:
        self.sock.sendall(b"".join(data))

    def dribble(self, data: bytes) -> None:
        """One byte a write, and so a packet each."""
        for at in range(len(data)):
            self.sock.sendall(data[at : at + 1])

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def more(self) -> bytes:
        """What one read gives; empty at the end of the stream."""
        data = self.sock.recv(1 << 18)
        self.buffer += data
        return data

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            if not self.more():
                raise EOFError(f"the stream ended after {self.buffer[:200]!r}")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            if not self.more():
                raise EOFError(f"the stream ended after {self.buffer[:200]!r}")
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("latin-1")

    def rest(self) -> bytes:
        """Everything up to the end of the stream."""
        while self.more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    # HTTP

    def request(self, method: str, path: str, body: bytes = b"", extra: str = "") -> Answer:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}{extra}\r\n".encode(), body)
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        version, status, _ = self.line().split(" ", 2)
        assert version == "HTTP/1.1"
        answer = Answer(int(status))
        while line := self.line():
            name, _, value = line.partition(": ")
            answer.headers[name.lower()] = value
        if method != "HEAD":
            answer.body = self.take(int(answer.headers.get("content-length", "0")))
        return answer

    # WebSocket

    def upgrade(self, path: str = "/", extra: str = "") -> Raw:
        self.send(handshake(path, extra))
        answer = self.answer()
        assert answer.status == 101, answer
        return self

    def frame(self) -> Frame:
        first, second = self.take(2)
        assert first & 0x70 == 0, "a reserved bit is set"
        assert second < 0x80, "a server must not mask"
        length = second
        if length == 126:
            length = int.from_bytes(self.take(2), "big")
            assert length >= 126
        elif length == 127:
            length = int.from_bytes(self.take(8), "big")
            assert length >= 65536
        return Frame(first & 0x0F, self.take(length), first >= 0x80)

    def message(self) -> Frame:
        """The next data message, its fragments joined."""
        whole = self.frame()
        assert whole.opcode in (TEXT, BINARY), whole
        while not whole.final:
            part = self.frame()
            assert part.opcode == 0, part
            whole = Frame(whole.opcode, whole.payload + part.payload, part.final)
        return whole

    def closed(self) -> Frame:
        """The close frame that must come now, after which nothing may come."""
        frame = self.frame()
        assert frame.opcode == CLOSE, frame
        assert self.rest() == b""
        return frame

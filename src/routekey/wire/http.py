"""HTTP messages as values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote_plus

Headers = list[tuple[str, str]]

REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class HttpRequest:
    """A request as received: header names keep their case, the target its escapes."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    source_ip: str = ""
    port: int = 0
    secure: bool = False
    upgrade: bool = False  # it asks for a WebSocket
    _index: dict[str, list[str]] | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def all(self, name: str) -> list[str]:
        """Every value of the header `name` (lower case), in order."""
        if self._index is None:
            self._index = {}
            for key, value in self.headers:
                self._index.setdefault(key.lower(), []).append(value)
        return self._index.get(name, [])

    def header(self, name: str, default: str = "") -> str:
        """The last value of the header `name` (lower case)."""
        values = self.all(name)
        return values[-1] if values else default

    @property
    def host(self) -> str:
        """The name in the Host header, lower case, without its port."""
        return host_name(self.header("host"))


def host_name(authority: str) -> str:
    """The name in `authority`, lower case, without port and brackets."""
    authority = authority.strip().lower()
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0].rstrip(".")


_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})")


def parse_addresses(text: str) -> list[tuple[str, int]] | None:
    """The hosts and ports, or Unix sockets and 0, in `HOST:PORT,unix:PATH`; None where it is something else."""
    found = []
    for part in map(str.strip, text.split(",")):
        match = _ADDRESS.fullmatch(part)
        if part.startswith("unix:") and len(part) > 5:
            found.append((part[5:], 0))
        elif match is not None and 0 < int(match["port"]) < 65536:
            found.append((match["host"].strip("[]"), int(match["port"])))
        else:
            return None
    return found


def parse_query(query: str) -> dict[str, list[str]]:
    """Query parameters, percent-decoded, every value in order."""
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            values.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return values


@dataclass(slots=True)
class HttpResponse:
    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    close: bool = False


def header_lines(headers: Sequence[tuple[str, str]]) -> str:
    """Header lines; what could break out of its line is made blank."""
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    text = "".join(lines)
    if text.count("\n") == len(lines) == text.count("\r") and "\0" not in text:
        return text
    return "".join(f"{_line(name)}: {_line(value)}\r\n" for name, value in headers)


def _line(text: str) -> str:
    if "\r" in text or "\n" in text or "\0" in text:
        return text.replace("\r", " ").replace("\n", " ").replace("\0", " ")
    return text


def encode_response(response: HttpResponse, keep_alive: bool) -> bytes:
    status = response.status
    length = f"Content-Length: {len(response.body)}\r\n" if status >= 200 and status not in (204, 304) else ""
    close = "" if keep_alive else "Connection: close\r\n"
    head = f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\n{header_lines(response.headers)}{length}{close}\r\n"
    return head.encode("latin-1", "replace") + response.body


class Socket(Protocol):
    """One WebSocket connection, as the code above the wire sees it."""

    secure: bool

    def send(self, data: str | bytes) -> None:
        """Queue one message: text, or binary for bytes."""

    def buffered(self) -> int:
        """Bytes queued and not yet taken by the system."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; nothing is delivered after it."""

    def abort(self) -> None:
        """Drop the connection without a word."""

    def pause(self) -> None:
        """Deliver no more messages until `resume`."""

    def resume(self) -> None: ...


class SocketHandler(Protocol):
    """What receives the events of one WebSocket connection."""

    def opened(self, socket: Socket) -> None: ...

    def received(self, data: str | bytes) -> None:
        """One whole message; bytes only where the Upgrade allowed binary."""

    def pinged(self) -> None: ...

    def closed(self, code: int, reason: str) -> None:
        """Called once, whoever closed."""


@dataclass(slots=True)
class Upgrade:
    """The verdict that accepts a handshake: headers for the 101, and who gets the messages."""

    headers: Headers
    handler: SocketHandler
    max_frame: int
    max_message: int
    binary: bool = False


class Endpoint(Protocol):
    """What answers the requests of a listener."""

    def body_limit(self, method: str, target: str) -> int:
        """The largest body that is read for this request, in bytes; beyond it the answer is 413."""

    async def respond(self, request: HttpRequest) -> HttpResponse: ...

    async def upgrade(self, request: HttpRequest) -> HttpResponse | Upgrade:
        """The verdict on a WebSocket handshake, which is held until this returns."""

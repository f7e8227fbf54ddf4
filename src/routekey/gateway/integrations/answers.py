"""What an HTTP backend answered, as the rest of the gateway reads it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

from routekey.errors import GatewayError, ResponseType
from routekey.expressions.scope import document_of
from routekey.wire.http import Headers, HttpResponse
from routekey.wire.transport import MAX_ANSWER

LARGE = 64 * 1024  # bytes; what takes longer than that is not done between two messages
MAX_MEMBERS = 1000
GZIP = 0x1F  # the first byte of a member

_UNREAD = object()


class Answer:
    """An answer; what is made of its body is made once, when something asks."""

    __slots__ = ("_document", "_text", "body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self._text: str | None = None
        self._document: Any = _UNREAD

    def values(self, name: str) -> Sequence[str]:
        lower = name.lower()
        return [value for key, value in self.headers if key.lower() == lower]

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = self.body.decode("utf-8", "replace")
        return self._text

    @property
    def document(self) -> Any:
        """The body's JSON value, or MISSING."""
        if self._document is _UNREAD:
            self._document = document_of(self.text)
        return self._document

    @property
    def content_type(self) -> str:
        return next(iter(self.values("content-type")), "")


def is_packed(response: HttpResponse) -> bool:
    """Whether the backend compressed the body."""
    for name, _ in response.headers:  # noqa: SIM110  (asked of every answer: a generator costs as much as the rest)
        if len(name) == 16 and name.lower() == "content-encoding":
            return True
    return False


async def unpacked(response: HttpResponse) -> Answer:
    """The answer, its body unpacked where the backend compressed it: frames cannot say that they are."""
    coding = next((value.strip().lower() for name, value in response.headers if name.lower() == "content-encoding"), "")
    if coding not in ("gzip", "x-gzip", "deflate") or not response.body:
        return Answer(response.status, response.headers, response.body)
    headers = [pair for pair in response.headers if pair[0].lower() not in ("content-encoding", "content-length")]
    if len(response.body) > LARGE:
        body = await asyncio.to_thread(_unpacked, response.body, coding)
    else:
        body = _unpacked(response.body, coding)
    return Answer(response.status, headers, body)


def _unpacked(data: bytes, coding: str) -> bytes:
    # Some servers mean raw deflate where the standard means zlib.
    kinds = (zlib.MAX_WBITS, -zlib.MAX_WBITS) if coding == "deflate" else (zlib.MAX_WBITS | 16,)
    for kind in kinds:
        try:
            body = _members(memoryview(data), kind)
        except zlib.error:
            continue
        if len(body) > MAX_ANSWER:
            raise GatewayError(
                ResponseType.API_CONFIGURATION_ERROR, f"the answer unpacks to more than {MAX_ANSWER} bytes"
            )
        return body
    raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, f"the answer says {coding}, and does not unpack")


def _members(data: memoryview, kind: int) -> bytes:
    """What `data` unpacks to, as far as it may; gzip can have several members. zlib.error where it is cut short."""
    parts: list[bytes] = []
    left, at, whole, begun = MAX_ANSWER + 1, 0, 0, False
    unpacker = zlib.decompressobj(kind)
    while at < len(data) and left > 0:
        piece = data[at : at + LARGE]
        if whole and not begun and piece[0] != GZIP:
            break  # padding
        part = unpacker.decompress(piece, left)
        parts.append(part)
        left -= len(part)
        at += len(piece) - len(unpacker.unused_data)
        begun = not unpacker.eof
        if unpacker.eof:
            whole += 1
            if whole >= MAX_MEMBERS:
                raise zlib.error("too many members")
            unpacker = zlib.decompressobj(kind)
    if left > 0 and begun:
        raise zlib.error("cut short")
    return b"".join(parts)

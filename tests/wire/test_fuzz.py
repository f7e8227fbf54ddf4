"""Bytes that no client and no backend should send: every one is answered, refused or dropped, and nothing breaks."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from routekey.clock import Deadlines, SystemClock
from routekey.wire.transport import HttpBackends, Origin, TransportError
from routekey.wire.websocket import FrameParser, ProtocolError
from tests.wire.raw import BINARY, PING, TEXT, Raw, client_frame, close_frame, handshake
from tests.wire.server import Server

bounded = settings(derandomize=True, database=None, deadline=None, max_examples=150)
MAX_FRAME, MAX_MESSAGE = 300, 1000
CODES = {1002, 1003, 1007, 1009}

Edit = tuple[str, int, bytes]


def edited(data: bytes, edits: list[Edit]) -> bytes:
    for kind, at, new in edits:
        at %= len(data) + 1
        if kind == "insert":
            data = data[:at] + new + data[at:]
        elif kind == "replace":
            data = data[:at] + new + data[at + len(new) :]
        elif kind == "cut":
            data = data[:at] + data[at + len(new) :]
        else:
            data = data[:at] + data[max(0, at - len(new)) :]
    return data


def edits(pieces: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[Edit]]:
    kinds = st.sampled_from(["insert", "replace", "cut", "repeat"])
    return st.lists(st.tuples(kinds, st.integers(0, 5000), pieces), max_size=4)


def held(parser: FrameParser) -> int:
    """Bytes of memory in what the parser keeps."""
    parts = [parser.data, *(parser.chunks or ()), *(parser.fragments or ())]
    return sum(sys.getsizeof(part) for part in {id(part): part for part in parts}.values()) + 8 * len(parts)


def parse(chunks: list[bytes]) -> None:
    """Feed `chunks`, as a server would."""
    parser = FrameParser(MAX_FRAME, MAX_MESSAGE, binary=True)
    largest = max(map(len, chunks), default=0)
    code = 1002
    try:
        for chunk in chunks:
            parser.feed(chunk)
            while (event := parser.next()) is not None:
                assert len(event.data) <= MAX_MESSAGE
            # Text may take four bytes a character, and each small thing its overhead.
            assert held(parser) <= 64 * (MAX_FRAME + 14) + 4 * MAX_MESSAGE + 2 * largest + 8000
    except ProtocolError as error:
        code = error.code
    assert code in CODES


VALID = b"".join(
    [
        client_frame(TEXT, b"hello"),
        client_frame(TEXT, "κόσμε".encode(), final=False),
        client_frame(PING, b"ping"),
        client_frame(0, "κόσμε".encode()),
        client_frame(BINARY, bytes(130)),
        client_frame(TEXT, b"x" * 300, final=False),
        client_frame(0, b"x" * 300, final=False),
        client_frame(0),
        close_frame(1000, b"bye"),
    ]
)


@given(st.lists(st.binary(max_size=400), max_size=8))
@bounded
def test_random_bytes_give_the_parser_messages_or_a_protocol_error(chunks: list[bytes]) -> None:
    parse(chunks)


@given(edits(st.binary(max_size=20)), st.integers(1, 200))
@settings(bounded, max_examples=300)
def test_edited_frames_give_the_parser_messages_or_a_protocol_error(changes: list[Edit], size: int) -> None:
    data = edited(VALID, changes)
    parse([data[at : at + size] for at in range(0, len(data), size)])


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 8, 9, 10]), st.booleans(), st.integers(0, 310)), max_size=30))
@bounded
def test_any_order_of_well_made_frames_gives_messages_or_a_protocol_error(frames: list[tuple[int, bool, int]]) -> None:
    parse([b"".join(client_frame(opcode, b"\x03\xe8" + b"x" * size, final=final) for opcode, final, size in frames)])


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_a_frame_in_tiny_reads_holds_little_more_than_the_frame(size: int) -> None:
    length = 32 * 1024
    data = client_frame(TEXT, bytes(i % 50 + 50 for i in range(length)))[:-1]
    parser = FrameParser(length, 4 * length)
    for at in range(0, len(data), size):
        parser.feed(data[at : at + size])
        assert parser.next() is None
    assert held(parser) < 4 * length


def test_endless_empty_fragments_hold_nothing() -> None:
    parser = FrameParser(MAX_FRAME, MAX_MESSAGE)
    parser.feed(client_frame(TEXT, b"x", final=False))
    for _ in range(2000):
        parser.feed(client_frame(0, b"", final=False))
        assert parser.next() is None
    assert held(parser) < 4000


# the server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /a%20b?c=d&e HTTP/1.1\r\nHost: localhost:80\r\nAccept: */*\r\nX-A: b, c\r\n\r\n" * 2,
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
    b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
    handshake("/wide") + VALID,
    handshake() + client_frame(TEXT, b"hello") + close_frame(1000),
]
PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b": ", b" ", b"HTTP/1.1", b"Content-Length: 7\r\n", b"\xff",
         b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Upgrade: websocket\r\n", b"x" * 2000]
    ),
)  # fmt: skip


def talk(server: Server, data: bytes) -> bytes:
    """All that the server says to a client that sends `data` and no more."""
    with Raw(server.port) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(data)
            client.half_close()
        return client.rest()


def survives(server: Server, data: bytes) -> None:
    said = talk(server, data)
    assert not said or said.startswith(b"HTTP/1.1 "), said[:200]
    if said:
        status = int(said[9:12])
        assert status in (100, 101, 200, 400, 403, 413, 431), said[:200]
    assert talk(server, REQUESTS[0]).startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.errors == []


@given(data=st.binary(min_size=1, max_size=300))
@bounded
def test_random_bytes_get_an_http_answer_or_a_clean_close(server: Server, data: bytes) -> None:
    survives(server, data)


@given(request=st.sampled_from(REQUESTS), changes=edits(PIECES))
@settings(bounded, max_examples=400)
def test_edited_requests_get_an_http_answer_or_a_clean_close(
    server: Server, request: bytes, changes: list[Edit]
) -> None:
    survives(server, edited(request, changes))


def test_the_server_holds_no_connection_after_all_that(server: Server) -> None:
    with Raw(server.port) as client:
        for request in REQUESTS:
            talk(server, request)
        assert client.request("GET", "/").status == 200
        assert server.open <= 2  # this one, and the last may be on its way out


# the client side


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nup to the end",
]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop()
    yield loop
    loop.close()


@given(
    answer=st.one_of(
        st.binary(max_size=200), st.tuples(st.sampled_from(ANSWERS), edits(PIECES)).map(lambda x: edited(*x))
    )
)
@settings(bounded, max_examples=300)
def test_edited_answers_of_a_backend_are_an_answer_or_an_error(loop: asyncio.AbstractEventLoop, answer: bytes) -> None:
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))

    async def backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(backend, "127.0.0.1", 0)
        backends = HttpBackends(Deadlines(SystemClock()))
        origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1], False)
        exchange = backends.send(origin, "GET", b"GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        try:
            async with asyncio.timeout(5):
                response = await exchange.future
            assert 200 <= response.status <= 999
        except TransportError:
            pass
        backends.close()
        server.close()

    loop.run_until_complete(main())
    assert errors == []

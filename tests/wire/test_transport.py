"""The connections to backends, against backends that behave badly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

import pytest
import uvloop

from routekey.clock import Deadlines
from routekey.resources.integration import MAX_TIMEOUT
from routekey.wire import transport
from routekey.wire.http import HttpResponse
from routekey.wire.transport import IDLE_SECONDS, BackendRefused, HttpBackends, Origin, TransportError
from tests.support import ManualClock

GET = b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Caller:
    """One connection as the backend sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The head of the next request; empty when the gateway closed."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def gone(self) -> None:
        """Wait until the gateway has closed."""
        with contextlib.suppress(ConnectionResetError):  # an abort may reset
            assert await self.reader.read() == b""


Script = Callable[[Caller], Awaitable[None]]


class Backend:
    """A backend that plays one script for each connection, and closes at its end."""

    def __init__(self, scripts: tuple[Script, ...]) -> None:
        self.scripts = list(scripts)
        self.clock = ManualClock()
        self.deadlines = Deadlines(self.clock)
        self.backends = HttpBackends(self.deadlines)
        self.origin = Origin("127.0.0.1", 0, False)
        self.calls = 0
        self.failures: list[BaseException] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(self.calls, len(self.scripts) - 1)]
        self.calls += 1
        try:
            await script(Caller(reader, writer))
        except AssertionError as error:
            self.failures.append(error)
        finally:
            writer.close()

    def begin(self, data: bytes = GET, method: str = "GET") -> transport.Exchange:
        return self.backends.send(self.origin, method, data)

    async def ask(self, data: bytes = GET, method: str = "GET") -> HttpResponse:
        return await self.begin(data, method).future

    async def fails(self, data: bytes = GET, method: str = "GET") -> str:
        """The words of the error that asking gives."""
        with pytest.raises(TransportError) as caught:
            await self.ask(data, method)
        return str(caught.value)

    async def unconnected(self) -> None:
        """Wait until the gateway has seen the end of every connection."""
        while self.backends._pools:  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.001)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.deadlines.tick()


@contextlib.asynccontextmanager
async def backend(*scripts: Script) -> AsyncIterator[Backend]:
    made = Backend(scripts)
    server = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1], False)
    try:
        yield made
    finally:
        made.backends.close()
        server.close()
    assert made.failures == []


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run the test in an event loop, for five seconds at most."""

    async def limited() -> None:
        async with asyncio.timeout(5):
            await test()

    @wraps(test)
    def run() -> None:
        uvloop.run(limited())

    return run


def answers(data: bytes, times: int = 1) -> Script:
    """Answers `times` requests with `data`, then closes."""

    async def script(caller: Caller) -> None:
        for _ in range(times):
            if await caller.request():
                caller.send(data)

    return script


def then_held(data: bytes) -> Script:
    """Answers one request with `data` and keeps the connection until the gateway closes it."""

    async def script(caller: Caller) -> None:
        await caller.request()
        caller.send(data)
        await caller.gone()

    return script


async def keeps(caller: Caller) -> None:
    """Answers every request."""
    while await caller.request():
        caller.send(OK)


def plain(answer: HttpResponse) -> tuple[int, bytes]:
    return answer.status, answer.body


# answers


@in_loop
async def test_an_answer_comes_with_its_status_headers_and_body() -> None:
    async with backend(answers(b"HTTP/1.1 201 Made\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello")) as back:
        answer = await back.ask()
        assert plain(answer) == (201, b"hello")
        assert answer.headers == [("X-A", "1"), ("x-a", "2"), ("Content-Length", "5")]


@in_loop
async def test_the_request_reaches_the_backend_byte_for_byte() -> None:
    got: list[bytes] = []

    async def script(caller: Caller) -> None:
        got.append(await caller.request() + await caller.reader.readexactly(4))
        caller.send(OK)

    sent = b"POST /x HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nbody"
    async with backend(script) as back:
        await back.ask(sent, "POST")
    assert got == [sent]


@in_loop
async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with backend(keeps) as back:
        for _ in range(3):
            assert plain(await back.ask()) == (200, b"ok")
        assert back.calls == 1


@in_loop
async def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    together = asyncio.Barrier(3)

    async def script(caller: Caller) -> None:
        await caller.request()
        await together.wait()
        caller.send(OK)
        await caller.gone()

    async with backend(script) as back:
        made = await asyncio.gather(*[back.ask() for _ in range(3)])
        assert [plain(answer) for answer in made] == [(200, b"ok")] * 3
        assert back.calls == 3


@in_loop
async def test_an_answer_in_one_byte_writes_is_put_together() -> None:
    async def script(caller: Caller) -> None:
        await caller.request()
        for at in range(len(OK)):
            caller.send(OK[at : at + 1])
            await caller.writer.drain()
            await asyncio.sleep(0)

    async with backend(script) as back:
        assert plain(await back.ask()) == (200, b"ok")


@in_loop
async def test_a_chunked_answer_is_put_together_and_the_connection_kept() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    async with backend(answers(chunked, 2)) as back:
        assert plain(await back.ask()) == (200, b"hello")
        assert plain(await back.ask()) == (200, b"hello")
        assert back.calls == 1


@in_loop
async def test_an_answer_without_a_length_goes_up_to_the_close() -> None:
    async with backend(answers(b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\nall of it")) as back:
        assert plain(await back.ask()) == (200, b"all of it")
        assert plain(await back.ask()) == (200, b"all of it")
        assert back.calls == 2


@in_loop
async def test_an_empty_answer_without_a_length_goes_up_to_the_close() -> None:
    async with backend(answers(b"HTTP/1.0 200 OK\r\n\r\n")) as back:
        assert plain(await back.ask()) == (200, b"")


@in_loop
async def test_an_answer_that_closes_is_followed_by_a_new_connection() -> None:
    close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with backend(then_held(close)) as back:
        assert plain(await back.ask()) == (200, b"ok")
        assert plain(await back.ask()) == (200, b"ok")
        assert back.calls == 2


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_status_without_a_body_needs_no_length(status: str) -> None:
    @in_loop
    async def check() -> None:
        async with backend(answers(f"HTTP/1.1 {status}\r\nX: 1\r\n\r\n".encode(), 2)) as back:
            assert plain(await back.ask()) == (int(status[:3]), b"")
            assert plain(await back.ask()) == (int(status[:3]), b"")
            assert back.calls == 1

    check()


@in_loop
async def test_a_304_may_name_the_length_of_what_it_leaves_out() -> None:
    async with backend(answers(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", 2)) as back:
        assert plain(await back.ask()) == (304, b"")
        assert plain(await back.ask()) == (304, b"")


@pytest.mark.parametrize("length", ["Content-Length: 500\r\n", "Transfer-Encoding: chunked\r\n", ""])
def test_the_answer_to_head_has_no_body_whatever_its_headers_say(length: str) -> None:
    @in_loop
    async def check() -> None:
        async with backend(then_held(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode())) as back:
            for _ in range(2):
                assert plain(await back.ask(GET.replace(b"GET", b"HEAD"), "HEAD")) == (200, b"")

    check()


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
@pytest.mark.parametrize("apart", [True, False])
def test_interim_answers_are_passed_over(interim: str, apart: bool) -> None:
    async def script(caller: Caller) -> None:
        await caller.request()
        caller.send(f"HTTP/1.1 {interim}\r\nLink: </x>\r\n\r\n".encode())
        if apart:
            await caller.writer.drain()
            await asyncio.sleep(0)
        caller.send(OK)

    @in_loop
    async def check() -> None:
        async with backend(script) as back:
            answer = await back.ask()
            assert plain(answer) == (200, b"ok")
            assert answer.headers == [("Content-Length", "2")]

    check()


@in_loop
async def test_interim_answers_to_head_are_passed_over() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    async with backend(then_held(hints)) as back:
        assert plain(await back.ask(GET.replace(b"GET", b"HEAD"), "HEAD")) == (200, b"")


# answers that are none


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x00\x01\x02",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
def test_garbage_is_an_error_and_the_next_request_has_a_new_connection(data: bytes) -> None:
    @in_loop
    async def check() -> None:
        async with backend(then_held(data), keeps) as back:
            assert "no HTTP" in await back.fails()
            assert plain(await back.ask()) == (200, b"ok")
            assert back.calls == 2

    check()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_a_backend_that_closes_too_early_is_an_error(data: bytes) -> None:
    @in_loop
    async def check() -> None:
        async with backend(answers(data), keeps) as back:
            assert "closed the connection" in await back.fails()
            assert plain(await back.ask()) == (200, b"ok")

    check()


@in_loop
async def test_a_backend_that_resets_within_an_answer_is_an_error() -> None:
    async def script(caller: Caller) -> None:
        await caller.request()
        caller.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await caller.writer.drain()
        caller.writer.transport.abort()

    async with backend(script) as back:
        assert "closed the connection" in await back.fails()


@in_loop
async def test_a_head_that_never_ends_is_an_error() -> None:
    async def script(caller: Caller) -> None:
        await caller.request()
        caller.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(200):
            caller.send(f"X-{number}: {'x' * 1000}\r\n".encode())
        await caller.gone()

    async with backend(script) as back:
        assert "longer than 65536 bytes" in await back.fails()


@in_loop
async def test_a_body_that_never_ends_is_an_error() -> None:
    async def script(caller: Caller) -> None:
        await caller.request()
        caller.send(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                caller.send(bytes(1 << 20))
                await caller.writer.drain()
        except ConnectionError:
            pass

    async with backend(script) as back:
        assert "longer than 10485760 bytes" in await back.fails()


@in_loop
async def test_a_backend_that_switches_protocols_is_an_error() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    async with backend(then_held(switch)) as back:
        assert "switched protocols" in await back.fails()


@in_loop
async def test_a_redirect_is_an_answer_like_others() -> None:
    async with backend(answers(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")) as back:
        assert plain(await back.ask()) == (302, b"")
        assert back.calls == 1


@in_loop
async def test_nobody_there_is_refused() -> None:
    async with backend(keeps) as back:
        server = await asyncio.start_server(back.connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(BackendRefused):
            await back.backends.send(Origin("127.0.0.1", port, False), "GET", GET).future


@in_loop
async def test_a_backend_without_tls_is_an_error_where_tls_is_asked_for() -> None:
    async with backend(answers(b"garbage")) as back:
        back.origin = back.origin._replace(secure=True)

        async def script(caller: Caller) -> None:
            await caller.reader.read(1)
            caller.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        back.scripts = [script]
        assert "cannot connect" in await back.fails()


# kept connections


@in_loop
async def test_a_request_on_a_kept_connection_that_closes_is_sent_again_once() -> None:
    async def stale(caller: Caller) -> None:
        await caller.request()
        caller.send(OK)
        await caller.request()  # and closes without a word

    async with backend(stale, keeps) as back:
        assert plain(await back.ask()) == (200, b"ok")
        assert plain(await back.ask()) == (200, b"ok")
        assert back.calls == 2


@in_loop
async def test_a_request_is_not_sent_a_third_time() -> None:
    async def stale(caller: Caller) -> None:
        await caller.request()
        caller.send(OK)
        await caller.request()

    async def rude(caller: Caller) -> None:
        await caller.request()

    async with backend(stale, rude) as back:
        await back.ask()
        assert "before it had answered" in await back.fails()
        assert back.calls == 2


@in_loop
async def test_a_request_whose_answer_had_begun_is_not_sent_again() -> None:
    async def breaks_off(caller: Caller) -> None:
        await caller.request()
        caller.send(OK)
        await caller.request()
        caller.send(b"HTTP/1.1 2")

    async with backend(breaks_off, keeps) as back:
        await back.ask()
        assert "before it had answered" in await back.fails()
        assert back.calls == 1


@in_loop
async def test_a_request_on_a_new_connection_that_closes_is_not_sent_again() -> None:
    async def rude(caller: Caller) -> None:
        await caller.request()

    async with backend(rude, keeps) as back:
        await back.fails()
        assert back.calls == 1


@in_loop
async def test_a_connection_closed_while_idle_is_not_used_again() -> None:
    async with backend(answers(OK), keeps) as back:
        assert plain(await back.ask()) == (200, b"ok")
        await back.unconnected()
        assert plain(await back.ask()) == (200, b"ok")
        assert back.calls == 2


@in_loop
async def test_an_idle_connection_is_closed_after_its_time() -> None:
    closed = asyncio.Event()

    async def script(caller: Caller) -> None:
        await keeps(caller)
        closed.set()

    async with backend(script) as back:
        await back.ask()
        back.advance(IDLE_SECONDS - 1)
        await back.ask()
        back.advance(IDLE_SECONDS - 1)
        assert not closed.is_set()
        back.advance(2)
        await closed.wait()
        assert plain(await back.ask()) == (200, b"ok")
        assert back.calls == 2


@in_loop
async def test_a_request_under_way_has_no_time_of_the_pool() -> None:
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.request()
        arrived.set()
        await gate.wait()
        caller.send(OK)

    async with backend(script) as back:
        exchange = back.begin()
        await arrived.wait()
        for _ in range(3):
            back.advance(IDLE_SECONDS + 1)
        gate.set()
        assert plain(await exchange.future) == (200, b"ok")


@pytest.mark.parametrize(
    "extra", [b"more than was announced", b"\x00\x00", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"]
)
def test_what_a_backend_sends_beyond_its_answer_harms_no_other_request(extra: bytes) -> None:
    @in_loop
    async def check() -> None:
        async with backend(answers(OK + extra, 2), keeps) as back:
            assert plain(await back.ask()) == (200, b"ok")
            assert plain(await back.ask()) == (200, b"ok")

    check()


@in_loop
async def test_an_answer_to_nothing_closes_the_connection() -> None:
    again = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.request()
        caller.send(OK)
        await again.wait()
        caller.send(OK)
        await caller.gone()

    async with backend(script, keeps) as back:
        await back.ask()
        again.set()
        await back.unconnected()
        assert plain(await back.ask()) == (200, b"ok")
        assert back.calls == 2


@in_loop
async def test_an_abandoned_request_closes_its_connection_and_harms_no_other() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.request()
        arrived.set()
        await caller.gone()
        gone.set()

    async with backend(script, keeps) as back:
        exchange = back.begin()
        await arrived.wait()
        exchange.abort()
        assert exchange.future.cancelled()
        await gone.wait()
        assert plain(await back.ask()) == (200, b"ok")


# more requests than connections


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_requests_above_the_limit_wait_for_a_connection(monkeypatch: pytest.MonkeyPatch, connection: str) -> None:
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 2)
    answer = f"HTTP/1.1 200 OK\r\nConnection: {connection}\r\nContent-Length: 2\r\n\r\nok".encode()

    async def script(caller: Caller) -> None:
        while await caller.request():
            caller.send(answer)

    @in_loop
    async def check() -> None:
        async with backend(script) as back, asyncio.timeout(2):
            made = await asyncio.gather(*[back.ask() for _ in range(6)])
            assert [plain(each) for each in made] == [(200, b"ok")] * 6

    check()


def test_requests_above_the_limit_to_a_backend_that_is_down_all_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 2)

    @in_loop
    async def check() -> None:
        async with backend(keeps) as back:
            server = await asyncio.start_server(back.connected, "127.0.0.1", 0)
            back.origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1], False)
            server.close()
            await server.wait_closed()
            async with asyncio.timeout(2):
                made = await asyncio.gather(*[back.ask() for _ in range(6)], return_exceptions=True)
            assert [type(each) for each in made] == [BackendRefused] * 6

    check()


@in_loop
async def test_a_spare_connection_that_went_stale_before_its_first_request_costs_no_message() -> None:
    async def stale(caller: Caller) -> None:
        await caller.request()  # and closes without a word

    async with backend(stale, keeps) as back:
        back.begin().abort()  # its connection is still on the way, and lies idle then
        pool = back.backends._pools[back.origin]
        while not pool.idle:  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.001)
        assert plain(await back.ask()) == (200, b"ok")
        assert back.calls == 2


def test_an_integrations_time_is_over_before_that_of_a_connection() -> None:
    assert transport.CONNECT_SECONDS * 1000 > MAX_TIMEOUT

"""HTTP, WebSocket and TLS on one port: what a client sees of the listener and its connections."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from routekey.wire import tls
from routekey.wire.http11 import BODY_SECONDS, HEAD_SECONDS
from routekey.wire.listener import SILENT_SECONDS, Listener
from tests.support import ManualClock, eventually
from tests.wire.raw import TEXT, Frame, Raw, client_frame, handshake
from tests.wire.server import LIMIT, Server

Serve = Callable[..., Server]

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tls.Authority:
    folder: Path = tmp_path_factory.mktemp("tls")
    return tls.ensure(folder, ["localhost"], datetime.datetime.now(datetime.UTC))


@pytest.fixture
def server_context(authority: tls.Authority) -> ssl.SSLContext:
    return tls.server_context(authority.certificate, authority.key)


@pytest.fixture
def client_context(authority: tls.Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.ca)


# one port


def test_tls_and_plain_are_served_on_one_port(
    serve: Serve, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    server = serve(context=server_context)
    with Raw(server.port) as plain, Raw(server.port, client_context) as secure:
        assert secure.request("GET", "/secure").body == b"GET /secure"
        assert plain.request("GET", "/plain").body == b"GET /plain"
        assert [server.request().secure, server.request().secure] == [True, False]


def test_a_websocket_over_tls_echoes_and_closes(
    serve: Serve, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    server = serve(context=server_context)
    with Raw(server.port, client_context) as client:
        client.upgrade("/wide").send(client_frame(TEXT, b"x" * 100_000))
        assert client.message() == Frame(TEXT, b"x" * 100_000)
        assert server.session().socket.secure
        client.send(client_frame(TEXT, b"", reserved=1))
        assert (frame := client.closed()).code == 1002, frame


def test_a_body_over_the_limit_is_refused_over_tls_too(
    serve: Serve, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    server = serve(context=server_context)
    with Raw(server.port, client_context) as client:
        client.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
        assert client.answer().status == 413


@pytest.mark.parametrize(("version", "answered"), [(b"\x03\x03", True), (b"\x03\x02", False), (b"\x03\x01", False)])
def test_tls_older_than_1_2_is_refused(
    serve: Serve, server_context: ssl.SSLContext, version: bytes, answered: bool
) -> None:
    server = serve(context=server_context)
    with Raw(server.port) as client:
        hello = client_hello()
        client.send(hello[:9], version, hello[11:])  # after record and handshake header: the newest version it knows
        try:
            first = client.more()
        except ConnectionResetError:
            first = b""
        assert first.startswith(b"\x16") == answered
    eventually(lambda: server.open == 0)


def client_hello() -> bytes:
    """The first bytes of a TLS 1.2 client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    out = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return out.read()


def test_garbage_that_looks_like_tls_is_dropped_and_the_server_serves_on(
    serve: Serve, server_context: ssl.SSLContext
) -> None:
    server = serve(context=server_context)
    for _ in range(5):
        with Raw(server.port) as client:
            client.send(b"\x16" + b"garbage" * 20)
            gone(client)
    with Raw(server.port) as client:
        assert client.request("GET", "/").status == 200
    eventually(lambda: server.open == 0)


def test_a_client_that_leaves_within_its_tls_handshake_frees_its_place(
    serve: Serve, server_context: ssl.SSLContext
) -> None:
    server = serve(context=server_context)
    with Raw(server.port) as client:
        client.send(b"\x16\x03\x01\x02")
        eventually(lambda: server.open == 1)
    eventually(lambda: server.open == 0)


def test_tls_to_a_server_without_it_is_closed(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        gone(client)
    eventually(lambda: server.open == 0)


def gone(client: Raw) -> None:
    """The server ends the connection, whether it resets it (it did not read all) or not."""
    with contextlib.suppress(ConnectionResetError):
        client.rest()


# clients that say little


def test_a_silent_client_is_dropped_after_its_time(serve: Serve) -> None:
    server = serve(clock=ManualClock())
    with Raw(server.port) as client:
        eventually(lambda: server.open == 1)
        server.advance(SILENT_SECONDS - 1)
        assert server.open == 1
        server.advance(2)
        assert server.open == 0
        assert client.rest() == b""


def test_a_silent_client_that_speaks_in_time_is_served(serve: Serve) -> None:
    server = serve(clock=ManualClock())
    with Raw(server.port) as client:
        eventually(lambda: server.open == 1)
        server.advance(SILENT_SECONDS - 1)
        assert client.request("GET", "/").status == 200
        server.advance(2)
        assert client.request("GET", "/").status == 200


def test_a_silent_client_that_leaves_frees_its_place(server: Server) -> None:
    with Raw(server.port):
        eventually(lambda: server.open == 1)
    eventually(lambda: server.open == 0)


def test_silent_clients_are_dropped_when_the_listener_closes(server: Server) -> None:
    with Raw(server.port) as client:
        eventually(lambda: server.open == 1)
        server.call(server.listener.close)
        assert client.rest() == b""


def test_half_a_head_is_dropped_after_its_time(serve: Serve) -> None:
    server = serve(clock=ManualClock())
    with Raw(server.port) as client:
        client.send(GET, b"GET / HTTP/1.1\r\nHost: loc")
        assert client.answer().status == 200  # so it is adopted
        server.advance(HEAD_SECONDS - 1)
        assert server.open == 1
        client.send(b"alho")  # more of it does not buy time
        server.advance(2)
        gone(client)
    eventually(lambda: server.open == 0)


def test_a_kept_connection_that_asks_nothing_more_is_dropped_after_its_time(serve: Serve) -> None:
    server = serve(clock=ManualClock())
    with Raw(server.port) as client:
        client.request("GET", "/")
        server.advance(HEAD_SECONDS - 1)
        assert client.request("GET", "/").status == 200
        server.advance(HEAD_SECONDS - 1)
        assert server.open == 1
        server.advance(2)
        gone(client)
    eventually(lambda: server.open == 0)


def test_a_slow_body_has_more_time_than_a_head(serve: Serve) -> None:
    server = serve(clock=ManualClock())
    with Raw(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"o")
        server.advance(HEAD_SECONDS + 1)
        client.send(b"k")
        assert client.answer().body == b"ok"


def test_a_body_that_never_ends_is_dropped_after_its_time(serve: Serve) -> None:
    server = serve(clock=ManualClock())
    with Raw(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        server.advance(HEAD_SECONDS + 1)
        server.advance(BODY_SECONDS)
        gone(client)
    eventually(lambda: server.open == 0)


def test_an_answer_that_takes_long_is_waited_for(serve: Serve) -> None:
    server = serve(clock=ManualClock())
    with Raw(server.port) as client:
        client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
        server.request()
        for _ in range(3):
            server.advance(HEAD_SECONDS + 1)
        server.open_gate()
        assert client.answer().body == b"GET /gate"


def test_an_open_websocket_has_no_time_of_the_listener(serve: Serve) -> None:
    server = serve(clock=ManualClock())
    with Raw(server.port) as client:
        client.upgrade()
        server.session()
        server.advance(BODY_SECONDS + HEAD_SECONDS)
        client.send(client_frame(TEXT, b"still here"))
        assert client.message().payload == b"still here"


# the cap


def test_accepting_pauses_at_the_cap_and_recovers(serve: Serve) -> None:
    server = serve(max_connections=2)
    with Raw(server.port) as first, Raw(server.port) as second:
        assert first.request("GET", "/").status == 200
        assert second.request("GET", "/").status == 200
        with Raw(server.port) as third:  # the system has accepted it, the server has not
            third.send(b"GET /third HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: server.listener.paused)
            assert server.open == 2
            first.close()
            assert third.answer().body == b"GET /third"
            assert second.request("GET", "/").status == 200
    eventually(lambda: server.open == 0)
    assert not server.listener.paused


def test_websockets_count_towards_the_cap_until_they_end(serve: Serve) -> None:
    server = serve(max_connections=1)
    with Raw(server.port) as first:
        first.upgrade()
        with Raw(server.port) as second:
            eventually(lambda: server.listener.paused)
            first.close()
            assert second.request("GET", "/").status == 200


def test_a_silent_client_at_the_cap_gives_way_after_its_time(serve: Serve) -> None:
    server = serve(max_connections=1, clock=ManualClock())
    with Raw(server.port) as silent, Raw(server.port) as waiting:
        waiting.send(GET)
        eventually(lambda: server.listener.paused)
        server.advance(SILENT_SECONDS + 1)
        assert waiting.answer().status == 200
        assert silent.rest() == b""


def test_many_connections_at_once_are_all_answered(server: Server) -> None:
    clients = [Raw(server.port) for _ in range(200)]
    for client in clients:
        client.send(GET)
    assert [client.answer().status for client in clients] == [200] * 200
    for client in clients:
        client.close()
    eventually(lambda: server.open == 0)


def test_a_closed_listener_serves_the_connections_it_has_and_takes_no_more(server: Server) -> None:
    with Raw(server.port) as client:
        client.request("GET", "/")
        server.call(server.listener.close)
        assert client.request("GET", "/again").body == b"GET /again"
        with pytest.raises(ConnectionRefusedError):
            Raw(server.port)


def test_an_address_in_use_is_an_error_at_once(server: Server) -> None:
    second = Listener(server.probe, server.deadlines, context=None, max_connections=1)
    with pytest.raises(OSError, match="in use"):
        server.call(lambda: second.listen("127.0.0.1", server.port))


# requests in order


def test_a_connection_is_kept_for_the_next_request(server: Server) -> None:
    with Raw(server.port) as client:
        for number in range(3):
            answer = client.request("GET", f"/{number}")
            assert answer.body == f"GET /{number}".encode()
            assert "connection" not in answer.headers


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(*[f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for number in range(20)])
        assert [client.answer().body for _ in range(20)] == [f"GET /{number}".encode() for number in range(20)]


def test_a_slow_answer_holds_back_the_ones_after_it(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(
            b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\nPOST /two HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo"
        )
        assert server.request().target == "/gate"
        client.send(b"GET /three HTTP/1.1\r\nHost: x\r\n\r\n")
        client.send(b"GET /four HTTP/1.1\r\nHost: x\r\n\r\n")
        server.open_gate()
        assert [client.answer().body for _ in range(4)] == [b"GET /gate", b"two", b"GET /three", b"GET /four"]


def test_a_request_in_one_byte_writes_is_answered(server: Server) -> None:
    with Raw(server.port) as client:
        client.dribble(b"POST /slow?a=b HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nContent-Length: 3\r\n\r\nabc")
        assert client.answer().body == b"abc"
        request = server.request()
        assert (request.method, request.target, request.header("x-one")) == ("POST", "/slow?a=b", "1")


@pytest.mark.parametrize("head", ["GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"])
def test_a_client_that_wants_no_more_gets_its_answer_and_the_end(server: Server, head: str) -> None:
    with Raw(server.port) as client:
        client.send(head.encode())
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.rest() == b""
    eventually(lambda: server.open == 0)


def test_requests_before_one_that_closes_are_answered_too(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(GET, b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", GET)
        assert client.answer().body == b"GET /"
        assert client.answer().body == b"GET /last"
        assert client.rest() == b""


def test_an_endpoint_that_fails_is_a_500_and_the_connection_goes_on(server: Server) -> None:
    with Raw(server.port) as client:
        answer = client.request("GET", "/fail")
        assert (answer.status, answer.body) == (500, b'{"message":"Internal server error"}')
        assert client.request("GET", "/").status == 200


def test_a_client_that_leaves_before_its_answer_harms_nobody(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
        server.request()
    eventually(lambda: server.open == 0)
    server.open_gate()
    with Raw(server.port) as client:
        assert client.request("GET", "/").status == 200


def test_head_gets_the_headers_of_get_and_no_body(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n", GET)
        head = client.answer("HEAD")
        assert head.status == 200
        assert client.answer().body == b"GET /"
        # RFC 9110 8.6: the length that the body would have had, or none.
        assert head.headers.get("content-length", "10") == str(len("HEAD /page"))


# bodies


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        b"5;name=value\r\nhello\r\n000\r\n\r\n",
    ],
)
def test_a_chunked_body_is_put_together(server: Server, body: bytes) -> None:
    with Raw(server.port) as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.send(head, body, GET)
        assert client.answer().body == b"hello"
        assert client.answer().body == b"GET /"
        client.dribble(head + body)
        assert client.answer().body == b"hello"


def test_trailers_are_no_headers(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"2\r\nok\r\n0\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
        assert client.answer().body == b"ok"
        assert server.request().header("x-forwarded-for") == ""


def test_trailers_without_end_are_refused(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
        client.sock.settimeout(1)
        for number in range(200):
            client.send(f"X-{number}: {'x' * 1000}\r\n".encode())
        assert client.answer().status in (400, 413, 431)


def test_expect_100_continue_is_answered_before_the_body(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"body")
        assert client.answer().body == b"body"


def test_expect_100_continue_for_a_body_over_the_limit_is_refused_at_once(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(
            f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert client.answer().status == 413
        assert client.rest() == b""


def test_a_body_as_long_as_the_limit_is_taken(server: Server) -> None:
    with Raw(server.port) as client:
        assert client.request("POST", "/", b"x" * LIMIT).body == b"x" * LIMIT


def test_a_body_over_the_limit_is_a_413_that_the_client_can_read(server: Server) -> None:
    with Raw(server.port) as client:
        body = b"x" * 5_000_000  # far more than socket buffers hold: the server has to read it away
        client.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body)
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.headers["x-amzn-errortype"] == "PayloadTooLargeException"
        assert client.rest() == b""
    eventually(lambda: server.open == 0)


def test_a_chunked_body_over_the_limit_is_a_413_that_the_client_can_read(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"64\r\n" + b"x" * 100 + b"\r\n")
        for _ in range(50):
            client.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert client.answer().status == 413


def test_the_limit_of_a_body_is_that_of_its_path(server: Server) -> None:
    with Raw(server.port) as client:
        body = gzip.compress(bytes(100_000)) * 100
        assert client.request("POST", "/large", body).body == body


def test_a_refusal_waits_for_the_answers_before_it(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
        server.request()
        client.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
        server.open_gate()
        assert client.answer().body == b"GET /gate"
        assert client.answer().status == 413
        assert client.rest() == b""


# heads


def test_a_head_of_60_kb_is_taken(server: Server) -> None:
    with Raw(server.port) as client:
        assert client.request("GET", "/", extra=f"X-Long: {'x' * 60_000}\r\n").status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Short: x\r\n" * 7_000 + b"\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"x" * 1_000_000,
    ],
    ids=["one header", "many headers", "the target", "without end"],
)
def test_a_head_over_64_kb_is_a_431(server: Server, head: bytes) -> None:
    with Raw(server.port) as client:
        client.send(head)
        assert client.answer().status == 431
        assert client.rest() == b""
    eventually(lambda: server.open == 0)


def test_a_head_over_64_kb_after_another_request_is_a_431(server: Server) -> None:
    with Raw(server.port) as client:
        client.request("GET", "/")
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        for _ in range(100):
            client.send(b"x" * 10_000)
        assert client.answer().status == 431


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x00\x01\x02\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n: no name\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_400(server: Server, data: bytes) -> None:
    with Raw(server.port) as client:
        client.send(data)
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert client.rest() == b""
    eventually(lambda: server.open == 0)


def test_garbage_after_a_good_request_is_a_400_after_its_answer(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(GET, b"garbage\r\n\r\n")
        assert client.answer().status == 200
        assert client.answer().status == 400
        assert client.rest() == b""


# upgrades


@pytest.mark.parametrize("body", [b"", b"a body"])
@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.2", "websocket/13"])
def test_an_upgrade_to_anything_but_websocket_is_a_plain_request(server: Server, body: bytes, protocol: str) -> None:
    extra = f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMAAABk\r\n"
    with Raw(server.port) as client:
        answer = client.request("POST", "/h2c", body, extra)
        assert (answer.status, answer.body) == (200, body or b"POST /h2c")
        assert client.request("GET", "/next").body == b"GET /next"
    assert server.request().header("http2-settings") == "AAMAAABk"
    assert server.request().target == "/next"
    assert server.probe.seen.empty()


def test_an_upgrade_to_h2c_in_pieces_is_a_plain_request_with_its_body(server: Server) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Raw(server.port) as client:
        client.dribble(head + b"5\r\nhello\r\n0\r\n\r\n")
        assert client.answer().body == b"hello"
        assert client.request("GET", "/next").body == b"GET /next"


def test_an_upgrade_to_h2c_is_held_to_the_limits_too(server: Server) -> None:
    extra = f"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: {LIMIT + 1}\r\n"
    with Raw(server.port) as client:
        assert client.request("POST", "/", extra=extra).status == 413
        assert client.rest() == b""


@pytest.mark.parametrize("body", [b"", b"once"])
def test_a_post_that_asks_for_a_websocket_is_carried_out_once(server: Server, body: bytes) -> None:
    with Raw(server.port) as client:
        answer = client.request("POST", "/post", body, "Connection: Upgrade\r\nUpgrade: websocket\r\n")
        assert (answer.status, answer.body) == (200, body or b"POST /post")
        assert client.request("GET", "/next").body == b"GET /next"
    assert [server.request().target, server.request().target] == ["/post", "/next"]
    assert server.probe.seen.empty()


def test_connect_is_answered_and_the_server_serves_on(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
        assert client.answer().status in (200, 400, 405, 501)  # what the endpoint says, or a refusal
    with Raw(server.port) as client:
        assert client.request("GET", "/").status == 200


def test_the_answer_to_a_handshake_accepts_its_key_and_carries_the_verdicts_headers(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(handshake())
        answer = client.answer()
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.headers["x-extra"] == "yes"
        assert "content-length" not in answer.headers


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, Upgrade", "Upgrade\r\nConnection: keep-alive"])
def test_connection_may_list_more_than_upgrade(server: Server, connection: str) -> None:
    with Raw(server.port) as client:
        client.send(handshake().replace(b"Connection: Upgrade", f"Connection: {connection}".encode()))
        assert client.answer().status == 101


def test_a_handshake_is_held_until_the_verdict_and_what_comes_meanwhile_is_kept(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(handshake("/gate"), client_frame(TEXT, b"one"))
        server.request()
        client.send(client_frame(TEXT, b"two"))
        server.open_gate()
        assert client.answer().status == 101
        assert [client.message().payload, client.message().payload] == [b"one", b"two"]


def test_a_handshake_after_a_pipelined_request_waits_for_its_turn(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n", handshake("/wide"), client_frame(TEXT, b"early"))
        assert server.request().target == "/gate"
        server.open_gate()
        assert client.answer().body == b"GET /gate"
        assert client.answer().status == 101
        assert client.message() == Frame(TEXT, b"early")


def test_a_refused_handshake_is_answered_and_closed(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(handshake("/refused"))
        answer = client.answer()
        assert (answer.status, answer.body, answer.headers["connection"]) == (403, b"refused", "close")
        assert client.rest() == b""
    eventually(lambda: server.open == 0)


def test_a_handshake_that_fails_in_the_endpoint_is_a_500(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(handshake("/fail"))
        assert client.answer().status == 500
        assert client.rest() == b""


def test_a_client_that_leaves_during_its_handshake_is_1006_to_the_handler(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(handshake("/gate"))
        server.request()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # reset, not a quiet end
    server.open_gate()
    session = server.session()
    events = [session.next()]
    if events == [("opened",)]:  # the loss shows only when something is written
        events = [session.next()]
    assert events == [("closed", 1006, "Connection closed abnormally")]
    eventually(lambda: server.open == 0)
    assert session.events.empty()


def test_a_request_knows_where_it_came_from(server: Server) -> None:
    with Raw(server.port) as client:
        client.request("GET", "/")
        request = server.request()
        assert (request.source_ip, request.port, request.secure) == ("127.0.0.1", server.port, False)

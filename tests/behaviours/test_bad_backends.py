"""HTTP backends that misbehave: each ends in the documented frame in time, and the log says why (spec 3.9, 4.11)."""

from __future__ import annotations

import gzip
import json
import re
import resource
import socket
import ssl
import sys
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from routekey.resources.access import ClientCertificate
from routekey.wire import tls
from tests.backends import (
    HEAD,
    MEGABYTE,
    Authority,
    RawBackend,
    Serve,
    answering,
    closing,
    flooding,
    resetting,
    with_length,
)
from tests.behaviours.test_connect import FRAME as REFUSAL
from tests.behaviours.test_connect import refused
from tests.support import Lines, RunningGateway, error, http, meanwhile, mock, running

MAX_ANSWER = 10 * MEGABYTE  # of one backend's answer


def fails_and_lives_on(
    gateway: RunningGateway, lines: Lines, integration: dict[str, Any], frame: str, why: str, seconds: float = 5.0
) -> None:
    """A message to `integration` ends in the error `frame` within `seconds`; the connection is as good as before."""
    api = gateway.api({"bad": integration, "good": mock("still here", two_way=True)})
    with api.connect() as client:
        started = time.monotonic()
        client.send('{"action":"bad"}')
        assert error(client.recv(10)) == frame
        assert time.monotonic() - started < seconds
        client.send('{"action":"good"}')
        assert client.recv(5) == "still here"
    record = lines.failed(api)
    assert (record["route"], record["integration"]) == ("bad", api.integrations["bad"])
    assert re.search(why, record["error"]), record


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
kinds = pytest.mark.parametrize(
    ("kind", "two_way"), [("HTTP", False), ("HTTP_PROXY", True)], ids=["HTTP one-way", "HTTP_PROXY two-way"]
)


def packed(body: bytes) -> bytes:
    """An answer that says it is gzip."""
    return with_length(body, b"Content-Encoding: gzip\r\n")


@kinds
@pytest.mark.parametrize(
    ("serve", "why"),
    [
        pytest.param(lambda client: None, "closed the connection", id="closes at once"),
        pytest.param(closing(b""), "closed the connection", id="closes without an answer"),
        pytest.param(closing(HEAD), "closed the connection", id="closes in the head"),
        pytest.param(
            closing(HEAD + b"Content-Length: 9\r\n\r\nfour"), "closed the connection", id="closes in the body"
        ),
        pytest.param(closing(CHUNKED + b"9\r\nfour"), "closed the connection", id="closes in a chunk"),
        pytest.param(closing(CHUNKED + b"4\r\nfour\r\n"), "closed the connection", id="closes between chunks"),
        pytest.param(resetting(b""), "closed the connection", id="resets"),
        pytest.param(resetting(HEAD + b"Content-Length: 9\r\n\r\nfour"), "closed the connection", id="resets in body"),
        pytest.param(answering(b"hello, this is no HTTP\r\n\r\n"), "answered no HTTP", id="garbage"),
        pytest.param(answering(bytes(range(256)) * 100), "answered no HTTP", id="bytes"),
        pytest.param(answering(CHUNKED + b"xyz\r\n"), "answered no HTTP", id="garbage for a chunk"),
        pytest.param(answering(HEAD + b"Content-Length: ten\r\n\r\n"), "answered no HTTP", id="no number for a length"),
        pytest.param(
            answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            "switched protocols",
            id="switches protocols",
        ),
        pytest.param(
            answering(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfour"),
            "does not unpack",
            id="no gzip",
        ),
        pytest.param(
            answering(packed(gzip.compress(b"one") + gzip.compress(b"two")[:-4])),
            "does not unpack",
            id="gzip whose second member is cut short",
        ),
        pytest.param(
            answering(packed(gzip.compress(b"one") + b"\x1f\x8b\x08")),
            "does not unpack",
            id="gzip whose second member is cut short in its head",
        ),
    ],
)
def test_a_backend_that_breaks_off_or_talks_nonsense_fails_the_message_alone(
    gateway: RunningGateway, lines: Lines, serve: Serve, why: str, kind: str, two_way: bool
) -> None:
    with RawBackend(serve) as backend:
        integration = http(backend.url, kind, two_way=two_way)
        fails_and_lives_on(gateway, lines, integration, "Internal server error", why)


def test_a_reset_does_not_end_an_answer_that_lasts_until_the_connection_closes(
    gateway: RunningGateway, lines: Lines
) -> None:
    with RawBackend(resetting(HEAD + b"\r\npart of it")) as backend:
        integration = http(backend.url, "HTTP_PROXY", two_way=True)
        fails_and_lives_on(gateway, lines, integration, "Internal server error", "")


@kinds
@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(b"", b"", id="says nothing"),
        pytest.param(HEAD, b"", id="stops in the head"),
        pytest.param(HEAD + b"Content-Length: 9\r\n\r\nfour", b"", id="stops in the body"),
        pytest.param(HEAD, b"X-More: and more\r\n", id="trickles headers"),
        pytest.param(CHUNKED, b"4\r\nfour\r\n", id="trickles chunks"),
        pytest.param(HEAD + b"\r\n", b"x", id="trickles until it closes"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="goes on saying continue"),
    ],
)
def test_the_whole_answer_has_to_be_there_in_time(
    gateway: RunningGateway, lines: Lines, begin: bytes, piece: bytes, kind: str, two_way: bool
) -> None:
    with RawBackend(flooding(begin, piece, [0], pause=0.02)) as backend:
        integration = http(backend.url, kind, two_way=two_way, TimeoutInMillis=150)
        why = "did not answer within 0.15 s"
        fails_and_lives_on(gateway, lines, integration, "Endpoint request timed out", why, seconds=2)
        assert len(backend.accepted) == 1


@kinds
@pytest.mark.parametrize(
    ("begin", "piece", "limit"),
    [
        pytest.param(HEAD + b"Content-Length: 104857600\r\n\r\n", b"x" * 65536, MAX_ANSWER, id="100 MB"),
        pytest.param(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n", MAX_ANSWER, id="chunks"),
        pytest.param(HEAD + b"\r\n", b"x" * 65536, MAX_ANSWER, id="until it closes"),
        pytest.param(HEAD, b"X-More: " + b"y" * 1000 + b"\r\n", MEGABYTE, id="headers"),
        pytest.param(HEAD + b"X-Long: ", b"x" * 10_000, MEGABYTE, id="one header"),
        pytest.param(
            CHUNKED + b"4\r\nfour\r\n0\r\n",
            b"X-More: " + b"y" * 1000 + b"\r\n",
            MEGABYTE,
            id="trailers",
        ),
    ],
)
def test_an_answer_without_end_is_cut_off_before_it_fills_the_memory(
    gateway: RunningGateway, lines: Lines, begin: bytes, piece: bytes, limit: int, kind: str, two_way: bool
) -> None:
    count = [0]
    with RawBackend(flooding(begin, piece, count)) as backend:
        integration = http(backend.url, kind, two_way=two_way, TimeoutInMillis=3000)
        fails_and_lives_on(gateway, lines, integration, "Internal server error", "is longer than")
    # What the two sockets hold comes on top of what was read.
    assert count[0] < limit + 12 * MEGABYTE


def peak_memory() -> int:
    """Bytes that this process, which the gateway runs in, ever had in memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def bomb(megabytes: int) -> bytes:
    """Gzip of so many megabytes of nothing, made without having them in memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    nothing = bytes(MEGABYTE)
    head = packer.compress(nothing) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + (packer.compress(nothing) + packer.flush(zlib.Z_FULL_FLUSH)) * (megabytes - 1)


@kinds
def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused(
    gateway: RunningGateway, lines: Lines, kind: str, two_way: bool
) -> None:
    packed = bomb(600)
    answer = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed)
    with RawBackend(answering(answer)) as backend:
        before = peak_memory()
        integration = http(backend.url, kind, two_way=two_way)
        fails_and_lives_on(gateway, lines, integration, "Internal server error", "unpacks to more than")
        assert peak_memory() - before < 200 * MEGABYTE


def empty_blocks(size: int) -> bytes:
    """One member of gzip, of so many bytes, that unpacks to nothing."""
    head = gzip.compress(b"")[:10]
    return head + b"\x00\x00\x00\xff\xff" * (size // 5) + b"\x01\x00\x00\xff\xff" + bytes(8)


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
@pytest.mark.parametrize(
    ("body", "frame"),
    [
        pytest.param(gzip.compress(b"") * 200_000, "Internal server error", id="200,000 empty members"),
        pytest.param(gzip.compress(b"") * 200_000 + b"x", "Internal server error", id="and more"),
        pytest.param(empty_blocks(4 * MEGABYTE) + gzip.compress(b"unpacked"), "unpacked", id="one member of 4 MB"),
    ],
)
def test_an_answer_that_is_long_packed_holds_nobody_up(
    gateway: RunningGateway, kind: str, body: bytes, frame: str
) -> None:
    with RawBackend(answering(packed(body))) as backend:
        api = gateway.api({"big": http(backend.url, kind, two_way=True), "ping": mock("pong", two_way=True)})
        with api.connect() as client, api.connect() as other:
            started = time.monotonic()
            answer, longest = meanwhile(client, other, '{"action":"big"}')
            assert time.monotonic() - started < 5
    assert longest < 1
    assert (error(answer) if answer.startswith("{") else answer) == frame


@kinds
def test_a_host_that_does_not_exist_is_an_internal_server_error(
    gateway: RunningGateway, lines: Lines, kind: str, two_way: bool
) -> None:
    integration = http("http://nosuch.invalid/", kind, two_way=two_way)
    fails_and_lives_on(gateway, lines, integration, "Internal server error", "nosuch.invalid.*cannot connect", 10)


@kinds
def test_a_port_where_nobody_listens_is_an_internal_server_error(
    gateway: RunningGateway, lines: Lines, kind: str, two_way: bool
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        integration = http(f"http://127.0.0.1:{unused.getsockname()[1]}/", kind, two_way=two_way)
        fails_and_lives_on(gateway, lines, integration, "Internal server error", "cannot connect")


def test_the_log_shows_neither_a_password_nor_a_query_of_the_uri(gateway: RunningGateway, lines: Lines) -> None:
    with RawBackend(closing(b"")) as backend:
        uri = backend.url.replace("//", "//me:secret@") + "/path?key=secret"
        fails_and_lives_on(gateway, lines, http(uri), "Internal server error", f"{backend.url}/path")
    assert "secret" not in str(lines.of("failed"))


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
@pytest.mark.parametrize(
    ("serve", "status", "message"),
    [
        pytest.param(flooding(b"", b"", [0], pause=0.02), 504, "Endpoint request timed out", id="hangs"),
        pytest.param(flooding(CHUNKED, b"1\r\nx\r\n", [0], pause=0.02), 504, "Endpoint request timed out", id="slow"),
        pytest.param(resetting(b""), 504, "Network error communicating with endpoint", id="resets"),
        pytest.param(answering(b"garbage\r\n\r\n"), 504, "Network error communicating with endpoint", id="garbage"),
        pytest.param("http://nosuch.invalid/", 504, "Network error communicating with endpoint", id="does not exist"),
        pytest.param("http://127.0.0.1:1/", 500, "Internal server error", id="refuses"),
        pytest.param(closing(HEAD + b"Content-Encoding: gzip\r\n\r\nx"), 500, "Internal server error", id="no gzip"),
    ],
)
def test_a_handshake_whose_backend_fails_is_refused(
    gateway: RunningGateway, lines: Lines, kind: str, serve: Serve | str, status: int, message: str
) -> None:
    with RawBackend(closing(b"") if isinstance(serve, str) else serve) as backend:
        uri = serve if isinstance(serve, str) else backend.url
        api = gateway.api({"$connect": http(uri, kind, TimeoutInMillis=300)})
        code, headers, body = refused(api)
    match = REFUSAL.fullmatch(body)
    assert (code, match and match[1]) == (status, message)
    assert headers["content-type"] == "application/json; charset=UTF-8"
    record = lines.failed(api)
    assert (record["route"], record["integration"]) == ("$connect", api.integrations["$connect"])


def test_a_disconnect_that_fails_is_told_in_the_log_alone(gateway: RunningGateway, lines: Lines) -> None:
    with RawBackend(closing(b"")) as backend:
        api = gateway.api({"$disconnect": http(backend.url)})
        with api.connect():
            pass
        record = lines.failed(api)
    assert (record["route"], record["integration"]) == ("$disconnect", api.integrations["$disconnect"])


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "trusted")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> Iterator[RunningGateway]:
    with running(backend_ca=str(authority.file)) as gateway:
        yield gateway


OK = HEAD + b"Content-Length: 6\r\n\r\nsecret"


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
def test_a_backend_with_a_certificate_of_an_authority_in_backend_ca_is_trusted(
    trusting: RunningGateway, authority: Authority, kind: str
) -> None:
    with RawBackend(answering(OK), authority.server()) as backend:
        api = trusting.api({"$connect": http(backend.url, kind), "$default": http(backend.url, kind, two_way=True)})
        with api.connect() as client:
            client.send("x")
            assert client.recv(5) == "secret"
            client.send("y")
            assert client.recv(5) == "secret"


@kinds
@pytest.mark.parametrize(
    ("host", "days", "why"),
    [
        pytest.param("127.0.0.1", -1.0, "expired", id="expired"),
        pytest.param("other.example", 1.0, "not valid for '127.0.0.1'|IP address mismatch", id="of another host"),
    ],
)
def test_a_certificate_that_does_not_hold_is_an_internal_server_error(
    trusting: RunningGateway,
    lines: Lines,
    authority: Authority,
    host: str,
    days: float,
    why: str,
    kind: str,
    two_way: bool,
) -> None:
    with RawBackend(answering(OK), authority.server(host, days=days)) as backend:
        integration = http(backend.url, kind, two_way=two_way)
        fails_and_lives_on(trusting, lines, integration, "Internal server error", why)


@pytest.mark.parametrize("trusts_another", [False, True])
def test_a_certificate_of_an_unknown_authority_is_an_internal_server_error(
    gateway: RunningGateway, trusting: RunningGateway, lines: Lines, stranger: Authority, trusts_another: bool
) -> None:
    with RawBackend(answering(OK), stranger.server()) as backend:
        own = trusting if trusts_another else gateway
        integration = http(backend.url, "HTTP_PROXY", two_way=True)
        why = "CERTIFICATE_VERIFY_FAILED.*(self-signed|unable to get local issuer)"
        fails_and_lives_on(own, lines, integration, "Internal server error", why)


def test_a_backend_that_speaks_no_tls_is_an_internal_server_error(trusting: RunningGateway, lines: Lines) -> None:
    with RawBackend(lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as backend:
        uri = backend.url.replace("http://", "https://")
        fails_and_lives_on(trusting, lines, http(uri), "Internal server error", "cannot connect")


def test_a_handshake_whose_backend_cannot_be_trusted_is_refused_with_504(
    gateway: RunningGateway, stranger: Authority
) -> None:
    with RawBackend(answering(OK), stranger.server()) as backend:
        code, _, body = refused(gateway.api({"$connect": http(backend.url, "HTTP_PROXY")}))
    match = REFUSAL.fullmatch(body)
    assert (code, match and match[1]) == (504, "Network error communicating with endpoint")


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
def test_the_client_certificate_of_the_stage_is_shown_to_a_backend_that_demands_one(
    trusting: RunningGateway, lines: Lines, authority: Authority, kind: str
) -> None:
    v1, v2 = trusting.client("apigateway"), trusting.client("apigatewayv2")
    made = v1.generate_client_certificate()
    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=made["pemEncodedCertificate"])
    shown = []

    def serve(client: socket.socket) -> None:
        assert isinstance(client, ssl.SSLSocket)
        shown.append(client.getpeercert(binary_form=True))
        answering(OK)(client)

    with RawBackend(serve, context) as backend:
        api = trusting.api({"$default": http(backend.url, kind, two_way=True)})
        with api.connect() as client:
            client.send("x")
            assert error(client.recv(5)) == "Internal server error"
            assert lines.failed(api)["integration"] == api.integrations["$default"]
            assert not shown
            v2.update_stage(ApiId=api.id, StageName=api.stage, ClientCertificateId=made["clientCertificateId"])
            api.deploy()
            client.send("x")
            assert client.recv(5) == "secret"
        assert shown == [ssl.PEM_cert_to_DER_cert(made["pemEncodedCertificate"])]


def test_integrations_that_show_the_same_client_certificate_share_their_tls(
    trusting: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make = tls.client_context

    def counting(*arguments: Any) -> ssl.SSLContext:
        made.append(arguments)
        return make(*arguments)

    monkeypatch.setattr(tls, "client_context", counting)
    certificate = trusting.client("apigateway").generate_client_certificate()["clientCertificateId"]
    v2 = trusting.client("apigatewayv2")
    for _ in range(2):
        api = trusting.api({key: http("https://127.0.0.1:1/", two_way=True) for key in ("one", "two")})
        v2.update_stage(ApiId=api.id, StageName=api.stage, ClientCertificateId=certificate)
        with api.connect() as client:
            for action in ("one", "two"):
                client.send(json.dumps({"action": action}))
                assert error(client.recv(5)) == "Internal server error"
    assert len(made) == 1


def test_the_key_of_a_client_certificate_is_not_shown(trusting: RunningGateway) -> None:
    made = trusting.client("apigateway").generate_client_certificate()["clientCertificateId"]
    certificate = trusting.run(trusting.gateway.repository.find(ClientCertificate, made))
    assert certificate is not None
    assert "PRIVATE KEY" in certificate.private_key
    assert "PRIVATE KEY" not in f"{certificate} {certificate!r} {[certificate]}"


def test_another_client_certificate_is_not_taken(trusting: RunningGateway, lines: Lines, authority: Authority) -> None:
    v1, v2 = trusting.client("apigateway"), trusting.client("apigatewayv2")
    wanted, other = v1.generate_client_certificate(), v1.generate_client_certificate()
    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=wanted["pemEncodedCertificate"])
    with RawBackend(answering(OK), context) as backend:
        api = trusting.api({"$default": http(backend.url, two_way=True)})
        v2.update_stage(ApiId=api.id, StageName=api.stage, ClientCertificateId=other["clientCertificateId"])
        with api.connect() as client:
            client.send("x")
            assert error(client.recv(5)) == "Internal server error"

"""HTTP backends that misbehave: each ends in the documented frame in time, and the log says why (spec 3.9, 4.11)."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import logging
import re
import resource
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.behaviours.test_connect import FRAME as REFUSAL
from tests.behaviours.test_connect import refused
from tests.behaviours.test_messages import error
from tests.support import RunningGateway, eventually, mock, running

MEGABYTE = 1024 * 1024
MAX_ANSWER = 10 * MEGABYTE  # of one backend's answer
MOST = 32 * MEGABYTE  # that a backend sends, so that a gateway which takes all of it still ends its test

Serve = Callable[[socket.socket], None]


class RawBackend:
    """A server on loopback that does with each connection what `serve` says, in a thread of its own."""

    def __init__(self, serve: Serve, context: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._context = context
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self._closed = False
        self.accepted: list[socket.socket] = []
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._closed:
            with contextlib.suppress(TimeoutError):
                client, _ = self._server.accept()
                client.settimeout(20)
                self.accepted.append(client)
                threading.Thread(target=self._run, args=(client,), daemon=True).start()
        self._server.close()

    def _run(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the other side hung up
            try:
                if self._context is not None:
                    client = self._context.wrap_socket(client, server_side=True)
                    self.accepted.append(client)
                self._serve(client)
            finally:
                client.close()

    def __enter__(self) -> RawBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for client in list(self.accepted):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def read_request(client: socket.socket) -> bytes:
    """One whole request, or nothing where the other side hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(answer: bytes) -> Serve:
    """Answers each request of a connection with these bytes."""

    def serve(client: socket.socket) -> None:
        while read_request(client):
            client.sendall(answer)

    return serve


def closing(answer: bytes) -> Serve:
    """Answers one request with these bytes, and closes."""

    def serve(client: socket.socket) -> None:
        read_request(client)
        client.sendall(answer)

    return serve


def resetting(answer: bytes) -> Serve:
    """Sends these bytes and breaks the connection off."""

    def serve(client: socket.socket) -> None:
        read_request(client)
        if answer:
            client.sendall(answer)
            # A reset may overtake what was sent before it; here it must not.
            time.sleep(0.05)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return serve


def flooding(begin: bytes, piece: bytes, count: list[int], pause: float = 0.0) -> Serve:
    """Sends `piece` after `begin` for as long as anybody takes it; `count` has how many bytes were taken."""

    def serve(client: socket.socket) -> None:
        read_request(client)
        client.sendall(begin)
        while count[0] < MOST:
            client.sendall(piece)
            count[0] += len(piece)
            if pause:
                time.sleep(pause)
        client.recv(1)

    return serve


class Failures(logging.Handler):
    """What the gateway logs of messages and handshakes that failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.data: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "failed":
            self.data.append(vars(record)["data"])

    def of(self, api_id: str) -> dict[str, Any]:
        """The one failure of an API."""
        [found] = eventually(lambda: [each for each in self.data if each["api"] == api_id])
        return found


@pytest.fixture
def failures() -> Iterator[Failures]:
    logger, handler = logging.getLogger("routekey.gateway"), Failures()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def http(uri: str, kind: str = "HTTP", **members: Any) -> dict[str, Any]:
    """An integration of an HTTP endpoint; of type HTTP it answers with what the endpoint answered."""
    made: dict[str, Any] = {"IntegrationType": kind, "IntegrationMethod": "POST", "IntegrationUri": uri}
    if kind == "HTTP":
        made["responses"] = [{"IntegrationResponseKey": "$default"}]
    return made | members


def fails_and_lives_on(
    gateway: RunningGateway, failures: Failures, integration: dict[str, Any], frame: str, why: str, seconds: float = 5.0
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
    record = failures.of(api.id)
    assert (record["route"], record["integration"]) == ("bad", api.integrations["bad"])
    assert re.search(why, record["error"]), record


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
kinds = pytest.mark.parametrize(
    ("kind", "two_way"), [("HTTP", False), ("HTTP_PROXY", True)], ids=["HTTP one-way", "HTTP_PROXY two-way"]
)


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
    ],
)
def test_a_backend_that_breaks_off_or_talks_nonsense_fails_the_message_alone(
    gateway: RunningGateway, failures: Failures, serve: Serve, why: str, kind: str, two_way: bool
) -> None:
    with RawBackend(serve) as backend:
        integration = http(backend.url, kind, two_way=two_way)
        fails_and_lives_on(gateway, failures, integration, "Internal server error", why)


def test_a_reset_does_not_end_an_answer_that_lasts_until_the_connection_closes(
    gateway: RunningGateway, failures: Failures
) -> None:
    with RawBackend(resetting(HEAD + b"\r\npart of it")) as backend:
        integration = http(backend.url, "HTTP_PROXY", two_way=True)
        fails_and_lives_on(gateway, failures, integration, "Internal server error", "")


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
    gateway: RunningGateway, failures: Failures, begin: bytes, piece: bytes, kind: str, two_way: bool
) -> None:
    with RawBackend(flooding(begin, piece, [0], pause=0.02)) as backend:
        integration = http(backend.url, kind, two_way=two_way, TimeoutInMillis=150)
        why = "did not answer within 0.15 s"
        fails_and_lives_on(gateway, failures, integration, "Endpoint request timed out", why, seconds=2)
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
    gateway: RunningGateway, failures: Failures, begin: bytes, piece: bytes, limit: int, kind: str, two_way: bool
) -> None:
    count = [0]
    with RawBackend(flooding(begin, piece, count)) as backend:
        integration = http(backend.url, kind, two_way=two_way, TimeoutInMillis=3000)
        fails_and_lives_on(gateway, failures, integration, "Internal server error", "is longer than")
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
    gateway: RunningGateway, failures: Failures, kind: str, two_way: bool
) -> None:
    packed = bomb(600)
    answer = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed)
    with RawBackend(answering(answer)) as backend:
        before = peak_memory()
        integration = http(backend.url, kind, two_way=two_way)
        fails_and_lives_on(gateway, failures, integration, "Internal server error", "unpacks to more than")
        assert peak_memory() - before < 200 * MEGABYTE


@kinds
def test_a_host_that_does_not_exist_is_an_internal_server_error(
    gateway: RunningGateway, failures: Failures, kind: str, two_way: bool
) -> None:
    integration = http("http://nosuch.invalid/", kind, two_way=two_way)
    fails_and_lives_on(gateway, failures, integration, "Internal server error", "nosuch.invalid.*cannot connect", 10)


@kinds
def test_a_port_where_nobody_listens_is_an_internal_server_error(
    gateway: RunningGateway, failures: Failures, kind: str, two_way: bool
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        integration = http(f"http://127.0.0.1:{unused.getsockname()[1]}/", kind, two_way=two_way)
        fails_and_lives_on(gateway, failures, integration, "Internal server error", "cannot connect")


def test_the_log_shows_neither_a_password_nor_a_query_of_the_uri(gateway: RunningGateway, failures: Failures) -> None:
    with RawBackend(closing(b"")) as backend:
        uri = backend.url.replace("//", "//me:secret@") + "/path?key=secret"
        fails_and_lives_on(gateway, failures, http(uri), "Internal server error", f"{backend.url}/path")
    assert "secret" not in str(failures.data)


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
    gateway: RunningGateway, failures: Failures, kind: str, serve: Serve | str, status: int, message: str
) -> None:
    with RawBackend(closing(b"") if isinstance(serve, str) else serve) as backend:
        uri = serve if isinstance(serve, str) else backend.url
        api = gateway.api({"$connect": http(uri, kind, TimeoutInMillis=300)})
        code, headers, body = refused(api)
    match = REFUSAL.fullmatch(body)
    assert (code, match and match[1]) == (status, message)
    assert headers["content-type"] == "application/json; charset=UTF-8"
    record = failures.of(api.id)
    assert (record["route"], record["integration"]) == ("$connect", api.integrations["$connect"])


def test_a_disconnect_that_fails_is_told_in_the_log_alone(gateway: RunningGateway, failures: Failures) -> None:
    with RawBackend(closing(b"")) as backend:
        api = gateway.api({"$disconnect": http(backend.url)})
        with api.connect():
            pass
        record = failures.of(api.id)
    assert (record["route"], record["integration"]) == ("$disconnect", api.integrations["$disconnect"])


# TLS


class Authority:
    """A certificate authority, and the servers that it vouches for."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = self._signed(name, self._key, now + datetime.timedelta(days=1), [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (_usage(sign=True), True),
        ])  # fmt: skip
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, host: str = "127.0.0.1", *, days: float = 1) -> ssl.SSLContext:
        """A server of `host` whose certificate ends in so many days."""
        name: x509.GeneralName
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        key = ec.generate_private_key(ec.SECP256R1())
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        certificate = self._signed("server", key, ends, [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(sign=False), True),
            (x509.SubjectAlternativeName([name]), False),
        ])  # fmt: skip
        file = self._folder / f"{self._name}-{host}-{days}.pem"
        form = serialization.PrivateFormat.PKCS8
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        ends: datetime.datetime,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - datetime.timedelta(days=30))
            .not_valid_after(ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


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
    failures: Failures,
    authority: Authority,
    host: str,
    days: float,
    why: str,
    kind: str,
    two_way: bool,
) -> None:
    with RawBackend(answering(OK), authority.server(host, days=days)) as backend:
        integration = http(backend.url, kind, two_way=two_way)
        fails_and_lives_on(trusting, failures, integration, "Internal server error", why)


@pytest.mark.parametrize("trusts_another", [False, True])
def test_a_certificate_of_an_unknown_authority_is_an_internal_server_error(
    gateway: RunningGateway, trusting: RunningGateway, failures: Failures, stranger: Authority, trusts_another: bool
) -> None:
    with RawBackend(answering(OK), stranger.server()) as backend:
        own = trusting if trusts_another else gateway
        integration = http(backend.url, "HTTP_PROXY", two_way=True)
        why = "CERTIFICATE_VERIFY_FAILED.*(self-signed|unable to get local issuer)"
        fails_and_lives_on(own, failures, integration, "Internal server error", why)


def test_a_backend_that_speaks_no_tls_is_an_internal_server_error(trusting: RunningGateway, failures: Failures) -> None:
    with RawBackend(lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as backend:
        uri = backend.url.replace("http://", "https://")
        fails_and_lives_on(trusting, failures, http(uri), "Internal server error", "cannot connect")


def test_a_handshake_whose_backend_cannot_be_trusted_is_refused_with_504(
    gateway: RunningGateway, stranger: Authority
) -> None:
    with RawBackend(answering(OK), stranger.server()) as backend:
        code, _, body = refused(gateway.api({"$connect": http(backend.url, "HTTP_PROXY")}))
    match = REFUSAL.fullmatch(body)
    assert (code, match and match[1]) == (504, "Network error communicating with endpoint")


@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
def test_the_client_certificate_of_the_stage_is_shown_to_a_backend_that_demands_one(
    trusting: RunningGateway, failures: Failures, authority: Authority, kind: str
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
            assert failures.of(api.id)["integration"] == api.integrations["$default"]
            assert not shown
            v2.update_stage(ApiId=api.id, StageName=api.stage, ClientCertificateId=made["clientCertificateId"])
            api.deploy()
            client.send("x")
            assert client.recv(5) == "secret"
        assert shown == [ssl.PEM_cert_to_DER_cert(made["pemEncodedCertificate"])]


def test_another_client_certificate_is_not_taken(
    trusting: RunningGateway, failures: Failures, authority: Authority
) -> None:
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

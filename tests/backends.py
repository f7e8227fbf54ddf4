"""Backends that answer byte for byte, or misbehave, and authorities that vouch for those with TLS."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

MEGABYTE = 1024 * 1024
MOST = 32 * MEGABYTE  # that a backend sends, so that a gateway which takes all of it still ends its test
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

Serve = Callable[[socket.socket], None]


def with_length(body: bytes, headers: bytes = b"") -> bytes:
    """An answer of status 200 that says how long it is."""
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (HEAD, headers, len(body), body)


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

    def __enter__(self) -> Self:
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


class Authority:
    """A certificate authority, and the servers that it vouches for."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = self._signed(name, self._key, now + datetime.timedelta(days=1), [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (_usage("key_cert_sign", "crl_sign"), True),
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
            (_usage("digital_signature"), True),
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


_USES = (
    "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
    "encipher_only decipher_only"
).split()


def _usage(*uses: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in uses for each in _USES})

"""The gateway's own certificate authority, and TLS contexts chosen by the client's server name."""

from __future__ import annotations

import contextlib
import datetime
import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RENEW_DAYS = 30
LEAF_DAYS = 397
CA_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Authority:
    """Files of a local CA and of the certificate that it gave this gateway."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def ca_key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"

    @property
    def names(self) -> Path:
        return self.folder / "server.names"


def ensure(folder: Path, names: list[str], now: datetime.datetime) -> Authority:
    """A CA in `folder` and a certificate for `names` and the loopback addresses.

    Made on first use, or when names were added or the certificate is about to end; cryptography
    is imported only then.
    """
    authority = Authority(folder)
    wanted = "\n".join(sorted(names))
    if authority.key.exists() and authority.names.exists():
        known, _, ends = authority.names.read_text().rpartition("\n")
        with contextlib.suppress(ValueError):
            if known == wanted and datetime.datetime.fromisoformat(ends) - now > datetime.timedelta(days=RENEW_DAYS):
                return authority
    folder.mkdir(parents=True, exist_ok=True)
    _make(authority, sorted(names), now)
    ends = (now + datetime.timedelta(days=LEAF_DAYS)).isoformat()
    authority.names.write_text(f"{wanted}\n{ends}")
    return authority


def _make(authority: Authority, names: list[str], now: datetime.datetime) -> None:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    start = now - datetime.timedelta(hours=1)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def usage(*, sign: bool) -> x509.KeyUsage:
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

    if authority.ca.exists() and authority.ca_key.exists():
        ca = x509.load_pem_x509_certificate(authority.ca.read_bytes())
        loaded = serialization.load_pem_private_key(authority.ca_key.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{authority.ca_key} is not a key that routekey made; remove {authority.folder}")
        ca_key = loaded
    else:
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = (
            x509.CertificateBuilder()
            .subject_name(name("routekey local CA"))
            .issuer_name(name("routekey local CA"))
            .public_key(ca_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(now + datetime.timedelta(days=CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        _write_key(authority.ca_key, ca_key)
        authority.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))

    leaf_key = ec.generate_private_key(ec.SECP256R1())
    addresses: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")
    ]
    leaf = (
        x509.CertificateBuilder()
        .subject_name(name("routekey"))
        .issuer_name(ca.subject)
        .public_key(leaf_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now + datetime.timedelta(days=LEAF_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names), *addresses]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(leaf_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_key(authority.key, leaf_key)
    authority.certificate.write_bytes(
        leaf.public_bytes(serialization.Encoding.PEM) + ca.public_bytes(serialization.Encoding.PEM)
    )


def _write_key(path: Path, key: object) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    assert isinstance(key, ec.EllipticCurvePrivateKey)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server context: TLS 1.2 and later, HTTP/1.1 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def client_context(authority: str | None, certificate: str = "", key: str = "") -> ssl.SSLContext:
    """A client context that trusts the system's authorities and those of the file `authority`.

    `certificate` and `key`, in PEM, are presented to servers that ask.
    """
    context = ssl.create_default_context()
    if authority is not None:
        context.load_verify_locations(authority)
    if certificate:
        with tempfile.TemporaryDirectory(prefix="routekey-") as folder:  # which nobody else can read
            file = Path(folder, "client.pem")
            file.write_text(f"{certificate.strip()}\n{key}")
            context.load_cert_chain(file)
    return context


def choose_by_name(default: ssl.SSLContext, local: ssl.SSLContext, is_local: Callable[[str], bool]) -> None:
    """Let `default` hand over to `local` for the server names that `is_local` says."""

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None and is_local(name.lower()):
            connection.context = local

    default.sni_callback = choose

"""Signature Version 4, by botocore's own signers, which are imported when something is to be signed."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, unquote, unquote_plus

from routekey.wire.http import Headers


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials. Their secrets never show."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that SDKs read them from."""
        found = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return {**found, "AWS_SESSION_TOKEN": self.token} if self.token else found


def load() -> None:
    """Import what `sign` needs, which takes a tenth of a second: not between two messages."""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials  # noqa: F401


def sign(
    keys: Keys, service: str, region: str, method: str, host: str, target: str, headers: Headers, body: bytes
) -> Headers:
    """`headers` with those that sign the request; `target` is its path and query, escaped as they will be sent."""
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method=method, url=f"https://{host}{target}", data=body)
    sent = {}  # what a value is on the wire, by what AWS reads it as, which is what is signed
    for name, value in headers:
        read = value.encode("latin-1", "replace").decode("utf-8", "replace")
        request.headers[name] = read
        sent[name, read] = value
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    if service == "s3":
        request.context["payload_signing_enabled"] = True
    signer(Credentials(keys.access_key, keys.secret_key, keys.token), service, region).add_auth(request)
    signed = request.headers.items()  # the signer has put some in the place of mapped ones
    return [("Host", host), *((name, sent.get((name, value), value)) for name, value in signed)]


def canonical(service: str, target: str) -> str:
    """`target`, a path and query, escaped the one way that signatures know, so that both sides sign the same text."""
    path, mark, query = target.partition("?")
    if service == "s3":  # whose path is signed decoded; others sign the path as it came
        path = quote(unquote(path), safe="/-_.~")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    query = "&".join(f"{_canonical(name)}{equals}{_canonical(value)}" for name, equals, value in pairs)
    return f"{path}{mark}{query}"


def _canonical(text: str) -> str:
    return quote(unquote_plus(text), safe="-_.~")

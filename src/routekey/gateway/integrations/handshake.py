"""The handshake as backends see it."""

from __future__ import annotations

from routekey.gateway.invocation import Invocation
from routekey.wire.http import Headers, HttpRequest


def forwarded_headers(invocation: Invocation, request: HttpRequest) -> Headers:
    """The handshake's headers as a backend sees them: the API's host, a trace id, and who the client is."""
    connection = invocation.connection
    own = ("host", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto")
    headers = [(name, value) for name, value in request.headers if name.lower() not in own]
    headers.append(("Host", connection.domain_name))
    if not request.header("x-amzn-trace-id"):
        headers.append(("X-Amzn-Trace-Id", connection.pipeline.ids.trace(invocation.time)))
    headers += [
        ("X-Forwarded-For", connection.source_ip),
        ("X-Forwarded-Port", str(request.port)),
        ("X-Forwarded-Proto", "https" if request.secure else "http"),
    ]
    return headers

"""HTTP and HTTP_PROXY: the message goes to an HTTP endpoint (spec 4.1, 4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from routekey.gateway.integrations.base import IntegrationResult
from routekey.gateway.integrations.handshake import forwarded_headers
from routekey.gateway.integrations.http_backend import HttpBackend
from routekey.gateway.integrations.request_body import RequestBody, from_base64
from routekey.gateway.integrations.responses import Responses
from routekey.gateway.invocation import Invocation
from routekey.resources.integration import Integration, IntegrationResponse

_NOT_FORWARDED = frozenset(
    "x-amzn-apigateway-api-id host content-encoding "
    "connection upgrade keep-alive te trailer transfer-encoding content-length expect via "
    "proxy-authenticate proxy-authorization proxy-connection".split()
)


class Http:
    """HTTP: templates on the way in, integration responses on the way out."""

    def __init__(self, resource: Integration, responses: Sequence[IntegrationResponse], backend: HttpBackend) -> None:
        self._body = RequestBody(resource)
        self._responses = Responses(responses)
        self._backend = backend

    async def invoke(self, invocation: Invocation) -> IntegrationResult:
        answer = await self._backend.call(invocation, self._body.data(invocation))
        return self._responses.map(invocation, str(answer.status), answer)


class HttpProxy:
    """HTTP_PROXY: the message as it is, and the answer as it is."""

    def __init__(self, resource: Integration, backend: HttpBackend) -> None:
        self._backend = backend
        self._binary = resource.content_handling_strategy == "CONVERT_TO_BINARY"

    async def invoke(self, invocation: Invocation) -> IntegrationResult:
        request = invocation.request
        handshake = None
        if request is not None:
            headers = forwarded_headers(invocation, request)
            handshake = [pair for pair in headers if pair[0].lower() not in _NOT_FORWARDED]
        body = from_base64(invocation.body) if self._binary else invocation.body.encode()
        answer = await self._backend.call(invocation, body, handshake)
        return IntegrationResult(answer.status, answer.headers, answer.body)

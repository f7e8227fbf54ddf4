"""The HTTP endpoint behind an integration: requests to it, and what can go wrong with them (spec 4.4, 4.11)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from routekey.eager import Limit, within
from routekey.errors import GatewayError, ResponseType
from routekey.gateway.integrations.address import Targets
from routekey.gateway.integrations.answers import Answer, is_packed, unpacked
from routekey.gateway.integrations.failures import FAILURES, failure
from routekey.gateway.integrations.http_uri import Endpoint
from routekey.gateway.integrations.request_parameters import BODYLESS, DROPPED, REFUSED, Parameters, RequestParameters
from routekey.gateway.invocation import MAX_SHOWN, Invocation
from routekey.resources.integration import Integration
from routekey.wire.http import Headers, HttpResponse, header_lines
from routekey.wire.transport import HttpBackends, NotConnected, Origin, TransportError

MAX_HEADS = 64  # kept; templates may set any header


class HttpBackend:
    """Sends the requests of one HTTP or HTTP_PROXY integration."""

    def __init__(self, resource: Integration, endpoint: Endpoint, targets: Targets | str, http: HttpBackends) -> None:
        """`targets` is the addresses of the endpoint, or why it has none."""
        self._http = http
        self._endpoint = endpoint
        self._limit = Limit(resource.timeout_in_millis / 1000)
        self._method = str(resource.integration_method or "POST")
        self._api_id = resource.api_id
        self._parameters = RequestParameters(resource.request_parameters, REFUSED, (*DROPPED, "via"))
        self._targets = targets if isinstance(targets, Targets) else None
        self._fault = endpoint.fault or self._parameters.fault or (None if self._targets else str(targets))
        self._heads: dict[tuple[str, ...], bytes] = {}  # of messages, up to what is mapped, by what is

    async def call(self, invocation: Invocation, body: bytes, handshake: Headers | None = None) -> Answer:
        """What the endpoint answers to `body`; `handshake` has the headers that HTTP_PROXY forwards on $connect."""
        if self._fault is not None or self._targets is None:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, self._fault or "")
        if self._method in BODYLESS:
            body = b""
        parameters = self._parameters.of(invocation)
        if handshake is None and (parameters is None or not (parameters.query or parameters.path)):
            head = self._message_head(invocation, parameters.headers if parameters is not None else {}, len(body))
        else:
            head = self._head(invocation, parameters, handshake, len(body))
        if invocation.traced:
            shown = body[:MAX_SHOWN].decode("utf-8", "replace")
            invocation.trace("request", method=self._method, uri=self._endpoint.shown, body=shown)
        targets = self._targets
        try:
            if targets.alone is not None:
                response = await self._exchange(targets.alone, head + body)
            else:
                response = await within(self._limit.seconds, self._first_of(targets, head + body))
        except FAILURES as error:
            what = self._endpoint.shown + targets.shown
            raise failure(invocation, what, self._limit.seconds, error) from None
        if is_packed(response):
            answer = await unpacked(response)
        else:
            answer = Answer(response.status, response.headers, response.body)
        if invocation.traced:
            invocation.trace("answered", status=answer.status, body=answer.text[:MAX_SHOWN])
        return answer

    async def _exchange(self, origin: Origin, data: bytes) -> HttpResponse:
        exchange = self._http.send(origin, self._method, data)
        self._limit.start(exchange.future)
        try:
            return await exchange.future
        except (TimeoutError, asyncio.CancelledError):
            exchange.abort()
            raise
        finally:
            self._limit.stop(exchange.future)

    async def _first_of(self, targets: Targets, data: bytes) -> HttpResponse:
        """The answer of the first target that can be connected to; each gets its share of the time for that."""
        failed: TransportError = NotConnected("there is no target")
        order = list(targets.order())
        end = asyncio.get_running_loop().time() + self._limit.seconds
        for number, origin in enumerate(order):
            left = end - asyncio.get_running_loop().time()
            exchange = self._http.send(origin, self._method, data)
            try:
                await asyncio.wait([exchange.future], timeout=left / (len(order) - number))
                if not exchange.future.done() and exchange.connection is None:
                    raise NotConnected("cannot connect in time")
                response = await exchange.future
            except NotConnected as error:  # nothing was sent: the next one may have it
                exchange.abort()
                targets.failed(origin)
                failed = error
            except asyncio.CancelledError:
                exchange.abort()
                raise
            else:
                targets.worked(origin)
                return response
        raise failed

    def _message_head(self, invocation: Invocation, mapped: Mapping[str, tuple[str, str]], size: int) -> bytes:
        """The head of a message whose target never changes: most of it is the same each time."""
        names = tuple(mapped)
        fixed = self._heads.get(names)
        if fixed is None:
            headers = [pair for pair in self._own_headers([]) if pair[0].lower() not in mapped]
            fixed = self._begin(self._endpoint.target(None), headers)
            if len(self._heads) < MAX_HEADS:
                self._heads[names] = fixed
        trace = invocation.connection.pipeline.ids.trace(invocation.time)
        own = header_lines(list(mapped.values())).encode("utf-8", "replace") if mapped else b""
        return b"%b%bX-Amzn-Trace-Id: %b\r\n%b" % (fixed, own, trace.encode(), self._end(size))

    def _head(
        self, invocation: Invocation, parameters: Parameters | None, handshake: Headers | None, size: int
    ) -> bytes:
        query = invocation.request.query if handshake is not None and invocation.request is not None else ""
        if handshake is None:
            headers = self._own_headers(
                [("X-Amzn-Trace-Id", invocation.connection.pipeline.ids.trace(invocation.time))]
            )
        else:
            # A header that is mapped is the author's, also where the mapping finds nothing.
            forwarded = [pair for pair in handshake if pair[0].lower() not in self._parameters.header_names]
            headers = [("Host", self._endpoint.authority), *forwarded, ("x-amzn-apigateway-api-id", self._api_id)]
        if parameters is not None:
            headers = parameters.over(headers)
        return self._begin(self._endpoint.target(parameters, query), headers) + self._end(size)

    def _own_headers(self, more: Headers) -> Headers:
        """What a message's request says of itself (spec 4.4)."""
        return [
            ("Host", self._endpoint.authority),
            ("Accept", "application/json"),
            ("Content-Type", "application/json"),
            ("User-Agent", f"AmazonAPIGateway_{self._api_id}"),
            ("x-amzn-apigateway-api-id", self._api_id),
            *more,
        ]

    def _begin(self, target: str, headers: Headers) -> bytes:
        return f"{self._method} {target} HTTP/1.1\r\n{header_lines(headers)}".encode("latin-1", "replace")

    def _end(self, size: int) -> bytes:
        return b"\r\n" if self._method in BODYLESS else b"Content-Length: %d\r\n\r\n" % size

"""The HTTP endpoint behind an integration: requests to it, and what can go wrong with them (spec 4.4, 4.11)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from routekey.eager import Limit, within
from routekey.errors import GatewayError, ResponseType
from routekey.expressions.stage_variables import substitute
from routekey.gateway.integrations.address import Targets
from routekey.gateway.integrations.answers import Answer, answer_of
from routekey.gateway.integrations.requests import DROPPED, REFUSED, Parameters, RequestParameters
from routekey.gateway.invocation import Invocation
from routekey.resources.integration import Integration
from routekey.wire.http import Headers, HttpResponse, header_lines
from routekey.wire.transport import BackendRefused, HttpBackends, NotConnected, Origin, TransportError

BODYLESS = ("GET", "HEAD", "OPTIONS")
MAX_HEADS = 64  # kept; templates may set any header
_VARIABLE = re.compile(r"\{([A-Za-z0-9._$-]+)\}")


class Endpoint:
    """The integrationUri, taken apart once; `fault` says what is wrong with it, which a stage variable may cause."""

    def __init__(self, uri: str, variables: Mapping[str, str]) -> None:
        uri = substitute(uri, variables)
        # As logs show it: keys may stand in the query, a password before the host.
        self.shown = re.sub(r"//[^/@]*@", "//", uri.partition("?")[0])
        self.host, self.port, self.secure, self.authority, self.path, self.query = "", 0, False, "", "/", ""
        self.fault: str | None = None
        try:
            parts = urlsplit(uri)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                self.fault = f"{self.shown} is no http:// or https:// URI"
                return
            self.secure = parts.scheme == "https"
            self.host = parts.hostname
            self.port = parts.port or (443 if self.secure else 80)
        except ValueError as error:
            self.fault = f"{self.shown}: {error}"
            return
        self.authority = parts.netloc.rpartition("@")[2]
        self.path = quote(parts.path or "/", safe="/%{}:@!$&'()*+,;=-._~")
        self.query = quote(parts.query, safe="/%?:@!$&'()*+,;=-._~")

    def target(self, parameters: Parameters | None, query: str = "") -> str:
        """Path and query of one request."""
        values = parameters.path if parameters is not None else {}
        path = _VARIABLE.sub(lambda match: values.get(match[1], ""), self.path) if "{" in self.path else self.path
        pairs = [part for part in (self.query, query) if part]
        if parameters is not None:
            pairs += parameters.pairs
        return f"{path}?{'&'.join(pairs)}" if pairs else path


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
        return answer_of(await self._send(invocation, self._targets, head + body))

    async def _send(self, invocation: Invocation, targets: Targets, data: bytes) -> HttpResponse:
        try:
            if targets.alone is not None:
                return await self._exchange(targets.alone, data)
            return await within(self._limit.seconds, self._first_of(targets, data))
        except TimeoutError:
            raise GatewayError(
                ResponseType.INTEGRATION_TIMEOUT,
                f"{self._endpoint.shown} did not answer within {self._limit.seconds:g} s",
            ) from None
        except BackendRefused as error:
            raise GatewayError(ResponseType.INTEGRATION_REFUSED, f"{self._endpoint.shown}: {error}") from None
        except TransportError as error:
            # Frames show every failure of a backend the same way; only a handshake names the network (spec 2.3, 3.9).
            text = None if invocation.request is not None else ResponseType.API_CONFIGURATION_ERROR.text
            raise GatewayError(ResponseType.INTEGRATION_FAILURE, f"{self._endpoint.shown}: {error}", text) from None

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
        """The answer of the first target that can be connected to."""
        failure = NotConnected("there is no target")
        for origin in targets.order():
            try:
                response = await self._exchange(origin, data)
            except NotConnected as error:  # nothing was sent: the next one may have it
                targets.failed(origin)
                failure = error
            else:
                targets.worked(origin)
                return response
        raise failure

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
        own = header_lines([*mapped.values(), ("X-Amzn-Trace-Id", trace)]).encode("utf-8", "replace")
        return b"%b%b%b" % (fixed, own, self._end(size))

    def _head(
        self, invocation: Invocation, parameters: Parameters | None, handshake: Headers | None, size: int
    ) -> bytes:
        query = invocation.request.query if handshake is not None and invocation.request is not None else ""
        if handshake is None:
            headers = self._own_headers(
                [("X-Amzn-Trace-Id", invocation.connection.pipeline.ids.trace(invocation.time))]
            )
        else:
            headers = [("Host", self._endpoint.authority), *handshake, ("x-amzn-apigateway-api-id", self._api_id)]
        if parameters is not None:
            mapped = parameters.headers
            headers = [pair for pair in headers if pair[0].lower() not in mapped]
            for name, value in mapped.values():
                # Mapped text goes out as UTF-8; what the client sent, byte for byte as it came.
                headers.append((name, value.encode("utf-8", "replace").decode("latin-1")))
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

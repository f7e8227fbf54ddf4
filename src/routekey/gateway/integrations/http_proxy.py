"""HTTP_PROXY: the message goes to an HTTP endpoint as it is, its answer to the client (spec 4.4, 4.5)."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from routekey.eager import within
from routekey.errors import GatewayError, ResponseType
from routekey.expressions.parameters import Source, compile_request_mapping
from routekey.expressions.stage_variables import substitute
from routekey.gateway.integrations.base import IntegrationResult
from routekey.gateway.integrations.handshake import forwarded_headers
from routekey.gateway.invocation import Invocation
from routekey.resources.integration import Integration
from routekey.wire.http import Headers, header_lines
from routekey.wire.transport import BackendRefused, HttpBackends, Origin, TransportError

_BODYLESS = ("GET", "HEAD", "OPTIONS")
_VARIABLE = re.compile(r"\{([A-Za-z0-9._$-]+)\}")
_NOT_FORWARDED = frozenset(
    "host content-encoding connection upgrade keep-alive te trailer transfer-encoding content-length expect via "
    "proxy-authenticate proxy-authorization proxy-connection".split()
)
_REFUSED = ("content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id")


class HttpProxy:
    def __init__(self, resource: Integration, api_id: str, variables: dict[str, str], backends: HttpBackends) -> None:
        self._backends = backends
        self._timeout = resource.timeout_in_millis / 1000
        self._method = resource.integration_method or "POST"
        uri = substitute(resource.integration_uri or "", variables)
        # As logs show it: keys may stand in the query, a password before the host.
        self._uri = re.sub(r"//[^/@]*@", "//", uri.partition("?")[0])
        self._fault = self._split(uri)
        self._api_id = api_id
        self._plain: bytes | None = None  # the head of every message up to its trace id, where nothing is mapped
        self._mapped: dict[str, list[tuple[str, Source]]] = {"header": [], "querystring": [], "path": []}
        for target, source in (resource.request_parameters or {}).items():
            location, name, value = compile_request_mapping(target, source)
            if location == "header" and name.lower() in _REFUSED:
                self._fault = f"{target}: this header cannot be mapped"
            self._mapped[location].append((name, value))
        if self._fault is None and not resource.request_parameters and "{" not in self._path:
            self._plain = (
                self._begin(self._whole_path(), [("Host", self._host), *self._own_headers()]) + b"X-Amzn-Trace-Id: "
            )

    def _split(self, uri: str) -> str | None:
        """Take the URI apart; gives what is wrong with it, which a stage variable may cause at any time."""
        try:
            parts = urlsplit(uri)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                return f"{uri} is no http:// or https:// URI"
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            return f"{uri}: {error}"
        self._origin = Origin(parts.hostname, port, parts.scheme == "https")
        self._host = parts.netloc.rpartition("@")[2]
        self._path = quote(parts.path or "/", safe="/%{}:@!$&'()*+,;=-._~")
        self._query = quote(parts.query, safe="/%?:@!$&'()*+,;=-._~")
        if re.search(r"[\s\x00-\x1f]", self._path + self._query):
            return f"{uri} has blanks in its path"
        return None

    async def invoke(self, invocation: Invocation) -> IntegrationResult:
        if self._fault is not None:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, self._fault)
        body = b"" if self._method in _BODYLESS else invocation.body.encode()
        if self._plain is not None and invocation.request is None:
            trace = invocation.connection.pipeline.ids.trace(invocation.time)
            head = b"%b%b\r\n%b" % (self._plain, trace.encode(), self._end(len(body)))
        else:
            head = self._head(invocation, self._target(invocation), len(body))
        exchange = self._backends.send(self._origin, self._method, head + body)
        try:
            answer = await within(self._timeout, exchange.future)
        except TimeoutError:
            exchange.abort()
            raise GatewayError(
                ResponseType.INTEGRATION_TIMEOUT, f"{self._uri} did not answer within {self._timeout:g} s"
            ) from None
        except BackendRefused as error:
            raise GatewayError(ResponseType.INTEGRATION_REFUSED, f"{self._uri}: {error}") from None
        except TransportError as error:
            # Frames show every failure of a backend the same way; only a handshake names the network (spec 2.3, 3.9).
            text = None if invocation.request is not None else ResponseType.API_CONFIGURATION_ERROR.text
            raise GatewayError(ResponseType.INTEGRATION_FAILURE, f"{self._uri}: {error}", text) from None
        return IntegrationResult(answer.status, answer.headers, answer.body)

    def _target(self, invocation: Invocation) -> str:
        values = {name: source(invocation) for name, source in self._mapped["path"]}
        path = _VARIABLE.sub(lambda match: quote(values.get(match[1]) or "", safe=""), self._path)
        pairs = [self._query] if self._query else []
        if invocation.request is not None and invocation.request.query:
            pairs.append(invocation.request.query)
        for name, source in self._mapped["querystring"]:
            value = source(invocation)
            if value is not None:
                pairs.append(f"{quote(name, safe='')}={quote(value, safe='')}")
        return f"{path}?{'&'.join(pairs)}" if pairs else path

    def _head(self, invocation: Invocation, target: str, size: int) -> bytes:
        headers: Headers = []
        if invocation.request is not None:
            headers = [
                pair
                for pair in forwarded_headers(invocation, invocation.request)
                if pair[0].lower() not in _NOT_FORWARDED
            ]
            headers.append(("x-amzn-apigateway-api-id", self._api_id))
        else:
            headers = self._own_headers()
            headers.append(("X-Amzn-Trace-Id", invocation.connection.pipeline.ids.trace(invocation.time)))
        for name, source in self._mapped["header"]:
            value = source(invocation)
            if value is not None:
                lower = name.lower()
                headers = [pair for pair in headers if pair[0].lower() != lower]
                # Mapped text goes out as UTF-8; what the client sent, byte for byte as it came.
                headers.append((name, value.encode("utf-8", "replace").decode("latin-1")))
        host = next((value for name, value in headers if name.lower() == "host"), self._host)
        headers = [pair for pair in headers if pair[0].lower() != "host"]
        return self._begin(target, [("Host", host), *headers]) + self._end(size)

    def _own_headers(self) -> Headers:
        """What a message's request says of itself (spec 4.4)."""
        return [
            ("Accept", "application/json"),
            ("Content-Type", "application/json"),
            ("User-Agent", f"AmazonAPIGateway_{self._api_id}"),
            ("x-amzn-apigateway-api-id", self._api_id),
        ]

    def _whole_path(self) -> str:
        return f"{self._path}?{self._query}" if self._query else self._path

    def _begin(self, target: str, headers: Headers) -> bytes:
        return f"{self._method} {target} HTTP/1.1\r\n{header_lines(headers)}".encode("latin-1", "replace")

    def _end(self, size: int) -> bytes:
        return b"\r\n" if self._method in _BODYLESS else b"Content-Length: %d\r\n\r\n" % size

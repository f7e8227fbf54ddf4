"""The data plane as a listener sees it: handshakes, and requests that are none."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence

import msgspec

from routekey.gateway.address import Addresses, Host
from routekey.gateway.catalog import Catalog
from routekey.gateway.connection import Connection
from routekey.gateway.pipeline import Pipeline
from routekey.wire.http import HttpRequest, HttpResponse, Upgrade
from routekey.wire.http11 import handshake_fault

log = logging.getLogger("routekey.gateway")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class DataPlane:
    def __init__(
        self, pipeline: Pipeline, catalog: Catalog, addresses: Addresses, trusted_proxies: Sequence[Network]
    ) -> None:
        self.pipeline = pipeline
        self.catalog = catalog
        self.addresses = addresses
        self.trusted_proxies = trusted_proxies

    async def upgrade(self, request: HttpRequest, host: Host) -> HttpResponse | Upgrade:
        if len(request.target) > self.pipeline.quotas.max_url:
            return self.refusal(414, "Request URL is too long")
        if len(request.all("authorization")) > 1:
            return self.refusal(400, "The Authorization header is there twice")
        target = self.addresses.target(request, host)
        if target is None:
            return self._forbidden(request, "the address is no stage's: /{apiId}/{stage} is expected")
        handle = await self.catalog.find(target.api_id, target.stage)
        api = handle.current if handle is not None else None
        if handle is None or api is None:
            return self._forbidden(request, await self.catalog.why_not(target.api_id, target.stage))
        if not (api.default_endpoint or target.custom):
            return self._forbidden(request, "disableExecuteApiEndpoint is true: only custom domains reach this API")
        fault = handshake_fault(request)
        if fault is not None:
            return HttpResponse(400)
        self._trust_proxy(request)
        agents = request.all("user-agent")
        connection = Connection(
            self.pipeline,
            handle,
            self.pipeline.ids.connection(),
            domain_name=target.domain_name,
            source_ip=request.source_ip,
            user_agent=agents[-1] if agents else None,
        )
        handle.users += 1
        verdict = await self.pipeline.connect(connection, api, request)
        if isinstance(verdict, HttpResponse):
            handle.users -= 1
        return verdict

    def _forbidden(self, request: HttpRequest, why: str) -> HttpResponse:
        log.warning("refused", extra={"data": {"path": request.path[:200], "status": 403, "error": why}})
        return self.refusal(403, "Forbidden")

    def refusal(self, status: int, message: str) -> HttpResponse:
        """A refusal before there is a connection id (spec 2.4)."""
        code = "ForbiddenException" if status == 403 else "BadRequestException"
        headers = [
            ("Content-Type", "application/json"),
            ("x-amzn-RequestId", self.pipeline.ids.uuid()),
            ("x-amzn-ErrorType", code),
        ]
        return HttpResponse(status, headers, msgspec.json.encode({"message": message}))

    def _trust_proxy(self, request: HttpRequest) -> None:
        """Behind a proxy that is trusted, the client is who the proxy says."""
        if not self.trusted_proxies or not self._trusted(request.source_ip):
            return
        chain = [part.strip() for value in request.all("x-forwarded-for") for part in value.split(",") if part.strip()]
        while chain:
            request.source_ip = chain.pop()
            if not self._trusted(request.source_ip):
                break
        proto = request.header("x-forwarded-proto")
        if proto:
            request.secure = proto.lower() in ("https", "wss")
            request.port = 443 if request.secure else 80

    def _trusted(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self.trusted_proxies)

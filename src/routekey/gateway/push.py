"""The management API: post to, look at and close a connection (spec 8)."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import msgspec

from routekey.gateway.address import Addresses, Host, management_path
from routekey.gateway.catalog import Catalog
from routekey.gateway.connection import Connection
from routekey.gateway.connections import Connections
from routekey.resources.ids import Ids, plausible_connection_id
from routekey.wire.http import Headers, HttpRequest, HttpResponse


class Management:
    def __init__(
        self, connections: Connections, catalog: Catalog, addresses: Addresses, ids: Ids, max_payload: int
    ) -> None:
        self.connections = connections
        self.catalog = catalog
        self.addresses = addresses
        self.ids = ids
        self.max_payload = max_payload  # bytes
        self._methods: dict[str, Callable[[Connection, HttpRequest], HttpResponse]] = {
            "POST": self._post,
            "GET": self._get,
            "DELETE": self._delete,
        }

    async def respond(self, request: HttpRequest, host: Host) -> HttpResponse:
        """The answer to a request whose path holds @connections."""
        found = management_path(request.path)
        if found is None:
            return self._error(403, "ForbiddenException", "Forbidden")
        prefix, connection_id = found
        method = self._methods.get(request.method)
        connection = self.connections.find(connection_id)
        if method is None:
            return self._error(403, "ForbiddenException", "Forbidden")
        refusal = await self._misdirected(prefix, host, connection, request)
        if refusal is not None:
            return refusal
        if not plausible_connection_id(connection_id):
            return self._error(400, "BadRequestException", f"Invalid connectionId: {connection_id[:200]}")
        if connection is None:
            return self._gone()
        return method(connection, request)

    async def _misdirected(
        self, prefix: list[str], host: Host, connection: Connection | None, request: HttpRequest
    ) -> HttpResponse | None:
        """What is wrong with the part of the address before @connections, if anything."""
        if host.custom is not None:
            return self._mapped(prefix, host.custom, connection, request)
        api_id: str | None
        if host.api_id is not None:
            api_id, stages = host.api_id, prefix
        elif len(prefix) == 1 and not await self._is_api(prefix[0], connection):
            api_id, stages = None, prefix
        else:
            api_id, stages = (prefix[0] if prefix else None), prefix[1:]
        if len(stages) > 1:
            return self._error(403, "ForbiddenException", "Forbidden")
        owner = connection.stage.api_id if connection is not None else None
        if api_id is not None and owner is not None and owner != api_id:
            return self._gone()
        within = api_id or owner
        # The connection's own stage needs no look-up; any other one has to exist (spec 8.1).
        own = connection is not None and stages == [connection.stage.name]
        if stages and within is not None and not own and not await self.catalog.has_stage(within, stages[0]):
            return self._error(403, "ForbiddenException", "Forbidden")
        return None

    async def _is_api(self, name: str, connection: Connection | None) -> bool:
        if connection is not None and name in (connection.stage.api_id, connection.stage.name):
            return name == connection.stage.api_id
        return await self.catalog.knows(name)

    def _mapped(
        self, prefix: list[str], domain: str, connection: Connection | None, request: HttpRequest
    ) -> HttpResponse | None:
        mappings = self.addresses.domains.mappings(domain) or {}
        mapping = mappings.get(prefix[0] if prefix else "")
        if mapping is None or len(prefix) > 1:
            text = f"No method found matching route {request.path.lstrip('/')} for http method {request.method}"
            return self._error(403, "ForbiddenException", text)
        if connection is not None and connection.stage.api_id != mapping.api_id:
            return self._gone()
        return None

    def _post(self, connection: Connection, request: HttpRequest) -> HttpResponse:
        if len(request.body) > self.max_payload:
            return HttpResponse(413, [*self._headers(), ("x-amzn-ErrorType", "PayloadTooLargeException")])
        if not connection.send(request.body.decode("utf-8", "replace")):
            return self._error(429, "LimitExceededException", "Too Many Requests")
        return HttpResponse(200, self._headers())

    def _get(self, connection: Connection, request: HttpRequest) -> HttpResponse:
        active = connection.last_data - connection.connected
        document = {
            "connectedAt": _iso(connection.connected_at / 1000),
            "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent or ""},
            "lastActiveAt": _iso(connection.connected_at / 1000 + active),
        }
        headers = [*self._headers(), ("Content-Type", "application/json")]
        return HttpResponse(200, headers, msgspec.json.encode(document))

    def _delete(self, connection: Connection, request: HttpRequest) -> HttpResponse:
        connection.close(1000, "Connection Closed Normally")
        return HttpResponse(204, self._headers())

    def _headers(self) -> Headers:
        return [("x-amzn-RequestId", self.ids.uuid()), ("x-amz-apigw-id", self.ids.request())]

    def _gone(self) -> HttpResponse:
        return HttpResponse(410, [*self._headers(), ("x-amzn-ErrorType", "GoneException")])

    def _error(self, status: int, code: str, message: str) -> HttpResponse:
        headers = [*self._headers(), ("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
        return HttpResponse(status, headers, msgspec.json.encode({"message": message}))


def _iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

"""The way of an event: connect, message, disconnect, each as a list on one screen."""

from __future__ import annotations

import logging

from routekey.clock import Clock, Deadlines
from routekey.eager import Tasks
from routekey.errors import GatewayError, ResponseType
from routekey.gateway.catalog import StageHandle
from routekey.gateway.compiled import CompiledApi, CompiledRoute
from routekey.gateway.connection import Connection
from routekey.gateway.connections import Connections
from routekey.gateway.integrations.base import IntegrationResult
from routekey.gateway.invocation import CONNECT, DISCONNECT, MAX_SHOWN, MESSAGE, Invocation, quoted
from routekey.gateway.throttle import TokenBucket
from routekey.resources.ids import Ids
from routekey.resources.quotas import Quotas
from routekey.resources.route import CONNECT as CONNECT_ROUTE
from routekey.resources.route import DISCONNECT as DISCONNECT_ROUTE
from routekey.wire.http import Headers, HttpRequest, HttpResponse, Upgrade

log = logging.getLogger("routekey.gateway")

# Headers of an integration's answer that never reach the client of a handshake (spec 2.3).
_HOP = frozenset(
    "connection upgrade content-length transfer-encoding sec-websocket-accept keep-alive te trailer proxy-authenticate "
    "proxy-connection".split()
)
_NOT_ON_UPGRADE = _HOP | {"sec-websocket-extensions", "sec-websocket-protocol", "content-type"}


class Pipeline:
    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        quotas: Quotas,
        deadlines: Deadlines,
        connections: Connections,
        *,
        traced: bool = False,
    ) -> None:
        """With `traced` each step of each message is logged, bodies too."""
        self.clock = clock
        self.traced = traced
        self.ids = ids
        self.quotas = quotas
        self.deadlines = deadlines
        self.connections = connections
        self.tasks = Tasks()
        self.stopping = False
        self.connects = TokenBucket(clock, quotas.connect_rate, quotas.connect_burst)

    # connect

    async def connect(self, connection: Connection, api: CompiledApi, request: HttpRequest) -> Upgrade | HttpResponse:
        """The verdict on a handshake, which is held until the $connect integration has answered (spec 2.2)."""
        invocation = Invocation(api, connection, CONNECT)
        invocation.route_key = CONNECT_ROUTE
        invocation.request = request
        try:
            if not self.connects.admit():
                raise GatewayError(ResponseType.THROTTLED, "more new connections a second than the quota allows")
            if api.connect is None:
                return self._accept(connection, request, [])
            self._check(api.connect, invocation)
            if api.connect.integration is None:
                return self._accept(connection, request, [])
            invocation.integration_id = api.connect.integration_id
            invocation.reply_wanted = True
            result = await api.connect.integration.invoke(invocation)
            if result.status < 200:
                raise GatewayError(ResponseType.BAD_PROXY_RESULT, f"status {result.status} is no answer to a handshake")
            if connection.stage.gone:
                raise GatewayError(ResponseType.FORBIDDEN, "the stage was deleted meanwhile")
        except GatewayError as error:
            self._log_failure(invocation, error)
            return self._refuse(invocation, error)
        except Exception:
            log.exception("a handshake failed", extra={"data": self._where(connection)})
            return self._refuse(invocation, GatewayError(ResponseType.API_CONFIGURATION_ERROR, ""))
        if 200 <= result.status < 300:
            return self._accept(connection, request, result.headers)
        log.info("refused", extra={"data": {**self._where(connection), "status": result.status}})
        headers = [pair for pair in result.headers if pair[0].lower() not in _HOP]
        body = result.body if isinstance(result.body, bytes) else result.body.encode("utf-8", "replace")
        return HttpResponse(result.status, headers, b"" if result.status in (204, 304) else body)

    def _check(self, route: CompiledRoute, invocation: Invocation) -> None:
        if route.unavailable:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, route.unavailable)
        missing = [name for name in route.required_headers if not invocation.header_values(name)]
        missing += [name for name in route.required_query if not any(invocation.query_values(name))]
        if missing:
            text = f"Missing required request parameters: [{', '.join(missing)}]"
            raise GatewayError(ResponseType.BAD_REQUEST_PARAMETERS, text, text)

    def _accept(self, connection: Connection, request: HttpRequest, answered: Headers) -> Upgrade:
        headers = [pair for pair in answered if pair[0].lower() not in _NOT_ON_UPGRADE]
        if request.header("sec-websocket-protocol"):
            headers += [pair for pair in answered if pair[0].lower() == "sec-websocket-protocol"][-1:]
        return Upgrade(headers, connection, self.quotas.max_frame, self.quotas.max_message)

    def _refuse(self, invocation: Invocation, error: GatewayError) -> HttpResponse:
        headers = [
            ("Content-Type", "application/json; charset=UTF-8"),
            ("x-amz-apigw-id", invocation.request_id),
        ]
        return HttpResponse(error.kind.status, headers, error_frame(invocation, error).encode())

    def opened(self, connection: Connection) -> None:
        """The 101 is sent: from now on the connection can be addressed."""
        self.connections.add(connection)
        if self.stopping:
            connection.close(1001, "Going away")
            return
        self.deadlines.add(connection, connection.deadline)
        log.info("connected", extra={"data": {**self._where(connection), "from": connection.source_ip}})

    def hurry(self, connection: Connection, at: float) -> None:
        """Look at the connection again by `at` at the latest."""
        self.deadlines.remove(connection)
        self.deadlines.add(connection, at)

    # message

    async def message(self, connection: Connection, body: str) -> None:
        """Run one client message through its route."""
        api = connection.stage.current
        if api is None:
            connection.finished()
            return
        invocation = Invocation(api, connection, MESSAGE, body)
        try:
            route = self._route(api, invocation)
            if invocation.traced:
                invocation.trace("received", body=body[:MAX_SHOWN])
            if route.integration is None:
                raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, "the route has no target")
            if route.check is not None:
                route.check(invocation)
            invocation.integration_id = route.integration_id
            invocation.reply_wanted = route.two_way
            result = await route.integration.invoke(invocation)
            text = self._fitting(result) if route.two_way else ""
            if invocation.traced:
                self._trace_reply(invocation, route, text)
        except GatewayError as error:
            self._log_failure(invocation, error)
            text = error_frame(invocation, error)
        except Exception:
            log.exception("a message failed", extra={"data": self._where(connection)})
            failure = GatewayError(ResponseType.API_CONFIGURATION_ERROR, "an error of the gateway itself")
            text = error_frame(invocation, failure)
        if text and not connection.send(text):
            connection.reply_dropped()
            log.warning("a reply is dropped: the client does not read", extra={"data": self._where(connection)})
        connection.finished()

    @staticmethod
    def _trace_reply(invocation: Invocation, route: CompiledRoute, text: str) -> None:
        if text:
            invocation.trace("sends", body=text[:MAX_SHOWN])
        else:
            invocation.trace("sends nothing", why="the answer is empty" if route.two_way else "the route is one-way")

    def _route(self, api: CompiledApi, invocation: Invocation) -> CompiledRoute:
        key = api.select(invocation)
        route = api.default if key is None else api.routes.get(key, api.default)
        if route is None:
            what = "the message is not JSON" if key is None else f"no route has the key '{key:.128}'"
            raise GatewayError(ResponseType.FORBIDDEN, f"{what}, and there is no $default route")
        invocation.route_key = route.route_key
        return route

    def _fitting(self, result: IntegrationResult) -> str:
        limit, body = self.quotas.max_message, result.body
        if isinstance(body, str):
            if len(body) <= limit and body.isascii():
                return body
            body = body.encode("utf-8", "replace")
        if len(body) > limit:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, f"the answer is longer than {limit} bytes")
        if result.body_fault is not None:
            raise GatewayError(ResponseType.BAD_PROXY_RESULT, result.body_fault)
        return body.decode("utf-8", "replace")

    # disconnect

    async def disconnect(self, connection: Connection, code: int, reason: str) -> None:
        """After a close, whoever closed: the $disconnect route, once, as far as it goes (spec 2.8)."""
        self.deadlines.remove(connection)
        connection.stage.users -= 1
        if not self.connections.remove(connection):
            return
        log.info("disconnected", extra={"data": {**self._where(connection), "code": code, "reason": reason}})
        api = connection.stage.current
        if api is None or api.disconnect is None or api.disconnect.integration is None:
            return
        invocation = Invocation(api, connection, DISCONNECT)
        invocation.route_key = DISCONNECT_ROUTE
        invocation.disconnect = code, reason
        invocation.integration_id = api.disconnect.integration_id
        try:
            await api.disconnect.integration.invoke(invocation)
        except GatewayError as error:
            self._log_failure(invocation, error)
        except Exception:
            log.exception("$disconnect failed", extra={"data": self._where(connection)})

    def forget(self, stage: StageHandle, whole_api: bool) -> None:
        """A stage was deleted: close its connections; of a deleted API no $disconnect runs (C-21)."""
        if whole_api:
            stage.current = None
        for connection in self.connections.of(stage):
            connection.close(1001, "Going away")

    # logs

    @staticmethod
    def _where(connection: Connection) -> dict[str, object]:
        stage = connection.stage
        return {"api": stage.api_id, "stage": stage.name, "connection": connection.id}

    def _log_failure(self, invocation: Invocation, error: GatewayError) -> None:
        invocation.error = error
        invocation.status = error.kind.status
        data = {**invocation.labels, "type": error.kind.name, "error": error.detail}
        log.warning("failed", extra={"data": data})


def error_frame(invocation: Invocation, error: GatewayError) -> str:
    """The frame of a failed message, to the letter (spec 3.9)."""
    text, connection = quoted(error.text), invocation.connection.id
    if error.kind is ResponseType.BAD_REQUEST_BODY:
        return f'{{"message" : {text}, "connectionId": "{connection}", "messageId": "{invocation.message_id}"}}'
    return f'{{"message": {text}, "connectionId":"{connection}", "requestId":"{invocation.request_id}"}}'

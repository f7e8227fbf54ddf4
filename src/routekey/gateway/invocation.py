"""One event on one connection: what stands behind `$context`, `$input` and `$stageVariables`."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from routekey.errors import GatewayError
from routekey.expressions.scope import document_of
from routekey.wire.http import HttpRequest, parse_query

if TYPE_CHECKING:
    from routekey.gateway.compiled import CompiledApi
    from routekey.gateway.connection import Connection

log = logging.getLogger("routekey.gateway")

MAX_SHOWN = 500  # characters of a body in a log line

CONNECT = "CONNECT"
MESSAGE = "MESSAGE"
DISCONNECT = "DISCONNECT"


_UNREAD = object()
_NO_PARAMS: dict[str, dict[str, str]] = {"path": {}, "querystring": {}, "header": {}}


@lru_cache(maxsize=4)
def log_time(seconds: int) -> str:
    """A moment in the form of access logs; many messages share one."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


class Invocation:
    """Ids and times are made when something first asks for them: most messages never do."""

    __slots__ = (
        "_context",
        "_document",
        "_message_id",
        "_query",
        "_request_id",
        "_time",
        "api",
        "body",
        "connection",
        "disconnect",
        "error",
        "event_type",
        "integration_id",
        "reply_wanted",
        "request",
        "route_key",
        "status",
        "traced",
    )  # fmt: skip

    def __init__(self, api: CompiledApi, connection: Connection, event_type: str, body: str = "") -> None:
        self.api = api
        self.connection = connection
        self.event_type = event_type
        self.body = body
        self.traced = connection.pipeline.traced  # whether each step of it is logged
        self.route_key: str = ""
        self.integration_id = ""  # of the integration that is called
        self.reply_wanted = False  # whether what it answers reaches anybody
        self.request: HttpRequest | None = None  # the handshake, on CONNECT
        self.disconnect: tuple[int, str] | None = None  # code and reason, on DISCONNECT
        self.status: int | None = None
        self.error: GatewayError | None = None  # why it failed
        self._document: Any = _UNREAD
        self._request_id: str | None = None
        self._message_id: str | None = None
        self._time: float | None = None
        self._context: dict[str, Any] | None = None
        self._query: dict[str, list[str]] | None = None

    @property
    def document(self) -> Any:
        """The body as strict JSON reads it, or MISSING; read once, by whoever asks first."""
        if self._document is _UNREAD:
            self._document = document_of(self.body)
        return self._document

    @property
    def labels(self) -> dict[str, object]:
        """What says in a log line which event of which route this is."""
        connection = self.connection
        found: dict[str, object] = {
            "api": self.api.api_id,
            "stage": self.api.stage,
            "connection": connection.id,
        }
        if self.route_key:
            found["route"] = self.route_key
        if self.integration_id:
            found["integration"] = self.integration_id
        return {**found, "request": self.request_id}

    def trace(self, step: str, **data: object) -> None:
        """Log one step of it, where `traced` says so."""
        log.debug(step, extra={"data": {**self.labels, **data}})

    @property
    def request_id(self) -> str:
        if self._request_id is None:
            self._request_id = self.connection.pipeline.ids.request()
        return self._request_id

    @property
    def message_id(self) -> str:
        if self._message_id is None:
            self._message_id = self.connection.pipeline.ids.request()
        return self._message_id

    @property
    def time(self) -> float:
        if self._time is None:
            self._time = self.connection.pipeline.clock.time()
        return self._time

    @property
    def request_time(self) -> str:
        """The moment in the form of access logs: 25/Dec/2021:10:45:28 +0000."""
        return log_time(int(self.time))

    @property
    def request_time_epoch(self) -> int:
        return int(self.time * 1000)

    @property
    def stage_variables(self) -> Mapping[str, str]:
        return self.api.stage_variables

    @property
    def query(self) -> dict[str, list[str]]:
        """The handshake's query parameters, percent-decoded."""
        if self._query is None:
            self._query = parse_query(self.request.query) if self.request is not None else {}
        return self._query

    def header_values(self, name: str) -> Sequence[str]:
        return self.request.all(name.lower()) if self.request is not None else ()

    def query_values(self, name: str) -> Sequence[str]:
        return self.query.get(name, ())

    @property
    def params(self) -> dict[str, dict[str, str]]:
        """What `$input.params()` gives: the handshake's headers and query, empty for messages."""
        if self.request is None:
            return _NO_PARAMS
        return {
            "path": {},
            "querystring": {name: values[-1] for name, values in self.query.items()},
            "header": dict(self.request.headers),
        }

    def context(self, names: frozenset[str] | None) -> dict[str, Any]:
        """`$context` with the members `names`, or all; the response's template sees what the request's set."""
        context = self._context
        if context is None:
            context = self._context = {}
        for name in _GROUPS if names is None else names:
            if name not in context and name in _GROUPS:
                value = _GROUPS[name](self)
                if value is not None:
                    context[name] = value
        return context

    def answered(self, status: int) -> None:
        """The backend has: the response's template sees its status."""
        self.status = status
        if self._context is not None and "status" in self._context:
            self._context["status"] = status

    def override(self, name: str) -> dict[str, Any]:
        """What templates set under `$context.requestOverride` or `responseOverride`; empty where none ran."""
        value = self._context.get(name) if self._context is not None else None
        return value if isinstance(value, dict) else {}

    def context_value(self, name: str) -> object:
        reader = CONTEXT.get(name)
        return None if reader is None else reader(self)


def quoted(text: str) -> str:
    """`text` as a JSON string."""
    return msgspec.json.encode(text).decode()


def _on(event_type: str, reader: Callable[[Invocation], Any]) -> Callable[[Invocation], Any]:
    return lambda invocation: reader(invocation) if invocation.event_type == event_type else None


CONTEXT: Mapping[str, Callable[[Invocation], object]] = {
    "apiId": lambda i: i.api.api_id,
    "connectedAt": lambda i: i.connection.connected_at,
    "connectionId": lambda i: i.connection.id,
    "disconnectReason": lambda i: i.disconnect[1] if i.disconnect else None,
    "disconnectStatusCode": lambda i: i.disconnect[0] if i.disconnect else None,
    "domainName": lambda i: i.connection.domain_name,
    "domainPrefix": lambda i: i.connection.domain_name.partition(".")[0],
    "error.message": lambda i: i.error.text if i.error else None,
    "error.messageString": lambda i: quoted(i.error.text) if i.error else None,
    "error.responseType": lambda i: i.error.kind.name if i.error else None,
    "error.validationErrorString": lambda i: i.error.validation if i.error else None,
    "eventType": lambda i: i.event_type,
    "extendedRequestId": lambda i: i.request_id,
    "identity.sourceIp": lambda i: i.connection.source_ip,
    "identity.userAgent": lambda i: i.connection.user_agent,
    "messageDirection": lambda i: "IN",
    "messageId": _on(MESSAGE, lambda i: i.message_id),
    "requestId": lambda i: i.request_id,
    "requestTime": lambda i: i.request_time,
    "requestTimeEpoch": lambda i: i.request_time_epoch,
    "routeKey": lambda i: i.route_key,
    "stage": lambda i: i.api.stage,
    "status": lambda i: i.status,
}


def _group(members: Mapping[str, Callable[[Invocation], object]]) -> Callable[[Invocation], object]:
    """A member of `$context` that has members of its own."""

    def value(invocation: Invocation) -> dict[str, object] | None:
        found = {name: reader(invocation) for name, reader in members.items()}
        return {name: each for name, each in found.items() if each is not None} or None

    return value


def _groups() -> dict[str, Callable[[Invocation], object]]:
    """What makes each member of `$context`, by the first part of its name."""
    groups: dict[str, dict[str, Callable[[Invocation], object]]] = {}
    made: dict[str, Callable[[Invocation], object]] = {}
    for name, reader in CONTEXT.items():
        group, _, member = name.partition(".")
        if member:
            groups.setdefault(group, {})[member] = reader
            made[group] = _group(groups[group])
        else:
            made[name] = reader
    made["requestOverride"] = lambda invocation: {"header": {}, "path": {}, "querystring": {}}
    made["responseOverride"] = lambda invocation: {"header": {}}
    return made


_GROUPS = _groups()

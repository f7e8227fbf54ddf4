"""One REST-JSON service: a request finds its operation, the operation's function answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from routekey.errors import ApiError
from routekey.wire import restjson
from routekey.wire.http import Headers, HttpRequest, HttpResponse, parse_query
from routekey.wire.model import Operation, Service

log = logging.getLogger("routekey.control")

REQUEST_ID = "x-amzn-RequestId"  # a handler's answer may say which one it has
MAX_ERROR = 2000  # characters of an error message that quotes what the caller sent


@dataclass(slots=True)
class Call:
    """One call of an operation: its members by wire name, and the request that brought them."""

    operation: str
    members: dict[str, Any]
    request: HttpRequest

    def __getitem__(self, name: str) -> Any:
        return self.members[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.members.get(name, default)


Answer = Mapping[str, Any] | None
Handler = Callable[[Call], Awaitable[Answer]]


class RestService:
    """A service as its model describes it and `handlers`, by operation name, carry it out."""

    def __init__(
        self,
        model: Service,
        handlers: Mapping[str, Handler],
        *,
        request_headers: Callable[[], Headers],
        absent: Callable[[Operation], ApiError],
        fault: Callable[[restjson.Fault], ApiError] = lambda fault: fault,
        failure: ApiError,
    ) -> None:
        unknown = set(handlers) - set(model.operations)
        if unknown:
            raise ValueError(f"{model.name} has no operations {sorted(unknown)}")
        self.model = model
        self.handlers = handlers
        self.request_headers = request_headers
        self.absent = absent
        self.fault = fault
        self.failure = failure

    async def respond(self, request: HttpRequest) -> HttpResponse | None:
        """The answer to `request`, or None when it is none of this service's operations."""
        found = self.model.match(request.method, request.path, parse_query(request.query))
        if found is None:
            return None
        operation, path_values = found
        headers = self.request_headers()
        try:
            handler = self.handlers.get(operation.name)
            if handler is None:
                raise self.absent(operation)
            try:
                members = restjson.decode(operation, request, path_values)
            except restjson.Fault as fault:
                raise self.fault(fault) from None
            answer = await handler(Call(operation.name, members, request)) or {}
            if REQUEST_ID in answer:
                headers = [pair for pair in headers if pair[0] != REQUEST_ID]
                headers.append((REQUEST_ID, answer[REQUEST_ID]))
            return restjson.encode(operation, answer, headers)
        except ApiError as error:
            error.message = error.message[:MAX_ERROR]
            return restjson.encode_error(error, headers, self.model.message_of(error.code))
        except Exception:
            log.exception("%s failed", operation.name)
            return restjson.encode_error(self.failure, headers, self.model.message_of(self.failure.code))

"""What the operations share, and the table that names them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol, TypeVar

from routekey.clock import Clock
from routekey.errors import ApiError, bad_request, not_found
from routekey.resources.api import Api
from routekey.resources.base import Resource
from routekey.resources.deployment import Snapshot
from routekey.resources.ids import Ids, Region
from routekey.resources.integration import Integration
from routekey.resources.quotas import Quotas
from routekey.resources.repository import Repository
from routekey.wire import restjson
from routekey.wire.http import Headers
from routekey.wire.model import Operation, Service
from routekey.wire.service import Answer, Call, Handler, RestService

R = TypeVar("R", bound=Resource)

PAGE = 500
BAD_AUTHORIZER_TYPE = "Invalid authorizer type. Only REQUEST authorizer type is supported on WEBSOCKET protocol Apis."


class DeploymentCheck(Protocol):
    async def __call__(self, snapshot: Snapshot) -> None:
        """CompileError when the data plane could not serve `snapshot`."""


class Locks:
    """Writes to one API come one after the other: names have to be unique, a deployment is a copy of many things."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        lock, users = self._held.get(name, (asyncio.Lock(), 0))
        self._held[name] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            _, users = self._held[name]
            if users == 1:
                del self._held[name]
            else:
                self._held[name] = lock, users - 1


@dataclass(slots=True)
class Control:
    """What every operation works with."""

    repository: Repository
    ids: Ids
    clock: Clock
    region: Region
    quotas: Quotas
    check: DeploymentCheck
    endpoint: Callable[[Call], str]  # the address that API answers show, without the API id
    locks: Locks = field(default_factory=Locks)

    def now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(int(self.clock.time()), datetime.UTC)

    async def api(self, call: Call) -> Api:
        """The API that the call is about."""
        return await self.api_of(call["apiId"])

    async def api_of(self, api_id: str) -> Api:
        api = await self.repository.find(Api, api_id)
        if api is None:
            raise not_found(f"Invalid API identifier specified {self.region.account_id}:{api_id}", "Api")
        return api

    async def child(self, kind: type[R], *ids: str) -> R:
        """One thing under an API, by the ids that lead to it."""
        await self.api_of(ids[0])
        found = await self.repository.find(kind, *ids)
        if found is None:
            raise not_found(f"Invalid {kind.kind} identifier specified {ids[-1]}", kind.kind)
        return found

    def quota(self, name: str, have: int, what: str) -> None:
        """TooManyRequestsException when one more than `have` is over the quota `name` (spec 11.1)."""
        if have >= getattr(self.quotas, name):
            raise ApiError(
                429,
                "TooManyRequestsException",
                f"Maximum number of {what} for this API has been reached. "
                f"Please contact AWS if you need additional {what}.",
                {"limitType": what},
            )


async def link_user(control: Control, link_id: str) -> Integration | None:
    """An integration that refers to the VPC link, if there is one."""
    integrations = await control.repository.all(Integration)
    return next((each for each in integrations if each.connection_id == link_id), None)


def only(members: Mapping[str, Any], kind: type[Resource]) -> dict[str, Any]:
    """The members of `members` that `kind` has."""
    return {name: members[name] for name in kind.__struct_encode_fields__ if name in members}


def refuse(call: Call, names: Sequence[str]) -> None:
    """400 for members that only HTTP APIs have."""
    for name in names:
        if call.get(name) not in (None, [], {}):
            raise bad_request(f"{name} is not supported for WEBSOCKET protocol Apis")


def clear(resource: R, call: Call, names: Sequence[str]) -> R:
    """Members that an update sets to the empty string are taken away."""
    return resource.without(*(name for name in names if call.get(name) == ""))


def page(call: Call, items: Sequence[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], str]) -> Answer:
    """One page of a v2 list (C-35)."""
    size, after = PAGE, ""
    text = call.get("maxResults")
    if text is not None:
        if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= PAGE:
            raise bad_request(f"Invalid value for maxResults: {text:.20} (1 to {PAGE})")
        size = int(text)
    if call.get("nextToken"):
        after = decode_token(call["nextToken"])
    rest = [item for item in items if key(item) > after] if after else items
    answer: dict[str, Any] = {"items": rest[:size]}
    if len(rest) > size:
        answer["nextToken"] = encode_token(key(rest[size - 1]))
    return answer


def encode_token(text: str) -> str:
    return base64.urlsafe_b64encode(f"rk1:{text}".encode()).decode()


def decode_token(token: str) -> str:
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        text = ""
    if not text.startswith("rk1:"):
        raise bad_request("Invalid value for nextToken: it is not one that a list gave")
    return text[4:]


Function = Callable[[Control, Call], Awaitable[Answer]]


def handlers(control: Control, modules: Sequence[ModuleType]) -> dict[str, Handler]:
    """The operations in `modules`, by name: `create_route` carries out CreateRoute."""
    found: dict[str, Handler] = {}
    for module in modules:
        for name, function in vars(module).items():
            if inspect.iscoroutinefunction(function) and function.__module__ == module.__name__ and name[0] != "_":
                found["".join(word.capitalize() for word in name.split("_"))] = _bound(control, function)
    return found


def _bound(control: Control, function: Function) -> Handler:
    if function.__name__.startswith(("get_", "list_")):
        return lambda call: function(control, call)

    async def alone(call: Call) -> Answer:
        async with control.locks.of(call.get("apiId") or str(call.get("domainName", "")).lower()):
            return await function(control, call)

    return alone


def service(
    control: Control, model: Service, modules: Sequence[ModuleType], renamed: Mapping[str, str] | None = None
) -> RestService:
    """An API Gateway service over `modules`."""
    found = handlers(control, modules)
    for short, name in (renamed or {}).items():
        found[name] = found.pop(short)

    def headers() -> Headers:
        return [("x-amzn-RequestId", control.ids.uuid()), ("x-amz-apigw-id", control.ids.request())]

    def absent(operation: Operation) -> ApiError:
        return bad_request(
            f"{operation.name} is not available: this gateway serves WebSocket APIs, which do not have it"
        )

    return RestService(
        model,
        found,
        request_headers=headers,
        absent=absent,
        fault=_fault,
        failure=ApiError(500, "InternalServerErrorException", "Internal server error"),
    )


# What AWS says instead of naming the member: spec 1.1.
_TEXTS = {
    ("protocolType", "enum"): "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]",
    ("protocolType", "required"): "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]",
    ("authorizerType", "enum"): BAD_AUTHORIZER_TYPE,
}


def _fault(fault: restjson.Fault) -> ApiError:
    fault.message = _TEXTS.get((fault.member, fault.kind), fault.message)
    return fault

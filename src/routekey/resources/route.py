"""Routes and their responses (spec 1.5, 1.6)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from routekey.resources.base import ABSENT, Maybe, Resource

CONNECT = "$connect"
DISCONNECT = "$disconnect"
DEFAULT = "$default"
PREDEFINED = (CONNECT, DISCONNECT, DEFAULT)

Constraints = dict[str, dict[str, Any]]


class Route(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "routes"
    ids: ClassVar = ("api_id", "route_id")
    kind: ClassVar = "Route"

    api_id: str
    route_id: str
    route_key: str
    api_key_required: bool = False
    authorization_type: str = "NONE"
    authorizer_id: str | Maybe = ABSENT
    authorization_scopes: list[str] | Maybe = ABSENT
    model_selection_expression: str | Maybe = ABSENT
    operation_name: Annotated[str, Meta(min_length=1, max_length=64)] | Maybe = ABSENT
    request_models: dict[str, str] | Maybe = ABSENT
    request_parameters: Constraints | Maybe = ABSENT
    route_response_selection_expression: str | Maybe = ABSENT
    target: Annotated[str, Meta(max_length=128)] | Maybe = ABSENT


class RouteResponse(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "route-responses"
    ids: ClassVar = ("api_id", "route_id", "route_response_id")
    kind: ClassVar = "RouteResponse"

    api_id: str
    route_id: str
    route_response_id: str
    route_response_key: str
    model_selection_expression: str | Maybe = ABSENT
    response_models: dict[str, str] | Maybe = ABSENT
    response_parameters: Constraints | Maybe = ABSENT

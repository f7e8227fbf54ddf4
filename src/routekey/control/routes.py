"""Operations on routes and route responses (spec 1.5, 1.6)."""

from __future__ import annotations

import re

from routekey.control.auto_deploy import changed
from routekey.control.operations import Control, clear, only, page
from routekey.errors import ExpressionError, bad_request, conflict, not_found
from routekey.expressions.selection import compile_selection
from routekey.resources.authorizer import Authorizer
from routekey.resources.base import ABSENT
from routekey.resources.route import CONNECT, PREDEFINED, Route, RouteResponse
from routekey.wire.service import Answer, Call

_TARGET = re.compile(r"integrations/[A-Za-z0-9]+")
_PARAMETER = re.compile(r"(?:route|method)\.request\.(?:header|querystring)\.[A-Za-z0-9._$-]+")
_RESPONSE_PARAMETER = re.compile(r"(?:route|method)\.response\.header\.[A-Za-z0-9._$-]+")
MAX_KEY = 128  # characters
_CLEARABLE = (
    "target", "authorizerId", "modelSelectionExpression", "operationName", "routeResponseSelectionExpression",
)  # fmt: skip


async def _check(control: Control, route: Route) -> None:
    key = route.route_key
    if not 1 <= len(key) <= MAX_KEY or (key.startswith("$") and key not in PREDEFINED):
        raise bad_request("The provided route key is not formatted properly")
    if route.authorization_type == "JWT":
        raise bad_request("Invalid value for authorizationType: JWT (WebSocket APIs have NONE, AWS_IAM and CUSTOM)")
    if route.authorization_type != "NONE" and route.route_key != CONNECT:
        raise bad_request("Currently, authorization is restricted to the $connect route only")
    if route.authorization_scopes:
        raise bad_request("authorizationScopes is not supported for WEBSOCKET protocol Apis")
    if route.authorization_type == "CUSTOM":
        if not route.authorizer_id:
            raise bad_request("Missing required member: authorizerId (authorizationType is CUSTOM)")
        if await control.repository.find(Authorizer, route.api_id, route.authorizer_id) is None:
            raise bad_request(f"Invalid Authorizer identifier specified {route.authorizer_id}")
    if route.target and not _TARGET.fullmatch(route.target):
        raise bad_request(f"Invalid value for target: {route.target:.80} (integrations/ and an integration id)")
    _check_selection("modelSelectionExpression", route.model_selection_expression or "")
    if route.route_response_selection_expression not in (ABSENT, "", "$default", "\\$default"):
        raise bad_request(
            "Invalid value for routeResponseSelectionExpression: "
            f"{route.route_response_selection_expression} ($default)"
        )
    for name in route.request_parameters or {}:
        if not _PARAMETER.fullmatch(name):
            raise bad_request(
                f"Invalid mapping expression specified: {name:.200} (route.request.header|querystring.NAME)"
            )
    for key, model in (route.request_models or {}).items():
        if not 1 <= len(model) <= 128:
            raise bad_request(f"Invalid value for requestModels.{key:.80}: {model:.140}")


def _check_selection(member: str, expression: str) -> None:
    try:
        compile_selection(expression)
    except ExpressionError as error:
        raise bad_request(f"Invalid value for {member}: {error}") from None


async def _check_unique(control: Control, route: Route, others: list[Route]) -> None:
    if any(other.route_key == route.route_key and other.route_id != route.route_id for other in others):
        raise conflict(f"Route with key {route.route_key} already exists for this API")


async def create_route(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    route = Route.of(call.members, api_id=api.api_id, route_id=control.ids.of(7))
    await _check(control, route)
    routes = await control.repository.all(Route, api.api_id)
    await _check_unique(control, route, routes)
    control.quota("routes", len(routes), "Routes")
    route = clear(route, call, _CLEARABLE)
    await control.repository.add(route)
    await changed(control, api.api_id)
    return route.members()


async def get_route(control: Control, call: Call) -> Answer:
    return (await control.child(Route, call["apiId"], call["routeId"])).members()


async def get_routes(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    routes = await control.repository.all(Route, api.api_id)
    return page(call, [route.members() for route in routes], lambda item: str(item["routeId"]))


async def update_route(control: Control, call: Call) -> Answer:
    known = await control.child(Route, call["apiId"], call["routeId"])
    updated = known.changed(only(call.members, Route))
    await _check(control, updated)
    await _check_unique(control, updated, await control.repository.all(Route, known.api_id))
    route = await control.repository.replace(
        known, lambda stored: clear(stored.changed(only(call.members, Route)), call, _CLEARABLE)
    )
    await changed(control, route.api_id)
    return route.members()


async def delete_route(control: Control, call: Call) -> Answer:
    route = await control.child(Route, call["apiId"], call["routeId"])
    responses = await control.repository.all(RouteResponse, route.api_id, route.route_id)
    await control.repository.remove(route, *responses)
    await changed(control, route.api_id)
    return None


async def delete_route_request_parameter(control: Control, call: Call) -> Answer:
    route = await control.child(Route, call["apiId"], call["routeId"])
    name = call["requestParameterKey"]
    if name not in (route.request_parameters or {}):
        raise not_found(f"Invalid request parameter key specified {name}", "RouteRequestParameter")

    def without(stored: Route) -> Route:
        rest = {key: value for key, value in (stored.request_parameters or {}).items() if key != name}
        return stored.changed({"requestParameters": rest}) if rest else stored.without("requestParameters")

    await control.repository.replace(route, without)
    await changed(control, route.api_id)
    return None


def _check_response(response: RouteResponse) -> None:
    if response.route_response_key != "$default":
        raise bad_request(f"Invalid value for routeResponseKey: {response.route_response_key:.80} ($default)")
    for name in response.response_parameters or {}:
        if not _RESPONSE_PARAMETER.fullmatch(name):
            raise bad_request(f"Invalid mapping expression specified: {name:.200} (route.response.header.NAME)")
    _check_selection("modelSelectionExpression", response.model_selection_expression or "")


async def create_route_response(control: Control, call: Call) -> Answer:
    route = await control.child(Route, call["apiId"], call["routeId"])
    response = RouteResponse.of(
        call.members, api_id=route.api_id, route_id=route.route_id, route_response_id=control.ids.of(6)
    )
    _check_response(response)
    if await control.repository.all(RouteResponse, route.api_id, route.route_id):
        raise conflict(f"Route response with key {response.route_response_key} already exists for this route")
    await control.repository.add(response)
    await changed(control, route.api_id)
    return response.members()


async def _response(control: Control, call: Call) -> RouteResponse:
    await control.child(Route, call["apiId"], call["routeId"])
    return await control.child(RouteResponse, call["apiId"], call["routeId"], call["routeResponseId"])


async def get_route_response(control: Control, call: Call) -> Answer:
    return (await _response(control, call)).members()


async def get_route_responses(control: Control, call: Call) -> Answer:
    route = await control.child(Route, call["apiId"], call["routeId"])
    responses = await control.repository.all(RouteResponse, route.api_id, route.route_id)
    return page(call, [each.members() for each in responses], lambda item: str(item["routeResponseId"]))


async def update_route_response(control: Control, call: Call) -> Answer:
    known = await _response(control, call)
    _check_response(known.changed(only(call.members, RouteResponse)))
    response = await control.repository.replace(known, lambda stored: stored.changed(only(call.members, RouteResponse)))
    await changed(control, response.api_id)
    return response.members()


async def delete_route_response(control: Control, call: Call) -> Answer:
    response = await _response(control, call)
    await control.repository.remove(response)
    await changed(control, response.api_id)
    return None

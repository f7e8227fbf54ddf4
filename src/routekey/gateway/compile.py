"""From the frozen copy of an API to what serves it."""

from __future__ import annotations

from collections.abc import Mapping

from routekey.errors import CompileError, ExpressionError
from routekey.expressions.selection import compile_selection
from routekey.gateway.compiled import CompiledApi, CompiledRoute
from routekey.gateway.integrations.address import Surroundings
from routekey.gateway.integrations.base import Integration
from routekey.gateway.integrations.types import Backends, build
from routekey.gateway.validation import Check, compile_checks
from routekey.resources.base import ABSENT
from routekey.resources.deployment import Snapshot
from routekey.resources.integration import IntegrationResponse
from routekey.resources.route import CONNECT, DEFAULT, DISCONNECT, Route

_SELECTED = ("$default", "\\$default")


def compile_api(
    snapshot: Snapshot,
    stage: str,
    deployment_id: str,
    surroundings: Surroundings,
    backends: Backends,
    *,
    checks: Mapping[str, Check] | None = None,
) -> CompiledApi:
    """What serves `snapshot` on `stage`. CompileError names the resource that does not compile.

    `checks` are those of the same deployment, where it was compiled before.
    """
    checks = compile_checks(snapshot) if checks is None else checks
    integrations = _integrations(snapshot, surroundings, backends)
    answering = {response.route_id for response in snapshot.route_responses}
    routes = {
        route.route_key: _route(route, integrations, answering, checks.get(route.route_key))
        for route in snapshot.routes
    }
    try:
        select = compile_selection(snapshot.api.route_selection_expression).of_message
    except ExpressionError as error:
        raise CompileError(f"routeSelectionExpression of the Api: {error}") from None
    connect, disconnect = routes.pop(CONNECT, None), routes.pop(DISCONNECT, None)
    return CompiledApi(
        api_id=snapshot.api.api_id,
        stage=stage,
        deployment_id=deployment_id,
        stage_variables=dict(surroundings.variables),
        select=select,
        routes=routes,
        default=routes.get(DEFAULT),
        connect=connect,
        disconnect=disconnect,
        checks=checks,
        default_endpoint=not snapshot.api.disable_execute_api_endpoint,
    )


def _integrations(snapshot: Snapshot, surroundings: Surroundings, backends: Backends) -> dict[str, Integration]:
    responses: dict[str, list[IntegrationResponse]] = {}
    for response in snapshot.integration_responses:
        responses.setdefault(response.integration_id, []).append(response)
    targets = {route.target: route.route_key for route in snapshot.routes if route.target}
    built = {}
    for resource in snapshot.integrations:
        reference = f"integrations/{resource.integration_id}"
        if reference not in targets:
            continue  # nothing can reach it
        try:
            mine = responses.get(resource.integration_id, [])
            built[reference] = build(resource, mine, surroundings, backends)
        except (CompileError, ExpressionError) as error:
            raise CompileError(
                f"Integration {resource.integration_id} of route {targets[reference]}: {error}"
            ) from None
    return built


def _route(
    route: Route, integrations: Mapping[str, Integration], answering: set[str], check: Check | None
) -> CompiledRoute:
    integration = None
    integration_id = (route.target or "").removeprefix("integrations/")
    if route.target:
        integration = integrations.get(route.target)
        if integration is None:
            raise CompileError(f"Route {route.route_key}: its target {route.target} does not exist")
    if route.route_key != CONNECT:
        two_way = route.route_id in answering or route.route_response_selection_expression in _SELECTED
        return CompiledRoute(
            route.route_key,
            integration,
            integration_id,
            two_way=two_way and route.route_key != DISCONNECT,
            check=check if route.route_key != DISCONNECT else None,
        )
    if route.authorization_type == "CUSTOM" and not route.authorizer_id:
        raise CompileError("Route $connect: authorizationType is CUSTOM, and it has no authorizerId")
    required = [
        name
        for name, constraint in (route.request_parameters or {}).items()
        if route.request_parameters is not ABSENT and constraint.get("required")
    ]
    return CompiledRoute(
        CONNECT,
        integration,
        integration_id,
        required_headers=tuple(name.split(".", 3)[3] for name in required if ".header." in name),
        required_query=tuple(name.split(".", 3)[3] for name in required if ".querystring." in name),
        unavailable=_unavailable(route),
    )


def _unavailable(route: Route) -> str | None:
    """Access control that is not built yet lets nobody in, rather than everybody."""
    if route.authorization_type != "NONE":
        return f"authorizationType {route.authorization_type} of route $connect is not available yet"
    if route.api_key_required:
        return "apiKeyRequired of route $connect is not available yet"
    return None

"""Request models: whether a message's body fits, before an integration sees it (spec 3.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from routekey.errors import CompileError, ExpressionError, GatewayError, ResponseType
from routekey.expressions.schema import Validator, compile_schema, parse_schema
from routekey.expressions.selection import compile_selection
from routekey.gateway.invocation import Invocation
from routekey.resources.deployment import Snapshot
from routekey.resources.route import CONNECT, Route

Check = Callable[[Invocation], None]


def compile_checks(snapshot: Snapshot) -> dict[str, Check]:
    """The checks of those routes that ask for one, by route key.

    CompileError names the model that is no schema, unless the API has disableSchemaValidation: then it is each
    message that fails.
    """
    strict = snapshot.api.disable_schema_validation is not True
    validators = _validators(snapshot, strict)
    checks = {}
    for route in snapshot.routes:
        models = route.request_models or {}
        for key, name in models.items():
            if strict and name not in validators:
                raise CompileError(
                    f"Route {route.route_key}: its request model {key} names {name}, which does not exist"
                )
        if route.model_selection_expression and route.route_key != CONNECT:
            checks[route.route_key] = _check(route, models, validators)
    return checks


def _validators(snapshot: Snapshot, strict: bool) -> dict[str, Validator | str]:
    """What each model says of a body; why it cannot say anything, where that is let pass."""
    found: dict[str, Validator | str] = {}
    schemas = {}
    for model in snapshot.models:
        try:
            schemas[model.name] = parse_schema(model.name, model.schema or "{}")
        except ExpressionError as error:
            found[model.name] = str(error)
    for name in schemas:
        try:
            found[name] = compile_schema(name, schemas)
        except ExpressionError as error:
            found[name] = str(error)
    faults = [each for each in found.values() if isinstance(each, str)]
    if strict and faults:
        raise CompileError(faults[0])
    return found


def _check(route: Route, models: Mapping[str, str], validators: Mapping[str, Validator | str]) -> Check:
    select = compile_selection(str(route.model_selection_expression))

    def check(invocation: Invocation) -> None:
        key = select.evaluate(invocation)
        name = models.get(key, models.get("$default"))
        if name is None:
            why = f"no request model has the key '{key:.100}', and there is none for $default"
            raise GatewayError(ResponseType.BAD_REQUEST_BODY, why, validation=f"[{why}]")
        validator = validators.get(name, f"model {name} does not exist")
        if isinstance(validator, str):
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, validator)
        faults = validator(invocation.body)
        if faults:
            text = f"[{', '.join(faults)}]"
            raise GatewayError(ResponseType.BAD_REQUEST_BODY, f"model {name}: {text:.2000}", validation=text)

    return check

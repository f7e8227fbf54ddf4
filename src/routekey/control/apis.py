"""Operations on APIs (spec 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routekey.control.auto_deploy import changed
from routekey.control.operations import Control, clear, only, page, refuse
from routekey.errors import ExpressionError, bad_request
from routekey.expressions.selection import API_KEY_EXPRESSIONS, compile_selection
from routekey.resources.api import Api
from routekey.resources.base import Resource, check_tags
from routekey.resources.deployment import FROZEN, Deployment, Snapshot
from routekey.resources.stage import Stage
from routekey.state import chunks
from routekey.state.store import Write
from routekey.wire.service import Answer, Call

_HTTP_ONLY = ("corsConfiguration", "routeKey", "target", "credentialsArn")


def _answer(control: Control, call: Call, api: Api) -> Mapping[str, Any]:
    return {**api.members(), "apiEndpoint": f"{control.endpoint(call)}/{api.api_id}"}


def _check(api: Api) -> None:
    if api.protocol_type != "WEBSOCKET":
        raise bad_request("HTTP APIs are not served here: this gateway serves WebSocket APIs, protocolType WEBSOCKET")
    check_tags(api.tags)
    if api.api_key_selection_expression not in API_KEY_EXPRESSIONS:
        raise bad_request(
            f"Invalid value for apiKeySelectionExpression: {api.api_key_selection_expression:.80} "
            f"(one of {', '.join(API_KEY_EXPRESSIONS)})"
        )
    try:
        compile_selection(api.route_selection_expression)
    except ExpressionError as error:
        raise bad_request(f"Invalid value for routeSelectionExpression: {error}") from None


async def create_api(control: Control, call: Call) -> Answer:
    if call["protocolType"] == "WEBSOCKET":
        refuse(call, _HTTP_ONLY)
        if not call.get("routeSelectionExpression"):
            raise bad_request("Missing required member: routeSelectionExpression, such as $request.body.action")
    members = {"routeSelectionExpression": "", **call.members}
    api = Api.of(members, api_id=control.ids.of(10), created_date=control.now())
    _check(api)
    await control.repository.add(api)
    return _answer(control, call, api)


async def get_api(control: Control, call: Call) -> Answer:
    return _answer(control, call, await control.api(call))


async def get_apis(control: Control, call: Call) -> Answer:
    apis = await control.repository.all(Api)
    return page(call, [_answer(control, call, api) for api in apis], lambda item: str(item["apiId"]))


async def update_api(control: Control, call: Call) -> Answer:
    refuse(call, _HTTP_ONLY)

    def update(api: Api) -> Api:
        updated = api.changed(only(call.members, Api))
        _check(updated)
        return clear(updated, call, ("description", "version"))

    api = await control.repository.replace(await control.api(call), update)
    await changed(control, api.api_id)
    return _answer(control, call, api)


async def delete_api(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    repository = control.repository
    # The API goes first: connections are closed by that, and a crash leaves nothing that is served.
    writes = [Write(api.key, None)]
    kinds: tuple[type[Resource], ...] = (Stage, *FROZEN)
    for kind in kinds:
        writes += [Write(each.key, None) for each in await repository.all(kind, api.api_id)]
    for deployment in await repository.all(Deployment, api.api_id):
        writes.append(Write(deployment.key, None))
        writes += await chunks.deletes(repository.store, Snapshot.key(api.api_id, deployment.deployment_id))
    await repository.store.batch(writes)
    return None


async def delete_cors_configuration(control: Control, call: Call) -> Answer:
    await control.api(call)
    raise bad_request("CORS configurations are not supported for WEBSOCKET protocol Apis")

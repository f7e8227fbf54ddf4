"""Operations on authorizers (spec 1.10)."""

from __future__ import annotations

import re
from typing import Any

from routekey.control.auto_deploy import changed
from routekey.control.operations import BAD_AUTHORIZER_TYPE, Control, clear, only, page
from routekey.errors import bad_request, conflict
from routekey.resources.authorizer import Authorizer
from routekey.resources.route import Route
from routekey.wire.service import Answer, Call

_HTTP_ONLY = (
    "authorizerPayloadFormatVersion", "authorizerResultTtlInSeconds", "enableSimpleResponses", "jwtConfiguration",
)  # fmt: skip
_SOURCE = re.compile(r"(route\.request\.(header|querystring)|context|stageVariables)\.[a-zA-Z0-9._-]+")


def _refuse_http(call: Call) -> None:
    for name in _HTTP_ONLY:
        if call.get(name) is not None:
            raise bad_request(f"{name[0].upper()}{name[1:]} cannot be set for WEBSOCKET protocol Apis.")


def _members(call: Call) -> dict[str, Any]:
    members = only(call.members, Authorizer)
    if "identitySource" in members:
        # A single comma-joined string is accepted too; an empty one stands for none (spec 7.3).
        members["identitySource"] = [
            part.strip() for text in members["identitySource"] for part in text.split(",") if part.strip()
        ]
    return members


def _check(authorizer: Authorizer, others: list[Authorizer]) -> None:
    if authorizer.authorizer_type != "REQUEST":
        raise bad_request(BAD_AUTHORIZER_TYPE)
    for source in authorizer.identity_source or []:
        if not _SOURCE.fullmatch(source):
            raise bad_request(
                f"Invalid request identity source expression: {source}. The sources must be separated by comma, and "
                "each source must be either a request parameter, matching "
                "'route.request.querystring|header.[a-zA-Z0-9._-]+', or a stage variable, matching "
                "'stageVariables.[a-zA-Z0-9._-]+', or a context parameter, matching 'context.[a-zA-Z0-9._-]+'"
            )
    if any(other.name == authorizer.name and other.authorizer_id != authorizer.authorizer_id for other in others):
        raise conflict(f"Authorizer with name {authorizer.name} already exists for this API")


async def create_authorizer(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    _refuse_http(call)
    if not call.get("authorizerUri"):
        raise bad_request("Missing required member: authorizerUri")
    members = {**_members(call), "apiId": api.api_id}
    authorizer = Authorizer.of(members, authorizer_id=control.ids.of(6))
    others = await control.repository.all(Authorizer, api.api_id)
    _check(authorizer, others)
    control.quota("authorizers", len(others), "Authorizers")
    await control.repository.add(authorizer)
    await changed(control, api.api_id)
    return authorizer.members()


async def get_authorizer(control: Control, call: Call) -> Answer:
    return (await control.child(Authorizer, call["apiId"], call["authorizerId"])).members()


async def get_authorizers(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    authorizers = await control.repository.all(Authorizer, api.api_id)
    return page(call, [each.members() for each in authorizers], lambda item: str(item["authorizerId"]))


async def update_authorizer(control: Control, call: Call) -> Answer:
    _refuse_http(call)
    known = await control.child(Authorizer, call["apiId"], call["authorizerId"])
    others = await control.repository.all(Authorizer, known.api_id)

    def update(stored: Authorizer) -> Authorizer:
        updated = stored.changed(_members(call))
        _check(updated, others)
        return clear(updated, call, ("authorizerCredentialsArn", "identityValidationExpression"))

    authorizer = await control.repository.replace(known, update)
    await changed(control, authorizer.api_id)
    return authorizer.members()


async def delete_authorizer(control: Control, call: Call) -> Answer:
    authorizer = await control.child(Authorizer, call["apiId"], call["authorizerId"])
    for route in await control.repository.all(Route, authorizer.api_id):
        if route.authorizer_id == authorizer.authorizer_id:
            raise conflict(
                f"Cannot delete authorizer '{authorizer.authorizer_id}', is referenced by one or more routes"
            )
    await control.repository.remove(authorizer)
    await changed(control, authorizer.api_id)
    return None

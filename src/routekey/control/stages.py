"""Operations on stages and their sub-settings (spec 1.12)."""

from __future__ import annotations

import re
from typing import Any

from routekey.control import auto_deploy
from routekey.control.operations import Control, clear, only, page
from routekey.errors import ApiError, bad_request, conflict, not_found
from routekey.resources.base import ABSENT, check_tags
from routekey.resources.deployment import Deployment
from routekey.resources.stage import Stage
from routekey.wire.service import Answer, Call

_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9._~:/?#&=,-]*")
_LOG_GROUP = re.compile(r"arn:aws[a-z-]*:logs:[a-z0-9-]+:\d*:log-group:[^:*]+(?::\*)?")
_DELIVERY_STREAM = re.compile(r"arn:aws[a-z-]*:firehose:[a-z0-9-]+:\d*:deliverystream/amazon-apigateway-.+")
MAX_LOG_FORMAT = 3072


def _check(control: Control, stage: Stage) -> None:
    check_tags(stage.tags)
    variables = stage.stage_variables
    quotas = control.quotas
    if len(variables) > quotas.stage_variables:
        raise ApiError(
            429,
            "TooManyRequestsException",
            f"Stage {stage.stage_name} has {len(variables)} stage variables, {quotas.stage_variables} are allowed",
            {"limitType": "StageVariables"},
        )
    for name, value in variables.items():
        if not _VARIABLE_NAME.fullmatch(name) or len(name) > quotas.stage_variable_name:
            raise bad_request(
                f"Invalid stage variable name: {name:.80} (letters, digits and _, at most {quotas.stage_variable_name})"
            )
        if not _VARIABLE_VALUE.fullmatch(value) or len(value) > quotas.stage_variable_value:
            raise bad_request(
                f"Invalid stage variable value for {name}: {value:.80} "
                f"(at most {quotas.stage_variable_value} characters of A-Z a-z 0-9 . _ ~ : / ? # & = , -)"
            )
    _check_access_log(stage)


def _check_access_log(stage: Stage) -> None:
    settings = stage.access_log_settings
    if settings is ABSENT:
        return
    destination, form = settings.destination_arn or "", settings.format or ""
    if not destination or not form:
        raise bad_request("Access Log value missing. Expected destinationArn and format.")
    if not _LOG_GROUP.fullmatch(destination) and not _DELIVERY_STREAM.fullmatch(destination):
        raise bad_request(
            f"Invalid value for accessLogSettings.destinationArn: {destination:.200} "
            "(a log group, or a delivery stream named amazon-apigateway-...)"
        )
    problem = None
    if "\n" in form or "\r" in form:
        problem = "Access Log format must be single line"
    elif not any(name in form.replace("{", "") for name in ("$context.requestId", "$context.extendedRequestId")):
        problem = "Access Log format must include either $context.requestId or $context.extendedRequestId "
    elif len(form) > MAX_LOG_FORMAT:
        problem = f"Access Log format must not be longer than {MAX_LOG_FORMAT} characters"
    if problem:
        raise bad_request(f"The following errors are found in Access Log Format: {problem}: '{form}'")


def _settled(members: dict[str, Any]) -> dict[str, Any]:
    """Members in the form that is stored: a log group without the :* that CloudFormation adds."""
    settings = members.get("accessLogSettings")
    if settings and settings.get("destinationArn"):
        settings = {**settings, "destinationArn": settings["destinationArn"].removesuffix(":*")}
        return {**members, "accessLogSettings": settings}
    return members


async def _check_deployment(control: Control, call: Call, auto_deploy_on: bool) -> None:
    wanted = call.get("deploymentId")
    if wanted is None:
        return
    if auto_deploy_on:
        raise bad_request("Deployment ID cannot be set on a stage that deploys by itself (autoDeploy is true)")
    if await control.repository.find(Deployment, call["apiId"], wanted) is None:
        raise not_found(f"Invalid Deployment identifier specified {wanted}", "Deployment")


async def _stage(control: Control, call: Call) -> Stage:
    await control.api(call)
    stage = await control.repository.find(Stage, call["apiId"], call["stageName"])
    if stage is None:
        raise not_found("Invalid stage identifier specified", "Stage")
    return stage


async def create_stage(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    name = call["stageName"]
    if name == "$default":
        raise bad_request("Invalid value for stageName: $default (WebSocket APIs have no $default stage)")
    await _check_deployment(control, call, call.get("autoDeploy") is True)
    members = _settled(call.members)
    if "defaultRouteSettings" in members:
        members = {**members, "defaultRouteSettings": _defaults(members["defaultRouteSettings"])}
    stage = Stage.of(members, created_date=control.now(), last_updated_date=control.now())
    _check(control, stage)
    stages = await control.repository.all(Stage, api.api_id)
    if any(other.stage_name == name for other in stages):
        raise conflict(f"Stage {name} already exists for this API")
    control.quota("stages", len(stages), "Stages")
    await control.repository.add(stage)
    if stage.auto_deploy:
        await auto_deploy.deploy_to(control, api, [stage])
    return (await _stage(control, call)).members()


def _defaults(given: dict[str, Any]) -> dict[str, Any]:
    return {"dataTraceEnabled": False, "detailedMetricsEnabled": False, "loggingLevel": "OFF", **given}


async def get_stage(control: Control, call: Call) -> Answer:
    return (await _stage(control, call)).members()


async def get_stages(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    stages = await control.repository.all(Stage, api.api_id)
    return page(call, [stage.members() for stage in stages], lambda item: str(item["stageName"]))


async def update_stage(control: Control, call: Call) -> Answer:
    known = await _stage(control, call)
    turned_on = call.get("autoDeploy", known.auto_deploy)
    await _check_deployment(control, call, turned_on)

    def update(stored: Stage) -> Stage:
        members = _settled(only(call.members, Stage))
        if "stageVariables" in members:
            merged = {**stored.stage_variables, **members["stageVariables"]}
            members["stageVariables"] = {name: value for name, value in merged.items() if value != ""}
        if "routeSettings" in members:
            before = stored.members()["routeSettings"]
            members["routeSettings"] = {
                **before, **{key: {**before.get(key, {}), **value} for key, value in members["routeSettings"].items()}
            }  # fmt: skip
        if "defaultRouteSettings" in members:
            before = stored.members()["defaultRouteSettings"]
            members["defaultRouteSettings"] = {**before, **members["defaultRouteSettings"]}
        if "accessLogSettings" in members and not any(members["accessLogSettings"].values()):
            del members["accessLogSettings"]
            stored = stored.without("accessLogSettings")
        updated = stored.changed(members, last_updated_date=control.now())
        _check(control, updated)
        return clear(updated, call, ("description", "clientCertificateId"))

    stage = await control.repository.replace(known, update)
    if stage.auto_deploy and not known.auto_deploy:
        await auto_deploy.deploy_to(control, await control.api(call), [stage])
    return (await _stage(control, call)).members()


async def delete_stage(control: Control, call: Call) -> Answer:
    await control.repository.remove(await _stage(control, call))
    return None


async def delete_access_log_settings(control: Control, call: Call) -> Answer:
    await control.repository.replace(
        await _stage(control, call),
        lambda stored: stored.without("accessLogSettings").changed({}, last_updated_date=control.now()),
    )
    return None


async def delete_route_settings(control: Control, call: Call) -> Answer:
    stage = await _stage(control, call)
    key = call["routeKey"]
    if key not in stage.route_settings:
        raise not_found(f"Invalid route settings key specified {key}", "RouteSettings")

    def without(stored: Stage) -> Stage:
        rest = {name: value for name, value in stored.members()["routeSettings"].items() if name != key}
        return stored.changed({"routeSettings": rest}, last_updated_date=control.now())

    await control.repository.replace(stage, without)
    return None


async def reset_authorizers_cache(control: Control, call: Call) -> Answer:
    """WebSocket APIs have no authorizer cache (spec 1.10), so there is nothing to reset."""
    await _stage(control, call)
    return None

"""Operations on usage plans and their keys (C-14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from routekey.control.operations import Control, only
from routekey.control.patches import find, finite, page, patch, patched, period
from routekey.errors import bad_request, conflict
from routekey.resources.access import ApiKey, UsagePlan, UsagePlanKey
from routekey.resources.base import check_tags
from routekey.resources.stage import Stage
from routekey.wire.service import Answer, Call


async def _plan(control: Control, call: Call) -> UsagePlan:
    plan: UsagePlan = await find(control, UsagePlan, "Usage Plan", call["usageplanId"])
    return plan


async def _check_stages(control: Control, plan: UsagePlan) -> None:
    for each in plan.api_stages:
        if await control.repository.find(Stage, each.get("apiId", ""), each.get("stage", "")) is None:
            raise bad_request(f"API Stage not found: {each.get('apiId')}:{each.get('stage')}")


async def create_usage_plan(control: Control, call: Call) -> Answer:
    plan = UsagePlan.of(only(call.members, UsagePlan), id=control.ids.of(6))
    check_tags(plan.tags)
    await _check_stages(control, plan)
    await control.repository.add(plan)
    return plan.members()


async def get_usage_plan(control: Control, call: Call) -> Answer:
    return (await _plan(control, call)).members()


async def get_usage_plans(control: Control, call: Call) -> Answer:
    plans = await control.repository.all(UsagePlan)
    key = call.get("keyId")
    if key:
        plans = [plan for plan in plans if await control.repository.find(UsagePlanKey, plan.id, key)]
    return page(call, [plan.members() for plan in plans])


def _api_stage(text: str) -> dict[str, str]:
    api, _, stage = text.partition(":")
    return {"apiId": api, "stage": stage}


async def update_usage_plan(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    paths: dict[str, Callable[[str], Any]] = {
        "name": str, "description": str, "productCode": str, "throttle/burstLimit": int, "throttle/rateLimit": finite,
        "quota/limit": int, "quota/offset": int, "quota/period": period,
    }  # fmt: skip
    wanted = UsagePlan.of(patched(plan.members(), call, paths, {"apiStages": _api_stage}))
    await _check_stages(control, wanted)
    return await patch(control, call, plan, paths, lists={"apiStages": _api_stage})


async def delete_usage_plan(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    if plan.api_stages:
        raise bad_request(
            f"Usage plan {plan.id} cannot be deleted while API stages are associated with it: "
            "remove them with patch operations on /apiStages"
        )
    await control.repository.remove(plan, *await control.repository.all(UsagePlanKey, plan.id))
    return None


async def _plan_key(control: Control, link: UsagePlanKey) -> Mapping[str, Any]:
    key = await control.repository.find(ApiKey, link.key_id)
    shown = {"id": link.key_id, "type": "API_KEY"}
    return {**shown, "value": key.value, **({"name": key.name} if key.name else {})} if key else shown


async def create_usage_plan_key(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    if call["keyType"] != "API_KEY":
        raise bad_request(f"Invalid value for keyType: {call['keyType']:.40} (API_KEY)")
    key: ApiKey = await find(control, ApiKey, "API Key", call["keyId"])
    link = UsagePlanKey(usage_plan_id=plan.id, key_id=key.id)
    if await control.repository.find(UsagePlanKey, plan.id, key.id) is not None:
        raise conflict(f"Usage plan key {key.id} already exists in usage plan {plan.id}")
    await control.repository.add(link)
    return await _plan_key(control, link)


async def get_usage_plan_key(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    return await _plan_key(control, await find(control, UsagePlanKey, "Usage Plan Key", plan.id, call["keyId"]))


async def get_usage_plan_keys(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    items = [await _plan_key(control, link) for link in await control.repository.all(UsagePlanKey, plan.id)]
    if call.get("name"):
        items = [item for item in items if str(item.get("name", "")).startswith(call["name"])]
    return page(call, items)


async def delete_usage_plan_key(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    await control.repository.remove(await find(control, UsagePlanKey, "Usage Plan Key", plan.id, call["keyId"]))
    return None

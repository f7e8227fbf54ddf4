"""Operations on API keys (C-14)."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Mapping
from typing import Any

from routekey.control.operations import Control, only
from routekey.control.patches import boolean, find, page, patch
from routekey.errors import ApiError, bad_request, conflict
from routekey.resources.access import ApiKey, UsagePlan, UsagePlanKey
from routekey.resources.base import Resource, check_tags
from routekey.wire.service import Answer, Call


def _shown(key: ApiKey, value: bool | None) -> Mapping[str, Any]:
    return {name: member for name, member in key.members().items() if value or name != "value"}


async def create_api_key(control: Control, call: Call) -> Answer:
    members = {**only(call.members, ApiKey), "value": call.get("value") or secrets.token_urlsafe(30)[:40]}
    members.pop("stageKeys", None)
    key = ApiKey.of(members, id=control.ids.of(10), created_date=control.now(), last_updated_date=control.now())
    check_tags(key.tags)
    await _check_value(control, key.value)
    stages = [f"{each.get('restApiId')}/{each.get('stageName')}" for each in call.get("stageKeys", [])]
    key = key.changed({"stageKeys": stages})
    await control.repository.add(key)
    return key.members()


async def _check_value(control: Control, value: str) -> None:
    if any(other.value == value for other in await control.repository.all(ApiKey)):
        raise conflict("API Key already exists")


async def _key(control: Control, call: Call) -> ApiKey:
    key: ApiKey = await find(control, ApiKey, "API Key", call["api_Key"])
    return key


async def get_api_key(control: Control, call: Call) -> Answer:
    return _shown(await _key(control, call), call.get("includeValue"))


async def get_api_keys(control: Control, call: Call) -> Answer:
    keys = [
        key
        for key in await control.repository.all(ApiKey)
        if (not call.get("name") or (key.name or "").startswith(call["name"]))
        and (not call.get("customerId") or key.customer_id == call["customerId"])
    ]
    return page(call, [_shown(key, call.get("includeValues")) for key in keys])


async def update_api_key(control: Control, call: Call) -> Answer:
    key = await _key(control, call)
    paths = {"name": str, "description": str, "enabled": boolean, "customerId": str}
    return await patch(control, call, key, paths, lists={"stages": str})


async def delete_api_key(control: Control, call: Call) -> Answer:
    key = await _key(control, call)
    links = [
        link for plan in await control.repository.all(UsagePlan)
        if (link := await control.repository.find(UsagePlanKey, plan.id, key.id))
    ]  # fmt: skip
    await control.repository.remove(key, *links)
    return None


async def import_api_keys(control: Control, call: Call) -> Answer:
    """API keys from CSV with the columns Name, Key, Description, Enabled and UsageplanIds."""
    if call.get("format", "csv") != "csv":
        raise bad_request("Invalid value for format: csv is expected")
    try:
        rows = list(csv.DictReader(io.StringIO(call["body"].decode())))
    except (UnicodeDecodeError, csv.Error) as error:
        raise bad_request(f"The API key file is not CSV in UTF-8: {error}") from None
    warnings: list[str] = []
    made: list[Resource] = []
    known = {other.value for other in await control.repository.all(ApiKey)}
    for number, row in enumerate(rows, 2):
        low = {str(name).strip().lower(): (text or "").strip() for name, text in row.items() if isinstance(text, str)}
        members = {
            "name": low.get("name", ""),
            "value": low.get("key", ""),
            "description": low.get("description") or None,
            "enabled": low.get("enabled", "true").lower() == "true",
        }
        now = control.now()
        try:
            key = ApiKey.of(members, id=control.ids.of(10), created_date=now, last_updated_date=now)
            if key.value in known:
                raise conflict("API Key already exists")
        except ApiError as error:
            warnings.append(f"Line {number}: {error.message}")
            continue
        known.add(key.value)
        made.append(key)
        for plan_id in filter(None, map(str.strip, low.get("usageplanids", "").split(","))):
            if await control.repository.find(UsagePlan, plan_id) is None:
                warnings.append(f"Line {number}: Invalid Usage Plan ID specified {plan_id}")
            else:
                made.append(UsagePlanKey(usage_plan_id=plan_id, key_id=key.id))
    if warnings and call.get("failonwarnings"):
        raise bad_request(f"Nothing is imported: {'; '.join(warnings)}")
    await control.repository.put(*made)
    return {"ids": [each.id for each in made if isinstance(each, ApiKey)], "warnings": warnings}

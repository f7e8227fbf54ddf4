"""The operations of apigateway v1 that WebSocket APIs need: links, keys, plans, certificates, account."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from routekey.control.operations import Control, link_user, only
from routekey.control.patches import boolean, finite, page, patched, period
from routekey.errors import ApiError, bad_request, conflict, not_found
from routekey.resources.access import Account, ApiKey, ClientCertificate, UsagePlan, UsagePlanKey
from routekey.resources.base import Resource, check_tags
from routekey.resources.stage import Stage
from routekey.resources.vpc_link import LoadBalancerLink
from routekey.wire.certificates import self_signed
from routekey.wire.service import Answer, Call

CERTIFICATE_DAYS = 365


async def _find(control: Control, kind: type[Any], name: str, *ids: str) -> Any:
    found = await control.repository.find(kind, *ids)
    if found is None:
        raise not_found(f"Invalid {name} identifier specified", kind.kind)
    return found


# VPC links


async def create_vpc_link(control: Control, call: Call) -> Answer:
    link = LoadBalancerLink.of(only(call.members, LoadBalancerLink), id=control.ids.of(6))
    check_tags(link.tags)
    for arn in link.target_arns:
        if not arn.startswith("arn:aws") or ":elasticloadbalancing:" not in arn:
            raise bad_request(f"Invalid target ARN: {arn:.200} (a network load balancer's ARN is expected)")
    control.quota("v1_vpc_links", len(await control.repository.all(LoadBalancerLink)), "VpcLinks")
    await control.repository.add(link)
    return {**link.members(), "status": "PENDING"}


async def get_vpc_link(control: Control, call: Call) -> Answer:
    return (await _link(control, call)).members()


async def _link(control: Control, call: Call) -> LoadBalancerLink:
    link: LoadBalancerLink = await _find(control, LoadBalancerLink, "Vpc Link", call["vpclink_id"])
    return link


async def get_vpc_links(control: Control, call: Call) -> Answer:
    return page(call, [link.members() for link in await control.repository.all(LoadBalancerLink)])


async def update_vpc_link(control: Control, call: Call) -> Answer:
    link = await _link(control, call)
    return await _patch(control, call, link, {"name": str, "description": str})


async def delete_vpc_link(control: Control, call: Call) -> Answer:
    link = await _link(control, call)
    used = await link_user(control, link.id)
    if used is not None:
        raise bad_request(f"Cannot delete vpc link. Vpc link '{link.id}', is referenced in [WEBSOCKET:{used.api_id}]")
    await control.repository.remove(link)
    return None


async def _patch(control: Control, call: Call, resource: Resource, paths: Mapping[str, Any], **more: Any) -> Answer:
    stamp = {"last_updated_date": control.now()} if isinstance(resource, ApiKey) else {}

    def update(stored: Resource) -> Resource:
        updated = type(stored).of(patched(stored.members(), call, paths, **more), **stamp)
        check_tags(updated.tags)  # type: ignore[attr-defined]
        return updated

    return (await control.repository.replace(resource, update)).members()


# API keys


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
    key: ApiKey = await _find(control, ApiKey, "API Key", call["api_Key"])
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
    return await _patch(control, call, key, paths, lists={"stages": str})


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


# usage plans


async def _plan(control: Control, call: Call) -> UsagePlan:
    plan: UsagePlan = await _find(control, UsagePlan, "Usage Plan", call["usageplanId"])
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
    return await _patch(control, call, plan, paths, lists={"apiStages": _api_stage})


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
    key: ApiKey = await _find(control, ApiKey, "API Key", call["keyId"])
    link = UsagePlanKey(usage_plan_id=plan.id, key_id=key.id)
    if await control.repository.find(UsagePlanKey, plan.id, key.id) is not None:
        raise conflict(f"Usage plan key {key.id} already exists in usage plan {plan.id}")
    await control.repository.add(link)
    return await _plan_key(control, link)


async def get_usage_plan_key(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    return await _plan_key(control, await _find(control, UsagePlanKey, "Usage Plan Key", plan.id, call["keyId"]))


async def get_usage_plan_keys(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    items = [await _plan_key(control, link) for link in await control.repository.all(UsagePlanKey, plan.id)]
    if call.get("name"):
        items = [item for item in items if str(item.get("name", "")).startswith(call["name"])]
    return page(call, items)


async def delete_usage_plan_key(control: Control, call: Call) -> Answer:
    plan = await _plan(control, call)
    await control.repository.remove(await _find(control, UsagePlanKey, "Usage Plan Key", plan.id, call["keyId"]))
    return None


# client certificates


async def generate_client_certificate(control: Control, call: Call) -> Answer:
    now = control.now()
    pem, key, ends = self_signed("ApiGateway", now, CERTIFICATE_DAYS)
    certificate = ClientCertificate.of(
        only(call.members, ClientCertificate),
        client_certificate_id=control.ids.of(6),
        pem_encoded_certificate=pem,
        private_key=key,
        created_date=now,
        expiration_date=ends,
    )
    check_tags(certificate.tags)
    await control.repository.add(certificate)
    return _public(certificate)


def _public(certificate: ClientCertificate) -> Mapping[str, Any]:
    return {name: member for name, member in certificate.members().items() if name != "privateKey"}


async def _certificate(control: Control, call: Call) -> ClientCertificate:
    found: ClientCertificate = await _find(
        control, ClientCertificate, "Client Certificate", call["clientcertificate_id"]
    )
    return found


async def get_client_certificate(control: Control, call: Call) -> Answer:
    return _public(await _certificate(control, call))


async def get_client_certificates(control: Control, call: Call) -> Answer:
    certificates = await control.repository.all(ClientCertificate)
    return page(call, [_public(each) for each in certificates], "clientCertificateId")


async def update_client_certificate(control: Control, call: Call) -> Answer:
    return await _patch(control, call, await _certificate(control, call), {"description": str})


async def delete_client_certificate(control: Control, call: Call) -> Answer:
    certificate = await _certificate(control, call)
    await control.repository.remove(certificate)
    return None


# account


async def get_account(control: Control, call: Call) -> Answer:
    return (await control.repository.find(Account) or Account()).members()


async def update_account(control: Control, call: Call) -> Answer:
    account = await control.repository.find(Account) or Account()
    updated = Account.of(patched(account.members(), call, {"cloudwatchRoleArn": str}))
    await control.repository.put(updated)
    return updated.members()

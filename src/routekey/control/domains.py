"""Operations on custom domain names and API mappings (spec 1.13)."""

from __future__ import annotations

import re
from typing import Any

from routekey.control.operations import Control, page
from routekey.errors import bad_request, conflict, not_found
from routekey.resources.api import Api
from routekey.resources.base import check_tags
from routekey.resources.domain import ApiMapping, DomainName
from routekey.resources.stage import Stage
from routekey.wire.service import Answer, Call

_NAME = re.compile(r"(?:\*\.)?(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}")
_KEY = re.compile(r"[A-Za-z0-9$\-_.+!*'()]*")
_RESERVED = ("ping", "sping")
_HOSTED_ZONE = "Z1UJRXOUMOOFQ8"


def _configurations(control: Control, given: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    full = []
    for each in given or [{}]:
        if each.get("endpointType", "REGIONAL") != "REGIONAL":
            raise bad_request("Invalid value for endpointType: EDGE (WebSocket APIs have REGIONAL)")
        full.append(
            {
                "apiGatewayDomainName": f"d-{control.ids.of(10)}{control.region.execute_api_suffix}",
                "domainNameStatus": "AVAILABLE",
                "endpointType": "REGIONAL",
                "hostedZoneId": _HOSTED_ZONE,
                "ipAddressType": "ipv4",
                "securityPolicy": "TLS_1_2",
                **each,
            }
        )
    return full


async def _domain(control: Control, call: Call) -> DomainName:
    domain = await control.repository.find(DomainName, call["domainName"].lower())
    if domain is None:
        raise not_found("The domain name resource specified in the request was not found.", "DomainName")
    return domain


def _refuse_mutual_tls(call: Call) -> None:
    if call.get("mutualTlsAuthentication"):
        raise bad_request("mutualTlsAuthentication is not supported for WEBSOCKET protocol Apis")


async def create_domain_name(control: Control, call: Call) -> Answer:
    name = call["domainName"].lower()
    if not _NAME.fullmatch(name):
        raise bad_request(f"Invalid domain name: {name:.200}")
    _refuse_mutual_tls(call)
    if await control.repository.find(DomainName, name) is not None:
        raise conflict("The domain name resource already exists.")
    domain = DomainName.of(
        {
            **{k: v for k, v in call.members.items() if k in ("tags", "routingMode")},
            "domainNameConfigurations": _configurations(control, call.get("domainNameConfigurations", []), name),
        },
        domain_name=name,
        domain_name_arn=control.region.apigateway(f"/domainnames/{name}"),
    )
    check_tags(domain.tags)
    control.quota("domain_names", len(await control.repository.all(DomainName)), "DomainNames")
    await control.repository.add(domain)
    return domain.members()


async def get_domain_name(control: Control, call: Call) -> Answer:
    return (await _domain(control, call)).members()


async def get_domain_names(control: Control, call: Call) -> Answer:
    domains = await control.repository.all(DomainName)
    return page(call, [domain.members() for domain in domains], lambda item: str(item["domainName"]))


async def update_domain_name(control: Control, call: Call) -> Answer:
    _refuse_mutual_tls(call)
    known = await _domain(control, call)

    def update(stored: DomainName) -> DomainName:
        members: dict[str, Any] = {}
        given = call.get("domainNameConfigurations")
        if given:
            before = stored.domain_name_configurations
            merged = [{**(before[at] if at < len(before) else {}), **each} for at, each in enumerate(given)]
            members["domainNameConfigurations"] = _configurations(control, merged, stored.domain_name)
        if call.get("routingMode"):
            members["routingMode"] = call["routingMode"]
        return stored.changed(members)

    return (await control.repository.replace(known, update)).members()


async def delete_domain_name(control: Control, call: Call) -> Answer:
    domain = await _domain(control, call)
    mappings = await control.repository.all(ApiMapping, domain.domain_name)
    await control.repository.remove(domain, *mappings)
    return None


async def _check_mapping(control: Control, mapping: ApiMapping) -> None:
    key = mapping.api_mapping_key or ""
    if not _KEY.fullmatch(key):
        raise bad_request("An ApiMapping key may contain only letters, numbers and one of $-_.+!*'()")
    if key in _RESERVED:
        raise bad_request(f"Invalid value for apiMappingKey: {key} is reserved")
    api = await control.repository.find(Api, mapping.api_id)
    if api is None:
        raise not_found(f"Invalid API identifier specified {control.region.account_id}:{mapping.api_id}", "Api")
    if await control.repository.find(Stage, mapping.api_id, mapping.stage) is None:
        raise not_found("Invalid stage identifier specified", "Stage")
    for other in await control.repository.all(ApiMapping, mapping.domain_name):
        if other.api_mapping_id != mapping.api_mapping_id and (other.api_mapping_key or "") == key:
            raise conflict(f"ApiMapping key '{key}' already exists for this domain name")


async def _mapping(control: Control, call: Call) -> ApiMapping:
    domain = await _domain(control, call)
    mapping = await control.repository.find(ApiMapping, domain.domain_name, call["apiMappingId"])
    if mapping is None:
        raise not_found("The api mapping resource specified in the request was not found.", "ApiMapping")
    return mapping


async def create_api_mapping(control: Control, call: Call) -> Answer:
    domain = await _domain(control, call)
    mapping = ApiMapping.of(call.members, domain_name=domain.domain_name, api_mapping_id=control.ids.of(6))
    await _check_mapping(control, mapping)
    await control.repository.add(mapping)
    return mapping.members()


async def get_api_mapping(control: Control, call: Call) -> Answer:
    return (await _mapping(control, call)).members()


async def get_api_mappings(control: Control, call: Call) -> Answer:
    domain = await _domain(control, call)
    mappings = await control.repository.all(ApiMapping, domain.domain_name)
    return page(call, [each.members() for each in mappings], lambda item: str(item["apiMappingId"]))


async def update_api_mapping(control: Control, call: Call) -> Answer:
    known = await _mapping(control, call)
    changes = {name: call[name] for name in ("apiId", "apiMappingKey", "stage") if call.get(name) is not None}
    await _check_mapping(control, known.changed(changes))
    return (await control.repository.replace(known, lambda stored: stored.changed(changes))).members()


async def delete_api_mapping(control: Control, call: Call) -> Answer:
    await control.repository.remove(await _mapping(control, call))
    return None

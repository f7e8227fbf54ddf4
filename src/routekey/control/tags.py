"""Tags of both API generations (spec 1.15)."""

from __future__ import annotations

import re
from typing import Any

from routekey.control.operations import Control
from routekey.errors import bad_request, not_found
from routekey.resources.access import ApiKey, ClientCertificate, UsagePlan
from routekey.resources.api import Api
from routekey.resources.base import Resource, check_tags
from routekey.resources.domain import DomainName
from routekey.resources.stage import Stage
from routekey.resources.vpc_link import LoadBalancerLink, VpcLink
from routekey.wire.service import Answer, Call

_ARN = re.compile(r"arn:aws[a-z-]*:apigateway:[a-z0-9-]*::(/.+)")
_PATHS: tuple[tuple[re.Pattern[str], tuple[type[Resource], ...]], ...] = (
    (re.compile(r"/(?:rest)?apis/([^/]+)/stages/([^/]+)"), (Stage,)),
    (re.compile(r"/(?:rest)?apis/([^/]+)"), (Api,)),
    (re.compile(r"/domainnames/([^/]+)"), (DomainName,)),
    (re.compile(r"/vpclinks/([^/]+)"), (VpcLink, LoadBalancerLink)),
    (re.compile(r"/apikeys/([^/]+)"), (ApiKey,)),
    (re.compile(r"/usageplans/([^/]+)"), (UsagePlan,)),
    (re.compile(r"/clientcertificates/([^/]+)"), (ClientCertificate,)),
)


async def _tagged(control: Control, call: Call) -> Any:
    arn = call.get("resource-arn") or call["resource_arn"]
    match = _ARN.fullmatch(arn)
    if match is None:
        raise bad_request(f"Invalid resource ARN: {arn:.200} (arn:aws:apigateway:REGION::/apis/ID and the like)")
    for pattern, kinds in _PATHS:
        found = pattern.fullmatch(match[1])
        for kind in kinds if found else ():
            resource = await control.repository.find(kind, *found.groups()) if found else None
            if resource is not None:
                return resource
    raise not_found(f"Invalid resource ARN specified: {arn:.200}", "Tags")


async def tag_resource(control: Control, call: Call) -> Answer:
    resource = await _tagged(control, call)

    def add(stored: Any) -> Any:
        tags = {**stored.tags, **call.get("tags", {})}
        check_tags(tags)
        return stored.changed({"tags": tags})

    await control.repository.replace(resource, add)
    return None


async def untag_resource(control: Control, call: Call) -> Answer:
    resource = await _tagged(control, call)
    names = set(call.get("tagKeys", []))
    await control.repository.replace(
        resource,
        lambda stored: stored.changed({"tags": {name: v for name, v in stored.tags.items() if name not in names}}),
    )
    return None


async def get_tags(control: Control, call: Call) -> Answer:
    return {"tags": (await _tagged(control, call)).tags}

"""Operations on v1 VPC links, which lead to network load balancers (spec 1.14)."""

from __future__ import annotations

from routekey.control.operations import Control, link_user, only
from routekey.control.patches import find, page, patch
from routekey.errors import bad_request
from routekey.resources.base import check_tags
from routekey.resources.vpc_link import LoadBalancerLink
from routekey.wire.service import Answer, Call


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
    link: LoadBalancerLink = await find(control, LoadBalancerLink, "Vpc Link", call["vpclink_id"])
    return link


async def get_vpc_links(control: Control, call: Call) -> Answer:
    return page(call, [link.members() for link in await control.repository.all(LoadBalancerLink)])


async def update_vpc_link(control: Control, call: Call) -> Answer:
    link = await _link(control, call)
    return await patch(control, call, link, {"name": str, "description": str})


async def delete_vpc_link(control: Control, call: Call) -> Answer:
    link = await _link(control, call)
    used = await link_user(control, link.id)
    if used is not None:
        raise bad_request(f"Cannot delete vpc link. Vpc link '{link.id}', is referenced in [WEBSOCKET:{used.api_id}]")
    await control.repository.remove(link)
    return None

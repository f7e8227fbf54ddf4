"""Operations on v2 VPC links (spec 1.14)."""

from __future__ import annotations

from routekey.control.operations import Control, link_user, page
from routekey.errors import bad_request, not_found
from routekey.resources.base import check_tags
from routekey.resources.vpc_link import VpcLink
from routekey.wire.service import Answer, Call


async def _link(control: Control, call: Call) -> VpcLink:
    link = await control.repository.find(VpcLink, call["vpcLinkId"])
    if link is None:
        raise not_found(f"Invalid VpcLink identifier specified {call['vpcLinkId']}", "VpcLink")
    return link


async def create_vpc_link(control: Control, call: Call) -> Answer:
    link = VpcLink.of(call.members, vpc_link_id=control.ids.of(6), created_date=control.now())
    if not link.subnet_ids:
        raise bad_request("Missing required member: subnetIds")
    check_tags(link.tags)
    await control.repository.add(link)
    return link.members()


async def get_vpc_link(control: Control, call: Call) -> Answer:
    return (await _link(control, call)).members()


async def get_vpc_links(control: Control, call: Call) -> Answer:
    links = await control.repository.all(VpcLink)
    return page(call, [link.members() for link in links], lambda item: str(item["vpcLinkId"]))


async def update_vpc_link(control: Control, call: Call) -> Answer:
    changes = {"name": call["name"]} if call.get("name") is not None else {}
    return (await control.repository.replace(await _link(control, call), lambda link: link.changed(changes))).members()


async def delete_vpc_link(control: Control, call: Call) -> Answer:
    link = await _link(control, call)
    used = await link_user(control, link.vpc_link_id)
    if used is not None:
        raise bad_request(
            f"Cannot delete VPC link '{link.vpc_link_id}', is referenced by integration '{used.integration_id}'"
        )
    await control.repository.remove(link)
    return None

"""VPC links of both generations (spec 1.14)."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar

from msgspec import Meta, field

from routekey.resources.api import Name
from routekey.resources.base import ABSENT, Maybe, Resource, Tags


class VpcLink(Resource, frozen=True, kw_only=True):
    """A v2 link: subnets and security groups."""

    collection: ClassVar = "vpclinks-v2"
    ids: ClassVar = ("vpc_link_id",)
    kind: ClassVar = "VpcLink"

    vpc_link_id: str
    name: Name
    created_date: datetime.datetime
    security_group_ids: list[str] = field(default_factory=list)
    subnet_ids: list[str]
    tags: Tags = field(default_factory=dict)
    vpc_link_status: str = "AVAILABLE"
    vpc_link_status_message: str = "VPC link is ready to route traffic"
    vpc_link_version: str = "V2"


class LoadBalancerLink(Resource, frozen=True, kw_only=True):
    """A v1 link: network load balancers."""

    collection: ClassVar = "vpclinks-v1"
    ids: ClassVar = ("id",)
    kind: ClassVar = "VpcLink"

    id: str
    name: Annotated[str, Meta(min_length=1)]
    description: str | Maybe = ABSENT
    target_arns: Annotated[list[str], Meta(min_length=1)]
    status: str = "AVAILABLE"
    tags: Tags = field(default_factory=dict)

"""API keys, usage plans, client certificates and the account: the v1 part that WebSocket APIs need (C-14)."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, ClassVar

from msgspec import Meta, field

from routekey.resources.base import ABSENT, Maybe, Resource, Tags


class ApiKey(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "apikeys"
    ids: ClassVar = ("id",)
    kind: ClassVar = "ApiKey"

    id: str
    value: Annotated[str, Meta(min_length=20, max_length=128)]
    name: Annotated[str, Meta(max_length=1024)] | Maybe = ABSENT
    customer_id: str | Maybe = ABSENT
    description: str | Maybe = ABSENT
    enabled: bool = False
    created_date: datetime.datetime
    last_updated_date: datetime.datetime
    stage_keys: list[str] = field(default_factory=list)
    tags: Tags = field(default_factory=dict)


class UsagePlan(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "usageplans"
    ids: ClassVar = ("id",)
    kind: ClassVar = "UsagePlan"

    id: str
    name: Annotated[str, Meta(min_length=1)]
    description: str | Maybe = ABSENT
    api_stages: list[dict[str, Any]] = field(default_factory=list)
    throttle: dict[str, Any] | Maybe = ABSENT
    quota: dict[str, Any] | Maybe = ABSENT
    product_code: str | Maybe = ABSENT
    tags: Tags = field(default_factory=dict)


class UsagePlanKey(Resource, frozen=True, kw_only=True):
    """The link of a key to a plan."""

    collection: ClassVar = "usageplankeys"
    ids: ClassVar = ("usage_plan_id", "key_id")
    kind: ClassVar = "UsagePlanKey"

    usage_plan_id: str
    key_id: str


class ClientCertificate(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "clientcertificates"
    ids: ClassVar = ("client_certificate_id",)
    kind: ClassVar = "ClientCertificate"

    client_certificate_id: str
    description: str | Maybe = ABSENT
    pem_encoded_certificate: str
    private_key: str
    created_date: datetime.datetime
    expiration_date: datetime.datetime
    tags: Tags = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"ClientCertificate({self.client_certificate_id})"  # its key never shows


class Account(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "account"
    ids: ClassVar = ()
    kind: ClassVar = "Account"

    cloudwatch_role_arn: str | Maybe = ABSENT
    throttle_settings: dict[str, Any] = field(default_factory=lambda: {"burstLimit": 5000, "rateLimit": 10000.0})
    features: list[str] = field(default_factory=lambda: ["UsagePlans"])
    api_key_version: str = "4"

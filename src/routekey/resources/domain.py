"""Custom domain names and their API mappings (spec 1.13)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta, field

from routekey.resources.base import ABSENT, Maybe, Resource, Tags


class DomainName(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "domainnames"
    ids: ClassVar = ("domain_name",)
    kind: ClassVar = "DomainName"

    domain_name: Annotated[str, Meta(min_length=1, max_length=512)]
    domain_name_arn: str
    api_mapping_selection_expression: str = "$request.basepath"
    domain_name_configurations: list[dict[str, Any]] = field(default_factory=list)
    routing_mode: str = "API_MAPPING_ONLY"
    tags: Tags = field(default_factory=dict)


class ApiMapping(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "apimappings"
    ids: ClassVar = ("domain_name", "api_mapping_id")
    kind: ClassVar = "ApiMapping"

    domain_name: str
    api_mapping_id: str
    api_id: str
    api_mapping_key: Annotated[str, Meta(max_length=300)] | Maybe = ABSENT
    stage: str

"""APIs and their models (spec 1.4, 1.9)."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar

from msgspec import Meta, field

from routekey.resources.base import ABSENT, Description, Maybe, Resource, Tags

Name = Annotated[str, Meta(min_length=1, max_length=128)]


class Api(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "apis"
    ids: ClassVar = ("api_id",)
    kind: ClassVar = "Api"

    api_id: str
    name: Name
    protocol_type: str
    route_selection_expression: str
    api_key_selection_expression: str = "$request.header.x-api-key"
    created_date: datetime.datetime
    description: Description | Maybe = ABSENT
    disable_schema_validation: bool | Maybe = ABSENT
    disable_execute_api_endpoint: bool = False
    ip_address_type: str = "ipv4"
    tags: Tags = field(default_factory=dict)
    version: Annotated[str, Meta(min_length=1, max_length=64)] | Maybe = ABSENT


class Model(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "models"
    ids: ClassVar = ("api_id", "model_id")
    kind: ClassVar = "Model"

    api_id: str
    model_id: str
    name: Annotated[str, Meta(pattern="^[A-Za-z0-9]{1,128}\\Z")]
    content_type: Annotated[str, Meta(min_length=1, max_length=256)] | Maybe = ABSENT
    description: Description | Maybe = ABSENT
    schema: Annotated[str, Meta(max_length=32768)] | Maybe = ABSENT

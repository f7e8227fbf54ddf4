"""Lambda authorizers (spec 1.10)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from routekey.resources.api import Name
from routekey.resources.base import ABSENT, Maybe, Resource


class Authorizer(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "authorizers"
    ids: ClassVar = ("api_id", "authorizer_id")
    kind: ClassVar = "Authorizer"

    api_id: str
    authorizer_id: str
    authorizer_type: str
    name: Name
    authorizer_uri: Annotated[str, Meta(min_length=1, max_length=2048)]
    authorizer_credentials_arn: str | Maybe = ABSENT
    identity_source: list[str] | Maybe = ABSENT
    identity_validation_expression: Annotated[str, Meta(max_length=1024)] | Maybe = ABSENT

"""Integrations and their responses (spec 1.7, 1.8)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from routekey.resources.base import ABSENT, Description, Maybe, Resource

MAX_TEMPLATE = 300 * 1024  # characters (spec 5.1)
MAX_TIMEOUT = 29_000  # milliseconds
MIN_TIMEOUT = 50

RESPONSE_SELECTION = {
    "MOCK": "${response.statuscode}",
    "HTTP": "${integration.response.statuscode}",
    "AWS": "${integration.response.body.errorMessage}",
}


class TlsConfig(Resource, frozen=True, kw_only=True):
    server_name_to_verify: Annotated[str, Meta(min_length=1, max_length=512)] | Maybe = ABSENT


class Integration(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "integrations"
    ids: ClassVar = ("api_id", "integration_id")
    kind: ClassVar = "Integration"

    api_id: str
    integration_id: str
    integration_type: str
    connection_type: str = "INTERNET"
    connection_id: Annotated[str, Meta(min_length=1, max_length=1024)] | Maybe = ABSENT
    content_handling_strategy: str | Maybe = ABSENT
    credentials_arn: str | Maybe = ABSENT
    description: Description | Maybe = ABSENT
    integration_method: Annotated[str, Meta(min_length=1, max_length=64)] | Maybe = ABSENT
    integration_response_selection_expression: str | Maybe = ABSENT
    integration_uri: Annotated[str, Meta(min_length=1, max_length=2048)] | Maybe = ABSENT
    passthrough_behavior: str = "WHEN_NO_MATCH"
    payload_format_version: str = "1.0"
    request_parameters: dict[str, Annotated[str, Meta(max_length=512)]] | Maybe = ABSENT
    request_templates: dict[str, Annotated[str, Meta(max_length=MAX_TEMPLATE)]] | Maybe = ABSENT
    template_selection_expression: str | Maybe = ABSENT
    timeout_in_millis: int = MAX_TIMEOUT
    tls_config: TlsConfig | Maybe = ABSENT


class IntegrationResponse(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "integration-responses"
    ids: ClassVar = ("api_id", "integration_id", "integration_response_id")
    kind: ClassVar = "IntegrationResponse"

    api_id: str
    integration_id: str
    integration_response_id: str
    integration_response_key: Annotated[str, Meta(min_length=1)]
    content_handling_strategy: str | Maybe = ABSENT
    response_parameters: dict[str, Annotated[str, Meta(max_length=512)]] | Maybe = ABSENT
    response_templates: dict[str, Annotated[str, Meta(max_length=MAX_TEMPLATE)]] | Maybe = ABSENT
    template_selection_expression: str | Maybe = ABSENT
    created: int = 0  # its place among its siblings, which are tried in creation order (C-29)

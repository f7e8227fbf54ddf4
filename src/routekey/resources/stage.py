"""Stages: pointers to a deployment, with settings that act at once (spec 1.12)."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar

from msgspec import Meta, field

from routekey.resources.base import ABSENT, Description, Maybe, Resource, Tags

StageName = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,128}\\Z")]


class RouteSettings(Resource, frozen=True, kw_only=True):
    data_trace_enabled: bool | Maybe = ABSENT
    detailed_metrics_enabled: bool | Maybe = ABSENT
    logging_level: str | Maybe = ABSENT
    throttling_burst_limit: int | Maybe = ABSENT
    throttling_rate_limit: float | Maybe = ABSENT


def default_settings() -> RouteSettings:
    return RouteSettings(data_trace_enabled=False, detailed_metrics_enabled=False, logging_level="OFF")


class AccessLogSettings(Resource, frozen=True, kw_only=True):
    destination_arn: str | Maybe = ABSENT
    format: str | Maybe = ABSENT


class Stage(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "stages"
    ids: ClassVar = ("api_id", "stage_name")
    kind: ClassVar = "Stage"

    api_id: str
    stage_name: StageName
    access_log_settings: AccessLogSettings | Maybe = ABSENT
    auto_deploy: bool = False
    client_certificate_id: str | Maybe = ABSENT
    created_date: datetime.datetime
    default_route_settings: RouteSettings = field(default_factory=default_settings)
    deployment_id: str | Maybe = ABSENT
    description: Description | Maybe = ABSENT
    last_deployment_status_message: str | Maybe = ABSENT
    last_updated_date: datetime.datetime
    route_settings: dict[str, RouteSettings] = field(default_factory=dict)
    stage_variables: dict[str, str] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)

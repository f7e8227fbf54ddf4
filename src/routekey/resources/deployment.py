"""Deployments: frozen copies of what lies under an API (spec 1.11, 9.1)."""

from __future__ import annotations

import datetime
from typing import ClassVar

import msgspec

from routekey.resources.api import Api, Model
from routekey.resources.authorizer import Authorizer
from routekey.resources.base import ABSENT, Description, Maybe, Resource
from routekey.resources.integration import Integration, IntegrationResponse
from routekey.resources.route import Route, RouteResponse
from routekey.state.store import key


class Deployment(Resource, frozen=True, kw_only=True):
    collection: ClassVar = "deployments"
    ids: ClassVar = ("api_id", "deployment_id")
    kind: ClassVar = "Deployment"

    api_id: str
    deployment_id: str
    auto_deployed: bool = False
    created_date: datetime.datetime
    deployment_status: str = "DEPLOYED"
    deployment_status_message: str | Maybe = ABSENT
    description: Description | Maybe = ABSENT


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a deployment freezes."""

    api: Api
    routes: list[Route]
    route_responses: list[RouteResponse]
    integrations: list[Integration]
    integration_responses: list[IntegrationResponse]
    models: list[Model]
    authorizers: list[Authorizer]

    @staticmethod
    def key(api_id: str, deployment_id: str) -> str:
        return key("snapshots", api_id, deployment_id)

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @staticmethod
    def decode(data: bytes) -> Snapshot:
        return msgspec.json.decode(data, type=Snapshot)


FROZEN: tuple[type[Resource], ...] = (
    Route,
    RouteResponse,
    Integration,
    IntegrationResponse,
    Model,
    Authorizer,
)

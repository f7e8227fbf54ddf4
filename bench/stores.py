"""Stores with many APIs or many routes, written directly: making them by requests would take minutes."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.messages import ANSWER
from bench.processes import BUILD
from routekey.resources.api import Api
from routekey.resources.base import Resource
from routekey.resources.deployment import Deployment, Snapshot
from routekey.resources.integration import Integration, IntegrationResponse
from routekey.resources.route import Route, RouteResponse
from routekey.resources.stage import Stage
from routekey.state import chunks
from routekey.state.sqlite import SqliteStore
from routekey.state.store import Write

STAGE = "bench"
_NOW = datetime.datetime(2025, 11, 22, tzinfo=datetime.UTC)
_BATCH = 20_000  # writes of one transaction


def api_id(number: int) -> str:
    return f"api{number:07d}"


def build(name: str, apis: int, routes: int) -> Path:
    """A new SQLite store of `apis` APIs, each with `routes` two-way MOCK routes and a stage."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "routekey.db"
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    asyncio.run(_fill(path, apis, routes))
    return path


async def _fill(path: Path, apis: int, routes: int) -> None:
    store = SqliteStore(path)
    try:
        writes: list[Write] = []
        for number in range(apis):
            writes += _api(api_id(number), routes)
            if len(writes) >= _BATCH:
                await store.batch(writes)
                writes.clear()
        await store.batch(writes)
    finally:
        await store.close()


def _api(name: str, count: int) -> list[Write]:
    api = Api(
        api_id=name,
        name=name,
        protocol_type="WEBSOCKET",
        route_selection_expression="$request.body.action",
        created_date=_NOW,
    )
    integration = Integration(
        api_id=name,
        integration_id="i000000",
        integration_type="MOCK",
        request_templates={"$default": '{"statusCode":200}'},
    )
    response = IntegrationResponse(
        api_id=name,
        integration_id="i000000",
        integration_response_id="r00000",
        integration_response_key="$default",
        response_templates={"$default": ANSWER},
    )
    routes = [
        Route(api_id=name, route_id=f"r{number:06d}", route_key=route_key(number), target="integrations/i000000")
        for number in range(count)
    ]
    answers = [
        RouteResponse(
            api_id=name, route_id=route.route_id, route_response_id="a00000", route_response_key="$default"
        )
        for route in routes
    ]  # fmt: skip
    deployment = Deployment(api_id=name, deployment_id="d00000", created_date=_NOW)
    stage = Stage(
        api_id=name, stage_name=STAGE, created_date=_NOW, last_updated_date=_NOW, deployment_id="d00000"
    )  # fmt: skip
    snapshot = Snapshot(
        api=api,
        routes=routes,
        route_responses=answers,
        integrations=[integration],
        integration_responses=[response],
        models=[],
        authorizers=[],
    )
    resources: Sequence[Resource] = [api, integration, response, *routes, *answers, deployment]
    return [
        *(Write(each.key, msgspec.json.encode(each)) for each in resources),
        *chunks.writes(Snapshot.key(name, "d00000"), snapshot.encode()),
        Write(stage.key, msgspec.json.encode(stage)),
    ]


def route_key(number: int) -> str:
    return f"route{number:06d}"

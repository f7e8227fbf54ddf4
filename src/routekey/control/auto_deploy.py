"""Deployments: taking the frozen copy, and taking it by itself where a stage says autoDeploy (spec 9)."""

from __future__ import annotations

import logging

from routekey.control.operations import Control
from routekey.errors import CompileError
from routekey.resources.api import Api, Model
from routekey.resources.authorizer import Authorizer
from routekey.resources.base import ABSENT
from routekey.resources.deployment import Deployment, Snapshot
from routekey.resources.integration import Integration, IntegrationResponse
from routekey.resources.route import Route, RouteResponse
from routekey.resources.stage import Stage
from routekey.state import chunks
from routekey.state.store import Write

log = logging.getLogger("routekey.control")


async def freeze(control: Control, api: Api) -> Snapshot:
    """A copy of the API as it stands. CompileError when it could not be served."""
    repository, api_id = control.repository, api.api_id
    snapshot = Snapshot(
        api=api,
        routes=await repository.all(Route, api_id),
        route_responses=await repository.all(RouteResponse, api_id),
        integrations=await repository.all(Integration, api_id),
        integration_responses=await repository.all(IntegrationResponse, api_id),
        models=await repository.all(Model, api_id),
        authorizers=await repository.all(Authorizer, api_id),
    )
    if not snapshot.routes:
        raise CompileError("At least one route is required before deploying the Api")
    await control.check(snapshot)
    return snapshot


async def store(control: Control, deployment: Deployment, snapshot: Snapshot) -> None:
    repository = control.repository
    await repository.store.batch(
        chunks.writes(Snapshot.key(deployment.api_id, deployment.deployment_id), snapshot.encode())
    )
    await repository.add(deployment)


def announce(api_id: str, stage: str, deployment_id: str) -> None:
    log.info("deployed", extra={"data": {"api": api_id, "stage": stage, "deployment": deployment_id}})


async def changed(control: Control, api_id: str) -> None:
    """After a change to an API: stages that deploy by themselves get a deployment of it."""
    stages = [stage for stage in await control.repository.all(Stage, api_id) if stage.auto_deploy]
    if stages:
        await deploy_to(control, await control.api_of(api_id), stages)


async def deploy_to(control: Control, api: Api, stages: list[Stage]) -> None:
    """One automatic deployment for `stages`; one that cannot be served only leaves its reason there."""
    deployment = Deployment(
        api_id=api.api_id,
        deployment_id=control.ids.of(6),
        auto_deployed=True,
        created_date=control.now(),
        description="Automatic deployment triggered by changes to the Api configuration",
    )
    try:
        snapshot = await freeze(control, api)
    except CompileError as error:
        failed = deployment.changed({"deploymentStatus": "FAILED", "deploymentStatusMessage": str(error)})
        await control.repository.add(failed)
        message = f"Deployment attempt failed: {error}"
        names = ", ".join(stage.stage_name for stage in stages)
        log.warning("a deployment failed", extra={"data": {"api": api.api_id, "stage": names, "error": str(error)}})
        for stage in stages:
            await control.repository.replace(
                stage, lambda known: known.changed({"lastDeploymentStatusMessage": message})
            )
    else:
        await store(control, deployment, snapshot)
        for stage in stages:
            announce(api.api_id, stage.stage_name, deployment.deployment_id)
        message = f"Successfully deployed stage with deployment ID '{deployment.deployment_id}'"
        for stage in stages:
            await control.repository.replace(
                stage,
                lambda known: known.changed(
                    {"deploymentId": deployment.deployment_id, "lastDeploymentStatusMessage": message},
                    last_updated_date=control.now(),
                ),
            )
    await _prune(control, api.api_id, deployment.deployment_id)


async def _prune(control: Control, api_id: str, newest: str) -> None:
    """Automatic deployments that no stage serves any more go: each change makes one."""
    repository = control.repository
    used = {stage.deployment_id for stage in await repository.all(Stage, api_id)} - {ABSENT}
    for deployment in await repository.all(Deployment, api_id):
        if deployment.auto_deployed and deployment.deployment_id not in used | {newest}:
            await delete(control, deployment)


async def delete(control: Control, deployment: Deployment) -> None:
    snapshot = Snapshot.key(deployment.api_id, deployment.deployment_id)
    writes = [Write(deployment.key, None), *await chunks.deletes(control.repository.store, snapshot)]
    await control.repository.store.batch(writes)

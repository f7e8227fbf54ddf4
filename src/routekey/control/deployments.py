"""Operations on deployments (spec 1.11, 9)."""

from __future__ import annotations

from routekey.control import auto_deploy
from routekey.control.operations import Control, clear, only, page
from routekey.errors import CompileError, bad_request, not_found
from routekey.resources.deployment import Deployment
from routekey.resources.stage import Stage
from routekey.wire.service import Answer, Call


async def create_deployment(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    stage = None
    if call.get("stageName") is not None:
        stage = await control.repository.find(Stage, api.api_id, call["stageName"])
        if stage is None:
            raise not_found("Invalid stage identifier specified", "Stage")
        if stage.auto_deploy:
            raise bad_request(
                f"Stage {stage.stage_name} deploys by itself (autoDeploy): leave stageName out, or turn autoDeploy off"
            )
    try:
        snapshot = await auto_deploy.freeze(control, api)
    except CompileError as error:
        raise bad_request(str(error)) from None
    deployment = Deployment.of(
        only(call.members, Deployment),
        api_id=api.api_id,
        deployment_id=control.ids.of(6),
        created_date=control.now(),
    )
    await auto_deploy.store(control, deployment, snapshot)
    if stage is not None:
        await control.repository.replace(
            stage,
            lambda known: known.changed({"deploymentId": deployment.deployment_id}, last_updated_date=control.now()),
        )
        auto_deploy.announce(api.api_id, stage.stage_name, deployment.deployment_id)
    return deployment.members()


async def get_deployment(control: Control, call: Call) -> Answer:
    return (await control.child(Deployment, call["apiId"], call["deploymentId"])).members()


async def get_deployments(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    deployments = await control.repository.all(Deployment, api.api_id)
    return page(call, [each.members() for each in deployments], lambda item: str(item["deploymentId"]))


async def update_deployment(control: Control, call: Call) -> Answer:
    known = await control.child(Deployment, call["apiId"], call["deploymentId"])
    changes = {name: value for name, value in call.members.items() if name == "description"}
    deployment = await control.repository.replace(
        known, lambda stored: clear(stored.changed(changes), call, ("description",))
    )
    return deployment.members()


async def delete_deployment(control: Control, call: Call) -> Answer:
    deployment = await control.child(Deployment, call["apiId"], call["deploymentId"])
    for stage in await control.repository.all(Stage, deployment.api_id):
        if stage.deployment_id == deployment.deployment_id:
            raise bad_request("Active stages pointing to this deployment must be moved or deleted")
    await auto_deploy.delete(control, deployment)
    return None

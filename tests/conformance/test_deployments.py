"""Deployments are frozen copies; stages point at them, or take each change by themselves (spec 9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from tests.conformance.worlds import LAMBDA_URI, Refusal, World, new_api
from tests.support import Backend, RunningGateway, TestApi, mock


def bound(api: TestApi) -> World:
    """The control plane of `api`: route `say`, its integration and its stage are what calls are about."""
    world = World(api.gateway, {"apiId": api.id, "stageName": api.stage})
    [route] = world.call("GetRoutes")["Items"]
    [integration] = world.call("GetIntegrations")["Items"]
    world.ids |= {"routeId": route["RouteId"], "integrationId": integration["IntegrationId"]}
    [response] = world.call("GetIntegrationResponses")["Items"]
    world.ids |= {"integrationResponseId": response["IntegrationResponseId"]}
    world.ids |= {"deploymentId": world.call("GetStage").get("DeploymentId", "")}
    return world


def says(client: ClientConnection, action: str = "say") -> str:
    client.send(json.dumps({"action": action}))
    return str(client.recv(5))


def say(world: World, text: str) -> None:
    """Change what the integration of route `say` answers."""
    world.call("UpdateIntegrationResponse", ResponseTemplates={"$default": text})


def test_an_edit_appears_with_the_next_deployment_and_drops_no_connection(gateway: RunningGateway) -> None:
    api = gateway.api({"say": mock("one", two_way=True)})
    world = bound(api)
    with api.connect() as client:
        assert says(client) == "one"
        say(world, "two")
        assert says(client) == "one"
        api.deploy()
        assert says(client) == "two"


@pytest.mark.parametrize(
    "edit",
    [
        lambda world: world.call("DeleteRoute"),
        lambda world: world.call("UpdateRoute", RouteKey="other"),
        lambda world: world.call("UpdateRoute", Target=""),
        lambda world: world.call("DeleteIntegrationResponse"),
        lambda world: world.call("UpdateIntegration", RequestTemplates={"$default": "nothing"}),
        lambda world: world.call("UpdateApi", RouteSelectionExpression="$request.body.other"),
    ],
    ids=["DeleteRoute", "UpdateRoute key", "UpdateRoute target", "DeleteIntegrationResponse", "UpdateIntegration",
         "UpdateApi"],
)  # fmt: skip
def test_what_is_deployed_stays_as_it_was(gateway: RunningGateway, edit: Callable[[World], Any]) -> None:
    api = gateway.api({"say": mock("one", two_way=True)})
    edit(bound(api))
    with api.connect() as client:
        assert says(client) == "one"


def test_a_stage_moves_back_to_an_earlier_deployment(gateway: RunningGateway) -> None:
    api = gateway.api({"say": mock("one", two_way=True)})
    world = bound(api)
    say(world, "two")
    api.deploy()
    with api.connect() as client:
        assert says(client) == "two"
        moved = world.call("UpdateStage", DeploymentId=world.ids["deploymentId"])
        assert moved["DeploymentId"] == world.ids["deploymentId"]
        assert says(client) == "one"


def test_two_stages_serve_two_deployments(gateway: RunningGateway) -> None:
    api = gateway.api({"say": mock("one", two_way=True)})
    world = bound(api)
    world.call("CreateStage", StageName="old", DeploymentId=world.ids["deploymentId"])
    say(world, "two")
    api.deploy()
    with api.connect() as new, TestApi(gateway, api.id, "old").connect() as old:
        assert (says(new), says(old)) == ("two", "one")


def test_stage_variables_act_at_once_on_open_connections(gateway: RunningGateway) -> None:
    with Backend(lambda seen: (200, {}, seen.target.encode())) as backend:
        echo = {
            "IntegrationType": "HTTP_PROXY", "IntegrationMethod": "POST", "two_way": True,
            "IntegrationUri": backend.url + "/${stageVariables.word}",
        }  # fmt: skip
        api = gateway.api({"say": echo}, variables={"word": "one"})
        world = World(gateway, {"apiId": api.id, "stageName": api.stage})
        with api.connect() as client:
            assert says(client) == "/one"
            world.call("UpdateStage", StageVariables={"word": "two"})
            assert says(client) == "/two"


def test_a_stage_without_deployment_lets_nobody_in(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    world.call("CreateStage", StageName="prod")
    with pytest.raises(InvalidStatus) as caught:
        TestApi(gateway, world.ids["apiId"], "prod").connect()
    assert caught.value.response.status_code == 403


def test_create_deployment_without_stage_name_moves_no_stage(gateway: RunningGateway) -> None:
    world = bound(gateway.api({"say": mock("one")}))
    made = world.call("CreateDeployment")
    assert world.call("GetStage")["DeploymentId"] == world.ids["deploymentId"] != made["DeploymentId"]


def test_a_deployment_is_deleted_once_no_stage_serves_it(gateway: RunningGateway) -> None:
    api = gateway.api({"say": mock("one")})
    world = bound(api)
    first = world.ids["deploymentId"]
    text = "Active stages pointing to this deployment must be moved or deleted"
    assert world.refused("DeleteDeployment") == Refusal("BadRequestException", 400, text)
    api.deploy()
    world.call("DeleteDeployment")
    assert world.refused("GetDeployment").status == 404
    world.ids["deploymentId"] = world.call("GetStage")["DeploymentId"]
    assert world.ids["deploymentId"] != first
    world.call("DeleteStage")
    world.call("DeleteDeployment")


def _missing_target(world: World) -> None:
    world.call("CreateRoute", RouteKey="lost", Target="integrations/1122334")


def _missing_model(world: World) -> None:
    world.call("UpdateRoute", ModelSelectionExpression="\\$default", RequestModels={"$default": "Nobody"})


def _missing_link(world: World) -> None:
    made = world.call(
        "CreateIntegration", IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri="http://e.com",
        ConnectionType="VPC_LINK", ConnectionId="abcdef",
    )  # fmt: skip
    world.call("CreateRoute", RouteKey="private", Target=f"integrations/{made['IntegrationId']}")


BROKEN = {
    "a target that is not there": _missing_target,
    "a request model that is not there": _missing_model,
    "a VPC link that is not there": _missing_link,
}


@pytest.mark.parametrize("breaks", BROKEN.values(), ids=BROKEN)
def test_an_api_that_does_not_compile_is_not_deployed_and_what_is_serves_on(
    gateway: RunningGateway, breaks: Callable[[World], None]
) -> None:
    api = gateway.api({"say": mock("one", two_way=True)})
    world = bound(api)
    breaks(world)
    assert world.refused("CreateDeployment", StageName=api.stage)[:2] == ("BadRequestException", 400)
    assert [each["DeploymentId"] for each in world.call("GetDeployments")["Items"]] == [world.ids["deploymentId"]]
    assert world.call("GetStage")["DeploymentId"] == world.ids["deploymentId"]
    with api.connect() as client:
        assert says(client) == "one"


def test_without_schema_validation_a_schema_is_not_looked_at(gateway: RunningGateway) -> None:
    world = new_api(gateway, DisableSchemaValidation=True)
    world.call("CreateRoute", RouteKey="say")
    world.call("CreateModel", Name="Order", Schema="{not json")
    assert world.call("CreateDeployment")["DeploymentStatus"] == "DEPLOYED"


def test_a_route_without_target_can_be_deployed(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    world.call("CreateRoute", RouteKey="$connect")
    assert world.call("CreateDeployment")["DeploymentStatus"] == "DEPLOYED"


def _automatic(gateway: RunningGateway) -> tuple[TestApi, World]:
    api = gateway.api({"say": mock("one", two_way=True)})
    world = bound(api)
    world.call("UpdateStage", AutoDeploy=True)
    return api, world


def test_turning_auto_deploy_on_deploys(gateway: RunningGateway) -> None:
    api = gateway.api({"say": mock("one", two_way=True)})
    world = bound(api)
    say(world, "two")
    stage = world.call("UpdateStage", AutoDeploy=True)
    assert stage["DeploymentId"] != world.ids["deploymentId"]
    made = world.call("GetDeployment", DeploymentId=stage["DeploymentId"])
    assert (made["AutoDeployed"], made["DeploymentStatus"]) == (True, "DEPLOYED")
    assert made["DeploymentId"] in stage["LastDeploymentStatusMessage"]
    with api.connect() as client:
        assert says(client) == "two"


CHANGES: dict[str, Callable[[World], Any]] = {
    "CreateRoute": lambda w: w.call("CreateRoute", RouteKey="new"),
    "UpdateRoute": lambda w: w.call("UpdateRoute", OperationName="op"),
    "DeleteRoute": lambda w: w.call("DeleteRoute", RouteId=w.ids["spare"]),
    "CreateRouteResponse": lambda w: w.call("CreateRouteResponse", RouteId=w.ids["spare"], RouteResponseKey="$default"),
    "CreateIntegration": lambda w: w.call("CreateIntegration", IntegrationType="MOCK"),
    "UpdateIntegration": lambda w: w.call("UpdateIntegration", TimeoutInMillis=100),
    "CreateIntegrationResponse": lambda w: w.call("CreateIntegrationResponse", IntegrationResponseKey="/5../"),
    "UpdateIntegrationResponse": lambda w: w.call("UpdateIntegrationResponse", ResponseTemplates={"$default": "two"}),
    "CreateModel": lambda w: w.call("CreateModel", Name="Order", Schema="{}"),
    "CreateAuthorizer": lambda w: w.call(
        "CreateAuthorizer", Name="a", AuthorizerType="REQUEST", AuthorizerUri=LAMBDA_URI, IdentitySource=[]
    ),
    "UpdateApi": lambda w: w.call("UpdateApi", RouteSelectionExpression="${request.body.action}"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_stage_with_auto_deploy_takes_the_change(gateway: RunningGateway, change: Callable[[World], Any]) -> None:
    _, world = _automatic(gateway)
    world.ids["spare"] = world.call("CreateRoute", RouteKey="spare")["RouteId"]
    before = world.call("GetStage")["DeploymentId"]
    change(world)
    after = world.call("GetStage")["DeploymentId"]
    assert after != before
    assert world.call("GetDeployment", DeploymentId=after)["AutoDeployed"] is True


def test_an_automatic_deployment_reaches_open_connections(gateway: RunningGateway) -> None:
    api, world = _automatic(gateway)
    with api.connect() as client:
        say(world, "two")
        assert says(client) == "two"


def test_an_automatic_deployment_that_fails_leaves_its_reason_and_the_last_good_one(gateway: RunningGateway) -> None:
    api, world = _automatic(gateway)
    good = world.call("GetStage")["DeploymentId"]
    lost = world.call("CreateRoute", RouteKey="lost", Target="integrations/1122334")
    stage = world.call("GetStage")
    assert stage["DeploymentId"] == good
    [failed] = [each for each in world.call("GetDeployments")["Items"] if each["DeploymentStatus"] == "FAILED"]
    assert failed["AutoDeployed"] is True
    assert failed["DeploymentStatusMessage"] in stage["LastDeploymentStatusMessage"]
    assert "1122334" in stage["LastDeploymentStatusMessage"]
    with api.connect() as client:
        assert says(client) == "one"
        world.call("UpdateRoute", RouteId=lost["RouteId"], Target=f"integrations/{world.ids['integrationId']}")
        mended = world.call("GetStage")
        assert mended["DeploymentId"] not in (good, failed["DeploymentId"])
        assert mended["LastDeploymentStatusMessage"] != stage["LastDeploymentStatusMessage"]
        world.call("CreateRouteResponse", RouteId=lost["RouteId"], RouteResponseKey="$default")
        assert says(client, "lost") == "one"


def test_a_stage_with_auto_deploy_may_be_there_before_any_route(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    stage = world.make("CreateStage", "StageName", StageName="prod", AutoDeploy=True)
    assert "DeploymentId" not in stage
    world.call("CreateRoute", RouteKey="$connect")
    assert world.call("GetStage")["DeploymentId"]


def test_a_stage_with_auto_deploy_takes_no_deployment_from_others(gateway: RunningGateway) -> None:
    api, world = _automatic(gateway)
    before = world.call("GetStage")
    assert world.refused("UpdateStage", DeploymentId=before["DeploymentId"]).status == 400
    assert world.refused("CreateDeployment", StageName=api.stage)[:2] == ("BadRequestException", 400)
    assert world.call("GetStage") == before


def test_turning_auto_deploy_off_keeps_the_last_deployment(gateway: RunningGateway) -> None:
    api, world = _automatic(gateway)
    before = world.call("GetStage")["DeploymentId"]
    world.call("UpdateStage", AutoDeploy=False)
    say(world, "two")
    assert world.call("GetStage")["DeploymentId"] == before
    with api.connect() as client:
        assert says(client) == "one"


def test_a_stage_setting_makes_no_automatic_deployment(gateway: RunningGateway) -> None:
    _, world = _automatic(gateway)
    before = world.call("GetStage")["DeploymentId"]
    world.call("UpdateStage", Description="d", StageVariables={"a": "b"})
    assert world.call("GetStage")["DeploymentId"] == before


def test_parallel_changes_under_auto_deploy_leave_the_newest_deployment_in_force(gateway: RunningGateway) -> None:
    from concurrent.futures import ThreadPoolExecutor

    v2 = gateway.client("apigatewayv2")
    api_id = v2.create_api(Name="parallel", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")[
        "ApiId"
    ]
    v2.create_route(ApiId=api_id, RouteKey="first")
    v2.create_stage(ApiId=api_id, StageName="dev", AutoDeploy=True)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: v2.create_route(ApiId=api_id, RouteKey=f"route-{n}")["RouteId"], range(8)))
        refused = list(pool.map(lambda n: duplicate(v2, api_id), range(8)))
    assert len(set(made)) == 8
    assert refused.count(True) == 7
    stage = v2.get_stage(ApiId=api_id, StageName="dev")
    assert [each["DeploymentId"] for each in v2.get_deployments(ApiId=api_id)["Items"]] == [stage["DeploymentId"]]


def duplicate(v2: Any, api_id: str) -> bool:
    try:
        v2.create_route(ApiId=api_id, RouteKey="same")
    except v2.exceptions.ConflictException:
        return True
    return False


def test_a_stage_that_changes_while_it_is_first_connected_to_serves_the_change(gateway: RunningGateway) -> None:
    from concurrent.futures import ThreadPoolExecutor

    v2 = gateway.client("apigatewayv2")
    with ThreadPoolExecutor(1) as pool:
        for round_ in range(12):
            api = gateway.api({"ping": mock("$stageVariables.v", two_way=True)}, variables={"v": "old"})
            change = pool.submit(
                v2.update_stage, ApiId=api.id, StageName=api.stage, StageVariables={"v": f"new-{round_}"}
            )
            with api.connect() as client:
                change.result()
                client.send('{"action":"ping"}')
                assert client.recv(5) == f"new-{round_}"

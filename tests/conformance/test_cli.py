"""The AWS CLI as users run it: the guide's samples, its paging, its flags, its errors (clients 2)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conformance.worlds import BALANCER, LAMBDA_URI, new_api
from tests.support import RunningGateway


def _run(gateway: RunningGateway, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }
    command = [sys.executable, "-m", "awscli", service, *arguments, "--endpoint-url", gateway.url, "--output", "json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def aws(gateway: RunningGateway, service: str, *arguments: str) -> Any:
    """What the command prints, as JSON; None for nothing."""
    done = _run(gateway, service, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_the_mock_sample_of_the_guide_prints_what_the_guide_shows(gateway: RunningGateway, tmp_path: Path) -> None:
    parameters = {
        "PassthroughBehavior": "WHEN_NO_MATCH",
        "TimeoutInMillis": 29000,
        "ConnectionType": "INTERNET",
        "RequestTemplates": {"application/json": '{"statusCode":200}'},
        "IntegrationType": "MOCK",
    }
    file = tmp_path / "integration-params.json"
    file.write_text(json.dumps(parameters))
    world = new_api(gateway)
    printed = aws(
        gateway, "apigatewayv2", "create-integration", "--api-id", world.ids["apiId"],
        "--cli-input-json", f"file://{file}",
    )  # fmt: skip
    assert printed == {
        **parameters,
        "IntegrationId": printed["IntegrationId"],
        "IntegrationResponseSelectionExpression": "${response.statuscode}",
        "PayloadFormatVersion": "1.0",
    }


def test_the_lambda_proxy_sample_of_the_guide(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    printed = aws(
        gateway, "apigatewayv2", "create-integration", "--api-id", world.ids["apiId"], "--integration-type",
        "AWS_PROXY", "--integration-method", "POST", "--integration-uri", LAMBDA_URI,
    )  # fmt: skip
    assert printed == {
        "ConnectionType": "INTERNET",
        "IntegrationId": printed["IntegrationId"],
        "IntegrationMethod": "POST",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": LAMBDA_URI,
        "PassthroughBehavior": "WHEN_NO_MATCH",
        "PayloadFormatVersion": "1.0",
        "TimeoutInMillis": 29000,
    }


def test_an_api_is_made_with_tags_and_deleted_in_silence(gateway: RunningGateway) -> None:
    printed = aws(
        gateway, "apigatewayv2", "create-api", "--name", "chat", "--protocol-type", "WEBSOCKET",
        "--route-selection-expression", "$request.body.action", "--tags", "team=core",
    )  # fmt: skip
    assert printed["Tags"] == {"team": "core"}
    assert printed["RouteSelectionExpression"] == "$request.body.action"
    assert aws(gateway, "apigatewayv2", "delete-api", "--api-id", printed["ApiId"]) is None


def test_the_cli_pages_by_itself_through_many_routes(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    keys = sorted(f"route{n:03}" for n in range(25))
    for key in keys:
        world.call("CreateRoute", RouteKey=key)
    every = aws(gateway, "apigatewayv2", "get-routes", "--api-id", world.ids["apiId"], "--page-size", "7")
    assert sorted(item["RouteKey"] for item in every["Items"]) == keys
    some = aws(
        gateway, "apigatewayv2", "get-routes", "--api-id", world.ids["apiId"], "--page-size", "7", "--max-items", "10"
    )
    rest = aws(
        gateway, "apigatewayv2", "get-routes", "--api-id", world.ids["apiId"], "--starting-token", some["NextToken"]
    )
    assert sorted(item["RouteKey"] for item in some["Items"] + rest["Items"]) == keys


def test_a_resource_is_tagged_by_its_arn(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    arn = f"arn:aws:apigateway:us-east-1::/apis/{world.ids['apiId']}"
    assert aws(gateway, "apigatewayv2", "tag-resource", "--resource-arn", arn, "--tags", "a=1,b=2") is None
    assert aws(gateway, "apigatewayv2", "get-tags", "--resource-arn", arn) == {"Tags": {"a": "1", "b": "2"}}
    assert aws(gateway, "apigatewayv2", "untag-resource", "--resource-arn", arn, "--tag-keys", "a", "b") is None
    assert world.call("GetApi")["Tags"] == {}


def test_auto_deploy_is_a_flag_with_a_negative(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    stage = ["--api-id", world.ids["apiId"], "--stage-name", "prod"]
    world.call("CreateRoute", RouteKey="x")
    made = aws(
        gateway, "apigatewayv2", "create-stage", *stage, "--auto-deploy", "--stage-variables", "vpcLinkId=v1,env=dev",
        "--default-route-settings", "LoggingLevel=INFO,ThrottlingBurstLimit=10,ThrottlingRateLimit=5.5",
    )  # fmt: skip
    assert made["AutoDeploy"] is True
    assert made["DeploymentId"]
    assert made["StageVariables"] == {"vpcLinkId": "v1", "env": "dev"}
    assert made["DefaultRouteSettings"]["ThrottlingRateLimit"] == 5.5
    assert aws(gateway, "apigatewayv2", "update-stage", *stage, "--no-auto-deploy")["AutoDeploy"] is False


def test_a_v1_vpc_link_is_made_and_patched(gateway: RunningGateway) -> None:
    made = aws(gateway, "apigateway", "create-vpc-link", "--name", "n", "--target-arns", BALANCER)
    assert made["status"] == "PENDING"
    patched = aws(
        gateway, "apigateway", "update-vpc-link", "--vpc-link-id", made["id"],
        "--patch-operations", "op=replace,path=/name,value=m",
    )  # fmt: skip
    assert (patched["name"], patched["status"]) == ("m", "AVAILABLE")


def test_a_refusal_names_its_exception_and_its_operation(gateway: RunningGateway) -> None:
    done = _run(gateway, "apigatewayv2", "get-api", "--api-id", "aabbccddee")
    assert done.returncode != 0
    assert (
        "An error occurred (NotFoundException) when calling the GetApi operation: "
        "Invalid API identifier specified 000000000000:aabbccddee" in done.stderr
    )

"""Every operation that WebSocket APIs have answers, and every other one says that it is not here (spec 1.2)."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from tests.conformance.worlds import (
    BALANCER,
    LAMBDA_URI,
    V1_OPERATIONS,
    V2_OPERATIONS,
    Wire,
    World,
    full_api,
    full_v1,
    new_api,
)
from tests.support import RunningGateway

V2_MEMBERS: dict[str, dict[str, Any]] = {
    "CreateApi": {"Name": "n", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"},
    "CreateApiMapping": {"ApiId": "=apiId", "Stage": "prod", "ApiMappingKey": "second"},
    "CreateAuthorizer": {
        "Name": "second", "AuthorizerType": "REQUEST", "AuthorizerUri": LAMBDA_URI, "IdentitySource": [],
    },
    "CreateDomainName": {"DomainName": "=apiId.example.org"},
    "CreateIntegration": {"IntegrationType": "MOCK"},
    "CreateIntegrationResponse": {"IntegrationResponseKey": "/200/"},
    "CreateModel": {"Name": "Second", "Schema": "{}"},
    "CreateRoute": {"RouteKey": "second"},
    "CreateRouteResponse": {"RouteId": "=otherRouteId", "RouteResponseKey": "$default"},
    "CreateStage": {"StageName": "second"},
    "CreateVpcLink": {"Name": "second", "SubnetIds": ["subnet-1"]},
    "TagResource": {"Tags": {"team": "core"}},
    "UntagResource": {"TagKeys": ["team"]},
    "UpdateApiMapping": {"ApiId": "=apiId"},
}  # fmt: skip
V1_MEMBERS: dict[str, dict[str, Any]] = {
    "CreateVpcLink": {"name": "n", "targetArns": [BALANCER]},
    "CreateUsagePlan": {"name": "p"},
    "CreateUsagePlanKey": {"keyId": "=newKeyId", "keyType": "API_KEY"},
    "ImportApiKeys": {"body": b"Name,Key\nn,01234567890123456789", "format": "csv"},
    "TagResource": {"tags": {"team": "core"}},
    "UntagResource": {"tagKeys": ["team"]},
}  # fmt: skip


def _filled(world: World, members: dict[str, Any]) -> dict[str, Any]:
    def value(given: Any) -> Any:
        if not isinstance(given, str) or not given.startswith("="):
            return given
        name, dot, rest = given[1:].partition(".")
        return world.ids[name] + dot + rest

    return {name: value(each) for name, each in members.items()}


def _v2_status(operation: str) -> int:
    if operation == "DeleteVpcLink":
        return 202
    if operation.startswith(("Create", "Tag")):
        return 201
    return 204 if operation.startswith(("Delete", "Untag", "Reset")) else 200


@pytest.mark.parametrize("operation", V2_OPERATIONS)
def test_the_operation_answers_with_its_status(gateway: RunningGateway, operation: str) -> None:
    world = full_api(gateway)
    answer = world.answer(operation, **_filled(world, V2_MEMBERS.get(operation, {})))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == _v2_status(operation)


@pytest.mark.parametrize("operation", V1_OPERATIONS)
def test_the_v1_operation_answers_with_the_status_of_its_model(gateway: RunningGateway, operation: str) -> None:
    world = full_v1(gateway)
    world.ids["newKeyId"] = world.call("CreateApiKey", name="new")["id"]
    answer = world.answer(operation, **_filled(world, V1_MEMBERS.get(operation, {})))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == world.model(operation).http.get("responseCode", 200)


def _names(service: str) -> list[str]:
    return sorted(botocore.session.get_session().get_service_model(service).operation_names)


def _required(shape: Any) -> dict[str, Any]:
    """Members that botocore lets through."""
    return {name: _value(shape.members[name]) for name in shape.required_members} if shape else {}


def _value(shape: Any) -> Any:
    low = int(shape.metadata.get("min", 1))
    samples: dict[str, Any] = {"boolean": True, "integer": low, "long": low, "double": 1.0, "blob": b"{}"}
    if shape.type_name == "structure":
        return _required(shape)
    if shape.type_name == "list":
        return [_value(shape.member)]
    if shape.type_name == "map":
        return {"key": _value(shape.value)}
    return samples.get(shape.type_name, shape.enum[0] if getattr(shape, "enum", None) else "x" * max(low, 6))


@pytest.mark.parametrize("operation", sorted({*_names("apigatewayv2")} - {*V2_OPERATIONS}))
def test_an_operation_that_websocket_apis_do_not_have_says_so(gateway: RunningGateway, operation: str) -> None:
    world = new_api(gateway)
    members = _required(world.model(operation).input_shape)
    members.update({"ApiId": world.ids["apiId"]} if "ApiId" in members else {})
    refusal = world.refused(operation, **members)
    assert refusal[:2] == ("BadRequestException", 400)
    assert "websocket" in refusal.message.lower()


def test_no_v1_operation_beyond_those_of_websocket_apis_is_missing_in_silence(gateway: RunningGateway) -> None:
    world = World(gateway, service="apigateway")
    absent = sorted({*_names("apigateway")} - {*V1_OPERATIONS})
    refusals = {each: world.refused(each, **_required(world.model(each).input_shape)) for each in absent}
    assert {name: each[:2] for name, each in refusals.items()} == dict.fromkeys(absent, ("BadRequestException", 400))
    assert not [name for name, each in refusals.items() if "WebSocket" not in each.message]


def test_an_http_api_is_refused_in_words(gateway: RunningGateway) -> None:
    refusal = World(gateway).refused("CreateApi", Name="n", ProtocolType="HTTP")
    assert refusal[:2] == ("BadRequestException", 400)
    assert "WebSocket" in refusal.message


@pytest.mark.parametrize(
    "members",
    [
        {"CorsConfiguration": {"AllowOrigins": ["*"]}},
        {"RouteKey": "$default"},
        {"Target": "https://example.com"},
        {"CredentialsArn": "arn:aws:iam::000000000000:role/any"},
    ],
    ids=lambda members: next(iter(members)),
)
def test_members_of_http_apis_are_refused_when_an_api_is_made_or_changed(
    gateway: RunningGateway, members: dict[str, Any]
) -> None:
    world = new_api(gateway)
    create = {"Name": "n", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action", **members}
    assert world.refused("CreateApi", **create)[:2] == ("BadRequestException", 400)
    assert world.refused("UpdateApi", **members)[:2] == ("BadRequestException", 400)


@pytest.mark.parametrize(
    ("target", "status"), [("/v2/apis", 200), ("/v2/apis/unknown", 404), ("/apikeys", 200), ("/apikeys/unknown", 404)]
)
def test_every_answer_carries_its_request_ids_and_its_type(wire: Wire, target: str, status: int) -> None:
    reply = wire.send("GET", target)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/json"
    assert [len(part) for part in reply.headers["x-amzn-requestid"].split("-")] == [8, 4, 4, 4, 12]
    assert reply.headers["x-amz-apigw-id"]
    assert reply.headers.get("x-amzn-errortype") == (None if status == 200 else "NotFoundException")


def test_a_deletion_answers_204_without_a_body(gateway: RunningGateway, wire: Wire) -> None:
    reply = wire.send("DELETE", new_api(gateway).target("DeleteApi"))
    assert (reply.status, reply.body) == (204, b"")

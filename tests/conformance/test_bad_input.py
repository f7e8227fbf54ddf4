"""Requests that no SDK sends: each is refused in words, and none breaks anything (spec 1.1)."""

from __future__ import annotations

import http.client
import json
from typing import Any

import botocore.session
import pytest

from tests.conformance.worlds import V1_OPERATIONS, V2_OPERATIONS, Wire, World, full_api, full_v1, new_api
from tests.support import RunningGateway, running

API = {"name": "n", "protocolType": "WEBSOCKET", "routeSelectionExpression": "$request.body.action"}


def _bodied(service: str, operations: list[str]) -> list[str]:
    """The operations that have members in their body."""
    model = botocore.session.get_session().get_service_model(service)
    return [each for each in operations if _body_members(model.operation_model(each).input_shape)]


def _body_members(shape: Any) -> dict[str, Any]:
    if shape is None or shape.serialization.get("payload"):
        return {}
    members = shape.members.items()
    return {s.serialization.get("name", name): s for name, s in members if "location" not in s.serialization}


WRONG: dict[str, list[Any]] = {
    "string": [5, True, [], {}, ["x"]],
    "integer": ["5", True, [], {}, 1.5],
    "double": ["5", True, [], {}],
    "boolean": ["true", 1, [], {}],
    "list": ["x", 5, {}, [5], [[]], [None]],
    "map": ["x", 5, [], {"k": 5}, {"k": []}],
    "structure": ["x", 5, [], True],
}


@pytest.mark.parametrize(
    ("service", "operation"),
    [*(("apigatewayv2", each) for each in _bodied("apigatewayv2", V2_OPERATIONS)),
     *(("apigateway", each) for each in _bodied("apigateway", V1_OPERATIONS))],
)  # fmt: skip
def test_a_member_of_the_wrong_type_is_refused(
    gateway: RunningGateway, wire: Wire, service: str, operation: str
) -> None:
    world = full_api(gateway) if service == "apigatewayv2" else full_v1(gateway)
    model = world.model(operation)
    for name, shape in _body_members(model.input_shape).items():
        for value in WRONG[shape.type_name]:
            reply = wire.send(model.http["method"], world.target(operation), json.dumps({name: value}))
            assert (name, value, reply.status) == (name, value, 400)
            assert reply.headers["x-amzn-errortype"] == "BadRequestException"
            assert reply.document["message"]


HOSTILE: dict[str, list[Any]] = {
    "string": [
        "", " ", "\0", "\n", "$", "${", "$request.", "${request.body[", "/", "/(/", "/(a+)+$/", "..", "é" * 200,
        "x" * 70_000, "\u2028", "integrations/", "integrations/x/../y", "arn:aws:lambda:::", "http://[", "http://x:99999",
        "http://\u2100.com", "#set($a", "[]", "null", "{", '{"$ref":"#"}', "[" * 5000, "9" * 5000, "*.*", "x..y", "1.0",
    ],
    "integer": [0, -1, 2**31, 2**63, 10**40],
    "double": [0, -1, 1e308, 10**40],
    "boolean": [True, False],
    "list": [[], [""], ["x"] * 2000, ["\0"], [{}]],
    "map": [{}, {"": ""}, {"\0": "\0"}, {"x" * 5000: "y" * 5000}, {str(n): "x" for n in range(300)}, {"a": {}},
            {"integration.request.header.x": "route.request.body.["}, {"$default": "#foreach("},
            {"route.request.header.x": {"required": True}}],
    "structure": [{}, {"x": 1}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("service", "operation"),
    [*(("apigatewayv2", each) for each in _bodied("apigatewayv2", V2_OPERATIONS)),
     *(("apigateway", each) for each in _bodied("apigateway", V1_OPERATIONS))],
)  # fmt: skip
def test_no_value_of_a_member_is_answered_with_500(
    gateway: RunningGateway, wire: Wire, service: str, operation: str
) -> None:
    world = full_api(gateway) if service == "apigatewayv2" else full_v1(gateway)
    model = world.model(operation)
    needed: dict[str, dict[str, Any]] = {
        "CreateApi": API,
        "CreateApiMapping": {"apiId": world.ids.get("apiId"), "stage": "prod"},
        "CreateAuthorizer": {
            "name": "n", "authorizerType": "REQUEST", "authorizerUri": "arn:aws:x", "identitySource": [],
        },
        "CreateIntegration": {"integrationType": "MOCK"},
        "CreateIntegrationResponse": {"integrationResponseKey": "x"},
        "CreateModel": {"name": "Other", "schema": "{}"},
        "CreateRoute": {"routeKey": "second"},
        "CreateRouteResponse": {"routeResponseKey": "$default"},
        "CreateStage": {"stageName": "second"},
        "UpdateApiMapping": {"apiId": world.ids.get("apiId")},
    }  # fmt: skip
    required = needed.get(operation, {})
    for name, shape in _body_members(model.input_shape).items():
        for value in HOSTILE[shape.type_name]:
            body = json.dumps({**required, name: value})
            reply = wire.send(model.http["method"], world.target(operation), body)
            assert (name, value, reply.status // 100 in (2, 4)) == (name, value, True)
    for path in ("CreateDeployment", "GetApi") if service == "apigatewayv2" else ():
        assert wire.send(world.model(path).http["method"], world.target(path)).status in (200, 201, 400)


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b'"text"', b"5", b"null", b"true", b"{'a': 1}", b"\xff\xfe", b'{"name":"\xff"}', b"{}{}",
        b'{"name": NaN}', b'{"name":"\\ud800"}', b"[" * 100_000, b'{"name":' * 20_000, b'{"name":1e999}', b"\0",
        b"<xml/>", b"name=n&protocolType=WEBSOCKET",
    ],
    ids=lambda body: ascii(body[:20]),
)  # fmt: skip
@pytest.mark.parametrize(("method", "target"), [("POST", "/v2/apis"), ("PATCH", "CreateRoute"), ("POST", "/apikeys")])
def test_a_body_that_is_no_json_object_is_refused(
    gateway: RunningGateway, wire: Wire, method: str, target: str, body: bytes
) -> None:
    if target == "CreateRoute":
        target = new_api(gateway).target("UpdateApi")
    reply = wire.send(method, target, body, {"Content-Type": "application/json"})
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "BadRequestException")
    assert reply.document["message"]


def test_members_that_nobody_knows_are_ignored_and_null_ones_are_absent(gateway: RunningGateway, wire: Wire) -> None:
    extra = {
        "unknown": {"deep": [1]},
        "apiId": "mine",
        "createdDate": "x",
        "Name": "other",
        "description": None,
        "tags": None,
    }
    reply = wire.send("POST", "/v2/apis", json.dumps({**API, **extra}))
    assert reply.status == 201
    made = reply.document
    assert made["apiId"] != "mine"
    assert (made["name"], made["tags"]) == ("n", {})
    assert {"unknown", "Name", "description"}.isdisjoint(made)
    assert wire.send("GET", f"/v2/apis/{made['apiId']}").document == made


def test_a_null_member_of_an_update_changes_nothing(gateway: RunningGateway, wire: Wire) -> None:
    world = new_api(gateway, Description="d")
    reply = wire.send("PATCH", world.target("UpdateApi"), '{"description":null,"name":null}')
    assert reply.status == 200
    assert world.call("GetApi")["Description"] == "d"


def test_the_selection_expression_of_integration_responses_is_no_input(gateway: RunningGateway, wire: Wire) -> None:
    world = new_api(gateway)
    body = '{"integrationType":"MOCK","integrationResponseSelectionExpression":"$mine"}'
    made = wire.send("POST", world.target("CreateIntegration"), body).document
    assert made["integrationResponseSelectionExpression"] == "${response.statuscode}"
    world.ids["integrationId"] = made["integrationId"]
    reply = wire.send("PATCH", world.target("UpdateIntegration"), '{"integrationResponseSelectionExpression":"$mine"}')
    assert reply.document == made


def test_what_an_update_may_not_change_stays(gateway: RunningGateway, wire: Wire) -> None:
    world = full_api(gateway)
    for operation, body in (
        ("UpdateApi", {"apiId": "mine", "protocolType": "HTTP", "apiEndpoint": "x", "tags": {"a": "b"}}),
        ("UpdateStage", {"stageName": "other", "createdDate": "x", "tags": {"a": "b"}}),
        ("UpdateDeployment", {"deploymentStatus": "FAILED", "autoDeployed": True}),
        ("UpdateRoute", {"routeId": "mine", "apiId": "mine"}),
    ):
        get = operation.replace("Update", "Get")
        before = world.call(get)
        reply = wire.send("PATCH", world.target(operation), json.dumps(body))
        assert (operation, reply.status) == (operation, 200)
        assert {**before, "LastUpdatedDate": None} == {**world.call(get), "LastUpdatedDate": None}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"protocolType": "WEBSOCKET"}, 400),
        ({"name": "n", "protocolType": "WEBSOCKET"}, 400),
        ({"name": "n", "routeSelectionExpression": "$request.body.action"}, 400),
        ({**API, "name": ""}, 400),
        ({**API, "routeSelectionExpression": ""}, 400),
        ({**API, "protocolType": "websocket"}, 400),
        ({**API, "version": "x" * 65}, 400),
        (API, 201),
    ],
)
def test_required_members_of_an_api(wire: Wire, body: dict[str, Any], status: int) -> None:
    assert wire.send("POST", "/v2/apis", json.dumps(body)).status == status


@pytest.mark.parametrize("timeout", [49, 29_001, 0, -1, 10**20])
def test_a_timeout_outside_50_to_29000_is_refused(gateway: RunningGateway, wire: Wire, timeout: int) -> None:
    body = json.dumps({"integrationType": "MOCK", "timeoutInMillis": timeout})
    assert wire.send("POST", new_api(gateway).target("CreateIntegration"), body).status == 400


def test_a_body_needs_no_content_type(gateway: RunningGateway) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
    connection.putrequest("POST", "/v2/apis")
    data = json.dumps(API).encode()
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    assert connection.getresponse().status == 201
    connection.close()


TARGETS = [
    "/v2", "/v2/", "/v2//apis", "/v2/apis/", "/v2/apis//", "/v2/apis/%00", "/v2/apis/%2e%2e", "/v2/apis/%ff",
    "/v2/apis/a%2Fb", "/v2/apis/a/b/c/d/e/f", "/v2/apis/" + "x" * 3000, "/v2/apis/aabbccddee/routes/%25", "/v2/nothing",
    "/v2/apis?maxResults=%ff", "/v2/apis?maxResults=", "/v2/apis?maxResults=1&maxResults=x", "/v2/apis?nextToken=%00",
    "/v2/apis?" + "a=b&" * 500, "/v2/tags/x", "/v2/tags/", "/v2/tags/arn%3Aaws%3Aapigateway%3A%3A%3A%2F",
    "/v2/domainnames/%00", "/v2/domainnames/..", "/apikeys?limit=x", "/apikeys?limit=99999999999999999999",
    "/apikeys?includeValues=perhaps", "/apikeys?position=%ff", "/apikeys/%2F", "/account/x", "/vpclinks/x/y",
    "/tags/arn%3Aaws%3Aapigateway%3A%3A%3A%2Frestapis%2Fx", "/usageplans/x/keys/y/usage", "/clientcertificates/%00",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_no_target_is_answered_with_500(method: str) -> None:
    with running() as gateway:
        wire = Wire(gateway)
        for target in TARGETS:
            reply = wire.send(method, target, b"{}" if method in ("POST", "PUT", "PATCH") else None)
            assert (target, reply.status < 500) == (target, True)
        wire.close()


def test_a_delete_never_reaches_below_or_beside_what_its_path_names(gateway: RunningGateway, wire: Wire) -> None:
    world = full_api(gateway)
    api, route = world.ids["apiId"], world.ids["routeId"]
    other = new_api(gateway).ids["apiId"]
    for target in (f"/v2/apis/{api}%2Froutes%2F{route}", f"/v2/apis/{other}/routes/{route}",
                   f"/v2/apis/{other}%2F..%2F{api}", f"/v2/apis/{api}/routes/", f"/v2/apis/{api}%00"):  # fmt: skip
        assert (target, wire.send("DELETE", target).status) == (target, 404)
    assert len(world.call("GetRoutes")["Items"]) == 2


FOREIGN: list[dict[str, str]] = [
    {"Host": "attacker.example"},
    {"Host": "attacker.example:8080"},
    {"Host": "127.0.0.1.attacker.example"},
    {"Host": "localhost.attacker.example"},
    {"Origin": "https://attacker.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1.attacker.example"},
    {"Origin": "http://localhost@attacker.example"},
    {"Origin": "http://x.execute-api.attacker.example"},
    {"Origin": "chrome-extension://abcdef"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: " ".join(*headers.items()))
@pytest.mark.parametrize("target", ["/v2/apis", "/apikeys"])
def test_a_web_page_of_others_reads_and_makes_nothing(wire: Wire, target: str, headers: dict[str, str]) -> None:
    for method, body in (("GET", None), ("POST", json.dumps(API))):
        reply = wire.send(method, target, body, headers)
        assert (reply.status, reply.headers.get("x-amzn-errortype")) == (403, "AccessDeniedException")
        assert reply.document["message"]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "localhost"}, {"Host": "localhost:1234"}, {"Host": "[::1]:80"}, {"Host": "127.0.0.1"},
     {"Origin": "http://localhost:3000"}, {"Origin": "http://127.0.0.1"}],
    ids=lambda headers: " ".join(*headers.items()),
)  # fmt: skip
def test_pages_and_names_of_this_machine_are_welcome(wire: Wire, headers: dict[str, str]) -> None:
    assert wire.send("GET", "/v2/apis", headers=headers).status == 200


def test_the_host_of_an_api_is_its_data_plane_and_no_control_plane(gateway: RunningGateway, wire: Wire) -> None:
    api = new_api(gateway).ids["apiId"]
    reply = wire.send("GET", "/v2/apis", headers={"Host": f"{api}.execute-api.us-east-1.amazonaws.com"})
    assert (reply.status, reply.document) == (403, {"message": "Forbidden"})


def test_an_unknown_operation_is_named(wire: Wire) -> None:
    reply = wire.send("PUT", "/v2/nothing")
    assert reply.status == 404
    assert "PUT /v2/nothing" in reply.document["message"]


def test_an_error_message_stays_short_whatever_it_quotes(gateway: RunningGateway) -> None:
    refusal = new_api(gateway).refused("CreateIntegration", IntegrationType="X" * 100_000)
    assert refusal[:2] == ("BadRequestException", 400)
    assert len(refusal.message) <= 4000


def test_a_connection_serves_on_after_a_refusal(wire: Wire) -> None:
    assert wire.send("POST", "/v2/apis", b"{").status == 400
    assert wire.send("POST", "/v2/apis", json.dumps(API)).status == 201


def test_a_world_of_unknown_ids_is_never_found(gateway: RunningGateway) -> None:
    world = World(gateway, {"apiId": "a" * 500, "routeId": "../x", "stageName": "$default"})
    for operation in ("GetApi", "GetRoute", "GetStage", "DeleteRoute", "DeleteStage"):
        assert (operation, world.refused(operation).status) == (operation, 404)

"""The table of known message texts, to the letter (spec 1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.worlds import BALANCER, LAMBDA_URI, Refusal, Wire, World, domain, new_api
from tests.support import RunningGateway, running


def bad(message: str) -> Refusal:
    return Refusal("BadRequestException", 400, message)


def missing(message: str) -> Refusal:
    return Refusal("NotFoundException", 404, message)


def conflict(message: str) -> Refusal:
    return Refusal("ConflictException", 409, message)


AUTHORIZER: dict[str, Any] = {
    "Name": "auth", "AuthorizerType": "REQUEST", "AuthorizerUri": LAMBDA_URI, "IdentitySource": [],
}  # fmt: skip
UNDER_AN_API = """
    GetApi UpdateApi DeleteApi CreateRoute GetRoute GetRoutes UpdateRoute DeleteRoute DeleteRouteRequestParameter
    CreateRouteResponse GetRouteResponse GetRouteResponses UpdateRouteResponse DeleteRouteResponse CreateIntegration
    GetIntegration GetIntegrations UpdateIntegration DeleteIntegration CreateIntegrationResponse
    GetIntegrationResponse GetIntegrationResponses UpdateIntegrationResponse DeleteIntegrationResponse CreateModel
    GetModel GetModels GetModelTemplate UpdateModel DeleteModel CreateAuthorizer GetAuthorizer GetAuthorizers
    UpdateAuthorizer DeleteAuthorizer CreateDeployment GetDeployment GetDeployments UpdateDeployment DeleteDeployment
    CreateStage GetStage GetStages UpdateStage DeleteStage DeleteAccessLogSettings DeleteRouteSettings
    ResetAuthorizersCache
""".split()
REQUIRED: dict[str, dict[str, Any]] = {
    "CreateRoute": {"RouteKey": "x"},
    "CreateRouteResponse": {"RouteResponseKey": "$default"},
    "CreateIntegration": {"IntegrationType": "MOCK"},
    "CreateIntegrationResponse": {"IntegrationResponseKey": "$default"},
    "CreateModel": {"Name": "Order", "Schema": "{}"},
    "CreateAuthorizer": AUTHORIZER,
    "CreateStage": {"StageName": "prod"},
}


@pytest.mark.parametrize("operation", UNDER_AN_API)
def test_an_unknown_api_is_named_with_its_account(gateway: RunningGateway, operation: str) -> None:
    refusal = World(gateway, {"apiId": "aabbccddee"}).refused(operation, **REQUIRED.get(operation, {}))
    assert refusal == missing("Invalid API identifier specified 000000000000:aabbccddee")


@pytest.mark.parametrize(
    ("resource", "also"),
    [
        ("Route", ["DeleteRouteRequestParameter", "CreateRouteResponse", "GetRouteResponses"]),
        ("RouteResponse", []),
        ("Integration", ["CreateIntegrationResponse", "GetIntegrationResponses"]),
        ("IntegrationResponse", []),
        ("Model", ["GetModelTemplate"]),
        ("Authorizer", []),
        ("VpcLink", []),
    ],
)
def test_an_unknown_identifier_is_named_with_its_resource(
    gateway: RunningGateway, resource: str, also: list[str]
) -> None:
    world = new_api(gateway)
    if resource == "RouteResponse":
        world.make("CreateRoute", "RouteId", RouteKey="x")
    if resource == "IntegrationResponse":
        world.make("CreateIntegration", "IntegrationId", IntegrationType="MOCK")
    for operation in [f"Get{resource}", f"Update{resource}", f"Delete{resource}", *also]:
        refusal = world.refused(operation, **REQUIRED.get(operation, {}))
        assert (operation, refusal) == (operation, missing(f"Invalid {resource} identifier specified abcdef"))


@pytest.mark.parametrize(
    "operation",
    "GetStage UpdateStage DeleteStage DeleteAccessLogSettings DeleteRouteSettings ResetAuthorizersCache "
    "CreateDeployment CreateApiMapping".split(),
)
def test_an_unknown_stage(gateway: RunningGateway, operation: str) -> None:
    world = new_api(gateway)
    world.call("CreateRoute", RouteKey="x")
    members: dict[str, Any] = {}
    if operation == "CreateDeployment":
        members = {"StageName": "prod"}
    if operation == "CreateApiMapping":
        domain(world)
        members = {"ApiId": world.ids["apiId"], "Stage": "prod"}
    assert world.refused(operation, **members) == missing("Invalid stage identifier specified")


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("GetDomainName", {}),
        ("UpdateDomainName", {}),
        ("DeleteDomainName", {}),
        ("CreateApiMapping", {"ApiId": "aabbccddee", "Stage": "prod"}),
        ("GetApiMapping", {}),
        ("GetApiMappings", {}),
        ("UpdateApiMapping", {"ApiId": "aabbccddee"}),
        ("DeleteApiMapping", {}),
    ],
)
def test_an_unknown_domain_name(gateway: RunningGateway, operation: str, members: dict[str, str]) -> None:
    refusal = World(gateway, {"domainName": "nowhere.example.com"}).refused(operation, **members)
    assert refusal == missing("The domain name resource specified in the request was not found.")


def test_a_domain_name_that_exists_already(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    name = domain(world)
    expected = conflict("The domain name resource already exists.")
    assert world.refused("CreateDomainName", DomainName=name) == expected


@pytest.mark.parametrize("operation", ["GetApiMapping", "UpdateApiMapping", "DeleteApiMapping"])
def test_an_unknown_api_mapping(gateway: RunningGateway, operation: str) -> None:
    world = new_api(gateway)
    domain(world)
    members = {"ApiId": world.ids["apiId"]} if operation[0] == "U" else {}
    expected = missing("The api mapping resource specified in the request was not found.")
    assert world.refused(operation, **members) == expected


def _two_routes(world: World) -> World:
    world.call("CreateRoute", RouteKey="$connect")
    world.make("CreateRoute", "RouteId", RouteKey="x")
    return world


def _logged(**settings: str) -> Callable[[World], Refusal]:
    return lambda world: world.refused("CreateStage", StageName="prod", AccessLogSettings=settings)


def _stage_on_a_deployment(world: World) -> Refusal:
    world.call("CreateRoute", RouteKey="x")
    world.make("CreateDeployment", "DeploymentId")
    world.call("CreateStage", StageName="prod", DeploymentId=world.ids["deploymentId"])
    return world.refused("DeleteDeployment")


def _mapped(key: str) -> Callable[[World], Refusal]:
    def act(world: World) -> Refusal:
        domain(world)
        world.make("CreateStage", "StageName", StageName="prod")
        return world.refused("CreateApiMapping", ApiId=world.ids["apiId"], Stage="prod", ApiMappingKey=key)

    return act


def _without_method(kind: str, uri: str) -> Callable[[World], Refusal]:
    return lambda world: world.refused("CreateIntegration", IntegrationType=kind, IntegrationUri=uri)


LOG_GROUP = "arn:aws:logs:us-east-1:000000000000:log-group:ws"
FORMAT_ERRORS = "The following errors are found in Access Log Format: "
KEY_ERROR = bad("The provided route key is not formatted properly")
CONNECT_ONLY = bad("Currently, authorization is restricted to the $connect route only")
MAPPING_KEY = bad("An ApiMapping key may contain only letters, numbers and one of $-_.+!*'()")
REQUEST_ONLY = bad("Invalid authorizer type. Only REQUEST authorizer type is supported on WEBSOCKET protocol Apis.")
NO_METHOD = bad("Enumeration value for HttpMethod must be non-empty")
PROTOCOLS = bad("Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]")

TABLE: list[tuple[str, Callable[[World], Refusal], Refusal]] = [
    ("an unknown protocol", lambda w: w.refused("CreateApi", Name="n", ProtocolType="TCP"), PROTOCOLS),
    (
        "a route key that exists already",
        lambda w: _two_routes(w).refused("CreateRoute", RouteKey="$connect"),
        conflict("Route with key $connect already exists for this API"),
    ),
    (
        "a route that is given another's key",
        lambda w: _two_routes(w).refused("UpdateRoute", RouteKey="$connect"),
        conflict("Route with key $connect already exists for this API"),
    ),
    ("a custom route key with a dollar", lambda w: w.refused("CreateRoute", RouteKey="$send"), KEY_ERROR),
    ("a lone dollar as route key", lambda w: w.refused("CreateRoute", RouteKey="$"), KEY_ERROR),
    ("an empty route key", lambda w: w.refused("CreateRoute", RouteKey=""), KEY_ERROR),
    ("a route key that is too long", lambda w: w.refused("CreateRoute", RouteKey="x" * 129), KEY_ERROR),
    (
        "a route that is given a key with a dollar",
        lambda w: _two_routes(w).refused("UpdateRoute", RouteKey="$send"),
        KEY_ERROR,
    ),
    (
        "AWS_IAM on a custom route",
        lambda w: w.refused("CreateRoute", RouteKey="x", AuthorizationType="AWS_IAM"),
        CONNECT_ONLY,
    ),
    (
        "CUSTOM on $default",
        lambda w: w.refused("CreateRoute", RouteKey="$default", AuthorizationType="CUSTOM", AuthorizerId="abcdef"),
        CONNECT_ONLY,
    ),
    (
        "authorization put on a custom route",
        lambda w: _two_routes(w).refused("UpdateRoute", AuthorizationType="AWS_IAM"),
        CONNECT_ONLY,
    ),
    (
        "a deployment of no routes",
        lambda w: w.refused("CreateDeployment"),
        bad("At least one route is required before deploying the Api"),
    ),
    (
        "an access log without format",
        _logged(DestinationArn=LOG_GROUP),
        bad("Access Log value missing. Expected destinationArn and format."),
    ),
    (
        "an access log without destination",
        _logged(Format="$context.requestId"),
        bad("Access Log value missing. Expected destinationArn and format."),
    ),
    (
        "an access log format of two lines",
        _logged(DestinationArn=LOG_GROUP, Format="$context.requestId\n$context.routeKey"),
        bad(FORMAT_ERRORS + "Access Log format must be single line: '$context.requestId\n$context.routeKey'"),
    ),
    (
        "an access log format without request id",
        _logged(DestinationArn=LOG_GROUP, Format="$context.routeKey"),
        bad(
            FORMAT_ERRORS + "Access Log format must include either $context.requestId or $context.extendedRequestId "
            ": '$context.routeKey'"
        ),
    ),
    (
        "a JWT authorizer",
        lambda w: w.refused("CreateAuthorizer", **{**AUTHORIZER, "AuthorizerType": "JWT"}),
        REQUEST_ONLY,
    ),
    (
        "a TOKEN authorizer",
        lambda w: w.refused("CreateAuthorizer", **{**AUTHORIZER, "AuthorizerType": "TOKEN"}),
        REQUEST_ONLY,
    ),
    (
        "an authorizer with a payload format version",
        lambda w: w.refused("CreateAuthorizer", **AUTHORIZER, AuthorizerPayloadFormatVersion="2.0"),
        bad("AuthorizerPayloadFormatVersion cannot be set for WEBSOCKET protocol Apis."),
    ),
    (
        "an authorizer with a time to live",
        lambda w: w.refused("CreateAuthorizer", **AUTHORIZER, AuthorizerResultTtlInSeconds=0),
        bad("AuthorizerResultTtlInSeconds cannot be set for WEBSOCKET protocol Apis."),
    ),
    (
        "an authorizer with simple responses",
        lambda w: w.refused("CreateAuthorizer", **AUTHORIZER, EnableSimpleResponses=False),
        bad("EnableSimpleResponses cannot be set for WEBSOCKET protocol Apis."),
    ),
    (
        "an authorizer with a JWT configuration",
        lambda w: w.refused("CreateAuthorizer", **AUTHORIZER, JwtConfiguration={"Audience": ["a"], "Issuer": "i"}),
        bad("JwtConfiguration cannot be set for WEBSOCKET protocol Apis."),
    ),
    (
        "an identity source that is no parameter",
        lambda w: w.refused("CreateAuthorizer", **{**AUTHORIZER, "IdentitySource": ["method.request.header.Auth"]}),
        bad(
            "Invalid request identity source expression: method.request.header.Auth. The sources must be separated "
            "by comma, and each source must be either a request parameter, matching "
            "'route.request.querystring|header.[a-zA-Z0-9._-]+', or a stage variable, matching "
            "'stageVariables.[a-zA-Z0-9._-]+', or a context parameter, matching 'context.[a-zA-Z0-9._-]+'"
        ),
    ),
    ("a mapping key of two segments", _mapped("a/b"), MAPPING_KEY),
    ("a mapping key with a space", _mapped("a b"), MAPPING_KEY),
    (
        "the deletion of a deployment that a stage serves",
        _stage_on_a_deployment,
        bad("Active stages pointing to this deployment must be moved or deleted"),
    ),
    ("an HTTP integration without method", _without_method("HTTP", "https://example.com"), NO_METHOD),
    ("an HTTP_PROXY integration without method", _without_method("HTTP_PROXY", "https://example.com"), NO_METHOD),
    ("an AWS integration without method", _without_method("AWS", LAMBDA_URI), NO_METHOD),
]


@pytest.mark.parametrize(("act", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_refusal_of(gateway: RunningGateway, act: Callable[[World], Refusal], expected: Refusal) -> None:
    assert act(new_api(gateway)) == expected


def test_the_deletion_of_an_integration_that_a_route_targets(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    made = world.make("CreateIntegration", "IntegrationId", IntegrationType="MOCK")["IntegrationId"]
    world.make("CreateRoute", "RouteId", RouteKey="send", Target=f"integrations/{made}")
    refusal = world.refused("DeleteIntegration")
    assert refusal == conflict(f"Cannot delete Integration '{made}'. Integration is referenced by Route 'send'")
    world.call("DeleteRoute")
    world.call("DeleteIntegration")


def test_the_deletion_of_an_authorizer_that_a_route_uses(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    made = world.make("CreateAuthorizer", "AuthorizerId", **AUTHORIZER)["AuthorizerId"]
    world.make("CreateRoute", "RouteId", RouteKey="$connect", AuthorizationType="CUSTOM", AuthorizerId=made)
    refusal = world.refused("DeleteAuthorizer")
    assert refusal == conflict(f"Cannot delete authorizer '{made}', is referenced by one or more routes")
    world.call("DeleteRoute")
    world.call("DeleteAuthorizer")


@pytest.mark.parametrize(
    ("operation", "member", "rest"),
    [
        ("CreateApi", "IpAddressType", {"Name": "n", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$x"}),
        ("CreateRoute", "AuthorizationType", {"RouteKey": "$connect"}),
        ("CreateIntegration", "IntegrationType", {}),
        ("CreateIntegration", "ConnectionType", {"IntegrationType": "MOCK"}),
        ("CreateIntegration", "ContentHandlingStrategy", {"IntegrationType": "MOCK"}),
        ("CreateIntegration", "PassthroughBehavior", {"IntegrationType": "MOCK"}),
        ("CreateIntegrationResponse", "ContentHandlingStrategy", {"IntegrationResponseKey": "$default"}),
        ("CreateDomainName", "RoutingMode", {"DomainName": "enum.example.com"}),
    ],
)
def test_a_value_outside_its_enumeration_is_named_with_its_member(
    gateway: RunningGateway, operation: str, member: str, rest: dict[str, Any]
) -> None:
    world = new_api(gateway)
    world.make("CreateIntegration", "IntegrationId", IntegrationType="MOCK")
    refusal = world.refused(operation, **{**rest, member: "SOMETHING"})
    assert refusal == bad(f"Invalid value for {member[0].lower()}{member[1:]}: SOMETHING")


def test_a_logging_level_needs_no_account_role(gateway: RunningGateway) -> None:
    stage = new_api(gateway).call("CreateStage", StageName="p", DefaultRouteSettings={"LoggingLevel": "INFO"})
    assert stage["DefaultRouteSettings"]["LoggingLevel"] == "INFO"


@pytest.mark.parametrize(
    ("quota", "operation", "members"),
    [
        ("routes", "CreateRoute", {"RouteKey": "{}"}),
        ("integrations", "CreateIntegration", {"IntegrationType": "MOCK", "Description": "{}"}),
        ("stages", "CreateStage", {"StageName": "{}"}),
        ("authorizers", "CreateAuthorizer", {**AUTHORIZER, "Name": "{}"}),
        ("domain_names", "CreateDomainName", {"DomainName": "{}.example.com"}),
        ("v1_vpc_links", "CreateVpcLink", {"name": "{}", "targetArns": [BALANCER]}),
    ],
)
def test_one_more_than_its_quota_is_refused_with_429(quota: str, operation: str, members: dict[str, Any]) -> None:
    with running(**{quota: 2}) as gateway:
        world = new_api(gateway)
        world.service = "apigateway" if quota == "v1_vpc_links" else "apigatewayv2"
        world.retries = 0

        def with_name(text: str) -> dict[str, Any]:
            return {key: value.format(text) if value in ("{}", "{}.example.com") else value
                    for key, value in members.items()}  # fmt: skip

        for name in ("one", "two"):
            world.call(operation, **with_name(name))
        refusal = world.refused(operation, **with_name("three"))
    assert refusal[:2] == ("TooManyRequestsException", 429)
    if quota == "authorizers":
        assert refusal.message == (
            "Maximum number of Authorizers for this API has been reached. "
            "Please contact AWS if you need additional Authorizers."
        )


def test_a_stage_with_more_variables_than_their_quota_is_refused_with_429() -> None:
    with running(stage_variables=2) as gateway:
        world = new_api(gateway)
        world.retries = 0
        world.call("CreateStage", StageName="two", StageVariables={"a": "1", "b": "2"})
        refusal = world.refused("CreateStage", StageName="three", StageVariables={"a": "1", "b": "2", "c": "3"})
    assert refusal[:2] == ("TooManyRequestsException", 429)


def test_refusals_name_the_resource_type_and_the_limit() -> None:
    with running(routes=0) as gateway:
        wire = Wire(gateway)
        world = new_api(gateway)
        assert wire.send("GET", "/v2/apis/aabbccddee").document["resourceType"] == "Api"
        assert wire.send("GET", world.target("GetRoute")).document["resourceType"] == "Route"
        reply = wire.send("POST", world.target("CreateRoute"), '{"routeKey":"x"}')
        wire.close()
    assert reply.status == 429
    assert reply.document["limitType"]


SQS = {
    "IntegrationType": "AWS",
    "IntegrationMethod": "POST",
    "IntegrationUri": "arn:aws:apigateway:us-east-1:sqs:action/SendMessage",
}


@pytest.mark.parametrize(
    "arn",
    ["writer", "arn:aws:iam::12345:user/me", "arn:aws:iam::123456789012:user/me", "arn:aws:iam::x:role/a",
     "arn:aws:iam::*:user/me", "arn:aws:iam::123456789012:role/", "arn:aws:sts::123456789012:role/a"],
)  # fmt: skip
@pytest.mark.parametrize("operation", ["CreateIntegration", "UpdateIntegration"])
def test_credentials_that_are_no_roles_are_refused(gateway: RunningGateway, operation: str, arn: str) -> None:
    world = new_api(gateway)
    world.make("CreateIntegration", "IntegrationId", **SQS)
    members = SQS if operation == "CreateIntegration" else {}
    assert world.refused(operation, **members, CredentialsArn=arn) == bad(
        f"Invalid ARN specified in the request: {arn} (a role: arn:aws:iam::ACCOUNT:role/NAME)"
    )


@pytest.mark.parametrize(
    "arn",
    ["arn:aws:iam::123456789012:role/a", "arn:aws-cn:iam::123456789012:role/path/a", "arn:aws:iam::*:user/*",
     "arn:aws:iam::${stageVariables.account}:role/${stageVariables.role}", "${stageVariables.role}"],
)  # fmt: skip
def test_credentials_may_be_roles_the_callers_or_in_stage_variables(gateway: RunningGateway, arn: str) -> None:
    assert new_api(gateway).call("CreateIntegration", **SQS, CredentialsArn=arn)["CredentialsArn"] == arn


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [("HTTP", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"),
     ("HTTP_PROXY", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"),
     ("MOCK", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, ANY")],
)  # fmt: skip
def test_a_method_that_there_is_not_is_refused_with_those_that_there_are(
    gateway: RunningGateway, kind: str, allowed: str
) -> None:
    uri = {} if kind == "MOCK" else {"IntegrationUri": "https://example.com"}
    refusal = new_api(gateway).refused("CreateIntegration", IntegrationType=kind, IntegrationMethod="post", **uri)
    assert refusal == bad(f"Invalid value for integrationMethod: post (one of {allowed})")


@pytest.mark.parametrize("text", ["application/x-www-form-urlencoded", "plain", '"quoted"'])
def test_a_mapping_of_plain_text_is_refused_with_how_to_write_it(gateway: RunningGateway, text: str) -> None:
    parameters = {"integration.request.header.Content-Type": text}
    refusal = new_api(gateway).refused("CreateIntegration", **SQS, RequestParameters=parameters)
    assert refusal == bad(f"Invalid mapping expression specified: {text} (for this text itself: '{text}')")

"""A create or an update answers what was written and the defaults, and a get says the same (spec 1.4 to 1.15)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conformance.worlds import DEFAULT_SETTINGS, LAMBDA_URI, Wire, World, full_api, new_api
from tests.support import ManualClock, RunningGateway, running

ID_SHAPES = {
    "Api": ("ApiId", "[a-z0-9]{10}"),
    "ApiMapping": ("ApiMappingId", "[a-z0-9]{6}"),
    "Authorizer": ("AuthorizerId", "[a-z0-9]{6}"),
    "Deployment": ("DeploymentId", "[a-z0-9]{6}"),
    "DomainName": ("DomainName", ".+"),
    "Integration": ("IntegrationId", "[a-z0-9]{7}"),
    "IntegrationResponse": ("IntegrationResponseId", "[a-z0-9]{7}"),
    "Model": ("ModelId", "[a-z0-9]{6}"),
    "Route": ("RouteId", "[a-z0-9]{7}"),
    "RouteResponse": ("RouteResponseId", "[a-z0-9]{6}"),
    "Stage": ("StageName", ".+"),
    "VpcLink": ("VpcLinkId", "[a-z0-9]+"),
}
MADE_BY_THE_SERVER = ("CreatedDate", "LastUpdatedDate", "ApiEndpoint", "DomainNameArn", "DomainNameConfigurations")

API = {"Name": "chat", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"}
API_DEFAULTS = {
    "ApiKeySelectionExpression": "$request.header.x-api-key", "DisableExecuteApiEndpoint": False,
    "IpAddressType": "ipv4", "Tags": {},
}  # fmt: skip
ROUTE_DEFAULTS = {"ApiKeyRequired": False, "AuthorizationType": "NONE"}
INTEGRATION_DEFAULTS = {
    "ConnectionType": "INTERNET", "PassthroughBehavior": "WHEN_NO_MATCH", "PayloadFormatVersion": "1.0",
    "TimeoutInMillis": 29000,
}  # fmt: skip
STAGE_DEFAULTS = {
    "AutoDeploy": False, "DefaultRouteSettings": DEFAULT_SETTINGS, "RouteSettings": {}, "StageVariables": {},
    "Tags": {},
}  # fmt: skip
ROLE = "arn:aws:iam::000000000000:role/any"
AUTHORIZER: dict[str, Any] = {
    "Name": "second", "AuthorizerType": "REQUEST", "AuthorizerUri": LAMBDA_URI,
    "IdentitySource": ["route.request.header.Auth", "route.request.querystring.token", "stageVariables.x"],
}  # fmt: skip

CREATED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a minimal API": ("Api", API, API_DEFAULTS),
    "a full API": (
        "Api",
        {
            **API,
            "ApiKeySelectionExpression": "$context.authorizer.usageIdentifierKey",
            "Description": "d",
            "DisableExecuteApiEndpoint": True,
            "DisableSchemaValidation": True,
            "IpAddressType": "dualstack",
            "Tags": {"team": "core"},
            "Version": "1.2",
        },
        {},
    ),
    "a minimal route": ("Route", {"RouteKey": "$default"}, ROUTE_DEFAULTS),
    "a full route": (
        "Route",
        {
            "RouteKey": " spaced key ",
            "ApiKeyRequired": True,
            "ModelSelectionExpression": "$request.body.kind",
            "OperationName": "send",
            "RequestModels": {"order": "Order"},
            "RequestParameters": {"route.request.header.X-Room": {"Required": False}},
            "RouteResponseSelectionExpression": "$default",
            "Target": "integrations/1122334",
        },
        {"AuthorizationType": "NONE"},
    ),
    "a route with an escaped response selection": (
        "Route", {"RouteKey": "x", "RouteResponseSelectionExpression": "\\$default"}, ROUTE_DEFAULTS,
    ),
    "a minimal route response": ("RouteResponse", {"RouteResponseKey": "$default"}, {}),
    "a full route response": (
        "RouteResponse",
        {
            "RouteResponseKey": "$default",
            "ModelSelectionExpression": "default",
            "ResponseModels": {"default": "Order"},
            "ResponseParameters": {"route.response.header.X": {"Required": True}},
        },
        {},
    ),
    "a MOCK integration": (
        "Integration", {"IntegrationType": "MOCK"},
        {**INTEGRATION_DEFAULTS, "IntegrationResponseSelectionExpression": "${response.statuscode}"},
    ),
    "an HTTP integration": (
        "Integration",
        {"IntegrationType": "HTTP", "IntegrationMethod": "PUT", "IntegrationUri": "https://${stageVariables.host}/{id}"},
        {**INTEGRATION_DEFAULTS, "IntegrationResponseSelectionExpression": "${integration.response.statuscode}"},
    ),
    "an AWS integration": (
        "Integration",
        {
            "IntegrationType": "AWS", "IntegrationMethod": "POST", "CredentialsArn": ROLE,
            "IntegrationUri": "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem",
        },
        {
            **INTEGRATION_DEFAULTS,
            "IntegrationResponseSelectionExpression": "${integration.response.body.errorMessage}",
        },
    ),
    "an AWS_PROXY integration": (
        "Integration",
        {"IntegrationType": "AWS_PROXY", "IntegrationMethod": "POST", "IntegrationUri": LAMBDA_URI},
        INTEGRATION_DEFAULTS,
    ),
    "a full HTTP_PROXY integration": (
        "Integration",
        {
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "POST",
            "IntegrationUri": "http://internal.example.com/orders",
            "ConnectionType": "VPC_LINK",
            "ConnectionId": "${stageVariables.link}",
            "ContentHandlingStrategy": "CONVERT_TO_TEXT",
            "CredentialsArn": ROLE,
            "Description": "d",
            "PassthroughBehavior": "NEVER",
            "PayloadFormatVersion": "1.0",
            "RequestParameters": {
                "integration.request.header.X-Id": "context.connectionId",
                "integration.request.querystring.q": "route.request.body.q",
                "integration.request.path.p": "'fixed'",
            },
            "RequestTemplates": {"order": '{"a":$input.json("$")}', "empty": ""},
            "TemplateSelectionExpression": "\\$default",
            "TimeoutInMillis": 50,
            "TlsConfig": {"ServerNameToVerify": "internal.example.com"},
        },
        {},
    ),
    "a minimal integration response": ("IntegrationResponse", {"IntegrationResponseKey": "200"}, {}),
    "a full integration response": (
        "IntegrationResponse",
        {
            "IntegrationResponseKey": "/5\\d\\d/",
            "ContentHandlingStrategy": "CONVERT_TO_BINARY",
            "ResponseParameters": {"method.response.header.X": "integration.response.header.Y"},
            "ResponseTemplates": {"$default": "oops", "other": ""},
            "TemplateSelectionExpression": "\\$default",
        },
        {},
    ),
    "a minimal model": ("Model", {"Name": "Second", "Schema": "{}"}, {}),
    "a full model": (
        "Model",
        {"Name": "Second", "Schema": '{"type":"object"}', "ContentType": "application/json", "Description": "d"},
        {},
    ),
    "a minimal authorizer": ("Authorizer", {**AUTHORIZER, "IdentitySource": []}, {}),
    "a full authorizer": (
        "Authorizer", {**AUTHORIZER, "AuthorizerCredentialsArn": ROLE, "IdentityValidationExpression": "[a-z]+"}, {},
    ),
    "a minimal deployment": ("Deployment", {}, {"AutoDeployed": False, "DeploymentStatus": "DEPLOYED"}),
    "a described deployment": (
        "Deployment", {"Description": "first"}, {"AutoDeployed": False, "DeploymentStatus": "DEPLOYED"},
    ),
    "a minimal stage": ("Stage", {"StageName": "second"}, STAGE_DEFAULTS),
    "a full stage": (
        "Stage",
        {
            "StageName": "second-stage_2",
            "AccessLogSettings": {
                "DestinationArn": "arn:aws:logs:us-east-1:123456789012:log-group:ws",
                "Format": '{"requestId":"$context.requestId"}',
            },
            "ClientCertificateId": "abcdef",
            "DefaultRouteSettings": {
                "DataTraceEnabled": True, "DetailedMetricsEnabled": True, "LoggingLevel": "ERROR",
                "ThrottlingBurstLimit": 10, "ThrottlingRateLimit": 5.5,
            },
            "Description": "d",
            "RouteSettings": {"nobody": {"ThrottlingBurstLimit": 50, "ThrottlingRateLimit": 20.0}},
            "StageVariables": {"env": "dev", "url": "a.example.com:80/x?y=1&z=~_-"},
            "Tags": {"team": "core"},
        },
        {"AutoDeploy": False},
    ),
    "a stage whose settings say one thing": (
        "Stage",
        {"StageName": "second", "AutoDeploy": False, "DefaultRouteSettings": {"ThrottlingBurstLimit": 3}},
        {**STAGE_DEFAULTS, "DefaultRouteSettings": {**DEFAULT_SETTINGS, "ThrottlingBurstLimit": 3}},
    ),
    "a minimal VPC link": (
        "VpcLink",
        {"Name": "second", "SubnetIds": ["subnet-1"]},
        {
            "SecurityGroupIds": [], "Tags": {}, "VpcLinkStatus": "AVAILABLE", "VpcLinkVersion": "V2",
            "VpcLinkStatusMessage": "VPC link is ready to route traffic",
        },
    ),
}  # fmt: skip


def _said(answer: dict[str, Any], id_member: str) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in (id_member, *MADE_BY_THE_SERVER)}


def _listed(world: World, operation: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = world.call(operation, **token)
        items += page["Items"]
        if "NextToken" not in page:
            return items
        token = {"NextToken": page["NextToken"]}


@pytest.mark.parametrize(("resource", "members", "defaults"), CREATED.values(), ids=CREATED)
def test_create_answers_what_was_written_and_its_defaults(
    gateway: RunningGateway, resource: str, members: dict[str, Any], defaults: dict[str, Any]
) -> None:
    world = full_api(gateway)
    if resource == "RouteResponse":
        world.ids["routeId"] = world.ids["otherRouteId"]
    if resource == "IntegrationResponse":
        world.make("CreateIntegration", "IntegrationId", IntegrationType="MOCK")
    id_member, shape = ID_SHAPES[resource]
    answer = world.call(f"Create{resource}", **members)
    named = {id_member: answer[id_member]}
    assert re.fullmatch(shape, answer[id_member])
    assert _said(answer, id_member) == _said({**members, **defaults}, id_member)
    assert world.call(f"Get{resource}", **named) == answer
    if resource != "Api":  # the shared gateway has those of all tests
        assert answer in _listed(world, f"Get{resource}s")


UPDATED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "an API": (
        "Api",
        {"Name": "new", "Description": "d", "RouteSelectionExpression": "$request.body.kind", "Version": "2"},
        {"Name": "new", "Description": "d", "RouteSelectionExpression": "$request.body.kind", "Version": "2"},
    ),
    "an API's endpoint": ("Api", {"DisableExecuteApiEndpoint": True}, {"DisableExecuteApiEndpoint": True}),
    "an API with nothing": ("Api", {}, {}),
    "a route": (
        "Route",
        {"RouteKey": "renamed", "OperationName": "op", "RequestModels": {"a": "Order"}},
        {"RouteKey": "renamed", "OperationName": "op", "RequestModels": {"a": "Order"}},
    ),
    "a route response": ("RouteResponse", {"ResponseModels": {"a": "B"}}, {"ResponseModels": {"a": "B"}}),
    "an integration": ("Integration", {"TimeoutInMillis": 100}, {"TimeoutInMillis": 100}),
    "an integration's type": (
        "Integration",
        {"IntegrationType": "HTTP", "IntegrationMethod": "GET", "IntegrationUri": "http://example.com"},
        {
            "IntegrationType": "HTTP", "IntegrationMethod": "GET", "IntegrationUri": "http://example.com",
            "IntegrationResponseSelectionExpression": "${integration.response.statuscode}",
        },
    ),
    "an integration response": (
        "IntegrationResponse", {"ResponseTemplates": {"x": "y"}}, {"ResponseTemplates": {"x": "y"}},
    ),
    "a model": ("Model", {"Schema": "{}", "Description": "d"}, {"Schema": "{}", "Description": "d"}),
    "an authorizer": ("Authorizer", {"Name": "new"}, {"Name": "new"}),
    "a deployment": ("Deployment", {"Description": "d"}, {"Description": "d"}),
    "a stage": (
        "Stage",
        {"Description": "d", "StageVariables": {"a": "b"}},
        {"Description": "d", "StageVariables": {"a": "b"}},
    ),
    "a VPC link": ("VpcLink", {"Name": "new"}, {"Name": "new"}),
    "an API mapping": ("ApiMapping", {"ApiMappingKey": "chat"}, {"ApiMappingKey": "chat"}),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "members", "changes"), UPDATED.values(), ids=UPDATED)
def test_update_changes_what_it_names_and_nothing_else(
    gateway: RunningGateway, resource: str, members: dict[str, Any], changes: dict[str, Any]
) -> None:
    world = full_api(gateway)
    before = world.call(f"Get{resource}")
    if resource == "ApiMapping":
        members = {"ApiId": before["ApiId"], **members}
    if members.get("RouteKey"):
        world.call("DeleteRouteRequestParameter")
        before.pop("RequestParameters")
    after = world.call(f"Update{resource}", **members)
    latest = {"LastUpdatedDate": after["LastUpdatedDate"]} if "LastUpdatedDate" in after else {}
    assert after == {**before, **changes, **latest}
    assert world.call(f"Get{resource}") == after


def test_an_iam_route_and_a_route_with_an_authorizer_read_back(gateway: RunningGateway) -> None:
    world = full_api(gateway)
    iam = world.call("UpdateRoute", AuthorizationType="AWS_IAM")
    assert iam["AuthorizationType"] == "AWS_IAM"
    members = {"AuthorizationType": "CUSTOM", "AuthorizerId": world.ids["authorizerId"]}
    assert world.call("UpdateRoute", **members) == {**iam, **members}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (
            ["route.request.header.A, route.request.querystring.b"],
            ["route.request.header.A", "route.request.querystring.b"],
        ),
        ([""], []),
    ],
)
def test_identity_sources_may_be_one_text_with_commas_or_empty(
    gateway: RunningGateway, given: list[str], stored: list[str]
) -> None:
    assert new_api(gateway).call("CreateAuthorizer", **{**AUTHORIZER, "IdentitySource": given})["IdentitySource"] == (
        stored
    )


def test_the_endpoint_of_an_api_is_this_gateway(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    assert world.call("GetApi")["ApiEndpoint"] == f"ws://127.0.0.1:{gateway.port}/{world.ids['apiId']}"


def test_an_update_of_integration_parameters_merges_by_key_and_an_empty_value_takes_one_away(
    gateway: RunningGateway,
) -> None:
    world = new_api(gateway)
    first, second, third = (f"integration.request.header.{name}" for name in "ABC")
    made = world.make(
        "CreateIntegration", "IntegrationId", IntegrationType="MOCK", RequestParameters={first: "'1'", second: "'2'"},
        RequestTemplates={"a": "1", "b": "2"},
    )  # fmt: skip
    updated = world.call("UpdateIntegration", RequestParameters={first: "", third: "'3'"}, RequestTemplates={"c": "3"})
    assert updated == {
        **made, "RequestParameters": {second: "'2'", third: "'3'"}, "RequestTemplates": {"c": "3"},
    }  # fmt: skip
    assert world.call("GetIntegration") == updated


def test_an_update_of_stage_variables_merges_and_an_empty_value_takes_one_away(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    world.make("CreateStage", "StageName", StageName="prod", StageVariables={"a": "1", "b": "2"})
    updated = world.call("UpdateStage", StageVariables={"a": "", "c": "3"})
    assert updated["StageVariables"] == {"b": "2", "c": "3"}
    assert world.call("GetStage") == updated


def test_an_update_of_route_settings_merges_by_route_key(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    world.make("CreateStage", "StageName", StageName="prod", RouteSettings={"a": {"ThrottlingBurstLimit": 1}})
    updated = world.call("UpdateStage", RouteSettings={"b": {"LoggingLevel": "INFO"}})
    assert updated["RouteSettings"] == {"a": {"ThrottlingBurstLimit": 1}, "b": {"LoggingLevel": "INFO"}}
    world.call("DeleteRouteSettings", RouteKey="a")
    assert world.call("GetStage")["RouteSettings"] == {"b": {"LoggingLevel": "INFO"}}


def test_the_settings_of_a_predefined_route_go_by_its_escaped_key(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    world.make("CreateStage", "StageName", StageName="prod", RouteSettings={"$default": {"ThrottlingBurstLimit": 1}})
    world.call("DeleteRouteSettings", RouteKey="$default")
    assert world.call("GetStage")["RouteSettings"] == {}


def test_an_access_log_loses_the_star_of_its_group_and_goes_as_a_whole(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    group = "arn:aws:logs:us-east-1:000000000000:log-group:ws"
    log = {"DestinationArn": group + ":*", "Format": "$context.requestId"}
    made = world.make("CreateStage", "StageName", StageName="prod", AccessLogSettings=log)
    assert made["AccessLogSettings"] == {**log, "DestinationArn": group}
    world.call("DeleteAccessLogSettings")
    assert "AccessLogSettings" not in world.call("GetStage")


@pytest.mark.parametrize(
    "destination",
    ["arn:aws:firehose:us-east-1:000000000000:deliverystream/amazon-apigateway-ws",
     "arn:aws:logs:us-east-1:000000000000:log-group:/aws/ws"],
)  # fmt: skip
def test_access_logs_go_to_log_groups_and_named_delivery_streams(gateway: RunningGateway, destination: str) -> None:
    log = {"DestinationArn": destination, "Format": "$context.extendedRequestId"}
    assert new_api(gateway).call("CreateStage", StageName="prod", AccessLogSettings=log)["AccessLogSettings"] == log


def test_an_empty_target_and_an_empty_authorizer_are_cleared(gateway: RunningGateway) -> None:
    world = full_api(gateway)
    world.call("UpdateRoute", Target="integrations/1122334", AuthorizationType="CUSTOM",
               AuthorizerId=world.ids["authorizerId"])  # fmt: skip
    route = world.call("UpdateRoute", Target="", AuthorizerId="", AuthorizationType="NONE")
    assert {"Target", "AuthorizerId"}.isdisjoint(route)
    assert world.call("GetRoute") == route


def test_an_empty_credential_and_an_empty_validation_of_an_authorizer_are_cleared(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    made = world.make(
        "CreateAuthorizer", "AuthorizerId", **AUTHORIZER, AuthorizerCredentialsArn=ROLE,
        IdentityValidationExpression="x",
    )  # fmt: skip
    cleared = world.call("UpdateAuthorizer", AuthorizerCredentialsArn="", IdentityValidationExpression="")
    assert cleared == {
        k: v for k, v in made.items() if k not in ("AuthorizerCredentialsArn", "IdentityValidationExpression")
    }
    assert world.call("GetAuthorizer") == cleared


def test_a_request_parameter_is_deleted_from_its_route(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    keys = [f"route.request.{kind}" for kind in ("header.A", "querystring.b")]
    world.make("CreateRoute", "RouteId", RouteKey="$connect",
               RequestParameters={key: {"Required": True} for key in keys})  # fmt: skip
    world.call("DeleteRouteRequestParameter", RequestParameterKey=keys[0])
    assert world.call("GetRoute")["RequestParameters"] == {keys[1]: {"Required": True}}


def test_a_model_template_rebuilds_what_the_schema_describes(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    schema = (
        '{"type":"object","properties":{"id":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}}}}'
    )
    world.make("CreateModel", "ModelId", Name="Order", Schema=schema)
    value = world.call("GetModelTemplate")["Value"]
    assert '"id"' in value
    assert "#foreach" in value


def test_a_schema_that_is_not_json_is_taken_only_without_validation(gateway: RunningGateway) -> None:
    refusal = new_api(gateway).refused("CreateModel", Name="Order", Schema="{not json")
    assert refusal[:2] == ("BadRequestException", 400)
    lenient = new_api(gateway, DisableSchemaValidation=True)
    assert lenient.call("CreateModel", Name="Order", Schema="{not json")["Schema"] == "{not json"


def test_a_domain_name_has_its_configuration_filled_in(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    name = f"{world.ids['apiId']}.example.com"
    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/1"
    made = world.make(
        "CreateDomainName", "DomainName", DomainName=name, Tags={"a": "b"},
        DomainNameConfigurations=[{"CertificateArn": certificate}],
    )  # fmt: skip
    [configuration] = made["DomainNameConfigurations"]
    own = configuration.pop("ApiGatewayDomainName")
    configuration.pop("HostedZoneId")
    assert re.fullmatch(r"d-[a-z0-9]{10}\.execute-api\.us-east-1\.amazonaws\.com", own)
    assert configuration == {
        "CertificateArn": certificate, "DomainNameStatus": "AVAILABLE", "EndpointType": "REGIONAL",
        "IpAddressType": "ipv4", "SecurityPolicy": "TLS_1_2",
    }  # fmt: skip
    del made["DomainNameConfigurations"]
    assert made == {
        "ApiMappingSelectionExpression": "$request.basepath", "DomainName": name, "RoutingMode": "API_MAPPING_ONLY",
        "DomainNameArn": f"arn:aws:apigateway:us-east-1::/domainnames/{name}", "Tags": {"a": "b"},
    }  # fmt: skip
    updated = world.call("UpdateDomainName", DomainNameConfigurations=[{"CertificateName": "mine"}])
    [changed] = updated["DomainNameConfigurations"]
    assert changed["ApiGatewayDomainName"] == own
    assert changed["CertificateName"] == "mine"
    assert changed["CertificateArn"] == certificate
    assert world.call("GetDomainName") == updated


def test_a_mapping_without_key_and_one_with_a_key_read_back(gateway: RunningGateway) -> None:
    world = full_api(gateway)
    mapping = {"ApiId": world.ids["apiId"], "Stage": "prod"}
    root = world.call("GetApiMapping")
    assert root == {**mapping, "ApiMappingId": world.ids["apiMappingId"]}
    keyed = world.call("CreateApiMapping", **mapping, ApiMappingKey="chat_1")
    assert re.fullmatch("[a-z0-9]{6}", keyed["ApiMappingId"])
    assert keyed == {**mapping, "ApiMappingKey": "chat_1", "ApiMappingId": keyed["ApiMappingId"]}
    assert world.refused("CreateApiMapping", **mapping, ApiMappingKey="chat_1")[:2] == ("ConflictException", 409)
    assert world.refused("CreateApiMapping", **mapping, ApiMappingKey="")[:2] == ("ConflictException", 409)


@pytest.mark.parametrize("kind", ["api", "stage", "domain", "link"])
def test_tags_are_merged_and_removed_by_arn(gateway: RunningGateway, kind: str) -> None:
    world = full_api(gateway)
    ids = world.ids
    path, operation = {
        "api": (f"/apis/{ids['apiId']}", "GetApi"),
        "stage": (f"/apis/{ids['apiId']}/stages/prod", "GetStage"),
        "domain": (f"/domainnames/{ids['domainName']}", "GetDomainName"),
        "link": (f"/vpclinks/{ids['vpcLinkId']}", "GetVpcLink"),
    }[kind]
    ids["resource-arn"] = f"arn:aws:apigateway:us-east-1::{path}"
    world.call("TagResource", Tags={"a": "1", "b": "2"})
    world.call("TagResource", Tags={"b": "3", "c d": ""})
    assert world.call("GetTags") == {"Tags": {"a": "1", "b": "3", "c d": ""}}
    world.call("UntagResource", TagKeys=["a", "c d", "unknown"])
    assert world.call("GetTags") == {"Tags": {"b": "3"}}
    assert world.call(operation)["Tags"] == {"b": "3"}


def test_tags_of_an_unknown_arn_are_not_found(gateway: RunningGateway) -> None:
    world = World(gateway, {"resource-arn": "arn:aws:apigateway:us-east-1::/apis/aabbccddee"})
    assert world.refused("GetTags")[:2] == ("NotFoundException", 404)
    assert world.refused("TagResource", Tags={"a": "b"})[:2] == ("NotFoundException", 404)


@pytest.mark.parametrize("tags", [{"aws:x": "y"}, {"k" * 129: "v"}, {"k": "v" * 257}, {f"k{n}": "" for n in range(51)}])
def test_tags_beyond_their_limits_are_refused(gateway: RunningGateway, tags: dict[str, str]) -> None:
    world = full_api(gateway)
    assert world.refused("TagResource", Tags=tags)[:2] == ("BadRequestException", 400)
    assert world.refused("CreateApi", **API, Tags=tags)[:2] == ("BadRequestException", 400)


REFUSED: dict[str, tuple[str, dict[str, Any], int]] = {
    "an API key expression": ("CreateApi", {**API, "ApiKeySelectionExpression": "$request.header.key"}, 400),
    "a route selection that does not parse": ("CreateApi", {**API, "RouteSelectionExpression": "${request.body"}, 400),
    "an API without route selection": ("CreateApi", {"Name": "n", "ProtocolType": "WEBSOCKET"}, 400),
    "an API name of 129": ("CreateApi", {**API, "Name": "n" * 129}, 400),
    "a description of 1025": ("CreateApi", {**API, "Description": "n" * 1025}, 400),
    "a JWT route": ("CreateRoute", {"RouteKey": "$connect", "AuthorizationType": "JWT"}, 400),
    "scopes": ("CreateRoute", {"RouteKey": "$connect", "AuthorizationScopes": ["a"]}, 400),
    "CUSTOM without authorizer": ("UpdateRoute", {"AuthorizationType": "CUSTOM"}, 400),
    "an empty authorizer": ("UpdateRoute", {"AuthorizationType": "CUSTOM", "AuthorizerId": ""}, 400),
    "a target that is no integration": ("CreateRoute", {"RouteKey": "x", "Target": "lambda/x"}, 400),
    "a path parameter": ("UpdateRoute", {"RequestParameters": {"route.request.path.x": {"Required": True}}}, 400),
    "a route response selection": ("CreateRoute", {"RouteKey": "x", "RouteResponseSelectionExpression": "x"}, 400),
    "an operation name of 65": ("CreateRoute", {"RouteKey": "x", "OperationName": "n" * 65}, 400),
    "a route response key": (
        "CreateRouteResponse", {"RouteId": "=otherRouteId", "RouteResponseKey": "other"}, 400,
    ),
    "a second route response": ("CreateRouteResponse", {"RouteResponseKey": "$default"}, 409),
    "a route response parameter": ("UpdateRouteResponse", {"ResponseParameters": {"x": {"Required": True}}}, 400),
    "an integration without URI": ("CreateIntegration", {"IntegrationType": "HTTP", "IntegrationMethod": "GET"}, 400),
    "a timeout of 29001": ("CreateIntegration", {"IntegrationType": "MOCK", "TimeoutInMillis": 29001}, 400),
    "format version 2.0": ("CreateIntegration", {"IntegrationType": "MOCK", "PayloadFormatVersion": "2.0"}, 400),
    "a subtype": ("CreateIntegration", {"IntegrationType": "MOCK", "IntegrationSubtype": "SQS-SendMessage"}, 400),
    "response parameters": (
        "CreateIntegration", {"IntegrationType": "MOCK", "ResponseParameters": {"200": {"append:header.a": "b"}}}, 400,
    ),
    "an AWS_PROXY URI": (
        "CreateIntegration",
        {"IntegrationType": "AWS_PROXY", "IntegrationMethod": "POST", "IntegrationUri": "https://example.com"}, 400,
    ),
    "a VPC link of a MOCK": (
        "CreateIntegration", {"IntegrationType": "MOCK", "ConnectionType": "VPC_LINK", "ConnectionId": "abcdef"}, 400,
    ),
    "a VPC link without id": (
        "CreateIntegration",
        {
            "IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "IntegrationUri": "http://e.com",
            "ConnectionType": "VPC_LINK",
        }, 400,
    ),
    "a parameter that maps to nothing": (
        "CreateIntegration",
        {"IntegrationType": "MOCK", "RequestParameters": {"integration.request.body.x": "'a'"}}, 400,
    ),
    "a parameter from nowhere": (
        "CreateIntegration",
        {"IntegrationType": "MOCK", "RequestParameters": {"integration.request.header.x": "nowhere"}}, 400,
    ),
    "a second integration response": ("CreateIntegrationResponse", {"IntegrationResponseKey": "$default"}, 409),
    "a regex that does not parse": ("CreateIntegrationResponse", {"IntegrationResponseKey": "/(/"}, 400),
    "a second model": ("CreateModel", {"Name": "Order", "Schema": "{}"}, 409),
    "a model name": ("CreateModel", {"Name": "my-order", "Schema": "{}"}, 400),
    "a second authorizer": ("CreateAuthorizer", {**AUTHORIZER, "Name": "auth"}, 409),
    "a stage name": ("CreateStage", {"StageName": "my stage"}, 400),
    "the stage of HTTP APIs": ("CreateStage", {"StageName": "$default"}, 400),
    "a second stage": ("CreateStage", {"StageName": "prod"}, 409),
    "the deployment of a stage that deploys by itself": (
        "CreateStage", {"StageName": "x", "AutoDeploy": True, "DeploymentId": "=deploymentId"}, 400,
    ),
    "an unknown deployment": ("UpdateStage", {"DeploymentId": "abcdef"}, 404),
    "a variable name": ("UpdateStage", {"StageVariables": {"a-b": "c"}}, 400),
    "a variable value": ("UpdateStage", {"StageVariables": {"a": "b c"}}, 400),
    "a variable name of 65": ("UpdateStage", {"StageVariables": {"a" * 65: "b"}}, 400),
    "a variable value of 513": ("UpdateStage", {"StageVariables": {"a": "b" * 513}}, 400),
    "a logging level": ("UpdateStage", {"DefaultRouteSettings": {"LoggingLevel": "DEBUG"}}, 400),
    "a log format beyond 3 KB": (
        "UpdateStage",
        {
            "AccessLogSettings": {
                "DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:ws",
                "Format": "$context.requestId" + "x" * 3072,
            }
        }, 400,
    ),
    "a log destination": (
        "UpdateStage",
        {
            "AccessLogSettings": {
                "DestinationArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/other",
                "Format": "$context.requestId",
            }
        }, 400,
    ),
    "an edge domain": (
        "CreateDomainName",
        {"DomainName": "edge.example.com", "DomainNameConfigurations": [{"EndpointType": "EDGE"}]}, 400,
    ),
    "mutual TLS": (
        "CreateDomainName",
        {"DomainName": "mtls.example.com", "MutualTlsAuthentication": {"TruststoreUri": "s3://bucket/key"}}, 400,
    ),
    "the reserved mapping key ping": (
        "CreateApiMapping", {"ApiId": "=apiId", "Stage": "prod", "ApiMappingKey": "ping"}, 400,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("operation", "members", "status"), REFUSED.values(), ids=REFUSED)
def test_a_value_that_websocket_apis_do_not_allow_is_refused(
    gateway: RunningGateway, operation: str, members: dict[str, Any], status: int
) -> None:
    world = full_api(gateway)
    members = {
        name: world.ids[value[1:]] if isinstance(value, str) and value.startswith("=") else value
        for name, value in members.items()
    }
    assert world.refused(operation, **members).status == status


def test_an_unknown_authorizer_is_refused(gateway: RunningGateway) -> None:
    refusal = full_api(gateway).refused("UpdateRoute", AuthorizationType="CUSTOM", AuthorizerId="unknown")
    assert refusal.status in (400, 404)


def test_route_keys_differ_by_case(gateway: RunningGateway) -> None:
    world = new_api(gateway)
    world.call("CreateRoute", RouteKey="Send")
    assert world.call("CreateRoute", RouteKey="send")["RouteKey"] == "send"


def test_two_apis_may_have_one_name(gateway: RunningGateway) -> None:
    assert new_api(gateway).ids["apiId"] != new_api(gateway).ids["apiId"]


def test_delete_api_takes_everything_below_it(gateway: RunningGateway) -> None:
    world = full_api(gateway)
    world.call("DeleteApi")
    for resource in ("Api", "Route", "Integration", "Model", "Authorizer", "Deployment", "Stage"):
        assert world.refused(f"Get{resource}").status == 404


def test_delete_of_one_thing_leaves_its_siblings(gateway: RunningGateway) -> None:
    world = full_api(gateway)
    world.call("DeleteRoute")
    assert [route["RouteId"] for route in world.call("GetRoutes")["Items"]] == [world.ids["otherRouteId"]]
    assert world.refused("GetRoute").status == 404
    assert world.refused("DeleteRoute").status == 404


def test_dates_are_iso_8601_in_whole_seconds_and_an_update_moves_only_the_last() -> None:
    clock = ManualClock()
    with running(clock=clock) as gateway:
        world = new_api(gateway)
        world.make("CreateStage", "StageName", StageName="prod")
        clock.advance(60)
        world.call("UpdateStage", Description="later")
        wire = Wire(gateway)
        stage = wire.send("GET", world.target("GetStage")).document
        wire.close()
    assert (stage["createdDate"], stage["lastUpdatedDate"]) == ("2021-12-25T10:45:28Z", "2021-12-25T10:46:28Z")


def test_members_are_camel_case_on_the_wire_and_absent_ones_are_left_out(gateway: RunningGateway, wire: Wire) -> None:
    reply = wire.send(
        "POST", "/v2/apis", '{"name":"n","protocolType":"WEBSOCKET","routeSelectionExpression":"$request.body.a"}'
    )
    assert reply.status == 201
    assert sorted(reply.document) == sorted(
        "apiEndpoint apiId apiKeySelectionExpression createdDate disableExecuteApiEndpoint ipAddressType name "
        "protocolType routeSelectionExpression tags".split()
    )
    listing = wire.send("GET", f"/v2/apis/{reply.document['apiId']}/routes")
    assert listing.document == {"items": []}


@pytest.mark.parametrize(
    ("operation", "page", "made"),
    [("GetRoutes", 2, 5), ("GetRoutes", 5, 5), ("GetRoutes", 1, 3), ("GetRoutes", 500, 3)],
)
def test_a_list_comes_in_pages_of_max_results(gateway: RunningGateway, operation: str, page: int, made: int) -> None:
    world = new_api(gateway)
    keys = {world.call("CreateRoute", RouteKey=f"route{n}")["RouteKey"] for n in range(made)}
    pages: list[list[str]] = []
    token: dict[str, str] = {}
    while not pages or token:
        answer = world.call(operation, MaxResults=str(page), **token)
        pages.append([item["RouteKey"] for item in answer["Items"]])
        token = {"NextToken": answer["NextToken"]} if "NextToken" in answer else {}
    assert [len(each) for each in pages] == [min(page, made - at) for at in range(0, made, page)]
    assert {key for each in pages for key in each} == keys
    assert sum(map(len, pages)) == made


@pytest.mark.parametrize(
    "paging", [{"MaxResults": "0"}, {"MaxResults": "501"}, {"MaxResults": "-1"}, {"MaxResults": "ten"},
               {"MaxResults": "²"}, {"NextToken": "nonsense"}, {"NextToken": "é"}, {"NextToken": "bm9uc2Vuc2U="}],
)  # fmt: skip
def test_paging_that_no_list_gave_is_refused(gateway: RunningGateway, paging: dict[str, str]) -> None:
    assert World(gateway).refused("GetApis", **paging)[:2] == ("BadRequestException", 400)

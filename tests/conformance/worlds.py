"""Real clients that fill in the ids of what a test has made, and what their answers say."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support import RunningGateway

LAMBDA_URI = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:123412341234:function:simpleproxy-echo-e2e/invocations"
)
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/n/1"
DEFAULT_SETTINGS = {"DataTraceEnabled": False, "DetailedMetricsEnabled": False, "LoggingLevel": "OFF"}

_CHILDREN = """
    Api ApiMapping Authorizer Deployment DomainName Integration IntegrationResponse Model Route RouteResponse Stage
    VpcLink
""".split()
V2_OPERATIONS = sorted(
    [
        *(name.format(each) for each in _CHILDREN for name in ("Create{}", "Get{}", "Get{}s", "Update{}", "Delete{}")),
        *"GetModelTemplate DeleteRouteRequestParameter DeleteAccessLogSettings DeleteRouteSettings".split(),
        *"ResetAuthorizersCache TagResource UntagResource GetTags".split(),
    ]
)
V1_OPERATIONS = """
    CreateVpcLink GetVpcLink GetVpcLinks UpdateVpcLink DeleteVpcLink
    CreateApiKey GetApiKey GetApiKeys UpdateApiKey DeleteApiKey ImportApiKeys
    CreateUsagePlan GetUsagePlan GetUsagePlans UpdateUsagePlan DeleteUsagePlan
    CreateUsagePlanKey GetUsagePlanKey GetUsagePlanKeys DeleteUsagePlanKey
    GenerateClientCertificate GetClientCertificate GetClientCertificates UpdateClientCertificate
    DeleteClientCertificate GetAccount UpdateAccount TagResource UntagResource GetTags
""".split()


class Refusal(NamedTuple):
    exception: str
    status: int
    message: str


@dataclass
class World:
    """A service's client. Path members of a call come from `ids`, by wire name; what is not there is an unknown id."""

    gateway: RunningGateway
    ids: dict[str, str] = field(default_factory=dict)
    service: str = "apigatewayv2"
    retries: int = 1  # 0 for a client that takes a 429 for an answer

    @property
    def client(self) -> Any:
        if self.retries:
            return self.gateway.client(self.service)
        return boto3.client(
            self.service,
            endpoint_url=self.gateway.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def model(self, operation: str) -> Any:
        return self.client.meta.service_model.operation_model(operation)

    def answer(self, operation: str, **members: Any) -> dict[str, Any]:
        """The whole answer of the operation, its status included."""
        shape = self.model(operation).input_shape
        for name, member in (shape.members if shape else {}).items():
            if member.serialization.get("location") == "uri" and name not in members:
                members[name] = self.ids.get(member.serialization["name"], "abcdef")
        result: dict[str, Any] = getattr(self.client, xform_name(operation))(**members)
        return result

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """What the operation answers, without what botocore adds."""
        answer = self.answer(operation, **members)
        del answer["ResponseMetadata"]
        return answer

    def make(self, operation: str, id_member: str, **members: Any) -> dict[str, Any]:
        """Like `call`, and later calls are about what it made."""
        answer = self.call(operation, **members)
        self.ids[id_member[0].lower() + id_member[1:]] = answer[id_member]
        return answer

    def refused(self, operation: str, **members: Any) -> Refusal:
        with pytest.raises(ClientError) as caught:
            self.answer(operation, **members)
        response: Any = caught.value.response
        status = response["ResponseMetadata"]["HTTPStatusCode"]
        return Refusal(type(caught.value).__name__, status, response["Error"]["Message"])

    def target(self, operation: str) -> str:
        """The request target of the operation, for raw requests."""
        path: str = self.model(operation).http["requestUri"]
        for name, value in {**UNKNOWN, **self.ids}.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return path


UNKNOWN = dict.fromkeys("vpclink_id api_Key usageplanId keyId clientcertificate_id resource_arn".split(), "abcdef")


def new_api(gateway: RunningGateway, **members: Any) -> World:
    """A WebSocket API with nothing in it."""
    world = World(gateway)
    world.make(
        "CreateApi",
        "ApiId",
        **{"Name": "chat", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action", **members},
    )
    return world


def domain(world: World) -> str:
    """A domain name that no other test uses."""
    name = f"{world.ids['apiId']}.example.com"
    world.make("CreateDomainName", "DomainName", DomainName=name)
    return name


def full_api(gateway: RunningGateway) -> World:
    """An API with one of everything; no route targets its integration, no stage serves its deployment."""
    world = new_api(gateway)
    parameter = "route.request.querystring.token"
    world.make("CreateRoute", "RouteId", RouteKey="other")
    world.ids["otherRouteId"] = world.ids["routeId"]
    world.make("CreateRoute", "RouteId", RouteKey="$connect", RequestParameters={parameter: {"Required": True}})
    world.make("CreateRouteResponse", "RouteResponseId", RouteResponseKey="$default")
    world.make("CreateIntegration", "IntegrationId", IntegrationType="MOCK")
    world.make("CreateIntegrationResponse", "IntegrationResponseId", IntegrationResponseKey="$default")
    world.make("CreateModel", "ModelId", Name="Order", Schema='{"type":"object"}')
    world.make(
        "CreateAuthorizer", "AuthorizerId", Name="auth", AuthorizerType="REQUEST", AuthorizerUri=LAMBDA_URI,
        IdentitySource=[],
    )  # fmt: skip
    world.make("CreateDeployment", "DeploymentId")
    world.make("CreateStage", "StageName", StageName="prod", RouteSettings={"other": {"ThrottlingBurstLimit": 5}})
    world.make("CreateVpcLink", "VpcLinkId", Name="link", SubnetIds=["subnet-1"])
    domain(world)
    world.make("CreateApiMapping", "ApiMappingId", ApiId=world.ids["apiId"], Stage="prod")
    world.ids["routeKey"] = "other"
    world.ids["requestParameterKey"] = parameter
    world.ids["resource-arn"] = f"arn:aws:apigateway:us-east-1::/apis/{world.ids['apiId']}"
    return world


def full_v1(gateway: RunningGateway) -> World:
    """One of everything that WebSocket APIs need of apigateway v1."""
    world = World(gateway, service="apigateway")
    ids = world.ids
    ids["vpclink_id"] = world.call("CreateVpcLink", name="n", targetArns=[BALANCER])["id"]
    ids["keyId"] = ids["api_Key"] = world.call("CreateApiKey", name="k")["id"]
    ids["usageplanId"] = world.call("CreateUsagePlan", name="p")["id"]
    world.call("CreateUsagePlanKey", keyId=ids["keyId"], keyType="API_KEY")
    ids["clientcertificate_id"] = world.call("GenerateClientCertificate")["clientCertificateId"]
    ids["resource_arn"] = f"arn:aws:apigateway:us-east-1::/vpclinks/{ids['vpclink_id']}"
    return world


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One HTTP connection to the gateway, for requests that no SDK sends."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)

    def send(
        self, method: str, target: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        data = body.encode() if isinstance(body, str) else body
        self._connection.request(method, target, data, dict(headers or {}))
        response = self._connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def close(self) -> None:
        self._connection.close()

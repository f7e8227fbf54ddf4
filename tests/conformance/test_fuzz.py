"""Whatever JSON stands in a body, an API answers with an error of its own, and serves on."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import RunningGateway, TestApi, mock

NAMES = st.sampled_from(
    "name protocolType routeSelectionExpression tags routeKey target requestParameters requestModels integrationType "
    "integrationUri integrationMethod requestTemplates timeoutInMillis schema authorizerUri identitySource stageName "
    "stageVariables deploymentId autoDeploy defaultRouteSettings responseTemplates integrationResponseKey targetArns "
    "FunctionName Runtime Handler Role Code Environment Timeout MemorySize".split()
)
TEXTS = st.sampled_from(
    ["", "$default", "$connect", "WEBSOCKET", "MOCK", "AWS_PROXY", "HTTP_PROXY", "http://[", "REQUEST",
     "arn:aws:apigateway:x:y:path/z", "$request.body.a", "${request.body.a", "/(((/", "/a{99999999999999}/", "#if(",
     "#set($x = " + "9" * 5000 + ")", "\u0000", "\u00b2", "x" * 3000]
) | st.text(max_size=20)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=6)


@pytest.fixture(scope="module")
def api(gateway: RunningGateway) -> TestApi:
    return gateway.api({"ping": mock("pong", two_way=True)})


PATHS = [
    "/v2/apis", "/v2/apis/{api}/routes", "/v2/apis/{api}/integrations", "/v2/apis/{api}/models",
    "/v2/apis/{api}/authorizers", "/v2/apis/{api}/stages", "/v2/apis/{api}/deployments",
    "/v2/apis/{api}/integrations/{integration}/integrationresponses",
    "/v2/domainnames", "/v2/vpclinks", "/vpclinks", "/apikeys", "/usageplans", "/2015-03-31/functions",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_body_is_an_error_of_the_gateway_itself(api: TestApi, path: str) -> None:
    target = path.format(api=api.id, integration=api.integrations["ping"])
    connection = http.client.HTTPConnection("127.0.0.1", api.gateway.port, timeout=10)

    @settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BODIES)
    def post(body: dict[str, Any]) -> None:
        connection.request("POST", target, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status < 500, body

    post()
    connection.close()
    with api.connect() as client:
        client.send('{"action":"ping"}')
        assert client.recv(5) == "pong"

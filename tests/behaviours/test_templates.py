"""Mapping templates at work in a route: request, response, overrides, and refusal when they are saved."""

from __future__ import annotations

import json
import re

import pytest

from tests.behaviours.test_connect import refused
from tests.support import RunningGateway, mock


def test_a_mock_answers_from_the_message(gateway: RunningGateway) -> None:
    request = '#set($n = $input.path(\'$.n\'))#if($n > 1){"statusCode": 200}#else{"statusCode": 404}#end'
    responses = [
        {"IntegrationResponseKey": "200", "ResponseTemplates": {"$default": '{"id":"$context.connectionId"}'}},
        {"IntegrationResponseKey": "404", "ResponseTemplates": {"$default": "no $stageVariables.env [$input.body]"}},
    ]
    integration = mock(RequestTemplates={"$default": request}, responses=responses, two_way=True)
    api = gateway.api({"$default": integration}, variables={"env": "test"})
    with api.connect() as client:
        client.send('{"n": 2}')
        assert json.loads(client.recv(5))["id"] == api.connection_ids()[0]
        client.send('{"n": 1}')
        assert client.recv(5) == "no test [{}]"


def test_what_the_request_template_sets_the_response_template_sees(gateway: RunningGateway) -> None:
    request = '#set($context.requestOverride.header.who = $input.path("$.who")){"statusCode": 200}'
    responses = [
        {
            "IntegrationResponseKey": "$default",
            "ResponseTemplates": {"$default": "$context.requestOverride.header.who"},
        }
    ]
    integration = mock(RequestTemplates={"$default": request}, responses=responses, two_way=True)
    with gateway.api({"$default": integration}).connect() as client:
        client.send('{"who": "Ada"}')
        assert client.recv(5) == "Ada"


def test_a_template_that_fails_is_an_internal_server_error(gateway: RunningGateway) -> None:
    responses = [
        {"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": "$context.stage.substring(99)"}}
    ]
    with gateway.api({"$default": mock(responses=responses, two_way=True)}).connect() as client:
        client.send("x")
        assert json.loads(client.recv(5))["message"] == "Internal server error"


def test_the_connect_template_sees_the_handshake_and_decides_by_override(gateway: RunningGateway) -> None:
    template = (
        '#if($input.params("token") != "good")#set($context.responseOverride.status = 401)#end$input.params("Auth")'
    )
    responses = [{"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": template}}]
    api = gateway.api({"$connect": mock(responses=responses)})
    with api.connect("?token=good"):
        pass
    code, _, body = refused(api, "?token=bad", additional_headers={"Auth": "secret"})
    assert (code, body) == (401, "secret")


@pytest.mark.parametrize("member", ["RequestTemplates", "ResponseTemplates"])
def test_a_template_that_does_not_parse_is_refused_when_it_is_saved(gateway: RunningGateway, member: str) -> None:
    v2 = gateway.client("apigatewayv2")
    api = gateway.api({"$default": mock()})
    members = {"ApiId": api.id, member: {"$default": "line one\n  #if(true"}}
    if member == "RequestTemplates":
        create, more = v2.create_integration, {"IntegrationType": "MOCK"}
    else:
        create = v2.create_integration_response
        more = {"IntegrationId": api.integrations["$default"], "IntegrationResponseKey": "200"}
    with pytest.raises(v2.exceptions.BadRequestException, match=re.escape("line 2, column 11")):
        create(**members, **more)

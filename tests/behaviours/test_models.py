"""Request models: which one checks a message, what a client hears when it does not fit (spec 1.9, 3.6, 3.9)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.behaviours.functions import OBEDIENT
from tests.behaviours.test_connect import refused
from tests.support import Backend, Lines, RunningGateway, TestApi, error, eventually, mock, proxy, silent

FRAME = re.compile(
    r'\{"message" : "Bad request body", "connectionId": "([A-Za-z0-9_-]{15}=)", "messageId": "([A-Za-z0-9_-]{15}=)"\}'
)
REFERENCE = "https://apigateway.amazonaws.com/restapis/"
ALWAYS = {"ModelSelectionExpression": "any", "RequestModels": {"any": "Join"}}
JOIN = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "title": "Join",
    "type": "object",
    "required": ["room"],
    "properties": {"room": {"type": "string"}, "seats": {"type": "integer", "minimum": 1}},
}


def modelled(
    gateway: RunningGateway,
    models: Mapping[str, Any],
    route: Mapping[str, Any] = ALWAYS,
    integration: Mapping[str, Any] | None = None,
    *,
    key: str = "$default",
    disabled: bool = False,
    deployed: bool = True,
) -> TestApi:
    """An API whose route `key` has `models`: schemas by name, or texts that may be none."""
    api = gateway.api({"other": mock("other", two_way=True)})
    v2 = gateway.client("apigatewayv2")
    if disabled:
        v2.update_api(ApiId=api.id, DisableSchemaValidation=True)
    for name, schema in models.items():
        text = schema if isinstance(schema, str) else json.dumps(schema)
        v2.create_model(ApiId=api.id, Name=name, ContentType="application/json", Schema=text)
    api.add_route(key, {**(integration or mock("fits", two_way=True)), "route": dict(route)})
    if deployed:
        api.deploy()
    return api


def bad(frame: str | bytes) -> str:
    """The connection id in the frame of a body that does not fit, whose layout is checked to the letter."""
    match = FRAME.fullmatch(str(frame))
    assert match, frame
    return match[1]


@pytest.fixture(scope="module")
def joining(gateway: RunningGateway) -> TestApi:
    return modelled(gateway, {"Join": JOIN})


@pytest.mark.parametrize("body", ['{"room":"a"}', '{"room":"a","seats":1}', ' {"room":"", "more":null}\n'])
def test_a_body_that_fits_reaches_the_integration(joining: TestApi, body: str) -> None:
    with joining.connect() as client:
        client.send(body)
        assert client.recv(5) == "fits"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{}", '[object has missing required properties (["room"])]'),
        (
            '{"room":7}',
            '[instance type (integer) does not match any allowed primitive type (allowed: ["string"])]',
        ),
        (
            '{"seats":0}',
            '[object has missing required properties (["room"]), '
            "numeric instance is lower than the required minimum (minimum: 1, found: 0)]",
        ),
        ("[]", '[instance type (array) does not match any allowed primitive type (allowed: ["object"])]'),
        ("null", '[instance type (null) does not match any allowed primitive type (allowed: ["object"])]'),
        ('"room"', '[instance type (string) does not match any allowed primitive type (allowed: ["object"])]'),
        ("", "[the body is not JSON]"),
        ("room", "[the body is not JSON]"),
        ("{'room':'a'}", "[the body is not JSON]"),
        ('{"room":"a"} x', "[the body is not JSON]"),
        ('\ufeff{"room":"a"}', "[the body is not JSON]"),
    ],
)
def test_a_body_that_does_not_fit_is_told_to_the_client_and_explained_in_the_log(
    joining: TestApi, body: str, text: str
) -> None:
    with joining.connect() as client, Lines() as found:
        client.send(body)
        assert bad(client.recv(5)) == joining.connection_ids()[0]
        client.send('{"room":"a"}')
        assert client.recv(5) == "fits"
    [failure] = found.of("failed")
    assert failure["type"] == "BAD_REQUEST_BODY"
    assert failure["route"] == "$default"
    assert failure["error"] == f"model Join: {text}"


def test_each_refused_message_has_an_id_of_its_own(joining: TestApi) -> None:
    with joining.connect() as client:
        client.send("1")
        client.send("2")
        frames = [FRAME.fullmatch(str(client.recv(5))) for _ in range(2)]
    assert len({frame[2] for frame in frames if frame}) == 2


# Which model


TEXT, NUMBER, ANY = {"required": ["text"]}, {"required": ["number"]}, {"required": ["any"]}


@pytest.mark.parametrize(
    ("expression", "models", "body", "fits"),
    [
        ("${request.body.kind}", {"t": "Text", "n": "Number"}, '{"kind":"t","text":1}', True),
        ("${request.body.kind}", {"t": "Text", "n": "Number"}, '{"kind":"t","number":1}', False),
        ("${request.body.kind}", {"t": "Text", "n": "Number"}, '{"kind":"n","number":1}', True),
        ("${request.body.kind}", {"t": "Text", "n": "Number"}, '{"kind":"x","text":1}', False),
        ("${request.body.kind}", {"t": "Text", "n": "Number"}, '{"text":1}', False),
        ("${request.body.kind}", {"t": "Text", "$default": "Any"}, '{"kind":"x","any":1}', True),
        ("${request.body.kind}", {"t": "Text", "$default": "Any"}, '{"kind":"t","any":1}', False),
        ("${request.body.kind}", {"t": "Text", "$default": "Any"}, "not json", False),
        ("${request.body.a}/${request.body.b}", {"x/y": "Text"}, '{"a":"x","b":"y","text":1}', True),
        ("${request.body.a}/${request.body.b}", {"x/y": "Text"}, '{"a":"x","text":1}', False),
        ("$request.body.data.kind", {"t": "Text"}, '{"data":{"kind":"t"},"text":1}', True),
        ("$default", {"$default": "Any"}, '{"any":1}', True),
        ("\\$default", {"$default": "Any"}, "{}", False),
        ("fixed", {"fixed": "Number", "$default": "Any"}, '{"number":1}', True),
        ("fixed", {}, "{}", False),
        (None, {"$default": "Any"}, "{}", True),
        (None, {"$default": "Any"}, "not json", True),
    ],
)
def test_the_model_is_selected_by_the_expression_or_it_is_that_of_the_default_key(
    gateway: RunningGateway, expression: str | None, models: dict[str, str], body: str, fits: bool
) -> None:
    route: dict[str, Any] = {"RequestModels": models}
    if expression is not None:
        route["ModelSelectionExpression"] = expression
    api = modelled(gateway, {"Text": TEXT, "Number": NUMBER, "Any": ANY}, route)
    with api.connect() as client:
        client.send(body)
        frame = client.recv(5)
        assert frame == "fits" if fits else bad(frame)


def test_a_key_without_a_model_is_named_in_the_log(gateway: RunningGateway) -> None:
    route = {"ModelSelectionExpression": "${request.body.kind}", "RequestModels": {"t": "Text"}}
    with modelled(gateway, {"Text": TEXT}, route).connect() as client, Lines() as found:
        client.send('{"kind":"nobody"}')
        assert bad(client.recv(5))
    assert "'nobody'" in found.failure


def test_a_model_without_a_schema_takes_any_json(gateway: RunningGateway) -> None:
    api = modelled(gateway, {"Join": ""})
    with api.connect() as client:
        client.send("[1]")
        assert client.recv(5) == "fits"
        client.send("no json")
        assert bad(client.recv(5))


# Integrations


@pytest.mark.parametrize("two_way", [True, False], ids=["two-way", "one-way"])
@pytest.mark.parametrize("kind", ["HTTP", "HTTP_PROXY"])
def test_an_http_backend_only_hears_of_bodies_that_fit(gateway: RunningGateway, kind: str, two_way: bool) -> None:
    with Backend(lambda seen: (200, {}, b"called")) as backend:
        integration = {
            "IntegrationType": kind, "IntegrationMethod": "POST", "IntegrationUri": backend.url, "two_way": two_way,
            "responses": [{"IntegrationResponseKey": "$default"}],
        }  # fmt: skip
        with modelled(gateway, {"Join": JOIN}, integration=integration).connect() as client:
            client.send('{"seats":1}')
            assert bad(client.recv(5))
            client.send('{"room":"a"}')
            if two_way:
                assert client.recv(5) == "called"
            else:
                eventually(lambda: backend.seen)
        assert [seen.body for seen in backend.seen] == [b'{"room":"a"}']


def test_a_function_only_hears_of_bodies_that_fit(gateway: RunningGateway) -> None:
    arn = gateway.function("modelled", OBEDIENT)
    api = modelled(gateway, {"Join": JOIN}, integration=proxy(arn, two_way=True))
    answer = {"statusCode": 200, "body": "called"}
    with api.connect() as client:
        client.send(json.dumps({"answer": answer}))
        assert bad(client.recv(5))
        client.send(json.dumps({"answer": answer, "room": "a"}))
        assert client.recv(5) == "called"


def test_a_one_way_mock_tells_what_does_not_fit_and_nothing_else(gateway: RunningGateway) -> None:
    with modelled(gateway, {"Join": JOIN}, integration=mock("dropped")).connect() as client:
        client.send("{}")
        assert bad(client.recv(5))
        client.send('{"room":"a"}')
        assert silent(client)


def test_the_model_checks_the_message_and_not_what_the_template_makes_of_it(gateway: RunningGateway) -> None:
    integration = mock("fits", RequestTemplates={"$default": '{"statusCode": 200, "room": "a"}'}, two_way=True)
    with modelled(gateway, {"Join": JOIN}, integration=integration).connect() as client:
        client.send("{}")
        assert bad(client.recv(5))


def test_connect_and_disconnect_are_not_checked(gateway: RunningGateway) -> None:
    with Backend(lambda seen: (200, {}, b"")) as backend:
        integration = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "POST", "IntegrationUri": backend.url}
        api = modelled(gateway, {"Join": JOIN}, integration=integration, key="$disconnect")
        api.add_route("$connect", {**mock(), "route": dict(ALWAYS)})
        api.deploy()
        with api.connect():
            pass
        eventually(lambda: backend.seen)


def test_only_the_route_with_the_expression_is_checked(joining: TestApi) -> None:
    with joining.connect() as client:
        client.send('{"action":"other"}')
        assert client.recv(5) == "other"


# References


@pytest.mark.parametrize("api_id", ["abc123", "another-api", "x"])
def test_a_model_may_refer_to_another_of_its_api_whatever_id_the_reference_names(
    gateway: RunningGateway, api_id: str
) -> None:
    order = {"properties": {"join": {"$ref": f"{REFERENCE}{api_id}/models/Join"}}}
    route = {**ALWAYS, "RequestModels": {"any": "Order"}}
    with modelled(gateway, {"Order": order, "Join": JOIN}, route).connect() as client:
        client.send('{"join":{"room":"a"}}')
        assert client.recv(5) == "fits"
        client.send('{"join":{}}')
        assert bad(client.recv(5))


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ('{"name":"root"}', True),
        ('{"name":"root","branches":[{"weight":1,"tree":{"name":"a"}},{"weight":2}]}', True),
        ('{"name":"root","branches":[{"weight":1,"tree":{"name":"a","branches":[{"weight":"x"}]}}]}', False),
        ('{"name":"root","branches":[{"tree":{"name":"a"}}]}', False),
        ('{"name":"root","branches":[{"weight":1,"tree":{}}]}', False),
    ],
)
def test_models_may_refer_to_each_other_in_turn(gateway: RunningGateway, body: str, fits: bool) -> None:
    tree = {
        "type": "object",
        "required": ["name"],
        "properties": {"branches": {"type": "array", "items": {"$ref": f"{REFERENCE}me/models/Branch"}}},
    }
    branch = {
        "type": "object",
        "required": ["weight"],
        "properties": {"weight": {"$ref": "#/definitions/number"}, "tree": {"$ref": f"{REFERENCE}me/models/Tree"}},
        "definitions": {"number": {"type": "number"}},
    }
    api = modelled(gateway, {"Tree": tree, "Branch": branch}, {**ALWAYS, "RequestModels": {"any": "Tree"}})
    with api.connect() as client:
        client.send(body)
        frame = client.recv(5)
        assert frame == "fits" if fits else bad(frame)


# Deployment


BROKEN = [
    pytest.param({"type": "strin"}, id="no such type"),
    pytest.param({"properties": {"a": {"pattern": "("}}}, id="no pattern"),
    pytest.param({"required": "a"}, id="required is no list"),
    pytest.param({"minLength": -1}, id="negative length"),
    pytest.param({"$ref": f"{REFERENCE}me/models/Nobody"}, id="no such model"),
    pytest.param({"$ref": "#/definitions/nothing"}, id="no such definition"),
    pytest.param({"$ref": "http://127.0.0.1:9/schema"}, id="a reference elsewhere"),
    pytest.param({"allOf": [{"$ref": "#"}]}, id="without an end"),
]


@pytest.mark.parametrize("schema", BROKEN)
def test_a_schema_that_is_none_cannot_be_deployed_and_the_error_names_its_model(
    gateway: RunningGateway, schema: dict[str, Any]
) -> None:
    api = modelled(gateway, {"Good": {}, "Join": schema}, deployed=False)
    with pytest.raises(gateway.client("apigatewayv2").exceptions.BadRequestException, match="Join"):
        api.deploy()


@pytest.mark.parametrize("schema", [*BROKEN, pytest.param("{no json", id="no JSON")])
def test_without_schema_validation_it_is_deployed_and_the_messages_it_would_check_fail(
    gateway: RunningGateway, schema: Any
) -> None:
    api = modelled(gateway, {"Join": schema}, disabled=True)
    with api.connect() as client, Lines() as found:
        client.send("{}")
        assert error(client.recv(5)) == "Internal server error"
        client.send('{"action":"other"}')
        assert client.recv(5) == "other"
    assert "Join" in found.failure
    assert found.of("failed", type="API_CONFIGURATION_ERROR")


@pytest.mark.parametrize("text", ["{no json", "[1]", '"text"', "[" * 10_000])
def test_a_schema_that_is_no_json_object_is_refused_when_it_is_saved(gateway: RunningGateway, text: str) -> None:
    v2 = gateway.client("apigatewayv2")
    api = modelled(gateway, {"Join": JOIN})
    with pytest.raises(v2.exceptions.BadRequestException, match="Other"):
        v2.create_model(ApiId=api.id, Name="Other", ContentType="application/json", Schema=text)
    [model] = [each for each in v2.get_models(ApiId=api.id)["Items"] if each["Name"] == "Join"]
    with pytest.raises(v2.exceptions.BadRequestException, match="Join"):
        v2.update_model(ApiId=api.id, ModelId=model["ModelId"], Schema=text)


def test_a_route_whose_model_does_not_exist_cannot_be_deployed(gateway: RunningGateway) -> None:
    api = modelled(gateway, {}, deployed=False)
    with pytest.raises(gateway.client("apigatewayv2").exceptions.BadRequestException, match=r"\$default.*Join"):
        api.deploy()


def test_a_change_of_a_model_is_not_live_until_it_is_deployed(gateway: RunningGateway) -> None:
    api = modelled(gateway, {"Join": JOIN})
    v2 = gateway.client("apigatewayv2")
    [model] = v2.get_models(ApiId=api.id)["Items"]
    with api.connect() as client:
        v2.update_model(ApiId=api.id, ModelId=model["ModelId"], Schema='{"required":["seat"]}')
        client.send('{"room":"a"}')
        assert client.recv(5) == "fits"
        api.deploy()
        client.send('{"room":"a"}')
        assert bad(client.recv(5))
        client.send('{"seat":1}')
        assert client.recv(5) == "fits"
        v2.delete_model(ApiId=api.id, ModelId=model["ModelId"])
        client.send('{"seat":1}')
        assert client.recv(5) == "fits"
        with pytest.raises(v2.exceptions.BadRequestException, match="Join"):
            api.deploy()


def test_a_handshake_is_refused_as_ever_where_there_are_models(gateway: RunningGateway) -> None:
    api = modelled(gateway, {"Join": JOIN}, integration=mock("no", status=403), key="$connect")
    assert refused(api)[::2] == (403, "no")


# Bodies that would cost a lot


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, '{"room":' * 120 + "1" + "}" * 120, '{"room":' + "1" * 100_000 + "}", '{"room":"\\ud800"}',
     '{"room":1e999}', '{"seats":' + "-" * 1000 + "1}"],
    ids=["deep", "nested", "a huge number", "half a character", "infinite", "no number"],
)  # fmt: skip
def test_a_hostile_body_is_a_bad_body_and_the_connection_lives_on(joining: TestApi, body: str) -> None:
    with joining.connect() as client:
        client.send([body[at : at + 30_000] for at in range(0, len(body), 30_000)])
        assert bad(client.recv(5))
        client.send('{"room":"a"}')
        assert client.recv(5) == "fits"


def test_a_body_that_a_pattern_gives_up_on_is_a_bad_body(gateway: RunningGateway) -> None:
    schema = {"properties": {"room": {"pattern": "(a|a)*\\1$"}}}
    with modelled(gateway, {"Join": schema}).connect() as client:
        client.send(json.dumps({"room": "a" * 5000 + "b"}))
        assert bad(client.recv(5))


def test_models_are_compiled_once_for_a_deployment_whatever_becomes_of_its_stage(gateway: RunningGateway) -> None:
    api = modelled(gateway, {"Join": JOIN}, deployed=True)

    def checks() -> Any:
        handle = gateway.run(gateway.gateway.catalog.find(api.id, api.stage))
        assert handle is not None
        assert handle.current is not None
        return handle.current.checks

    with api.connect() as client:
        before = checks()
        gateway.client("apigatewayv2").update_stage(ApiId=api.id, StageName=api.stage, StageVariables={"a": "b"})
        assert eventually(checks) is before
        client.send("{}")
        assert bad(client.recv(5))
        api.deploy()
        assert checks() is not before

"""MOCK integrations: the request template decides the status, the status decides the answer (spec 4.8, 4.10, 6.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.behaviours.test_connect import FRAME, refused
from tests.support import Lines, RunningGateway, TestApi, error, mock, silent

UNREADABLE = "Unable to parse statusCode. It should be an integer that is defined in the request template."


def response(key: str, text: str | None = None, **members: Any) -> dict[str, Any]:
    """An integration response; without a text it has no template."""
    templates = {} if text is None else {"ResponseTemplates": {"$default": text}}
    return {"IntegrationResponseKey": key, **templates, **members}


def answering(
    gateway: RunningGateway, request: str, responses: Sequence[dict[str, Any]], key: str = "$default", **members: Any
) -> TestApi:
    """An API whose route `key` is a MOCK with one request template."""
    members = {"RequestTemplates": {"$default": request}, "two_way": True, **members}
    return gateway.api({key: mock(responses=responses, **members)}, variables={"env": "test"})


def reply(api: TestApi, message: str = "{}") -> str:
    with api.connect() as client:
        client.send(message)
        return str(client.recv(5))


# A template that no message can change is rendered once, one that may change for each message.
both = pytest.mark.parametrize("prefix", ["", "#set($x = $input.body)"], ids=["constant", "rendered"])


@both
@pytest.mark.parametrize(
    ("template", "status"),
    [
        ('{"statusCode": 200}', 200),
        ('{"statusCode":201}', 201),
        ("{statusCode: 404}", 404),
        ("{'statusCode': 503}", 503),
        (' \n{"statusCode": 200, "other": {"a": [1]}}\n', 200),
        ('{"other": 1, "statusCode": 100}', 100),
        ('{"statusCode": 599}', 599),
    ],
)
def test_the_status_is_the_integer_of_the_template(
    gateway: RunningGateway, prefix: str, template: str, status: int
) -> None:
    api = answering(gateway, prefix + template, [response("$default", "other"), response(str(status), "this one")])
    assert reply(api) == "this one"


@both
@pytest.mark.parametrize(
    "template",
    [
        '{"statusCode": "200"}',
        '{"statusCode": 200.0}',
        '{"statusCode": 2e2}',
        '{"statusCode": true}',
        '{"statusCode": null}',
        '{"statusCode": [200]}',
        '{"statusCode": 99}',
        '{"statusCode": 600}',
        '{"statusCode": -200}',
        '{"statusCode": 20000000000000000000000}',
        '{"StatusCode": 200}',
        '{"other": 200}',
        "{}",
        '[{"statusCode": 200}]',
        '"statusCode"',
        "200",
        "statusCode",
        "",
    ],
)
@pytest.mark.parametrize("two_way", [True, False], ids=["two-way", "one-way"])
def test_a_template_without_such_a_status_is_an_internal_server_error_on_any_route(
    gateway: RunningGateway, prefix: str, template: str, two_way: bool
) -> None:
    api = answering(gateway, prefix + template, [response("$default", "x")], two_way=two_way)
    with Lines() as found:
        assert error(reply(api)) == "Internal server error"
    assert found.failure == UNREADABLE


# Passthrough: T, requestTemplates has entries; M, one of them matches


MATCHED, UNMATCHED, NONE = {"$default": '{"statusCode": 201}'}, {"text/plain": '{"statusCode": 201}'}, dict[str, str]()


@pytest.mark.parametrize(
    ("templates", "behavior", "answer"),
    [
        (MATCHED, "WHEN_NO_MATCH", "template"),
        (MATCHED, "WHEN_NO_TEMPLATES", "template"),
        (MATCHED, "NEVER", "template"),
        (MATCHED, None, "template"),
        (UNMATCHED, "WHEN_NO_MATCH", "body"),
        (UNMATCHED, "WHEN_NO_TEMPLATES", "Unsupported Media Type"),
        (UNMATCHED, "NEVER", "Unsupported Media Type"),
        (UNMATCHED, None, "body"),
        (NONE, "WHEN_NO_MATCH", "body"),
        (NONE, "WHEN_NO_TEMPLATES", "body"),
        (NONE, "NEVER", "Unsupported Media Type"),
        (NONE, None, "body"),
        ({"application/json": '{"statusCode": 201}'}, "NEVER", "template"),
        ({"application/json": '{"statusCode": 202}', **MATCHED}, "NEVER", "template"),
        ({"$default": ""}, "NEVER", "Internal server error"),
    ],
)
@pytest.mark.parametrize("two_way", [True, False], ids=["two-way", "one-way"])
def test_a_message_without_a_template_passes_or_is_refused(
    gateway: RunningGateway, templates: dict[str, str], behavior: str | None, answer: str, two_way: bool
) -> None:
    members = {"PassthroughBehavior": behavior} if behavior else {}
    responses = [response("201", "template"), response("202", "body")]
    api = answering(gateway, "", responses, RequestTemplates=templates, two_way=two_way, **members)
    with api.connect() as client:
        client.send('{"statusCode": 202}')
        if answer in ("template", "body") and not two_way:
            assert silent(client)
            return
        frame = str(client.recv(5))
    assert (error(frame) if frame.startswith("{") else frame) == answer


@pytest.mark.parametrize(
    ("expression", "message", "answer"),
    [
        ("pong", "x", "pong"),
        ("${request.body.kind}", '{"kind":"pong"}', "pong"),
        ("${request.body.kind}", '{"kind":"ping"}', "default"),
        ("${request.body.kind}", "no json", "default"),
        ("\\$default", "x", "default"),
        ("${request.body.a}${request.body.b}", '{"a":"po","b":"ng"}', "pong"),
    ],
)
def test_the_request_template_is_selected_by_the_expression(
    gateway: RunningGateway, expression: str, message: str, answer: str
) -> None:
    templates = {"pong": '{"statusCode": 200}', "$default": '{"statusCode": 404}', "application/json": "{}"}
    responses = [response("200", "pong"), response("404", "default")]
    api = answering(gateway, "", responses, RequestTemplates=templates, TemplateSelectionExpression=expression)
    assert reply(api, message) == answer


def test_an_expression_that_selects_no_template_passes_the_message(gateway: RunningGateway) -> None:
    api = answering(
        gateway,
        "",
        [response("203", "body")],
        RequestTemplates={"other": "{}"},
        TemplateSelectionExpression="none",
    )
    assert reply(api, '{"statusCode": 203}') == "body"


# Integration responses


@pytest.mark.parametrize(
    ("keys", "status", "answer"),
    [
        (["$default", "200"], 200, "200"),
        (["$default", "/200/"], 200, "/200/"),
        (["$default", r"/2\d{2}/"], 204, r"/2\d{2}/"),
        (["$default", r"/2\d/"], 204, "$default"),
        (["$default", "/04/"], 404, "$default"),
        (["$default", "/(4|5).*/"], 503, "/(4|5).*/"),
        (["$default", "/[^2].+/"], 302, "/[^2].+/"),
        (["/4../", "/40./", "404"], 404, "/4../"),
        (["404", "/40./", "/4../"], 404, "404"),
        (["/.*/", "$default"], 200, "/.*/"),
        (["$default", "2.."], 200, "$default"),
        (["$default"], 200, "$default"),
    ],
)
@both
def test_the_first_integration_response_that_fits_the_status_answers(
    gateway: RunningGateway, prefix: str, keys: list[str], status: int, answer: str
) -> None:
    responses = [response(key, f"number {number}") for number, key in enumerate(keys)]
    frame = reply(answering(gateway, f'{prefix}{{"statusCode": {status}}}', responses))
    assert frame == f"number {keys.index(answer)}"


@both
@pytest.mark.parametrize("keys", [[], ["404"], ["/5../"]])
def test_where_none_fits_it_is_an_internal_server_error_on_a_two_way_route_alone(
    gateway: RunningGateway, prefix: str, keys: list[str]
) -> None:
    responses = [response(key, "no") for key in keys]
    with Lines() as found:
        assert error(reply(answering(gateway, f'{prefix}{{"statusCode": 200}}', responses))) == "Internal server error"
    assert "200" in found.failure
    api = answering(gateway, f'{prefix}{{"statusCode": 200}}', responses, two_way=False)
    with api.connect() as client, Lines() as found:
        client.send("{}")
        assert silent(client)
    assert not found.of("failed")


@pytest.mark.parametrize(
    ("template", "frame"),
    [
        ("[$input.body]", "[{}]"),
        ("[$input.json('$')]", "[{}]"),
        ("[$input.json('$.secret')]", '[""]'),
        ("[$input.path('$.secret')]", "[]"),
        ("[$input.params('secret')]", "[]"),
        ("$context.eventType $stageVariables.env", "MESSAGE test"),
        ("$context.requestOverride.header.who", "Ada"),
        ("$context.requestOverride.querystring.q/$context.requestOverride.path.p", "1/2"),
        ("[$here]", "[]"),
    ],
)
def test_the_response_template_sees_an_empty_answer_and_what_the_request_template_overrode(
    gateway: RunningGateway, template: str, frame: str
) -> None:
    request = (
        '#set($here = 1)#set($context.requestOverride.header.who = $input.path("$.who"))'
        '#set($context.requestOverride.querystring.q = "1")#set($context.requestOverride.path.p = "2")'
        '{"statusCode": 200}'
    )
    api = answering(gateway, request, [response("$default", template)])
    assert reply(api, '{"who": "Ada", "secret": "seen by none"}') == frame


@pytest.mark.parametrize(
    "members",
    [{}, {"ResponseTemplates": {"text/plain": "x"}}, {"ResponseTemplates": {"$default": ""}}],
    ids=["no template", "none that fits", "an empty template"],
)
@both
def test_an_empty_answer_sends_nothing(gateway: RunningGateway, prefix: str, members: dict[str, Any]) -> None:
    api = answering(gateway, f'{prefix}{{"statusCode": 200}}', [response("$default", **members)])
    with api.connect() as client:
        client.send("{}")
        assert silent(client)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        (None, "default"),
        ("${integration.response.statuscode}", "404"),
        ("$integration.response.statuscode", "404"),
        ("${request.body.kind}", "good"),
        ("fixed", "fixed"),
        ("${request.body.nothing}", "default"),
        ("${integration.response.header.x}", "default"),
        ("application/json", "json"),
    ],
)
def test_the_response_template_is_selected_by_the_expression(
    gateway: RunningGateway, expression: str | None, answer: str
) -> None:
    members = {} if expression is None else {"TemplateSelectionExpression": expression}
    templates = {"404": "404", "good": "good", "fixed": "fixed", "$default": "default", "application/json": "json"}
    responses = [response("/4../", ResponseTemplates=templates, **members)]
    assert reply(answering(gateway, '{"statusCode": 404}', responses), '{"kind":"good"}') == answer


def test_a_response_template_may_be_that_of_json(gateway: RunningGateway) -> None:
    responses = [response("$default", ResponseTemplates={"application/json": "json"})]
    assert reply(answering(gateway, '{"statusCode": 200}', responses)) == "json"


@pytest.mark.parametrize(
    ("handling", "text", "frame"),
    [
        ("CONVERT_TO_BINARY", "aGk=", "hi"),
        ("CONVERT_TO_BINARY", " aG\nk= ", "hi"),
        ("CONVERT_TO_BINARY", "/w==", "\ufffd"),
        ("CONVERT_TO_TEXT", "plain", "plain"),
    ],
)
def test_the_output_of_the_template_is_converted(gateway: RunningGateway, handling: str, text: str, frame: str) -> None:
    responses = [response("$default", text, ContentHandlingStrategy=handling)]
    assert reply(answering(gateway, '{"statusCode": 200}', responses)) == frame


@pytest.mark.parametrize("text", ["no base64!", "aGk", "aGk_"])
def test_output_that_is_no_base64_is_an_internal_server_error(gateway: RunningGateway, text: str) -> None:
    responses = [response("$default", text, ContentHandlingStrategy="CONVERT_TO_BINARY")]
    assert error(reply(answering(gateway, '{"statusCode": 200}', responses))) == "Internal server error"


@pytest.mark.parametrize("status", [200, 404])
def test_the_response_template_sees_the_status(gateway: RunningGateway, status: int) -> None:
    api = answering(gateway, f'{{"statusCode": {status}}}', [response("$default", "status $context.status")])
    assert reply(api) == f"status {status}"


def test_request_parameters_are_stored_and_ignored(gateway: RunningGateway) -> None:
    parameters = {"integration.request.header.Content-Length": "'7'"}
    api = answering(gateway, '{"statusCode": 200}', [response("$default", "yes")], RequestParameters=parameters)
    assert reply(api) == "yes"


def test_the_pong_of_public_templates_works(gateway: RunningGateway) -> None:
    integration = {
        "IntegrationType": "MOCK",
        "RequestTemplates": {"200": '{"statusCode":200}'},
        "TemplateSelectionExpression": "200",
        "responses": [response("/200/", '{"type":"pong"}')],
        "two_way": True,
    }
    assert reply(gateway.api({"ping": integration}), '{"action":"ping"}') == '{"type":"pong"}'


# One-way


@pytest.mark.parametrize("responses", [[], [response("$default", "dropped")]], ids=["no responses", "a response"])
@both
def test_a_one_way_mock_is_silent(gateway: RunningGateway, prefix: str, responses: list[dict[str, Any]]) -> None:
    api = answering(gateway, f'{prefix}{{"statusCode": 200}}', responses, two_way=False)
    with api.connect() as client, Lines() as found:
        client.send("{}")
        assert silent(client)
    assert not found.of("failed")


# $connect


@pytest.mark.parametrize("status", [200, 204, 299])
@both
def test_a_mock_accepts_a_handshake(gateway: RunningGateway, prefix: str, status: int) -> None:
    api = answering(gateway, f'{prefix}{{"statusCode": {status}}}', [response("$default", "dropped")], "$connect")
    with api.connect() as client:
        assert client.response is not None
        assert client.response.status_code == 101
        assert silent(client)


@pytest.mark.parametrize("status", [301, 403, 404, 500, 599])
@both
def test_a_mock_refuses_a_handshake_with_its_mapped_body(gateway: RunningGateway, prefix: str, status: int) -> None:
    responses = [response("$default", "no"), response(str(status), '{"why": "$context.routeKey"}')]
    code, _, body = refused(answering(gateway, f'{prefix}{{"statusCode": {status}}}', responses, "$connect"))
    assert (code, json.loads(body)) == (status, {"why": "$connect"})


def test_the_connect_template_reads_the_handshake(gateway: RunningGateway) -> None:
    request = '#if($input.params("token") == "good"){"statusCode": 200}#else{"statusCode": 401}#end'
    responses = [response("200"), response("401", "who are you?")]
    api = answering(gateway, request, responses, "$connect")
    with api.connect("?token=good"):
        pass
    assert refused(api, "?token=bad")[::2] == (401, "who are you?")


@pytest.mark.parametrize("status", [200, 403])
def test_response_parameters_become_headers_of_the_handshakes_answer(gateway: RunningGateway, status: int) -> None:
    parameters = {
        "method.response.header.X-Static": "'fixed'",
        "route.response.header.X-Stage": "stageVariables.env",
        "method.response.header.X-Key": "context.routeKey",
        "method.response.header.X-Absent": "integration.response.header.nothing",
        "method.response.header.X-None": "integration.response.body.nothing",
    }
    responses = [response("$default", "no", ResponseParameters=parameters)]
    api = answering(gateway, f'{{"statusCode": {status}}}', responses, "$connect")
    if status == 403:
        headers = refused(api)[1]
    else:
        with api.connect() as client:
            assert client.response is not None
            headers = {name.lower(): value for name, value in client.response.headers.raw_items()}
    found = {name: value for name, value in headers.items() if name.startswith("x-")}
    assert found == {"x-static": "fixed", "x-stage": "test", "x-key": "$connect"}


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("#set($context.responseOverride.status = 401)", 401),
        ("$context.responseOverride.put('status', 402)", 402),
        ("#set($context.responseOverride['status'] = 418)", 418),
        ('#set($context.responseOverride.status = "409")', 409),
        ("#set($context.responseOverride.status = 600)", 403),
        ("#set($context.responseOverride.status = 99)", 403),
        ('#set($context.responseOverride.status = "gone")', 403),
    ],
)
def test_the_response_template_may_override_the_status(gateway: RunningGateway, template: str, code: int) -> None:
    api = answering(gateway, '{"statusCode": 403}', [response("$default", template)], "$connect")
    assert refused(api)[0] == code


def test_an_override_may_turn_a_refusal_into_an_acceptance(gateway: RunningGateway) -> None:
    template = "#set($context.responseOverride.status = 200)#set($context.responseOverride.header.X-Own = 'yes')"
    template = template.replace("header.X-Own", "header['X-Own']")
    with answering(gateway, '{"statusCode": 403}', [response("$default", template)], "$connect").connect() as client:
        assert client.response is not None
        assert client.response.headers["X-Own"] == "yes"


@pytest.mark.parametrize(
    ("members", "responses", "code", "text"),
    [
        ({"RequestTemplates": {"text/plain": "{}"}, "PassthroughBehavior": "NEVER"}, [response("$default")], 415,
         "Unsupported Media Type"),
        ({"RequestTemplates": {"text/plain": "{}"}, "PassthroughBehavior": "WHEN_NO_TEMPLATES"},
         [response("$default")], 415, "Unsupported Media Type"),
        ({}, [response("404")], 500, "Internal server error"),
        ({}, [], 500, "Internal server error"),
        ({"RequestTemplates": {}}, [response("$default")], 500, "Internal server error"),
        ({"RequestTemplates": {"$default": '{"statusCode": "200"}'}}, [response("$default")], 500,
         "Internal server error"),
    ],
    ids=["NEVER", "WHEN_NO_TEMPLATES", "no response fits", "no responses", "an empty body", "no status"],
)  # fmt: skip
def test_what_goes_wrong_refuses_the_handshake_in_the_gateways_words(
    gateway: RunningGateway, members: dict[str, Any], responses: list[dict[str, Any]], code: int, text: str
) -> None:
    got, headers, body = refused(answering(gateway, '{"statusCode": 200}', responses, "$connect", **members))
    match = FRAME.fullmatch(body)
    assert match
    assert (got, match[1], headers["content-type"]) == (code, text, "application/json; charset=UTF-8")


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("text/plain", 401),
        ("TEXT/PLAIN; charset=utf-8", 401),
        ("application/json", 402),
        (None, 402),
        ("image/png", 415),
    ],
)
def test_the_handshakes_content_type_picks_the_template(
    gateway: RunningGateway, content_type: str | None, code: int
) -> None:
    templates = {"text/plain": '{"statusCode": 401}', "application/json": '{"statusCode": 402}'}
    members = {"RequestTemplates": templates, "PassthroughBehavior": "NEVER"}
    api = answering(gateway, "", [response("$default", "")], "$connect", **members)
    assert refused(api, additional_headers={"Content-Type": content_type} if content_type else {})[0] == code

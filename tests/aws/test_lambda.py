"""Functions behind integrations of type AWS: templates shape their payload and their answer (spec 4.4, 6.2)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus

from tests.aws.helpers import DEFAULT, ask, aws, name_of
from tests.support import Lines, RunningGateway, TestApi, error, eventually, lambda_uri, package

# Answers with what it got, says on standard output what it should, raises, sleeps or writes to a file.
WILLING = """
import os, time

def handler(event, context):
    if isinstance(event, dict):
        if "say" in event:
            print(event["say"])
        if "sleep" in event:
            time.sleep(event["sleep"])
        if "write" in event:
            with open(os.environ["RECORD"], "w") as file:
                file.write(event["write"])
        if "raise" in event:
            raise ValueError(event["raise"])
        if "answer" in event:
            return event["answer"]
    return {"got": event, "version": context.function_version}
"""

PASS = "$input.json('$.event')"


@pytest.fixture(scope="module")
def willing(gateway: RunningGateway) -> str:
    """The ARN of a function that does what it is told."""
    return gateway.function("aws-willing", WILLING)


def invocation(function: str, template: str | None = PASS, answer: str | None = None, **members: Any) -> dict[str, Any]:
    return aws(lambda_uri(function), template, answer, **{"CredentialsArn": None, **members})


def test_templates_make_the_payload_and_the_frame(gateway: RunningGateway, willing: str) -> None:
    template = '{"who": "$context.connectionId", "text": $input.json(\'$.text\'), "room": "$stageVariables.room"}'
    answer = "$input.path('$.got.who') said $input.path('$.got.text') in $input.path('$.got.room')"
    api = gateway.api({"say": invocation(willing, template, answer)}, variables={"room": "tea"})
    with api.connect() as client:
        assert ask(client, "say", text="hé") == f"{api.connection_ids()[0]} said hé in tea"


def test_without_templates_message_and_answer_pass_as_they_are(gateway: RunningGateway, willing: str) -> None:
    with gateway.api({"say": invocation(willing, None)}).connect() as client:
        assert json.loads(ask(client, "say", n=1)) == {"got": {"action": "say", "n": 1}, "version": "$LATEST"}


@pytest.mark.parametrize(
    ("event", "frame"),
    [
        ({"raise": "not found: room 7"}, "404 not found: room 7"),
        ({"raise": "not found:\nroom"}, "other not found:\nroom"),  # a dot fits no line break, as in Java
        ({"raise": "it was not found: room"}, "other it was not found: room"),  # keys fit the whole
        ({"raise": "exactly"}, "literal"),
        ({"raise": "anything else"}, "other anything else"),
        ({"raise": ""}, "default"),
        ({"answer": {"errorMessage": "not found: told, not raised"}}, "404 not found: told, not raised"),
        ({"answer": {"errorMessage": 404}}, "default"),
        ({"answer": {"statusCode": 404}}, "default"),
        ({"answer": "not found: text"}, "default"),
        ({}, "default"),
    ],
)
def test_the_error_message_selects_the_integration_response(
    gateway: RunningGateway, willing: str, event: dict[str, Any], frame: str
) -> None:
    def to(key: str, text: str) -> dict[str, Any]:
        return {"IntegrationResponseKey": key, "ResponseTemplates": {"$default": text}}

    message = "$input.path('$.errorMessage')"
    responses = [
        to("$default", "default"),
        to("/not found: .*/", f"404 {message}"),
        to("exactly", "literal"),
        to("/(.|\n)+/", f"other {message}"),
    ]
    with gateway.api({"call": invocation(willing, responses=responses)}).connect() as client:
        assert ask(client, "call", event=event) == frame


def test_an_error_document_that_nothing_shapes_is_the_frame(gateway: RunningGateway, willing: str) -> None:
    with gateway.api({"call": invocation(willing)}).connect() as client:
        document = json.loads(ask(client, "call", event={"raise": "as you wish"}))
    assert document["errorMessage"] == "as you wish"
    assert document["errorType"] == "ValueError"


def test_an_answer_that_no_integration_response_fits_is_an_internal_server_error(
    gateway: RunningGateway, willing: str, lines: Lines
) -> None:
    responses = [{"IntegrationResponseKey": "/expected/"}]
    with gateway.api({"call": invocation(willing, responses=responses)}).connect() as client:
        assert json.loads(ask(client, "call", event={"raise": "expected"}))["errorMessage"] == "expected"
        assert error(ask(client, "call", event={"raise": "unexpected"})) == "Internal server error"
    assert "unexpected" in lines.failure


BY_STATUS = {
    **DEFAULT,
    "TemplateSelectionExpression": "${integration.response.statuscode}",
    "ResponseTemplates": {"202": "accepted '$input.body'", "400": "refused $input.body", "$default": "done"},
}


def test_an_event_is_accepted_at_once_and_the_function_runs(gateway: RunningGateway, tmp_path: Path) -> None:
    record = tmp_path / "record"
    function = gateway.function(name_of("aws-event"), WILLING, Environment={"Variables": {"RECORD": str(record)}})
    event = {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}
    api = gateway.api(
        {
            "status": invocation(function, RequestParameters=event, responses=[BY_STATUS]),
            "empty": invocation(function, RequestParameters=event),
            "now": invocation(function, responses=[BY_STATUS]),
        }
    )
    with api.connect() as client:
        assert ask(client, "status", event={"sleep": 0.2, "write": "later"}) == "accepted '{}'"
        assert not record.exists()
        eventually(lambda: record.exists() and record.read_text() == "later")
        client.send('{"action": "empty", "event": {}}')  # an empty body is no frame
        assert ask(client, "now", event={}) == "done"


def test_the_log_tail_and_the_version_can_be_mapped(gateway: RunningGateway, willing: str) -> None:
    response = {
        **DEFAULT,
        "ResponseParameters": {
            "method.response.header.X-Log": "integration.response.header.X-Amz-Log-Result",
            "method.response.header.X-Version": "integration.response.header.X-Amz-Executed-Version",
            "method.response.header.X-Got": "integration.response.body.got.say",
        },
    }
    tail = {"integration.request.header.X-Amz-Log-Type": "'Tail'"}
    connect = invocation(willing, '{"say": "hello log"}', RequestParameters=tail, responses=[response], two_way=False)
    with gateway.api({"$connect": connect}).connect() as client:
        assert client.response is not None
        headers = client.response.headers
    assert "hello log" in base64.b64decode(headers["X-Log"]).decode()
    assert headers["X-Version"] == "$LATEST"
    assert headers["X-Got"] == "hello log"


def test_the_version_chooses_a_response_template(gateway: RunningGateway, willing: str) -> None:
    response = {
        **DEFAULT,
        "TemplateSelectionExpression": "${integration.response.header.X-Amz-Executed-Version}",
        "ResponseTemplates": {"$LATEST": "newest", "$default": "other"},
    }
    with gateway.api({"call": invocation(willing, responses=[response])}).connect() as client:
        assert ask(client, "call", event={}) == "newest"


@pytest.fixture(scope="module")
def versions(gateway: RunningGateway) -> str:
    """A function with a version 1, which the alias `alpha` stands for."""
    name = "aws-versions"
    arn = gateway.function(name, "def handler(event, context):\n    return 'one'")
    functions = gateway.client("lambda")
    functions.publish_version(FunctionName=name)
    functions.create_alias(FunctionName=name, Name="alpha", FunctionVersion="1")
    functions.update_function_code(
        FunctionName=name, ZipFile=package({"app.py": "def handler(event, context):\n    return 'newest'"})
    )
    return arn


@pytest.mark.parametrize(
    ("reference", "frame"),
    [
        ("{arn}", '"newest"'),
        ("{arn}:$LATEST", '"newest"'),
        ("{arn}:1", '"one"'),
        ("{arn}:alpha", '"one"'),
        ("{arn}:${stageVariables.alias}", '"one"'),
        ("arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.function}", '"one"'),
        ("${stageVariables.arn}", '"one"'),
        ("aws-versions", '"newest"'),
        ("aws-versions:1", '"one"'),
        ("000000000000:function:aws-versions:alpha", '"one"'),
    ],
)
def test_a_function_is_named_with_versions_aliases_and_stage_variables(
    gateway: RunningGateway, versions: str, reference: str, frame: str
) -> None:
    variables = {"alias": "alpha", "function": "aws-versions:alpha", "arn": f"{versions}:1"}
    integration = invocation(reference.replace("{arn}", versions), "{}")
    with gateway.api({"call": integration}, variables=variables).connect() as client:
        assert ask(client, "call") == frame


@pytest.mark.parametrize("text", ["plain", "{'a': 1}", "{"])
def test_a_payload_that_is_no_json_is_refused_by_lambda_whose_answer_is_mapped(
    gateway: RunningGateway, willing: str, text: str
) -> None:
    integration = invocation(willing, "$input.path('$.text')", responses=[BY_STATUS])
    with gateway.api({"call": integration}).connect() as client:
        kind, _, document = ask(client, "call", text=text).partition(" ")
    assert kind == "refused"
    assert "Could not parse request body into json" in document
    assert json.loads(document)["Type"] == "User"


@pytest.mark.parametrize("reference", ["absent", "{arn}:7", "{arn}:beta", "{arn}:${stageVariables.none}-x"])
def test_a_function_that_there_is_not_is_an_internal_server_error(
    gateway: RunningGateway, willing: str, lines: Lines, reference: str
) -> None:
    integration = invocation(reference.replace("{arn}", willing), responses=[BY_STATUS])
    with gateway.api({"call": integration}).connect() as client:
        assert error(ask(client, "call", event={})) == "Internal server error"
    assert "--map" in lines.failure


def test_a_payload_in_base64_is_decoded_and_must_be_json_then(gateway: RunningGateway, willing: str) -> None:
    binary: dict[str, Any] = {"ContentHandlingStrategy": "CONVERT_TO_BINARY", "responses": [BY_STATUS]}
    api = gateway.api({"call": invocation(willing, "$input.path('$.data')", **binary)})
    with api.connect() as client:
        assert ask(client, "call", data=base64.b64encode(b"\x00\xff").decode()).startswith("refused ")
        assert error(ask(client, "call", data="no base64!")) == "Internal server error"


def test_a_function_that_is_late_times_out(gateway: RunningGateway, willing: str) -> None:
    with gateway.api({"call": invocation(willing, TimeoutInMillis=100)}).connect() as client:
        assert error(ask(client, "call", event={"sleep": 0.5})) == "Endpoint request timed out"


def test_a_one_way_function_sends_nothing_even_when_it_raises(gateway: RunningGateway, willing: str) -> None:
    api = gateway.api({"quiet": invocation(willing, two_way=False), "call": invocation(willing, answer="done")})
    with api.connect() as client:
        for event in ({"raise": "expected"}, {}):
            client.send(json.dumps({"action": "quiet", "event": event}))
        assert ask(client, "call", event={"sleep": 0.2}) == "done"


# $connect


def handshake(api: TestApi, **query: str) -> tuple[int, str]:
    """Status and body of a handshake."""
    try:
        with api.connect("?" + urlencode(query)) as client:
            assert client.response is not None
            return client.response.status_code, ""
    except InvalidStatus as refused:
        return refused.response.status_code, (refused.response.body or b"").decode()


def connecting(function: str, responses: list[dict[str, Any]]) -> dict[str, Any]:
    template = "$util.urlDecode($input.params('event'))"
    return {"$connect": invocation(function, template, responses=responses, two_way=False)}


@pytest.mark.parametrize(
    ("event", "status", "body"),
    [
        ({}, 101, ""),
        ({"raise": "denied: you"}, 500, "no: denied: you"),
        ({"answer": {"errorMessage": "denied: you"}}, 500, "no: denied: you"),
        ({"raise": "an accident"}, 101, ""),  # it goes to $default, whose status is Lambda's 200
        ({"raise": "gone"}, 410, "moved"),
        ({"raise": "fine"}, 101, ""),
        ({"answer": {"statusCode": 403}}, 101, ""),  # no proxy result
    ],
)
def test_the_chosen_response_decides_a_handshake(
    gateway: RunningGateway, willing: str, event: dict[str, Any], status: int, body: str
) -> None:
    def to(key: str, text: str) -> dict[str, Any]:
        return {"IntegrationResponseKey": key, "ResponseTemplates": {"$default": text}}

    responses = [
        to("$default", ""),
        to("/denied.*/", "no: $input.path('$.errorMessage')"),
        to("gone", "#set($context.responseOverride.status = 410)moved"),
        to("fine", "#set($context.responseOverride.status = 204)"),
    ]
    api = gateway.api(connecting(willing, responses))
    assert handshake(api, event=json.dumps(event)) == (status, body)


def test_a_payload_that_is_no_json_refuses_the_handshake_with_lambdas_status(
    gateway: RunningGateway, willing: str
) -> None:
    status, body = handshake(gateway.api(connecting(willing, [DEFAULT])), event="no json")
    assert status == 400
    assert "Could not parse request body into json" in body


def test_lambdas_refusal_has_the_member_of_its_model(gateway: RunningGateway, willing: str) -> None:
    message = "$input.path('$.message')"
    with gateway.api({"call": invocation(willing, "no json", message)}).connect() as client:
        client.send('{"action": "call"}')
        assert str(client.recv(0.5)).startswith("Could not parse request body into json")


def test_a_handshake_whose_function_there_is_not_is_refused_with_500(gateway: RunningGateway) -> None:
    status, body = handshake(gateway.api(connecting("absent", [DEFAULT])), event="{}")
    assert status == 500
    assert json.loads(body)["message"] == "Internal server error"


def test_a_handshake_whose_function_is_late_is_refused_with_504(gateway: RunningGateway, willing: str) -> None:
    routes = connecting(willing, [DEFAULT])
    routes["$connect"]["TimeoutInMillis"] = 100
    status, body = handshake(gateway.api(routes), event='{"sleep": 0.5}')
    assert status == 504
    assert json.loads(body)["message"] == "Endpoint request timed out"


# The rest of the Lambda API


def policy(function: str) -> dict[str, Any]:
    uri = f"lambda:path/2015-03-31/functions/{function}/policy"
    return aws(uri, "", CredentialsArn=None, IntegrationMethod="GET")


def test_other_operations_of_lambda_are_reached_by_their_paths(gateway: RunningGateway) -> None:
    function = name_of("aws-policy")
    gateway.function(function, WILLING)
    gateway.client("lambda").add_permission(
        FunctionName=function, StatementId="by-the-test", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )
    with gateway.api({"policy": policy(function)}).connect() as client:
        document = json.loads(json.loads(ask(client, "policy"))["Policy"])
    assert [statement["Sid"] for statement in document["Statement"]] == ["by-the-test"]


def test_what_another_operation_does_not_find_is_an_answer(gateway: RunningGateway, willing: str) -> None:
    with gateway.api({"policy": policy("aws-willing")}).connect() as client:
        assert "policy" in json.loads(ask(client, "policy"))["Message"]

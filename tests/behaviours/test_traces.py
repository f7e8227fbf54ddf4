"""What `--log-level debug` shows of a message on its way (docs/reference/settings.md)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest

from tests.support import Backend, Lines, RunningGateway, TestApi, eventually, http, lambda_uri, mock, proxy, running

STEPS = ["received", "request", "answered", "integration response", "sends", "sends nothing"]
RESPONSE = {"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": "got $input.body"}}
SOURCE = 'def handler(event, context):\n    return {"statusCode": 200, "body": "pong"}'
MADE = {"$default": "made of $input.path('$.text')"}
STATUS = {"$default": "{\"statusCode\": $input.path('$.status')}"}


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend(lambda seen: (200, {}, b"" if b"nothing" in seen.body else b"pong")) as made:
        yield made


@pytest.fixture(scope="module")
def traced(backend: Backend) -> Iterator[RunningGateway]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL_SSM", backend.url)
        with running(log_level="debug") as gateway:
            gateway.function("pong", SOURCE)
            yield gateway


def aws(uri: str, **members: Any) -> dict[str, Any]:
    made = {"IntegrationType": "AWS", "IntegrationMethod": "POST", "IntegrationUri": uri, "responses": [RESPONSE]}
    return {**made, "two_way": True, **members}


def integrations(backend: Backend) -> dict[str, dict[str, Any]]:
    two_way: dict[str, Any] = {"two_way": True}
    return {
        "HTTP": http(backend.url + "/in?key=secret", RequestTemplates=MADE, responses=[RESPONSE], **two_way),
        "HTTP_PROXY": http(backend.url, "HTTP_PROXY", **two_way),
        "AWS": aws("arn:aws:apigateway:us-east-1:ssm:action/GetParameter"),
        "AWS function": aws(lambda_uri("pong")),
        "AWS_PROXY": proxy("pong", **two_way),
        "MOCK": mock("pong", RequestTemplates=STATUS, **two_way),
        "constant MOCK": mock("pong", **two_way),
        "one-way": http(backend.url),
        "empty": http(backend.url, "HTTP_PROXY", **two_way),
    }


def steps(lines: Lines, api: TestApi, message: str, last: str = "sends") -> dict[str, dict[str, Any]]:
    """What was logged of a message, in order, without what each line says of its place."""
    with api.connect() as client:
        client.send(message)
        eventually(lambda: lines.of(last, api=api.id))
        [connection_id] = api.connection_ids()
    found = {}
    requests = set()
    for record in lines.records:
        if record.getMessage() in STEPS:
            data = dict(vars(record)["data"])
            requests.add(data.pop("request"))
            place = {"api": api.id, "stage": api.stage, "connection": connection_id, "route": "call"}
            assert place.items() <= data.items()
            assert data.get("integration") in (None, api.integrations["call"])
            assert record.levelno == logging.DEBUG
            found[record.getMessage()] = {
                name: value for name, value in data.items() if name not in (*place, "integration")
            }
    assert len(requests) == 1
    return found


MESSAGE = '{"action":"call","text":"ping","status":200}'
SAME = {"body": MESSAGE}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("HTTP", {
            "received": SAME,
            "request": {"method": "POST", "uri": "URL/in", "body": "made of ping"},
            "answered": {"status": 200, "body": "pong"},
            "integration response": {"key": "$default", "value": "200"},
            "sends": {"body": "got pong"},
        }),
        ("HTTP_PROXY", {
            "received": SAME,
            "request": {"method": "POST", "uri": "URL", **SAME},
            "answered": {"status": 200, "body": "pong"},
            "sends": {"body": "pong"},
        }),
        ("AWS", {
            "received": SAME,
            "request": {"uri": "GetParameter", **SAME},
            "answered": {"service": "ssm GetParameter", "status": 200, "body": "pong"},
            "integration response": {"key": "$default", "value": ""},
            "sends": {"body": "got pong"},
        }),
        ("AWS function", {
            "received": SAME,
            "request": {"uri": "/2015-03-31/functions/pong/invocations", **SAME},
            "answered": {
                "service": "lambda /2015-03-31/functions/pong/invocations",
                "status": 200,
                "body": '{"statusCode": 200, "body": "pong"}',
            },
            "integration response": {"key": "$default", "value": ""},
            "sends": {"body": 'got {"statusCode": 200, "body": "pong"}'},
        }),
        ("AWS_PROXY", {
            "received": SAME,
            "request": {"function": "pong", "body": ANY},
            "answered": {"function": "pong", "body": '{"statusCode": 200, "body": "pong"}'},
            "sends": {"body": "pong"},
        }),
        ("MOCK", {
            "received": SAME,
            "integration response": {"key": "$default", "value": "200"},
            "sends": {"body": "pong"},
        }),
        ("constant MOCK", {
            "received": SAME,
            "integration response": {"key": "$default", "value": "200"},
            "sends": {"body": "pong"},
        }),
        ("one-way", {
            "received": SAME,
            "request": {"method": "POST", "uri": "URL", **SAME},
            "answered": {"status": 200, "body": "pong"},
            "sends nothing": {"why": "the route is one-way"},
        }),
    ],
)  # fmt: skip
def test_every_step_is_logged(
    traced: RunningGateway, backend: Backend, kind: str, expected: dict[str, dict[str, Any]]
) -> None:
    api = traced.api({"call": integrations(backend)[kind]})
    with Lines(logging.DEBUG) as lines:
        found = steps(lines, api, MESSAGE, list(expected)[-1])
    if "uri" in found.get("request", {}):
        found["request"]["uri"] = found["request"]["uri"].replace(backend.url, "URL")
    assert found == expected
    assert list(found) == list(expected)


def test_an_empty_answer_says_why_nothing_is_sent(traced: RunningGateway, backend: Backend) -> None:
    api = traced.api({"call": integrations(backend)["empty"]})
    with Lines(logging.DEBUG) as lines:
        found = steps(lines, api, '{"action":"call","text":"nothing"}', "sends nothing")
    assert found["sends nothing"] == {"why": "the answer is empty"}


def test_long_bodies_are_cut(traced: RunningGateway, backend: Backend) -> None:
    api = traced.api({"call": integrations(backend)["HTTP_PROXY"]})
    with Lines(logging.DEBUG) as lines:
        found = steps(lines, api, '{"action":"call","text":"' + "x" * 5000 + '"}')
    assert [len(found[step]["body"]) for step in ("received", "request")] == [500, 500]


@pytest.mark.parametrize("level", ["info", "warning"])
def test_without_debug_no_step_is_logged(backend: Backend, level: str) -> None:
    kinds = {name: each for name, each in integrations(backend).items() if not name.startswith("AWS")}
    with running(log_level=level) as gateway, Lines(logging.DEBUG) as lines:
        gateway.function("pong", SOURCE)
        api = gateway.api({**kinds, "AWS_PROXY": integrations(backend)["AWS_PROXY"]})
        with api.connect() as client:
            for kind in ("HTTP", "HTTP_PROXY", "MOCK", "constant MOCK", "AWS_PROXY"):
                client.send(MESSAGE.replace("call", kind))
                assert client.recv(10)
    assert not [each for each in lines.records if each.getMessage() in STEPS]

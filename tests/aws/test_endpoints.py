"""Where services are: --aws, AWS_ENDPOINT_URL_<SERVICE>, a moto server; and what functions are told of that."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus

from routekey.aws import moto, services
from routekey.aws.endpoints import REAL, Endpoints, NoEndpoint, aws_host
from tests.aws.helpers import Cloud, ask, aws, name_of
from tests.backends import RawBackend, Serve, answering, closing, with_length
from tests.support import Backend, Lines, RunningGateway, error, eventually, lambda_uri, running


def service(name: str, action: str = "") -> services.Service:
    found = services.find(name, action)
    assert found is not None
    return found


# What the models say


@pytest.mark.parametrize(
    ("name", "action", "variable", "signing_name", "prefix"),
    [
        ("dynamodb", "PutItem", "AWS_ENDPOINT_URL_DYNAMODB", "dynamodb", ""),
        ("streams.dynamodb", "GetRecords", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "dynamodb", ""),
        ("sqs", "SendMessage", "AWS_ENDPOINT_URL_SQS", "sqs", ""),
        ("events", "PutEvents", "AWS_ENDPOINT_URL_EVENTBRIDGE", "events", ""),
        ("states", "StartExecution", "AWS_ENDPOINT_URL_SFN", "states", ""),
        ("states", "StartSyncExecution", "AWS_ENDPOINT_URL_SFN", "states", "sync-"),
        ("monitoring", "PutMetricData", "AWS_ENDPOINT_URL_CLOUDWATCH", "monitoring", ""),
        ("logs", "PutLogEvents", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "logs", ""),
        ("secretsmanager", "GetSecretValue", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "secretsmanager", ""),
        ("cognito-idp", "AdminGetUser", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "cognito-idp", ""),
        ("email", "SendEmail", "AWS_ENDPOINT_URL_SES", "ses", ""),
        ("runtime.sagemaker", "InvokeEndpoint", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "sagemaker", ""),
        ("lambda", "Invoke", "AWS_ENDPOINT_URL_LAMBDA", "lambda", ""),
        ("s3", "", "AWS_ENDPOINT_URL_S3", "s3", ""),
    ],
)
def test_a_service_is_known_by_the_name_that_uris_have_for_it(
    name: str, action: str, variable: str, signing_name: str, prefix: str
) -> None:
    found = service(name, action)
    assert (found.variable, found.signing_name, found.host_prefix(action)) == (variable, signing_name, prefix)


@pytest.mark.parametrize("name", ["nosuch", "", "..", "../sqs", "sqs/2012-11-05"])
def test_other_names_are_no_services(name: str) -> None:
    assert services.find(name) is None


@pytest.mark.parametrize(
    ("name", "region", "partition", "host"),
    [
        ("sqs", "eu-west-1", "aws", ("sqs.eu-west-1.amazonaws.com", "eu-west-1")),
        ("s3", "us-east-1", "aws", ("s3.us-east-1.amazonaws.com", "us-east-1")),
        ("iam", "eu-west-1", "aws", ("iam.amazonaws.com", "us-east-1")),
        ("sqs", "cn-north-1", "aws-cn", ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1")),
        ("dynamodb", "us-gov-west-1", "aws-us-gov", ("dynamodb.us-gov-west-1.amazonaws.com", "us-gov-west-1")),
    ],
)
def test_a_service_has_a_host_of_aws(name: str, region: str, partition: str, host: tuple[str, str]) -> None:
    assert aws_host(name, region, partition) == host


def test_real_is_aws_itself_with_what_stands_before_its_host() -> None:
    endpoints = Endpoints(REAL, {})
    s3 = endpoints.locate(service("s3"), "eu-west-1", "aws", subdomain="bucket")
    assert (s3.host, s3.path, s3.region) == ("bucket.s3.eu-west-1.amazonaws.com", "", "eu-west-1")
    assert (s3.origin.host, s3.origin.port, s3.origin.secure) == (s3.host, 443, True)
    states = endpoints.locate(service("states", "StartSyncExecution"), "us-east-1", "aws", prefix="sync-")
    assert states.host == "sync-states.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("aws", "variable", "reached", "host", "path"),
    [
        ("http://127.0.0.1:4566", None, "http 127.0.0.1:4566", "127.0.0.1:4566", ""),
        ("http://127.0.0.1:4566", "http://localhost:9324", "http localhost:9324", "localhost:9324", ""),
        (REAL, "http://localhost:9324", "http localhost:9324", "localhost:9324", ""),
        (None, "http://localhost:9324/", "http localhost:9324", "localhost:9324", ""),
        (None, "https://sqs.test/prefix/", "https sqs.test:443", "sqs.test", "/prefix"),
        (None, "http://[::1]:9324", "http ::1:9324", "[::1]:9324", ""),
        ("http://127.0.0.1:4566", "", "http 127.0.0.1:4566", "127.0.0.1:4566", ""),
    ],
)
def test_the_services_own_variable_wins(
    aws: str | None, variable: str | None, reached: str, host: str, path: str
) -> None:
    variables = {} if variable is None else {"AWS_ENDPOINT_URL_SQS": variable}
    found = Endpoints(aws, variables).locate(service("sqs"), "us-east-1", "aws")
    assert f"{'https' if found.origin.secure else 'http'} {found.origin.host}:{found.origin.port}" == reached
    assert (found.host, found.path, found.region) == (host, path, "us-east-1")


def test_without_an_endpoint_the_message_says_what_to_set() -> None:
    with pytest.raises(NoEndpoint, match=r"--aws URL, moto or real.* AWS_ENDPOINT_URL_SECRETS_MANAGER"):
        Endpoints(None, {"AWS_ENDPOINT_URL_SQS": "http://x"}).locate(service("secretsmanager"), "us-east-1", "aws")


# At run time


@pytest.mark.parametrize(
    ("target", "variable"),
    [
        ("sqs:action/SendMessage", "AWS_ENDPOINT_URL_SQS"),
        ("events:action/PutEvents", "AWS_ENDPOINT_URL_EVENTBRIDGE"),
        ("monitoring:action/ListMetrics", "AWS_ENDPOINT_URL_CLOUDWATCH"),
        ("s3:path/bucket/key", "AWS_ENDPOINT_URL_S3"),
        ("bucket.s3:path/key", "AWS_ENDPOINT_URL_S3"),
    ],
)
def test_without_aws_a_call_fails_at_once_and_the_log_says_what_helps(
    gateway: RunningGateway, lines: Lines, target: str, variable: str
) -> None:
    with gateway.api({"call": aws(target, "{}", CredentialsArn=None)}).connect() as client:
        started = time.monotonic()
        assert error(ask(client, "call")) == "Internal server error"
        assert time.monotonic() - started < 1
    assert re.search(r"--aws\b", lines.failure)
    assert re.search(rf"{variable}\b", lines.failure)


def test_without_aws_a_handshake_is_refused_with_500(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": aws("dynamodb:action/PutItem", "{}", two_way=False)})
    with pytest.raises(InvalidStatus) as refused, api.connect():
        pass
    assert refused.value.response.status_code == 500
    assert json.loads(refused.value.response.body)["message"] == "Internal server error"


def test_an_endpoint_variable_wins_over_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    with Backend(lambda seen: (200, {}, b"general")) as general, Backend(lambda seen: (200, {}, b"own")) as own:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", own.url + "/prefix/")
        with running(aws=general.url) as gateway:
            api = gateway.api(
                {
                    "sqs": aws("sqs:path/0/queue", "{}", CredentialsArn=None),
                    "ssm": aws("ssm:action/GetParameter", "{}", CredentialsArn=None),
                }
            )
            with api.connect() as client:
                assert ask(client, "sqs") == "own"
                assert ask(client, "ssm") == "general"
    assert [seen.target for seen in own.seen] == ["/prefix/0/queue"]
    assert [seen.target for seen in general.seen] == ["/"]


def test_a_sub_domain_reaches_the_endpoint_as_awss_own_host(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Backend(lambda seen: (200, {}, b"found")) as backend:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", backend.url)
        integration = aws("my.bucket.s3:path/key", "", IntegrationMethod="GET", CredentialsArn=None)
        with gateway.api({"get": integration}).connect() as client:
            assert ask(client, "get") == "found"
    assert backend.seen[0].headers["Host"] == "my.bucket.s3.us-east-1.amazonaws.com"


def test_a_service_that_there_is_not_refuses_the_deployment(gateway: RunningGateway) -> None:
    with pytest.raises(ClientError) as refused:
        gateway.api({"call": aws("nosuch:action/Do", "{}")})
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refused.value.operation_name == "CreateDeployment"
    message = refused.value.response["Error"]["Message"]
    assert re.search(r"Integration \w{7} of route call: .* there is no AWS service nosuch", message)


@pytest.mark.parametrize(
    "target",
    [
        "nosuch:action/${stageVariables.action}",
        pytest.param("${stageVariables.service}:action/Do"),
    ],
)
def test_a_uri_that_a_stage_variable_may_mend_is_an_error_frame(
    gateway: RunningGateway, lines: Lines, target: str
) -> None:
    api = gateway.api({"call": aws(target, "{}")}, variables={"service": "nosuch", "action": "Do"})
    with api.connect() as client:
        assert error(ask(client, "call")) == "Internal server error"
    assert "there is no AWS service nosuch" in lines.failure


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:notaport", "http://127.0.0.1:99999", "127.0.0.1:9324", "ftp://127.0.0.1", "http://", "http://[::1",
     "http://me:secret@127.0.0.1:9324", "here"],
)  # fmt: skip
def test_an_endpoint_variable_that_is_no_url_is_an_error_frame_and_the_log_names_it(
    gateway: RunningGateway, lines: Lines, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", url)
    with gateway.api({"call": aws("sqs:action/SendMessage", "{}", CredentialsArn=None)}).connect() as client:
        assert error(ask(client, "call")) == "Internal server error"
    assert "AWS_ENDPOINT_URL_SQS=" in lines.failure
    assert not [each for each in lines.records if each.exc_info]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("stepfunctions:action/StartExecution", "there is no AWS service stepfunctions: states?"),
        ("secretmanager:action/GetSecretValue", "there is no AWS service secretmanager: secretsmanager?"),
        ("dynamdb:action/PutItem", "there is no AWS service dynamdb: dynamodb?"),
        ("dynamodb:action/PutItems", "dynamodb has no action PutItems: PutItem?"),
        ("states:action/startExecution", "states has no action startExecution: StartExecution?"),
        ("sqs:action/Xyz", "sqs has no action Xyz"),
        ("sqs:action/Xyz&MessageBody=x", "sqs has no action Xyz"),
        ("my.sqs:action/Xyz", "sqs has no action Xyz"),
    ],
)
def test_an_unknown_service_or_action_refuses_the_deployment_and_says_what_may_be_meant(
    gateway: RunningGateway, target: str, says: str
) -> None:
    with pytest.raises(ClientError) as refused:
        gateway.api({"call": aws(target, "{}")})
    assert refused.value.operation_name == "CreateDeployment"
    message = refused.value.response["Error"]["Message"]
    assert re.search(rf"Integration \w{{7}} of route call: .*{re.escape(says)}", message)
    assert message.endswith("?") == says.endswith("?")


@pytest.mark.parametrize("target", ["sqs:action/${stageVariables.what}", "${stageVariables.where}:action/SendMessage"])
def test_where_a_stage_variable_says_it_the_message_fails(gateway: RunningGateway, lines: Lines, target: str) -> None:
    api = gateway.api({"call": aws(target, "{}")}, variables={"what": "SendMessages", "where": "sq"})
    with api.connect() as client:
        assert error(ask(client, "call")) == "Internal server error"
    assert lines.failure.endswith(": SendMessage?" if "what" in target else ": sqs?")


# What the log says


def test_an_error_of_a_service_is_logged_with_its_place(
    gateway: RunningGateway, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Backend(lambda seen: (400, {}, b'{"__type": "TooMuch"}' + b" " * 1000)) as backend:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", backend.url)
        integration = aws("ssm:action/GetParameter", "{}", "$input.path('$.__type')", CredentialsArn=None)
        api = gateway.api({"call": integration})
        with api.connect() as client:
            assert ask(client, "call") == "TooMuch"
            [connection_id] = api.connection_ids()
    [data] = lines.of("a service answered with an error")
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", data["request"])
    assert {name: value for name, value in data.items() if name not in ("request", "said")} == {
        "api": api.id,
        "stage": api.stage,
        "route": "call",
        "integration": api.integrations["call"],
        "connection": connection_id,
        "service": "ssm GetParameter",
        "status": 400,
    }
    assert data["said"].startswith('{"__type": "TooMuch"}')
    assert len(data["said"]) == 500


@pytest.mark.parametrize(
    ("target", "template"),
    [
        ("dynamodb:action/PutItem", '{"TableName": "t", "Item": }'),
        ("dynamodb:action/PutItem", "$input.path('$.text')"),
        ("kinesis:action/PutRecord", '{"a": 1},'),
        ("states:action/StartExecution", "{'a': 1}"),
        ("ssm:action/GetParameter", "[" * 100_000),
        ("sqs:action/SendMessage", '{"a": '),
    ],
)
def test_a_template_that_makes_no_json_for_a_json_service_is_answered_as_the_service_would(
    gateway: RunningGateway, lines: Lines, monkeypatch: pytest.MonkeyPatch, target: str, template: str
) -> None:
    with Backend(lambda seen: (200, {}, b"{}")) as backend:
        for name in ("DYNAMODB", "KINESIS", "SFN", "SSM", "SQS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", backend.url)
        api = gateway.api({"call": aws(target, template, "$input.path('$.__type')", CredentialsArn=None)})
        with api.connect() as client:
            assert ask(client, "call", text="no JSON") == "com.amazon.coral.service#SerializationException"
            [connection_id] = api.connection_ids()
    assert backend.seen == []
    [data] = lines.of("what the request template made is no JSON")
    place = {"api": api.id, "route": "call", "integration": api.integrations["call"], "connection": connection_id}
    assert place.items() <= data.items()
    assert data["request"]
    assert data["error"]
    assert len(data["body"]) <= 500


def test_an_integration_response_may_tell_it_apart(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with Backend(lambda seen: (200, {}, b"{}")) as backend:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", backend.url)
        response = {
            "IntegrationResponseKey": "$default",
            "TemplateSelectionExpression": "${integration.response.statuscode}",
            "ResponseTemplates": {"400": "refused", "$default": "done"},
        }
        integration = aws("dynamodb:action/PutItem", "$input.path('$.text')", CredentialsArn=None, responses=[response])
        with gateway.api({"call": integration}).connect() as client:
            assert ask(client, "call", text="{") == "refused"
            assert ask(client, "call", text="{}") == "done"
            assert ask(client, "call", text="") == "done"
    assert [seen.body for seen in backend.seen] == [b"{}", b""]


# When the service misbehaves


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"])
def test_a_service_that_breaks_off_is_an_internal_server_error(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with RawBackend(closing(answer)) as backend:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", backend.url)
        with gateway.api({"call": aws("sqs:action/SendMessage", "{}", CredentialsArn=None)}).connect() as client:
            assert error(ask(client, "call")) == "Internal server error"


def test_a_service_that_hangs_times_out(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{server.getsockname()[1]}")
        integration = aws("sqs:action/SendMessage", "{}", CredentialsArn=None, TimeoutInMillis=100)
        with gateway.api({"call": integration}).connect() as client:
            assert error(ask(client, "call")) == "Endpoint request timed out"


def test_a_service_where_nobody_listens_is_an_internal_server_error(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{server.getsockname()[1]}")
    with gateway.api({"call": aws("sqs:action/SendMessage", "{}", CredentialsArn=None)}).connect() as client:
        assert error(ask(client, "call")) == "Internal server error"


# Functions' own calls


CALLER = """
import boto3, json, os

def handler(event, context):
    if event.get("invoke"):
        answer = boto3.client("lambda").invoke(FunctionName=event["invoke"], Payload=b"{}")
        return json.loads(answer["Payload"].read())
    if event.get("environment"):
        return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    boto3.client("dynamodb").put_item(TableName=event["table"], Item={"id": {"S": event["id"]}})
    return "stored"
"""


def call_function(gateway: RunningGateway, function: str, event: dict[str, Any]) -> Any:
    template = "$input.json('$.event')"
    integration = aws(lambda_uri(function), template, CredentialsArn=None)
    with gateway.api({"call": integration}).connect() as client:
        return json.loads(ask(client, "call", event=event))


def test_functions_reach_moto_and_our_lambda_api_with_no_setting_at_all(cloud: Cloud) -> None:
    table = cloud.table()
    caller = cloud.gateway.function(name_of("caller"), CALLER, Timeout=30)
    cloud.gateway.function("called", 'def handler(event, context):\n    return "by its name"')
    assert call_function(cloud.gateway, caller, {"table": table, "id": "from a function"}) == "stored"
    assert cloud.client("dynamodb").scan(TableName=table)["Items"] == [{"id": {"S": "from a function"}}]
    assert call_function(cloud.gateway, caller, {"invoke": "called"}) == "by its name"


def environment(gateway: RunningGateway) -> dict[str, str]:
    """The AWS_ variables that a function sees."""
    function = gateway.function(name_of("environment"), CALLER.replace("import boto3, ", "import "))
    found: dict[str, str] = call_function(gateway, function, {"environment": True})
    return found


@pytest.mark.parametrize("where", ["moto", "nowhere"])
def test_functions_never_see_the_users_keys(
    cloud: Cloud, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIDUSERS",
        "AWS_SECRET_ACCESS_KEY": "users-secret",
        "AWS_SESSION_TOKEN": "users-token",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "users-file",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "users-container",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    found = environment(cloud.gateway if where == "moto" else gateway)
    assert found["AWS_ACCESS_KEY_ID"]
    assert not set(secrets.values()) & set(found.values())


def test_functions_are_told_where_services_are(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9324")
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")  # ours wins
    found = environment(cloud.gateway)
    assert found["AWS_ENDPOINT_URL"] == cloud.url
    assert found["AWS_ENDPOINT_URL_SQS"] == "http://127.0.0.1:9324"
    own = ("LAMBDA", "APIGATEWAYV2", "API_GATEWAY", "APIGATEWAYMANAGEMENTAPI")
    assert {found[f"AWS_ENDPOINT_URL_{name}"] for name in own} == {cloud.gateway.url}


# The moto server


def motos() -> set[int]:
    """The moto servers that this process, or one that it started, has started."""
    return {each.pid for each in psutil.Process().children(recursive=True) if "moto.server" in _command(each)}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def ended(pid: int) -> bool:
    try:
        return str(psutil.Process(pid).status()) == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_moto_ends_with_the_gateway_and_has_its_account() -> None:
    before = motos()
    with running(aws="moto", account_id="123456789012") as gateway:
        [pid] = motos() - before
        integration = aws(
            "sts:action/GetCallerIdentity",
            "",
            "$input.path('$.GetCallerIdentityResponse.GetCallerIdentityResult.Account')",
            CredentialsArn=None,
        )
        with gateway.api({"who": integration}).connect() as client:
            assert ask(client, "who") == "123456789012"
    assert ended(pid)


def test_moto_ends_when_the_gateway_is_killed() -> None:
    command = [sys.executable, "-m", "routekey", "serve", "--port", "0", "--data", "memory:", "--aws", "moto"]
    before = motos()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://")
            [pid] = motos() - before
            process.kill()
            eventually(lambda: ended(pid))
        finally:
            process.kill()


def test_a_moto_that_ends_by_itself_is_told_and_calls_fail(lines: Lines) -> None:
    before = motos()
    with running(aws="moto") as gateway:
        [pid] = motos() - before
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: lines.of("moto has ended: calls of AWS services fail"))
        api = gateway.api({"call": aws("sqs:action/ListQueues", "{}", CredentialsArn=None)})
        with api.connect() as client:
            assert error(ask(client, "call")) == "Internal server error"


def test_a_moto_that_does_not_start_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(moto.MotoFailed, match="moto did not start: no such module"), running(aws="moto"):
        pass


@pytest.mark.parametrize("absent", ["moto", "flask_cors"])
def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    moto.require()
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == absent else find(name, *more))
    with pytest.raises(moto.NotInstalled, match=re.escape("pip install 'routekey[moto]'")):
        moto.require()


def silence(client: socket.socket) -> None:
    client.recv(65536)
    client.recv(65536)


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), id="no moto"),
        pytest.param(answering(b"220 mail.example ready\r\n"), id="no HTTP"),
        pytest.param(closing(b""), id="closes"),
        pytest.param(silence, id="says nothing"),
        pytest.param(answering(with_length(b"<html>")), id="any page"),
    ],
)
def test_a_server_that_took_the_port_meanwhile_is_not_taken_for_moto(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    late = tmp_path / "python"
    late.write_text("#!/bin/sh\nsleep 0.2\necho Address already in use >&2\nexit 1\n")
    late.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(late))

    async def start(port: int) -> str:
        monkeypatch.setattr(moto, "_free_port", lambda: port)
        pids: set[int] = set()
        made = moto.Moto("000000000000", "us-east-1", pids.add, pids.discard)
        try:
            async with asyncio.timeout(3):
                return await made.start()
        finally:
            await made.stop()
            assert pids == set()

    with RawBackend(serve) as other, pytest.raises(moto.MotoFailed, match="already in use"):
        asyncio.run(start(int(other.url.rpartition(":")[2])))

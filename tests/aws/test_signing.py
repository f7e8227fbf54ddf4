"""What reaches a service: who signed it, for what, and whether the signature holds."""

from __future__ import annotations

import datetime
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from routekey.aws.xml import MAX_XML
from tests.aws.helpers import FORM, ask, assume_role_answer, aws, signature
from tests.support import (
    Backend,
    Lines,
    ManualClock,
    RunningGateway,
    Seen,
    TestApi,
    error,
    eventually,
    mock,
    proxy,
    running,
)

ROLE = "arn:aws:iam::000000000000:role/writer"
LOCAL = "ROUTEKEYLOCAL0000000"
LOCAL_SECRET = "routekey-local"


class Aws(Backend):
    """A recording stand-in for AWS: STS hands out numbered keys, everything else answers `{}`."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        super().__init__(self._answer)
        self.now = now or (lambda: datetime.datetime.now(datetime.UTC).timestamp())
        self.ready = threading.Event()  # STS waits for it
        self.ready.set()

    def _answer(self, seen: Seen) -> tuple[int, dict[str, str], bytes]:
        if b"Action=AssumeRole" not in seen.body:
            return 200, {"Content-Type": "application/json"}, b"{}"
        self.ready.wait(10)
        expires = datetime.datetime.fromtimestamp(self.now() + 3600, datetime.UTC)
        return 200, {"Content-Type": "text/xml"}, assume_role_answer(len(self.assumed), expires)

    @property
    def assumed(self) -> list[Seen]:
        return [seen for seen in self.seen if b"Action=AssumeRole" in seen.body]

    @property
    def called(self) -> list[Seen]:
        return [seen for seen in self.seen if b"Action=AssumeRole" not in seen.body]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[RunningGateway, Aws]]:
    with Aws() as server, running(aws=server.url) as gateway:
        yield gateway, server


@pytest.fixture
def server(shared: tuple[RunningGateway, Aws]) -> Aws:
    shared[1].seen.clear()
    return shared[1]


@pytest.fixture
def make(shared: tuple[RunningGateway, Aws]) -> Callable[..., TestApi]:
    """An API with one route, `call`, whose integration is the one that is given."""

    def api(
        target: str, template: str | None = "{}", variables: dict[str, str] | None = None, **members: Any
    ) -> TestApi:
        members = {"CredentialsArn": None, **members}
        return shared[0].api({"call": aws(target, template, **members)}, variables=variables or {})

    return api


def call(api: TestApi, **members: Any) -> str:
    with api.connect() as client:
        return ask(client, "call", **members)


def header(seen: Seen, name: str) -> str | None:
    return {key.lower(): value for key, value in seen.headers.items()}.get(name.lower())


@pytest.mark.parametrize("service", ["sqs", "s3"])
def test_the_verifier_agrees_with_boto3(service: str) -> None:
    with Backend(lambda seen: (200, {}, b"{}" if service == "sqs" else b"")) as backend:
        client = boto3.client(
            service,
            endpoint_url=backend.url,
            region_name="eu-west-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
        )
        if service == "sqs":
            client.send_message(QueueUrl=backend.url + "/1/q", MessageBody="hé")
        else:
            client.put_object(Bucket="bucket", Key="a b/(é):=.txt", Body=b"data")
        [seen] = backend.seen
    signed = signature(seen, "secret")
    assert (signed.access_key, signed.region, signed.service) == ("AKIDEXAMPLE", "eu-west-1", service)
    with pytest.raises(AssertionError):
        signature(seen, "another secret")


@pytest.mark.parametrize(
    ("target", "members", "service", "region"),
    [
        ("dynamodb:action/PutItem", {}, "dynamodb", "us-east-1"),
        ("arn:aws:apigateway:eu-central-1:sqs:action/SendMessage", {}, "sqs", "eu-central-1"),
        ("sns:action/Publish&Subject=a b", {}, "sns", "us-east-1"),
        ("monitoring:action/ListMetrics", {}, "monitoring", "us-east-1"),
        ("events:action/PutEvents", {}, "events", "us-east-1"),
        ("states:action/StartExecution", {}, "states", "us-east-1"),
        ("streams.dynamodb:action/ListStreams", {}, "dynamodb", "us-east-1"),
        ("runtime.sagemaker:path/endpoints/model/invocations", {}, "sagemaker", "us-east-1"),
        ("email:action/SendEmail", {}, "ses", "us-east-1"),
        ("arn:aws:apigateway:eu-west-1:iam:action/ListUsers", {}, "iam", "us-east-1"),
        ("arn:aws-cn:apigateway:cn-north-1:sqs:action/ListQueues", {}, "sqs", "cn-north-1"),
        ("sqs:path/000000000000/a queue~(1)", {}, "sqs", "us-east-1"),
        ("s3:path/bucket/a b/é~.txt", {"IntegrationMethod": "PUT"}, "s3", "us-east-1"),
        ("bucket.s3:path/folder/key", {"IntegrationMethod": "GET"}, "s3", "us-east-1"),
    ],
)
def test_a_request_is_signed_for_its_service_and_region(
    make: Callable[..., TestApi], server: Aws, target: str, members: dict[str, Any], service: str, region: str
) -> None:
    call(make(target, **members))
    [seen] = server.seen
    signed = signature(seen, LOCAL_SECRET)
    assert (signed.service, signed.region, signed.access_key) == (service, region, LOCAL)
    assert {"host", "x-amz-date"} <= set(signed.signed)
    assert ("x-amz-content-sha256" in signed.signed) == (service == "s3")


AWKWARD = "a b&c=d/é?#%+*~'\"(<[{|}]>)"


# AWS decodes a query, and the path of S3, and signs it encoded anew (aws-sdk-js#853, curl#11794, soto#601).
PARAMETERS: list[Any] = [
    pytest.param("sqs:action/SendMessage", {"querystring.MessageBody": "route.request.body.text"}, id="query"),
    pytest.param("sqs:action/SendMessage", {"querystring.b": "'2'", "querystring.a-b": "'1'"}, id="order"),
    pytest.param("sqs:path/000000000000/{text}", {"path.text": "route.request.body.text"}, id="path"),
    pytest.param("s3:path/bucket/{name}", {"path.name": "route.request.body.name"}, id="s3-path"),
    pytest.param("s3:path/bucket/key", {"header.x-amz-meta-kind": "'  spaced   out '"}, id="header"),
    pytest.param("sns:action/Publish&TopicArn=arn:aws:sns:us-east-1:1:x/y", {}, id="uri-query"),
    pytest.param("s3:path/bucket/key", {"header.x-amz-content-sha256": "'UNSIGNED-PAYLOAD'"}, id="payload-hash"),
    pytest.param("sqs:action/SendMessage", {"header.X-Amz-Date": "'20200101T000000Z'"}, id="time"),
    pytest.param("s3:path/bucket/a(1):@+.txt", {"header.x": "'y'"}, id="s3-uri-path"),
    pytest.param("sqs:action/SendMessage", {"querystring.Q": "'http://127.0.0.1:1/0/q?a'"}, id="literal-query"),
    pytest.param("s3:path/bucket/{key}", {"path.key": "'a:b@c,d+e'"}, id="literal-s3-path"),
    pytest.param("s3:path/bucket/{text}", {"path.text": "route.request.body.text"}, id="s3-slash"),
    pytest.param(
        "s3:path/bucket/key",
        {"header.x-amz-meta-text": "route.request.body.name"},
        id="utf-8-header",
    ),
    pytest.param(
        "sqs:action/SendMessage",
        {"header.Host": "'sqs.example.com'"},
        id="host",
    ),
]


@pytest.mark.parametrize(("target", "parameters"), PARAMETERS)
def test_a_signature_holds_whatever_is_mapped(
    make: Callable[..., TestApi], server: Aws, target: str, parameters: dict[str, str]
) -> None:
    mapped = {f"integration.request.{name}": value for name, value in parameters.items()}
    call(make(target, "", RequestParameters=mapped), text=AWKWARD, name="Zoé")
    [seen] = server.seen
    signature(seen, LOCAL_SECRET)


@pytest.mark.parametrize("target", ["sqs:action/SendMessage", "s3:path/bucket/key"])
def test_the_signature_covers_the_body(make: Callable[..., TestApi], server: Aws, target: str) -> None:
    call(make(target, "$input.path('$.text')"), text=AWKWARD)
    [seen] = server.seen
    assert seen.body == AWKWARD.encode()
    signature(seen, LOCAL_SECRET)
    seen.body += b"!"
    with pytest.raises(AssertionError):
        signature(seen, LOCAL_SECRET)


def test_a_request_has_the_headers_of_its_service(make: Callable[..., TestApi], server: Aws) -> None:
    api = make("dynamodb:action/PutItem")
    call(api)
    [seen] = server.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/", b"{}")
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", seen.headers.pop("X-Amzn-Trace-Id"))
    assert re.fullmatch(r"\d{8}T\d{6}Z", seen.headers.pop("X-Amz-Date"))
    assert seen.headers.pop("Authorization").startswith("AWS4-HMAC-SHA256 ")
    assert {name: value for name, value in seen.headers.items() if name != "X-Amz-Security-Token"} == {
        "Host": server.url.removeprefix("http://"),
        "Accept": "application/json",
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.PutItem",
        "User-Agent": f"AmazonAPIGateway_{api.id}",
        "Content-Length": "2",
    }


@pytest.mark.parametrize(
    ("target", "template", "parameters", "method", "request_line", "content_type"),
    [
        ("kinesis:action/PutRecord", "{}", {}, "POST", "/", "application/x-amz-json-1.1"),
        ("sqs:action/SendMessage", ' {"a": 1}', {}, "POST", "/", "application/x-amz-json-1.0"),
        (
            "sqs:action/SendMessage",
            "MessageBody=x",
            FORM,
            "POST",
            "/?Action=SendMessage&Version=2012-11-05",
            "application/x-www-form-urlencoded",
        ),
        (
            "sns:action/Publish&Subject=a b",
            "",
            {"integration.request.querystring.Message": "'x'"},
            "GET",
            "/?Action=Publish&Version=2010-03-31&Subject=a%20b&Message=x",
            "application/x-www-form-urlencoded",
        ),
        ("s3:path/bucket/key?tagging", "<a/>", {}, "PUT", "/bucket/key?tagging", "application/json"),
        (
            "sqs:path/0/q?Version=1",
            "Action=SendMessage",
            {},
            "POST",
            "/0/q?Version=1",
            "application/x-www-form-urlencoded",
        ),
    ],
)
def test_each_protocol_has_its_request_line_and_content_type(
    make: Callable[..., TestApi],
    server: Aws,
    target: str,
    template: str,
    parameters: dict[str, str],
    method: str,
    request_line: str,
    content_type: str,
) -> None:
    call(make(target, template, IntegrationMethod=method, RequestParameters=parameters))
    [seen] = server.seen
    assert (seen.method, seen.target, header(seen, "Content-Type")) == (method, request_line, content_type)
    assert ("X-Amz-Target" in seen.headers) == ("json-1" in content_type)


REFUSED = [
    "content-length",
    "Transfer-Encoding",
    "x-amzn-trace-id",
    "X-Amzn-Apigateway-Api-Id",
    "Authorization",
    "connection",
    "expect",
    "Proxy-Authenticate",
    "te",
]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("how", ["mapping", "override"])
def test_a_header_that_may_not_be_set_is_an_internal_server_error(
    make: Callable[..., TestApi], server: Aws, lines: Lines, name: str, how: str
) -> None:
    if how == "mapping":
        api = make("sqs:action/SendMessage", RequestParameters={f"integration.request.header.{name}": "'x'"})
    else:
        template = f"#set($context.requestOverride.header['{name}'] = 'x'){{}}"
        api = make("sqs:action/SendMessage", template)
    assert error(call(api)) == "Internal server error"
    assert name in lines.failure
    assert server.seen == []


def test_a_mapped_referer_is_left_out(make: Callable[..., TestApi], server: Aws) -> None:
    parameters = {"integration.request.header.Referer": "'http://x/'", "integration.request.header.X-Kept": "'yes'"}
    assert call(make("sqs:action/SendMessage", RequestParameters=parameters)) == "{}"
    [seen] = server.seen
    assert header(seen, "Referer") is None
    assert header(seen, "X-Kept") == "yes"


def test_without_a_role_the_gateways_own_keys_sign(
    make: Callable[..., TestApi], server: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = make("sqs:action/SendMessage")
    call(api)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own-secret")
    call(api)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "own-token")
    call(api)
    nobody, own, temporary = server.seen
    assert signature(nobody, LOCAL_SECRET).access_key == LOCAL
    assert signature(own, "own-secret").access_key == "AKIDOWN"
    assert header(own, "X-Amz-Security-Token") is None
    assert signature(temporary, "own-secret").access_key == "AKIDOWN"
    assert header(temporary, "X-Amz-Security-Token") == "own-token"


USERS = {"AWS_ACCESS_KEY_ID": "AKIDOWN", "AWS_SECRET_ACCESS_KEY": "own-secret"}
AWAY: list[Any] = [  # requests that call themselves AWS's own, or anybody's, and go elsewhere
    pytest.param("my.bucket.s3:path/key", {}, "my.bucket.s3.us-east-1.amazonaws.com", id="sub-domain"),
    pytest.param("states:action/StartSyncExecution", {}, "sync-states.us-east-1.amazonaws.com", id="prefix"),
    pytest.param(
        "sqs:action/SendMessage",
        {"RequestParameters": {"integration.request.header.Host": "'sqs.us-east-1.amazonaws.com'"}},
        "sqs.us-east-1.amazonaws.com",
        id="mapped host",
    ),
    pytest.param(
        "sqs:action/SendMessage",
        {"RequestTemplates": {"$default": "#set($context.requestOverride.header.host = 'sqs.amazonaws.com'){}"}},
        "sqs.amazonaws.com",
        id="overridden host",
    ),
]


@pytest.mark.parametrize(("target", "members", "host"), AWAY)
def test_the_users_keys_sign_nothing_for_a_host_that_does_not_get_it(
    make: Callable[..., TestApi],
    server: Aws,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    members: dict[str, Any],
    host: str,
) -> None:
    for name, value in USERS.items():
        monkeypatch.setenv(name, value)
    call(make(target, **members))
    call(make("sqs:action/SendMessage"))
    away, own = server.seen
    assert away.headers["Host"] == host
    assert signature(away, LOCAL_SECRET).access_key == LOCAL
    assert own.headers["Host"] == server.address
    assert signature(own, "own-secret").access_key == "AKIDOWN"


@pytest.mark.parametrize(("target", "members", "host"), AWAY)
def test_neither_do_they_in_place_of_a_role(
    gateway: RunningGateway,
    server: Aws,
    monkeypatch: pytest.MonkeyPatch,
    lines: Lines,
    target: str,
    members: dict[str, Any],
    host: str,
) -> None:
    for name, value in USERS.items():
        monkeypatch.setenv(name, value)
    for service in ("S3", "SFN", "SQS"):  # and nothing says where STS is
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)
    role = f"{ROLE}/{target.partition(':')[0]}/{host}"
    api = gateway.api({
        "own": aws("sqs:action/SendMessage", "{}", CredentialsArn=role),
        "away": aws(target, **{"template": "{}", "CredentialsArn": role, **members}),
    })  # fmt: skip
    with api.connect() as client:
        for action in ("own", "away", "own", "away"):
            assert ask(client, action) == "{}"
    assert [seen.headers["Host"] for seen in server.seen] == [server.address, host] * 2
    assert [signature(seen, "own-secret").access_key for seen in server.seen[::2]] == ["AKIDOWN"] * 2
    assert [signature(seen, LOCAL_SECRET).access_key for seen in server.seen[1::2]] == [LOCAL] * 2
    said = "no STS: the gateway's own credentials stand in for a role"
    assert lines.of(said, role=role) == [{"role": role}]


def test_a_role_is_assumed_once_and_signs(
    make: Callable[..., TestApi], server: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own-secret")
    role = ROLE + "/assumed-once"
    with make("arn:aws:apigateway:eu-west-1:sqs:action/SendMessage", CredentialsArn=role).connect() as client:
        assert ask(client, "call") == "{}"
        assert ask(client, "call") == "{}"
    [assumed] = server.assumed
    assert (assumed.method, assumed.target) == ("POST", "/")
    form = dict(pair.split("=") for pair in assumed.body.decode().split("&"))
    assert form["RoleArn"] == role.replace(":", "%3A").replace("/", "%2F")
    assert form["RoleSessionName"]
    signed = signature(assumed, "own-secret")
    assert (signed.access_key, signed.service) == ("AKIDOWN", "sts")
    for seen in server.called:
        signed = signature(seen, "role-secret-1")
        assert (signed.access_key, signed.service, signed.region) == ("ASIAROLE1", "sqs", "eu-west-1")
        assert "x-amz-security-token" in signed.signed
        assert header(seen, "X-Amz-Security-Token") == "role-token-1"
    assert server.seen == [assumed, *server.called]
    assert len(server.called) == 2


def test_messages_that_come_together_wait_for_one_assume_role(shared: tuple[RunningGateway, Aws], server: Aws) -> None:
    role = ROLE + "/together"
    integration = aws("sqs:action/SendMessage", "{}", CredentialsArn=role)
    api = shared[0].api({"one": integration, "two": integration, "ping": mock("pong", two_way=True)})
    server.ready.clear()
    try:
        with api.connect() as client:
            for action in ("one", "two", "one"):
                client.send(json.dumps({"action": action}))
            assert ask(client, "ping") == "pong"  # so the others have begun
            server.ready.set()
            assert [client.recv(5) for _ in range(3)] == ["{}"] * 3
    finally:
        server.ready.set()
    assert len(server.assumed) == 1
    assert len(server.called) == 3


def test_a_roles_keys_are_renewed_before_they_expire() -> None:
    clock = ManualClock()
    with Aws(clock.time) as server, running(aws=server.url, clock=clock) as gateway:
        api = gateway.api({"call": aws("sqs:action/SendMessage", "{}", CredentialsArn=ROLE)})
        call(api)
        gateway.advance(3200)
        call(api)
        assert len(server.assumed) == 1
        gateway.advance(200)  # 200 s are left
        call(api)
        assert len(server.assumed) == 2
        assert signature(server.called[-1], "role-secret-2").access_key == "ASIAROLE2"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (
            403,
            b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform "
            b"sts:AssumeRole</Message></Error><RequestId>1</RequestId></ErrorResponse>",
            "AccessDenied: not authorized to perform sts:AssumeRole",
        ),
        (500, b"oops", "STS answered 500"),
        (200, b"<AssumeRoleResponse/>", "no credentials"),
        (200, b'<?xml version="1.0" encoding="foo"?><AssumeRoleResponse/>', "STS answered 200, and no XML"),
        (200, b'<?xml version="1.0" encoding="utf-7"?><AssumeRoleResponse/>', "STS answered 200, and no XML"),
        (200, b"<a>" + b" " * MAX_XML + b"</a>", "STS answered 200, and no XML"),
    ],
)
def test_a_role_that_cannot_be_assumed_is_an_internal_server_error_and_asked_for_again(
    status: int, body: bytes, why: str, lines: Lines
) -> None:
    with Backend(lambda seen: (status, {}, body)) as server, running(aws=server.url) as gateway:
        api = gateway.api({"call": aws("sqs:action/SendMessage", "{}", CredentialsArn=ROLE)})
        with api.connect() as client:
            assert error(ask(client, "call")) == "Internal server error"
            assert ROLE in lines.failure
            assert why in lines.failure
            assert error(ask(client, "call")) == "Internal server error"
        assert [seen.headers["Authorization"].count("/sts/") for seen in server.seen] == [1, 1]


@pytest.mark.parametrize("target", ["sqs:action/SendMessage", "lambda:path/2015-03-31/functions/any/invocations"])
def test_the_callers_own_credentials_are_an_internal_server_error(
    make: Callable[..., TestApi], server: Aws, lines: Lines, target: str
) -> None:
    assert error(call(make(target, CredentialsArn="arn:aws:iam::*:user/*"))) == "Internal server error"
    assert "caller" in lines.failure
    assert server.seen == []


def test_so_they_are_for_a_proxy_of_a_function(shared: tuple[RunningGateway, Aws], server: Aws, lines: Lines) -> None:
    source = 'def handler(event, context):\n    return {"statusCode": 200, "body": "called"}'
    callers = {"CredentialsArn": "arn:aws:iam::*:user/*", "two_way": True}
    functions = {"here": shared[0].function("callers-own", source), "elsewhere": "nobody-here"}
    api = shared[0].api({name: proxy(function, **callers) for name, function in functions.items()})
    with api.connect() as client:
        for name in functions:
            assert error(ask(client, name)) == "Internal server error"
    assert ["caller's credentials" in each["error"] for each in lines.of("failed")] == [True, True]
    assert server.seen == []


def test_a_role_comes_from_stage_variables_which_act_at_once(shared: tuple[RunningGateway, Aws], server: Aws) -> None:
    role = "arn:aws:iam::000000000000:role/${stageVariables.role}"
    integration = aws("sqs:action/SendMessage", "{}", CredentialsArn=role)
    api = shared[0].api({"call": integration}, variables={"role": "first"})
    with api.connect() as client:
        ask(client, "call")
        shared[0].client("apigatewayv2").update_stage(
            ApiId=api.id, StageName=api.stage, StageVariables={"role": "second"}
        )
        ask(client, "call")
    assert [re.findall(rb"RoleArn=[^&]*%2F(\w+)", seen.body) for seen in server.assumed] == [[b"first"], [b"second"]]


def test_a_role_from_an_undefined_stage_variable_is_an_internal_server_error(
    make: Callable[..., TestApi], server: Aws, lines: Lines
) -> None:
    role = "arn:aws:iam::000000000000:role/${stageVariables.nobody}"
    assert error(call(make("sqs:action/SendMessage", CredentialsArn=role))) == "Internal server error"
    assert "arn:aws:iam::000000000000:role/" in lines.failure
    assert server.seen == []


def test_sts_counts_in_the_time_that_an_integration_has(make: Callable[..., TestApi], server: Aws) -> None:
    api = make("sqs:action/SendMessage", CredentialsArn=ROLE + "/slow", TimeoutInMillis=100)
    server.ready.clear()
    try:
        assert error(call(api)) == "Endpoint request timed out"
    finally:
        server.ready.set()
    eventually(lambda: server.assumed)
    assert server.called == []

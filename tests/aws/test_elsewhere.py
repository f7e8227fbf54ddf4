"""Functions that this gateway does not run: those of other accounts, those behind --map, those that --aws has."""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.helpers import DEFAULT, ask, assume_role_answer, aws, name_of, signature
from tests.support import Backend, Lines, RunningGateway, Seen, error, lambda_uri, proxy, running

FAR = "arn:aws:lambda:eu-west-1:111122223333:function:"
NEAR = "arn:aws:lambda:us-east-1:000000000000:function:"
STANDS_IN = "the function of that name here stands in for one of another account or region"


class Remote(Backend):
    """A Lambda Invoke endpoint somewhere: it answers with what the message asks for."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.release = threading.Event()

    def _answer(self, seen: Seen) -> tuple[int, dict[str, str], bytes]:
        event = json.loads(seen.body or b"{}")
        wish = json.loads(event["body"]) if "body" in event else event
        if wish.get("hang"):
            self.release.wait(5)
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": "3", **wish.get("headers", {})}
        if wish.get("raise"):
            headers["X-Amz-Function-Error"] = "Unhandled"
            return 200, headers, json.dumps({"errorMessage": wish["raise"], "errorType": "Error"}).encode()
        answer = {"statusCode": 200, "body": "from far"}
        return wish.get("status", 200), headers, json.dumps(wish.get("answer", answer)).encode()


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[RunningGateway, Remote]]:
    """A gateway whose --map names some functions."""
    with Remote() as remote:
        address = remote.url.removeprefix("http://")
        mapped = [
            f"{FAR}exact:prod",
            f"{FAR}whole",
            f"{FAR}by-name",
            f"{NEAR}preferred-AWS",
            f"{NEAR}preferred-AWS_PROXY",
        ]
        with running(
            map={**dict.fromkeys(mapped, address), f"{FAR}gone": "127.0.0.1:1", f"{FAR}nonsense": "no address"}
        ) as gateway:
            yield gateway, remote
        remote.release.set()


@pytest.fixture
def gate(world: tuple[RunningGateway, Remote]) -> RunningGateway:
    return world[0]


@pytest.fixture
def remote(world: tuple[RunningGateway, Remote]) -> Remote:
    world[1].seen.clear()
    return world[1]


def integration(kind: str, reference: str, **members: Any) -> dict[str, Any]:
    """An integration of either type that calls a function."""
    if kind == "AWS_PROXY":
        return proxy(reference, two_way=True, **members)
    return aws(lambda_uri(reference), None, "$input.path('$.body')", **{"CredentialsArn": None, **members})


@pytest.fixture(scope="module")
def linked() -> Iterator[tuple[RunningGateway, Remote]]:
    """A gateway with a function `orders`, and a VPC link of that name in --map."""
    with Remote() as remote, running(map={"orders": remote.address}) as gateway:
        gateway.function("orders", 'def handler(event, context):\n    return {"statusCode": 200, "body": "from here"}')
        yield gateway, remote


both = pytest.mark.parametrize("kind", ["AWS_PROXY", "AWS"])


@both
@pytest.mark.parametrize(
    ("reference", "name", "qualifier"),
    [
        (f"{FAR}exact:prod", "exact", "prod"),
        (f"{FAR}whole", "whole", None),
        (f"{FAR}whole:7", "whole", "7"),
        (f"{FAR}whole:$LATEST", "whole", "%24LATEST"),
        (f"{FAR}by-name:blue", "by-name", "blue"),
        (f"{FAR}by-name", "by-name", None),
        ("${stageVariables.function}", "by-name", "live"),
    ],
)
def test_a_mapped_function_is_invoked_where_the_map_says(
    gate: RunningGateway, remote: Remote, kind: str, reference: str, name: str, qualifier: str | None
) -> None:
    api = gate.api({"$default": integration(kind, reference)}, variables={"function": f"{FAR}by-name:live"})
    with api.connect() as client:
        assert ask(client, "call", n=1) == "from far"
        [connection_id] = api.connection_ids()
    [seen] = remote.seen
    query = "" if qualifier is None else f"?Qualifier={qualifier}"
    assert (seen.method, seen.target) == ("POST", f"/2015-03-31/functions/{name}/invocations{query}")
    assert seen.headers["Content-Type"] == "application/json"
    assert "Authorization" not in seen.headers  # nobody there checks it
    document = json.loads(seen.body)
    if kind == "AWS_PROXY":
        assert document["requestContext"]["connectionId"] == connection_id
        document = json.loads(document["body"])
    assert document == {"action": "call", "n": 1}


@both
def test_another_qualifier_of_a_function_that_is_mapped_with_one_is_not_led_away(
    gate: RunningGateway, remote: Remote, kind: str
) -> None:
    with gate.api({"$default": integration(kind, f"{FAR}exact:test")}).connect() as client:
        assert error(ask(client, "call")) == "Internal server error"
    assert remote.seen == []


@both
def test_the_map_wins_over_a_function_of_that_name_here(gate: RunningGateway, remote: Remote, kind: str) -> None:
    source = 'def handler(event, context):\n    return {"statusCode": 200, "body": "from here"}'
    mapped, here = gate.function(f"preferred-{kind}", source), gate.function(name_of("here"), source)
    api = gate.api({"there": integration(kind, mapped), "here": integration(kind, here)})
    with api.connect() as client:
        assert ask(client, "there") == "from far"
        assert ask(client, "here") == "from here"


def test_a_function_error_from_far_is_one_of_aws_proxy(gate: RunningGateway, remote: Remote, lines: Lines) -> None:
    with gate.api({"$default": integration("AWS_PROXY", f"{FAR}by-name")}).connect() as client:
        assert error(ask(client, "call", **{"raise": "far away"})) == "Internal server error"
    assert "Error: far away" in lines.failure


def test_a_function_error_from_far_selects_the_response_of_aws(gate: RunningGateway, remote: Remote) -> None:
    responses = [DEFAULT, {"IntegrationResponseKey": "/far .*/", "ResponseTemplates": {"$default": "too far"}}]
    with gate.api({"$default": integration("AWS", f"{FAR}by-name", responses=responses)}).connect() as client:
        assert ask(client, "call", **{"raise": "far away"}) == "too far"


def test_lambdas_headers_go_there_and_come_back(gate: RunningGateway, remote: Remote) -> None:
    response = {
        **DEFAULT,
        "TemplateSelectionExpression": "${integration.response.header.X-Amz-Executed-Version}",
        "ResponseTemplates": {"3": "version three", "$default": "another"},
    }
    parameters = {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}
    members: dict[str, Any] = {"RequestParameters": parameters, "responses": [response]}
    with gate.api({"$default": integration("AWS", f"{FAR}by-name", **members)}).connect() as client:
        assert ask(client, "call", status=202) == "version three"
    assert remote.seen[0].headers["X-Amz-Invocation-Type"] == "Event"


@both
@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_a_refusal_from_far_is_an_internal_server_error(
    gate: RunningGateway, remote: Remote, lines: Lines, kind: str, status: int
) -> None:
    with gate.api({"$default": integration(kind, f"{FAR}by-name")}).connect() as client:
        wish = {"status": status, "answer": {"Message": "why not"}}
        assert error(ask(client, "call", **wish)) == "Internal server error"
    assert str(status) in lines.failure
    assert "why not" in lines.failure
    assert len(remote.seen) == 1


@both
def test_a_mapped_address_where_nobody_listens_is_an_internal_server_error(gate: RunningGateway, kind: str) -> None:
    with gate.api({"$default": integration(kind, f"{FAR}gone")}).connect() as client:
        assert error(ask(client, "call")) == "Internal server error"


@both
def test_a_function_far_away_that_is_late_times_out(gate: RunningGateway, remote: Remote, kind: str) -> None:
    with gate.api({"$default": integration(kind, f"{FAR}by-name", TimeoutInMillis=100)}).connect() as client:
        assert error(ask(client, "call", hang=True)) == "Endpoint request timed out"
        assert ask(client, "call") == "from far"


@both
def test_a_map_that_gives_no_address_refuses_the_deployment(gate: RunningGateway, kind: str) -> None:
    with pytest.raises(ClientError, match=f"--map {FAR}nonsense=no address"):
        gate.api({"$default": integration(kind, f"{FAR}nonsense")})


@both
def test_a_map_may_lead_to_a_unix_socket(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "socket")
    with (
        Backend(lambda seen: (200, {}, b'{"statusCode": 200, "body": "from a socket"}'), path=path) as backend,
        running(map={f"{FAR}socketed": backend.address}) as gateway,
        gateway.api({"$default": integration(kind, f"{FAR}socketed:1")}).connect() as client,
    ):
        assert ask(client, "call") == "from a socket"
    assert [seen.target for seen in backend.seen] == ["/2015-03-31/functions/socketed/invocations?Qualifier=1"]


# Accounts and regions


@both
@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("us-east-1:000000000000", 0),
        ("eu-west-1:000000000000", 1),
        ("us-east-1:111122223333", 1),
    ],
)
def test_the_function_of_that_name_here_stands_in_for_another_accounts(
    gateway: RunningGateway, lines: Lines, kind: str, where: str, told: int
) -> None:
    name = name_of("stands-in")
    gateway.function(name, 'def handler(event, context):\n    return {"statusCode": 200, "body": "from here"}')
    reference = f"arn:aws:lambda:{where}:function:{name}"
    with gateway.api({"$default": integration(kind, reference)}).connect() as client:
        assert ask(client, "call") == "from here"
        assert ask(client, "call") == "from here"
    assert lines.of(STANDS_IN) == [{"function": reference}] * told


@both
def test_a_function_that_nobody_has_is_an_internal_server_error_that_says_what_helps(
    gateway: RunningGateway, lines: Lines, kind: str
) -> None:
    with gateway.api({"$default": integration(kind, f"{FAR}nowhere")}).connect() as client:
        assert error(ask(client, "call")) == "Internal server error"
    assert f"--map {FAR}nowhere=HOST:PORT" in lines.failure
    assert "--aws" in lines.failure


# At --aws


class Cloudlike(Remote):
    """The same with STS beside it."""

    def _answer(self, seen: Seen) -> tuple[int, dict[str, str], bytes]:
        if b"Action=AssumeRole" not in seen.body:
            return super()._answer(seen)
        expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        return 200, {"Content-Type": "text/xml"}, assume_role_answer(1, expires)


@pytest.fixture(scope="module")
def clouded() -> Iterator[tuple[RunningGateway, Cloudlike]]:
    with Cloudlike() as cloudlike, running(aws=cloudlike.url) as gateway:
        yield gateway, cloudlike


def call_at_aws(
    clouded: tuple[RunningGateway, Cloudlike], kind: str, reference: str, **members: Any
) -> tuple[str, list[Seen]]:
    """The frame, and what reached --aws."""
    gateway, cloudlike = clouded
    cloudlike.seen.clear()
    with gateway.api({"$default": integration(kind, reference, **members)}).connect() as client:
        return ask(client, "call"), list(cloudlike.seen)


@both
def test_a_function_that_is_not_here_is_invoked_at_aws_signed(
    clouded: tuple[RunningGateway, Cloudlike], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own-secret")
    frame, [seen] = call_at_aws(clouded, kind, f"{FAR}cloud:prod")
    assert frame == "from far"
    path = seen.target.replace("%3A", ":")
    assert (seen.method, path) == ("POST", f"/2015-03-31/functions/{FAR}cloud:prod/invocations")
    signed = signature(seen, "own-secret")
    assert (signed.access_key, signed.service, signed.region) == ("AKIDOWN", "lambda", "eu-west-1")


@both
def test_a_function_without_an_arn_is_in_the_region_of_the_uri(
    clouded: tuple[RunningGateway, Cloudlike], kind: str
) -> None:
    _, [seen] = call_at_aws(clouded, kind, "cloud", IntegrationUri=lambda_uri("cloud", "ap-south-1"))
    assert signature(seen, "routekey-local").region == "ap-south-1"


@both
def test_a_function_at_aws_is_invoked_with_the_role(clouded: tuple[RunningGateway, Cloudlike], kind: str) -> None:
    role = f"arn:aws:iam::000000000000:role/{kind}"
    _, seen = call_at_aws(clouded, kind, f"{FAR}cloud", CredentialsArn=role)
    assert signature(seen[-1], "role-secret-1").access_key == "ASIAROLE1"


@both
def test_a_function_that_is_here_does_not_go_to_aws(clouded: tuple[RunningGateway, Cloudlike], kind: str) -> None:
    source = 'def handler(event, context):\n    return {"statusCode": 200, "body": "from here"}'
    frame, seen = call_at_aws(clouded, kind, clouded[0].function(name_of("local"), source))
    assert (frame, seen) == ("from here", [])


@both
def test_an_endpoint_variable_that_leads_back_here_makes_no_circle(
    gateway: RunningGateway, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", gateway.url)
    with gateway.api({"$default": integration(kind, "nowhere")}).connect() as client:
        assert error(ask(client, "call")) == "Internal server error"


@both
@pytest.mark.parametrize("reference", ["orders", f"{NEAR}orders", f"{FAR}orders", f"{NEAR}orders:$LATEST"])
def test_a_link_that_is_named_like_a_function_does_not_lead_it_away(
    linked: tuple[RunningGateway, Remote], kind: str, reference: str
) -> None:
    gateway, remote = linked
    with gateway.api({"$default": integration(kind, reference)}).connect() as client:
        assert ask(client, "call") == "from here"
    assert remote.seen == []

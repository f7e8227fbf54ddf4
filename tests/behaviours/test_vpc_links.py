"""VPC links and `--map`: where private backends are, and which of several gets a message (spec 1.14, 4.4)."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from routekey.resources.ids import Ids
from tests.backends import Authority
from tests.behaviours.test_connect import refused
from tests.support import Backend, Lines, ManualClock, RunningGateway, error, running

BALANCER = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/orders/50dc6c495c0c9188"
HOST = "orders.internal"
URI = f"http://{HOST}:8080/in"


@dataclass
class Numbered(Ids):
    """Ids that a test knows beforehand: the first is 1."""

    made: int = 0

    def of(self, length: int) -> str:
        self.made += 1
        return f"{self.made:0{length}d}"


def answering(text: str, path: str | None = None) -> Backend:
    return Backend(lambda seen: (200, {}, f"{text} got ".encode() + seen.body), path=path)


def v1_link(gateway: RunningGateway, name: str = "private") -> str:
    return str(gateway.client("apigateway").create_vpc_link(name=name, targetArns=[BALANCER])["id"])


def v2_link(gateway: RunningGateway, name: str = "private") -> str:
    return str(gateway.client("apigatewayv2").create_vpc_link(Name=name, SubnetIds=["subnet-1"])["VpcLinkId"])


def linked(link: str, uri: str = URI, **members: Any) -> dict[str, Any]:
    """A two-way HTTP_PROXY integration through a VPC link."""
    return {
        "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": uri,
        "ConnectionType": "VPC_LINK",
        "ConnectionId": link,
        "two_way": True,
        **members,
    }


def http(**members: Any) -> dict[str, Any]:
    """What makes an integration HTTP: its answers need an integration response."""
    return {"IntegrationType": "HTTP", "responses": [{"IntegrationResponseKey": "$default"}], **members}


@pytest.mark.parametrize(
    ("make", "name"),
    [(v1_link, "private"), (v1_link, "000001"), (v1_link, BALANCER), (v1_link, HOST), (v2_link, "private"),
     (v2_link, "000001")],
    ids=["v1 by name", "v1 by id", "v1 by load balancer", "v1 by host", "v2 by name", "v2 by id"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [{}, http()], ids=["HTTP_PROXY", "HTTP"])
def test_a_link_leads_to_the_address_that_it_is_mapped_to_and_the_host_is_that_of_the_uri(
    make: Any, name: str, kind: dict[str, Any]
) -> None:
    with answering("private") as backend, running(map={name: backend.address}, ids=Numbered()) as gateway:
        link = make(gateway)
        with gateway.api({"$default": linked(link, **kind)}).connect() as client:
            client.send("hello")
            assert client.recv(5) == "private got hello"
    [seen] = backend.seen
    assert (seen.target, seen.headers["Host"]) == ("/in", f"{HOST}:8080")


def test_a_link_serves_connect_too() -> None:
    with (
        Backend(lambda seen: (403, {}, b"not you")) as backend,
        running(map={"private": backend.address}) as gateway,
    ):
        api = gateway.api({"$connect": linked(v1_link(gateway), two_way=False)})
        code, _, body = refused(api, "?who=me")
        assert (code, body) == (403, "not you")
    assert backend.seen[0].target == "/in?who=me"
    assert backend.seen[0].headers["Host"] == f"{HOST}:8080"


# Several targets


def test_the_targets_of_a_link_get_the_same_number_of_messages() -> None:
    with ExitStack() as stack:
        backends = [stack.enter_context(answering(str(number))) for number in range(3)]
        gateway = stack.enter_context(running(map={"private": ",".join(each.address for each in backends)}))
        client = stack.enter_context(gateway.api({"$default": linked(v1_link(gateway))}).connect())
        for _ in range(9):
            client.send("x")
        answers = Counter(client.recv(5) for _ in range(9))
    assert answers == {f"{number} got x": 3 for number in range(3)}


@pytest.fixture
def socket_path() -> Iterator[str]:
    # Not tmp_path: the path of a socket has 100 characters at most.
    with tempfile.TemporaryDirectory(prefix="rk") as folder:
        yield f"{folder}/s"


def test_a_target_may_be_a_unix_socket(socket_path: str) -> None:
    with answering("socket", socket_path) as backend, running(map={"private": f"unix:{socket_path}"}) as gateway:
        with gateway.api({"$default": linked(v1_link(gateway))}).connect() as client:
            client.send("1")
            assert client.recv(5) == "socket got 1"
            client.send("2")
            assert client.recv(5) == "socket got 2"
        assert backend.seen[0].headers["Host"] == f"{HOST}:8080"


def test_a_dead_target_is_left_out_without_loss_and_tried_again_after_five_seconds(socket_path: str) -> None:
    with (
        answering("alive") as alive,
        running(map={"private": f"unix:{socket_path},{alive.address}"}, clock=ManualClock()) as gateway,
        gateway.api({"$default": linked(v1_link(gateway))}).connect() as client,
    ):

        def ask(times: int) -> Counter[str]:
            for _ in range(times):
                client.send("x")
            return Counter(str(client.recv(5)) for _ in range(times))

        assert ask(6) == {"alive got x": 6}
        with answering("socket", socket_path):
            gateway.advance(4.9)
            assert ask(4) == {"alive got x": 4}
            gateway.advance(0.2)
            assert ask(4) == {"alive got x": 2, "socket got x": 2}


def test_where_every_target_is_dead_the_message_fails_and_the_next_one_tries_again(socket_path: str) -> None:
    with (
        running(map={"private": f"unix:{socket_path},unix:{socket_path}2"}, clock=ManualClock()) as gateway,
        gateway.api({"$default": linked(v1_link(gateway))}).connect() as client,
    ):
        client.send("1")
        assert error(client.recv(5)) == "Internal server error"
        with answering("socket", socket_path):
            client.send("2")
            assert client.recv(5) == "socket got 2"


@pytest.mark.parametrize(
    ("answer", "frame"), [(None, "Endpoint request timed out"), (b"", "Internal server error")], ids=["late", "gone"]
)
def test_a_message_that_reached_one_target_is_sent_to_no_other(answer: bytes | None, frame: str) -> None:
    with (
        answering("other") as other,
        socket.create_server(("127.0.0.1", 0)) as server,
        running(map={"private": f"127.0.0.1:{server.getsockname()[1]},{other.address}"}) as gateway,
        gateway.api({"$default": linked(v1_link(gateway), TimeoutInMillis=300)}).connect() as client,
    ):
        held = []

        def serve() -> None:
            taken, _ = server.accept()
            taken.recv(65536)
            held.append(taken)
            if answer is not None:
                taken.close()

        threading.Thread(target=serve, daemon=True).start()
        client.send("once")
        assert error(client.recv(5)) == frame
        assert other.seen == []
        client.send("next")
        assert client.recv(5) == "other got next"


@contextmanager
def swallowing() -> Iterator[str]:
    """The address of a server that answers no attempt to connect: its backlog is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("others", [1, 2])
def test_a_target_that_swallows_packets_is_left_out_and_costs_no_message(others: int) -> None:
    with (
        answering("alive") as alive,
        swallowing() as dead,
        running(map={"private": ",".join([dead] + [alive.address] * others)}) as gateway,
        gateway.api({"$default": linked(v1_link(gateway), TimeoutInMillis=1000)}).connect() as client,
    ):
        client.send("first")
        assert client.recv(5) == "alive got first"
        started = time.monotonic()
        for number in range(6):
            client.send(str(number))
            assert client.recv(5) == f"alive got {number}"
        assert time.monotonic() - started < 0.3


def test_where_every_target_swallows_packets_the_message_times_out() -> None:
    with (
        swallowing() as one,
        swallowing() as two,
        running(map={"private": f"{one},{two}"}) as gateway,
        gateway.api({"$default": linked(v1_link(gateway), TimeoutInMillis=300)}).connect() as client,
    ):
        started = time.monotonic()
        client.send("x")
        assert error(client.recv(5)) == "Endpoint request timed out"
        assert time.monotonic() - started < 1


def test_a_backend_that_swallows_packets_times_out(gateway: RunningGateway) -> None:
    with swallowing() as dead:
        integration = {**linked("", f"http://{dead}/"), "TimeoutInMillis": 200}
        del integration["ConnectionType"], integration["ConnectionId"]
        with gateway.api({"$default": integration}).connect() as client:
            client.send("x")
            assert error(client.recv(5)) == "Endpoint request timed out"


# TLS


@contextmanager
def secured(folder: Path, name: str) -> Iterator[tuple[Backend, Authority, list[str | None]]]:
    """A backend with a certificate for `name`, who vouches for it, and whom clients asked for."""
    authority, asked = Authority(folder, "trusted"), list[str | None]()
    context = authority.server(name)
    context.sni_callback = lambda connection, server_name, _: asked.append(server_name)
    with Backend(lambda seen: (200, {}, b"secure"), context=context) as backend:
        yield backend, authority, asked


@pytest.mark.parametrize(
    ("certificate", "members", "asked"),
    [(HOST, {}, HOST), ("cert.internal", {"TlsConfig": {"ServerNameToVerify": "cert.internal"}}, "cert.internal")],
    ids=["the host of the URI", "serverNameToVerify"],
)
def test_tls_over_a_link_asks_for_and_verifies_the_right_name(
    tmp_path: Path, certificate: str, members: dict[str, Any], asked: str
) -> None:
    with (
        secured(tmp_path, certificate) as (backend, authority, names),
        running(map={"private": backend.address}, backend_ca=str(authority.file)) as gateway,
        gateway.api({"$default": linked(v1_link(gateway), f"https://{HOST}/", **members)}).connect() as client,
    ):
        client.send("x")
        assert client.recv(5) == "secure"
    assert (names, [seen.headers["Host"] for seen in backend.seen]) == ([asked], [HOST])


@pytest.mark.parametrize(
    ("certificate", "trusted", "members"),
    [
        ("other.internal", True, {}),
        (HOST, True, {"TlsConfig": {"ServerNameToVerify": "other.internal"}}),
        (HOST, False, {}),
    ],
    ids=["another name", "not the name to verify", "not trusted"],
)
def test_a_certificate_that_does_not_fit_gets_no_request(
    tmp_path: Path, certificate: str, trusted: bool, members: dict[str, Any]
) -> None:
    with (
        secured(tmp_path, certificate) as (backend, authority, _),
        running(map={"private": backend.address}, backend_ca=str(authority.file) if trusted else None) as gateway,
        gateway.api({"$default": linked(v1_link(gateway), f"https://{HOST}/", **members)}).connect() as client,
        Lines() as found,
    ):
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"
    assert backend.seen == []
    assert "certificate verify failed" in found.failure


# Links named by stage variables


def test_a_stage_variable_may_name_the_link_and_acts_at_once() -> None:
    with (
        answering("one") as one,
        answering("two") as two,
        running(map={"one": one.address, "two": two.address}) as gateway,
    ):
        links = v1_link(gateway, "one"), v2_link(gateway, "two")
        integration = linked("${stageVariables.vpcLinkId}")
        api = gateway.api({"$default": integration}, variables={"vpcLinkId": links[0]})
        with api.connect() as client:
            client.send("x")
            assert client.recv(5) == "one got x"
            gateway.client("apigatewayv2").update_stage(
                ApiId=api.id, StageName=api.stage, StageVariables={"vpcLinkId": links[1]}
            )
            client.send("x")
            assert client.recv(5) == "two got x"


@pytest.mark.parametrize(
    ("variables", "says"),
    [({"vpcLinkId": "abc123"}, "--map abc123=HOST:PORT"), ({}, "set the stage variable")],
    ids=["unmapped", "undefined"],
)
def test_a_stage_variable_that_leads_nowhere_fails_each_message_and_the_log_says_what_to_do(
    gateway: RunningGateway, variables: dict[str, str], says: str
) -> None:
    api = gateway.api({"$default": linked("${stageVariables.vpcLinkId}")}, variables=variables)
    with api.connect() as client, Lines() as found:
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"
    assert says in found.failure


# What is refused


def deployment_error(gateway: RunningGateway, integration: dict[str, Any]) -> tuple[str, str]:
    """The id of an integration that cannot be deployed, and what create_deployment says of it."""
    api = gateway.api({"$connect": None})
    api.add_route("order", integration)
    with pytest.raises(gateway.client("apigatewayv2").exceptions.BadRequestException) as caught:
        api.deploy()
    return api.integrations["order"], str(caught.value)


@pytest.mark.parametrize("make", [v1_link, v2_link, None], ids=["v1", "v2", "no such link"])
def test_a_link_that_is_not_mapped_cannot_be_deployed_and_the_error_says_what_to_do(
    gateway: RunningGateway, make: Any
) -> None:
    link = make(gateway, "unmapped") if make else "abc123"
    integration_id, message = deployment_error(gateway, linked(link))
    for part in (integration_id, "order", link, f"--map {'unmapped' if make else link}=HOST:PORT"):
        assert part in message
    assert ("unmapped" if make else "does not exist") in message


def test_a_link_without_an_address_keeps_what_is_deployed_serving() -> None:
    with answering("private") as backend, running(map={"private": backend.address}) as gateway:
        api = gateway.api({"$default": linked(v1_link(gateway))})
        with api.connect() as client:
            gateway.client("apigatewayv2").update_integration(
                ApiId=api.id, IntegrationId=api.integrations["$default"], ConnectionId="abc123"
            )
            with pytest.raises(ClientError, match="--map"):
                api.deploy()
            client.send("x")
            assert client.recv(5) == "private got x"


@pytest.mark.parametrize(
    "entry",
    ["nonsense", "host", "host:", ":80", "host:0", "host:65536", "http://host:80", "unix:", "host:80,", "[::1]"],
)
def test_a_map_entry_that_is_no_address_is_told_at_deployment(entry: str) -> None:
    with running(map={"private": entry}) as gateway:
        integration_id, message = deployment_error(gateway, linked(v1_link(gateway)))
    assert integration_id in message
    assert "--map private=" in message
    assert "HOST:PORT" in message


@pytest.mark.parametrize(
    "members",
    [
        {"IntegrationType": "MOCK", "ConnectionId": "abc123"},
        {
            "IntegrationType": "AWS", "IntegrationMethod": "POST", "ConnectionId": "abc123",
            "IntegrationUri": "arn:aws:apigateway:us-east-1:sqs:action/SendMessage",
        },
        {
            "IntegrationType": "AWS_PROXY", "IntegrationMethod": "POST", "ConnectionId": "abc123",
            "IntegrationUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
            "arn:aws:lambda:us-east-1:000000000000:function:f/invocations",
        },
        {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "POST", "IntegrationUri": URI},
    ],
    ids=["MOCK", "AWS", "AWS_PROXY", "no connectionId"],
)  # fmt: skip
def test_only_http_integrations_with_a_connection_id_may_use_a_link(
    gateway: RunningGateway, members: dict[str, Any]
) -> None:
    v2 = gateway.client("apigatewayv2")
    api = gateway.api({"$connect": None})
    with pytest.raises(v2.exceptions.BadRequestException, match=r"connectionType|connectionId"):
        v2.create_integration(ApiId=api.id, ConnectionType="VPC_LINK", **members)


# Names on the internet


@pytest.mark.parametrize(
    ("name", "uri", "host"),
    [
        ("internal.example", "http://internal.example/in", "internal.example"),
        ("internal.example", "http://internal.example:8443/in", "internal.example:8443"),
        ("internal.example:8443", "http://internal.example:8443/in", "internal.example:8443"),
        ("internal.example", "http://${stageVariables.host}/in", "internal.example"),
    ],
)
@pytest.mark.parametrize("kind", [{}, http()], ids=["HTTP_PROXY", "HTTP"])
def test_a_dns_name_may_be_mapped_without_a_link(name: str, uri: str, host: str, kind: dict[str, Any]) -> None:
    with answering("mapped") as backend, running(map={name: backend.address}) as gateway:
        integration = linked("", uri, **kind)
        del integration["ConnectionType"], integration["ConnectionId"]
        api = gateway.api({"$default": integration}, variables={"host": "internal.example"})
        with api.connect() as client:
            client.send("x")
            assert client.recv(5) == "mapped got x"
    assert (backend.seen[0].target, backend.seen[0].headers["Host"]) == ("/in", host)


def test_a_mapped_port_leaves_the_other_ports_of_its_host_alone() -> None:
    with answering("direct") as direct, answering("mapped") as mapped:
        port = direct.address.rpartition(":")[2]
        with running(map={"127.0.0.1:1": mapped.address}) as gateway:
            integration = linked("", f"http://127.0.0.1:{port}/")
            del integration["ConnectionType"], integration["ConnectionId"]
            with gateway.api({"$default": integration}).connect() as client:
                client.send("x")
                assert client.recv(5) == "direct got x"

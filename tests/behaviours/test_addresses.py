"""One port, three forms of address: by path, by execute-api host, by custom domain; plain and TLS."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.behaviours.functions import RECORDER
from tests.behaviours.test_connect import upgrade
from tests.behaviours.test_management import raw
from tests.support import RunningGateway, TestApi, eventually, mock, proxy, running


@pytest.fixture
def api(gateway: RunningGateway) -> TestApi:
    return gateway.api({"ping": mock("pong", two_way=True)})


def test_the_host_names_the_api(api: TestApi) -> None:
    host = f"{api.id}.execute-api.us-east-1.amazonaws.com"
    assert upgrade(api.gateway, f"/{api.stage}", Host=host)[0] == 101
    assert upgrade(api.gateway, f"/{api.stage}/", Host=f"{host}:443")[0] == 101
    assert upgrade(api.gateway, f"/{api.id}/{api.stage}", Host=host)[0] == 403
    assert upgrade(api.gateway, "/nothere", Host=host)[0] == 403


def test_an_execute_api_host_is_data_plane_for_every_path(api: TestApi) -> None:
    host = f"{api.id}.execute-api.us-east-1.amazonaws.com"
    assert raw(api.gateway, "GET", "/v2/apis", Host=host)[0] == 403
    assert raw(api.gateway, "GET", "/_routekey/health", Host=host)[0] == 403


def test_tls_and_plain_share_the_port(api: TestApi) -> None:
    authority = Path(api.gateway.gateway.folder, "tls", "ca.pem")
    context = ssl.create_default_context(cafile=str(authority))
    for name in ("localhost", "127.0.0.1"):
        with connect(f"wss://{name}:{api.gateway.port}/{api.id}/{api.stage}", ssl=context) as client:
            client.send('{"action":"ping"}')
            assert client.recv(5) == "pong"
    host = f"{api.id}.execute-api.us-east-1.amazonaws.com"
    with connect(
        f"wss://{host}/{api.stage}", sock=socket.create_connection(("127.0.0.1", api.gateway.port)), ssl=context
    ) as client:
        client.send('{"action":"ping"}')
        assert client.recv(5) == "pong"


def test_with_tls_off_only_plain_is_served() -> None:
    with running(tls="off") as gateway:
        api = gateway.api({"ping": mock("pong", two_way=True)})
        with api.connect() as client:
            client.send('{"action":"ping"}')
            assert client.recv(5) == "pong"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with pytest.raises((OSError, EOFError)):  # noqa: SIM117
            with connect(api.url.replace("ws:", "wss:"), ssl=context):
                pass


def domain(gateway: RunningGateway, name: str, *mappings: tuple[str, TestApi]) -> None:
    v2 = gateway.client("apigatewayv2")
    v2.create_domain_name(DomainName=name)
    for key, api in mappings:
        v2.create_api_mapping(DomainName=name, ApiId=api.id, Stage=api.stage, ApiMappingKey=key)


def test_a_custom_domain_leads_to_the_mapped_stage(gateway: RunningGateway, tmp_path: Path) -> None:
    record = tmp_path / "events"
    arn = gateway.function("domain-record", RECORDER, Environment={"Variables": {"RECORD": str(record)}})
    keyed, root = gateway.api({"$connect": proxy(arn)}), gateway.api({"$connect": proxy(arn)})
    domain(gateway, "ws.example.com", ("chat", keyed), ("", root))
    assert upgrade(gateway, "/chat", Host="ws.example.com")[0] == 101
    assert upgrade(gateway, "/", Host="WS.example.com:8080")[0] == 101
    assert upgrade(gateway, "/chat/more", Host="ws.example.com")[0] == 403
    assert upgrade(gateway, "/other", Host="ws.example.com")[0] == 403

    def contexts() -> list[Any]:
        lines = record.read_text().splitlines() if record.exists() else []
        return [json.loads(line)["requestContext"] for line in lines] if len(lines) == 2 else []

    first, second = eventually(contexts)
    assert (first["domainName"], first["apiId"], first["stage"]) == ("ws.example.com", keyed.id, "test")
    assert (second["domainName"], second["apiId"]) == ("ws.example.com", root.id)


def test_an_exact_domain_beats_a_wildcard(gateway: RunningGateway) -> None:
    exact, wild = gateway.api({"$connect": None}), gateway.api({"$connect": mock(status=418)})
    domain(gateway, "*.example.org", ("", wild))
    domain(gateway, "one.example.org", ("", exact))
    assert upgrade(gateway, "/", Host="one.example.org")[0] == 101
    assert upgrade(gateway, "/", Host="two.example.org")[0] == 418
    gateway.client("apigatewayv2").delete_domain_name(DomainName="one.example.org")
    assert upgrade(gateway, "/", Host="one.example.org")[0] == 418


def test_a_disabled_default_endpoint_leaves_the_custom_domain(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": None})
    domain(gateway, "only.example.net", ("", api))
    gateway.client("apigatewayv2").update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    api.deploy()
    assert upgrade(gateway, "/", Host="only.example.net")[0] == 101
    assert upgrade(gateway, f"/{api.id}/{api.stage}")[0] == 403


def test_the_public_host_stands_in_answers_and_events() -> None:
    with running(public_host="gateway.example.com:8443") as gateway:
        api = gateway.client("apigatewayv2").create_api(
            Name="a", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )
        assert api["ApiEndpoint"] == f"ws://gateway.example.com:8443/{api['ApiId']}"


def test_behind_a_trusted_proxy_the_client_is_who_it_says(tmp_path: Path) -> None:
    import ipaddress

    with running(trusted_proxy=(ipaddress.ip_network("127.0.0.0/8"),)) as gateway:
        record = tmp_path / "events"
        arn = gateway.function("proxied", RECORDER, Environment={"Variables": {"RECORD": str(record)}})
        api = gateway.api({"$connect": proxy(arn)})
        chain = "192.0.2.1, 203.0.113.7, 127.0.0.9"
        with api.connect(additional_headers={"X-Forwarded-For": chain, "X-Forwarded-Proto": "https"}):
            event = json.loads(record.read_text())
    assert event["requestContext"]["identity"]["sourceIp"] == "203.0.113.7"
    assert event["headers"]["X-Forwarded-Proto"] == "https"
    assert event["headers"]["X-Forwarded-Port"] == "443"


def test_nobody_else_is_believed_about_the_client(gateway: RunningGateway, tmp_path: Path) -> None:
    record = tmp_path / "events"
    arn = gateway.function("unproxied", RECORDER, Environment={"Variables": {"RECORD": str(record)}})
    api = gateway.api({"$connect": proxy(arn)})
    with api.connect(additional_headers={"X-Forwarded-For": "203.0.113.7"}):
        event = json.loads(record.read_text())
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"


def test_another_services_request_names_its_variable(gateway: RunningGateway) -> None:
    signed = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x"
    status, _, body = raw(gateway, "POST", "/", b"{}", Authorization=signed)
    assert status == 501
    assert b"AWS_ENDPOINT_URL_DYNAMODB" in body
    assert b"--aws" in body


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}],
)
@pytest.mark.parametrize("path", ["/v2/apis", "/2015-03-31/functions", "/_routekey/metrics", "/account"])
def test_a_foreign_page_reaches_no_service(gateway: RunningGateway, path: str, headers: dict[str, str]) -> None:
    assert raw(gateway, "GET", path, b"", **headers)[0] == 403


def test_health_answers_anybody(gateway: RunningGateway) -> None:
    assert raw(gateway, "GET", "/_routekey/health", Host="evil.example")[0] == 200


def test_the_own_pages_reach_the_services(gateway: RunningGateway) -> None:
    origin = f"http://localhost:{gateway.port}"
    assert raw(gateway, "GET", "/v2/apis", Origin=origin)[0] == 200


def test_a_refused_client_never_sees_a_101(gateway: RunningGateway) -> None:
    api = gateway.api({"$connect": mock(status=401)})
    with pytest.raises(InvalidStatus) as caught, api.connect():
        pass
    assert caught.value.response.status_code == 401

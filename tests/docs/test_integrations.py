"""Every command of the reference of integrations, against backends that listen where it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.docs.test_readme import BLOCK, ROOT, Shell, free_port
from tests.support import Backend, eventually


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    opened = Shell(tmp_path)
    yield opened
    opened.close()


def test_the_reference_of_integrations_works(shell: Shell, tmp_path: Path) -> None:
    port = free_port()

    def orders(seen: object) -> tuple[int, dict[str, str], bytes]:
        return 201, {"Content-Type": "application/json"}, b'{"id": 17}'

    with Backend(orders) as first, Backend(orders) as second:
        page = (ROOT / "docs/reference/integrations.md").read_text().replace("8080", str(port))
        for name, backend in (("9001", first), ("9002", second)):
            page = page.replace(f"127.0.0.1:{name}", backend.url.removeprefix("http://"))
        blocks = dict(BLOCK.findall(page))
        assert list(blocks) == ["setup", "api", "mock", "http", "things", "aws", "link", "model", "deploy"]
        assert blocks["setup"].count(" &\n") == 1
        shell.run(blocks.pop("setup").replace(" &\n", " > gateway.log 2>&1 &\n"))
        log = tmp_path / "gateway.log"
        aws = eventually(
            lambda: log.exists() and re.search(r"moto serves AWS.*?url\W+(http://[\d.:]+)", log.read_text())
        )
        assert aws
        blocks["things"] = blocks["things"].replace("http://127.0.0.1:5000", aws[1])
        said = [shell.run(commands) for commands in blocks.values()]
        url = re.findall(r"ws://\S+", said[-1])[-1]
        with connect(url) as client:

            def ask(**message: object) -> dict[str, object]:
                client.send(json.dumps(message))
                answer: dict[str, object] = json.loads(client.recv(20))
                return answer

            assert ask(action="look", id=0) == {"error": "there is no such thing"}
            connection = ask(action="look", id=1)["connection"]
            assert ask(action="look")["message"] == "Bad request body"
            assert ask(action="order", customer="a b", lines=[1]) == {"order": 17}
            assert first.seen[-1].target == "/customers/a%20b/orders?source=websocket"
            assert first.seen[-1].headers["X-Connection"] == connection
            assert ask(action="save") == {"saved": True}
            assert ask(action="queue")["queued"]
            before = len(first.seen), len(second.seen)
            for _ in range(2):
                assert ask(action="private") == {"id": 17}
            assert (len(first.seen), len(second.seen)) == (before[0] + 1, before[1] + 1)


def test_every_type_and_field_stands_in_the_reference() -> None:
    from routekey.resources.integration import Integration, IntegrationResponse
    from routekey.wire import model

    page = (ROOT / "docs/reference/integrations.md").read_text()
    shapes = model.load("apigatewayv2", "2018-11-29").operations["CreateIntegration"].input
    assert shapes is not None
    for kind in shapes.members["IntegrationType"].shape.enum or []:
        assert f"`{kind}`" in page, kind
    hidden = {"apiId", "integrationId", "integrationResponseId", "created", "integrationType", "payloadFormatVersion"}
    for resource in (Integration, IntegrationResponse):
        for name in set(resource.__struct_encode_fields__) - hidden:
            assert f"`{name}`" in page, name

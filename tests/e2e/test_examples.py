"""Each example is run by the commands of its README, and answers what its README shows."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.docs.test_readme import BLOCK, ROOT, Shell, free_port
from tests.support import eventually

SESSION = re.compile(r"<!-- session: (\w+) -->\n```\n(.*?)```", re.DOTALL)
SHOWN = re.compile(r"<!-- shows: (\w+) -->\n```json\n(.*?)```", re.DOTALL)
PORTS = ("8080", "9000", "9001", "9002")  # as the examples have them
# What is another value each time: ids of connections and requests, ids of messages, milliseconds.
VARYING = re.compile(r"[A-Za-z0-9_-]{15}=|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9]{13}\b")


class Example:
    """A copy of one example, on ports that are free, and a shell in it."""

    def __init__(self, name: str, folder: Path) -> None:
        shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("__pycache__", ".routekey"))
        free: set[int] = set()
        while len(free) < len(PORTS):
            free.add(free_port())
        ports = dict(zip(PORTS, map(str, free), strict=True))
        for path in folder.rglob("*.*"):
            if path.is_file():
                path.write_text(re.sub("|".join(PORTS), lambda match: ports[match[0]], path.read_text()))
        self.folder = folder
        self.readme = (folder / "README.md").read_text()
        self.blocks: dict[str, str] = dict(BLOCK.findall(self.readme))
        self.sessions: dict[str, str] = dict(SESSION.findall(self.readme))
        self.shell = Shell(folder)
        self.shell.run("export ROUTEKEY_LOG_FORMAT=text")  # as on the terminal that the README speaks of

    def run(self, block: str) -> str:
        """What the block's commands print."""
        return self.shell.run(self.blocks.pop(block))

    def deploy(self) -> str:
        """The URL that the deployment prints as its last line."""
        url = self.run("deploy").splitlines()[-1]
        assert url.startswith("ws://127.0.0.1:")
        return url

    def start(self, block: str) -> None:
        """Run the block's one command beside the others, and wait until it says where it listens."""
        self.shell.run(f": > {block}.log\n{self.blocks.pop(block).strip()} > {block}.log 2>&1 &\n{block}=$!")
        eventually(lambda: "http://127.0.0.1:" in self.log(block))

    def stop(self, block: str) -> None:
        self.shell.run(f"kill ${block}\nwait ${block} || true")

    def log(self, block: str) -> str:
        return (self.folder / f"{block}.log").read_text()

    def talk(self, client: ClientConnection, session: str) -> None:
        """Send what the README sends, and get what it shows."""
        for part in re.split("^> ", self.sessions.pop(session), flags=re.MULTILINE)[1:]:
            sent, *shown = part.splitlines()
            client.send(sent)
            got = [f"< {str(client.recv(10)).strip()}" for _ in shown]
            assert [VARYING.sub("...", line) for line in got] == [VARYING.sub("...", line) for line in shown], sent


@contextmanager
def example(name: str, folder: Path) -> Iterator[Example]:
    opened = Example(name, folder / name)
    try:
        yield opened
        left = [*opened.blocks, *opened.sessions]
        assert not left, f"parts of the README that nothing runs: {left}"
    finally:
        opened.shell.close()


def test_the_mock_example_answers_without_code(tmp_path: Path) -> None:
    with example("mock", tmp_path) as cafe:
        cafe.start("serve")
        cafe.run("settings")
        url = cafe.deploy()
        with pytest.raises(InvalidStatus) as refused, connect(url):
            pass
        assert refused.value.response.status_code == 401
        body = (refused.value.response.body or b"").decode().strip()
        assert f"`{body}`" in cafe.readme
        with connect(f"{url}?token=any") as client:
            cafe.talk(client, "cafe")


def test_the_http_backend_example_answers_and_pushes(tmp_path: Path) -> None:
    with example("http-backend", tmp_path) as orders:
        orders.start("serve")
        orders.run("settings")
        orders.start("backend")
        url = orders.deploy()
        with connect(url) as client:
            orders.talk(client, "orders")
            orders.stop("backend")
            client.send("anybody there?")
            assert str(client.recv(10)).startswith('{"message": "Internal server error", ')
        eventually(lambda: "cannot connect" in orders.log("serve"))


def test_the_aws_services_example_uses_a_table_a_queue_and_a_topic(tmp_path: Path) -> None:
    with example("aws-services", tmp_path) as notes:
        notes.start("serve")
        line = r"moto serves AWS  url=http://127\.0\.0\.1:(\d+)"
        port = eventually(lambda: re.findall(line, notes.log("serve")), 30)[0]
        notes.blocks["settings"] = notes.blocks["settings"].replace("PORT", port)
        notes.run("settings")
        again = notes.blocks["deploy"]
        with connect(notes.deploy()) as client:
            notes.talk(client, "notes")
            notes.shell.run(again)  # what is there is kept
            client.send('{"action": "get", "board": "kitchen", "id": "2"}')
            assert '"wash up"' in str(client.recv(10))
        shown = dict(SHOWN.findall(notes.readme))["queue"]
        assert sorted(json.loads(notes.run("queue"))) == sorted(json.loads(shown))


def test_the_private_endpoint_example_shares_messages_and_loses_none(tmp_path: Path) -> None:
    with example("private-endpoint", tmp_path) as private:
        for block in ("serve", "first", "second"):
            private.start(block)
        private.run("settings")
        with connect(private.deploy()) as client:
            private.talk(client, "both")
            private.stop("first")
            private.talk(client, "one")

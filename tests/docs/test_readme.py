"""Every command of the README, from a fresh clone, in the order that it stands there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.support import Backend, eventually

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- run: (\w+) -->\n```sh\n(.*?)```", re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a user gets: the committed state, and what is about to be committed."""
    target = tmp_path / "routekey"
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
            (target / name).chmod((ROOT / name).stat().st_mode)
    return target


class Shell:
    """One bash in the clone, in which all blocks run, as a user's would."""

    def __init__(self, folder: Path) -> None:
        tools = Path(sys.executable).parent  # the AWS CLI
        environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "AWS_PAGER": ""}
        self.process = subprocess.Popen(
            ["bash"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, commands: str) -> str:
        """What the commands print; AssertionError when the last one, or any before it, fails."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"set -e\n{commands}\nset +e\necho '--done--'\n")
        self.process.stdin.flush()
        lines: list[str] = []
        for line in self.process.stdout:
            if line == "--done--\n":
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"a command of the README failed:\n{commands}\n{''.join(lines)}")

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def shell(clone: Path) -> Iterator[Shell]:
    opened = Shell(clone)
    yield opened
    opened.close()


def test_the_how_to_works_from_a_fresh_clone(clone: Path, shell: Shell) -> None:
    port = free_port()
    readme = (clone / "README.md").read_text().replace("8080", str(port))
    blocks = dict(BLOCK.findall(readme))
    assert len(blocks) == 13, "a block of the README is not run"
    serve = f"routekey serve --port {port}"
    assert serve in blocks["install"]
    shell.run(blocks["install"].replace(serve, f"{serve} > gateway.log 2>&1 &"))
    log = clone / "gateway.log"
    eventually(lambda: log.exists() and f"http://127.0.0.1:{port}" in log.read_text())
    for name in ("settings", "api", "mock", "function"):
        shell.run(blocks[name])
    url = re.findall(r"ws://\S+", shell.run(blocks["deploy"]))[-1]
    with connect(url) as client:
        client.send('{"action": "ping"}')
        assert client.recv(5) == '{"type": "pong"}'
        client.send("anything")
        assert client.recv(10) == '{"you said": "anything"}'
        connection = re.findall(r"KVmb8fjMIAMCFgQ=|[A-Za-z0-9_-]{15}=", log.read_text())[-1]
        shell.run(f"CONNECTION={connection}\n{blocks['push']}")
        assert client.recv(5) == "hello"
    shell.run(blocks["update"])
    shell.run(blocks["folder"])
    with connect(url) as client:
        client.send("from the folder")
        assert client.recv(10) == '{"you said": "from the folder"}'
    with Backend(lambda seen: (200, {}, b"")) as backend:
        shell.run(blocks["http"].replace("127.0.0.1:9000", backend.url.removeprefix("http://")))
        shell.run(blocks["connect"])
        with connect(url) as client:
            client.send('{"action": "order", "n": 1}')
            eventually(lambda: backend.seen)
        assert backend.seen[0].target == "/messages"
        assert "connectionId" in backend.seen[0].headers
    shell.run(blocks["auto"])
    assert "--idle-timeout" in shell.run(blocks["help"])


def test_make_demo_runs_the_chat_from_a_fresh_clone(clone: Path) -> None:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    demo = subprocess.Popen(
        ["make", "demo", f"PORT={port}"], cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert demo.stdout is not None
        said = []
        for line in demo.stdout:
            said.append(line)
            if line.startswith("Ctrl-C stops it"):
                break
        text = "".join(said)
        assert "The chat is running" in text, text
        url = re.findall(r"ws://127\.0\.0\.1\S+/dev", text)[0]
        with connect(f"{url}?name=ann") as ann, connect(f"{url}?name=bob") as bob:
            assert any("connected" in demo.stdout.readline() for _ in range(20)), "the demo shows no log line"
            assert ann.recv(10) == '{"joined": "bob"}'
            bob.send('{"action": "say", "text": "hello"}')
            assert bob.recv(10) == '{"said": "hello"}'
            assert ann.recv(10) == '{"from": "bob", "text": "hello"}'
            ann.send('{"action": "who"}')
            assert ann.recv(10) == '{"here": ["ann", "bob"]}'
            ann.send("what now?")
            assert "help" in str(ann.recv(10))
            bob.close()
            assert ann.recv(10) == '{"left": "bob"}'
        typed = subprocess.run(
            [clone / ".venv/bin/python", "-m", "websockets", f"{url}?name=eve"],
            input='{"action": "who"}\n', capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert "Connected" in typed.stdout
        os.killpg(demo.pid, signal.SIGINT)
        demo.wait(15)
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the gateway still listens"


def test_links_in_the_documentation_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page}: {target}"


def test_every_setting_and_quota_stands_in_the_reference() -> None:
    from dataclasses import fields

    from routekey.config import OPTIONS
    from routekey.resources.quotas import Quotas

    reference = (ROOT / "docs/reference/settings.md").read_text()
    for name in [*(option.name for option in OPTIONS), *(each.name for each in fields(Quotas))]:
        assert f"`--{name.replace('_', '-')}" in reference or f"`{name}`" in reference, name

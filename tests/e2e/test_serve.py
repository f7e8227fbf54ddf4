"""`routekey serve` as a process: what it prints, what it exits with, what survives it."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from websockets.sync.client import connect

from tests.behaviours.test_disconnect import closed_with
from tests.support import eventually


def environment(**more: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith(("ROUTEKEY_", "AWS_"))}, **more}


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "routekey", "serve", "--port", "0", *flags], cwd=folder, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def client(service: str, url: str) -> Any:
    return boto3.client(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


def run(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "routekey", *arguments], cwd=folder, env=environment(**variables), capture_output=True,
        text=True, timeout=20, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def make_api(url: str) -> str:
    v2 = client("apigatewayv2", url)
    api_id = str(
        v2.create_api(Name="a", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
    )
    v2.create_route(ApiId=api_id, RouteKey="$default")
    v2.create_stage(ApiId=api_id, StageName="dev")
    v2.create_deployment(ApiId=api_id, StageName="dev")
    return api_id


def test_the_first_line_is_the_url_then_the_stages_then_a_line_per_connection(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, url):
        assert url.startswith("http://127.0.0.1:")
        api_id = make_api(url)
    with serving(tmp_path) as (process, url):
        assert process.stdout is not None
        stage = process.stdout.readline().strip()
        assert stage == f"{url.replace('http', 'ws')}/{api_id}/dev"
        with connect(stage):
            assert "connected" in process.stdout.readline()
        assert "disconnected" in process.stdout.readline()


def test_an_answered_create_survives_kill_9(tmp_path: Path) -> None:
    for number in range(5):
        with serving(tmp_path) as (process, url):
            v2 = client("apigatewayv2", url)
            made = v2.create_api(
                Name=f"api-{number}", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
            )
            os.kill(process.pid, signal.SIGKILL)
        assert made["Name"] == f"api-{number}"
    with serving(tmp_path) as (_, url):
        names = {api["Name"] for api in client("apigatewayv2", url).get_apis()["Items"]}
    assert names == {f"api-{number}" for number in range(5)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_connections_and_exits_0(tmp_path: Path, number: int) -> None:
    with serving(tmp_path, "--data", "memory:") as (process, url):
        api_id = make_api(url)
        with connect(f"{url.replace('http', 'ws')}/{api_id}/dev") as open_one:
            os.kill(process.pid, number)
            assert closed_with(open_one) == (1001, "Going away")
        assert process.wait(10) == 0


def test_two_signals_stop_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, "--data", "memory:") as (process, url):
        source = "import time\ndef handler(event, context):\n    time.sleep(30)\n"
        from tests.support import ROLE, package, proxy

        lambda_ = client("lambda", url)
        arn = lambda_.create_function(
            FunctionName="slow", Runtime="python3.11", Handler="app.handler", Role=ROLE, Timeout=60,
            Code={"ZipFile": package({"app.py": source})},
        )["FunctionArn"]  # fmt: skip
        api_id = make_api(url)
        v2 = client("apigatewayv2", url)
        integration = v2.create_integration(ApiId=api_id, **proxy(arn))["IntegrationId"]
        v2.create_route(ApiId=api_id, RouteKey="$disconnect", Target=f"integrations/{integration}")
        v2.create_deployment(ApiId=api_id, StageName="dev")
        with connect(f"{url.replace('http', 'ws')}/{api_id}/dev"):
            os.kill(process.pid, signal.SIGTERM)
            eventually(lambda: not listening(url))
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(4) == 0


def listening(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) == 0


def test_a_port_in_use_exits_1_and_says_the_mend(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = run(tmp_path, "serve", "--port", str(taken.getsockname()[1]), "--data", "memory:")
    assert code == 1
    assert "cannot listen" in said
    assert "--port" in said
    assert len(said.strip().splitlines()) == 1


def test_a_locked_database_exits_1_and_says_the_mend(tmp_path: Path) -> None:
    with serving(tmp_path):
        code, said = run(tmp_path, "serve", "--port", "0")
    assert code == 1
    assert "another routekey uses it" in said
    assert "Traceback" not in said


def test_a_database_that_is_not_ours_exits_1(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE theirs (a)")
    other.commit()
    other.close()
    code, said = run(tmp_path, "serve", "--port", "0", "--data", "sqlite:other.db")
    assert code == 1
    assert "another program" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serve", "--auth", "sigv4"], "--auth sigv4 is not built yet"),
        (["serve", "--aws", "elsewhere"], "moto, real, or the URL of an endpoint"),
        (["serve", "--watch"], "--watch is not built yet"),
        (["serve", "--workers", "2"], "--workers is not built yet"),
        (["serve", "--map", "a"], "a is not NAME=ADDRESS"),
        (["serve", "template.yaml"], "serving template.yaml is not built yet"),
        (["deploy", "template.yaml", "--endpoint-url", "x"], "routekey deploy is not built yet"),
        (["tail"], "routekey tail is not built yet"),
        (["serve", "--no-such-flag"], "--no-such-flag"),
        (["serve", "--host", "0.0.0.0"], "--insecure"),
        (["nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_used_exits_2_and_says_so(tmp_path: Path, arguments: list[str], says: str) -> None:
    code, said = run(tmp_path, *arguments)
    assert code == 2
    assert says in said
    assert "Traceback" not in said


def test_a_template_is_rendered_offline(tmp_path: Path) -> None:
    (tmp_path / "t.vm").write_text("$input.json('$.a') $context.stage $input.params('q') $stageVariables.v\n")
    (tmp_path / "body.json").write_text('{"a": [1, 2]}')
    (tmp_path / "params.json").write_text('{"querystring": {"q": "x"}}')
    (tmp_path / "context.json").write_text('{"stage": "dev"}')
    (tmp_path / "variables.json").write_text('{"v": "y"}')
    code, said = run(
        tmp_path, "render", "t.vm", "--body", "body.json", "--params", "params.json", "--context", "context.json",
        "--stage-variables", "variables.json",
    )  # fmt: skip
    assert (code, said) == (0, "[1,2] dev x y\n")


def test_a_template_that_does_not_parse_exits_2_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "t.vm").write_text("ok\n#if(")
    code, said = run(tmp_path, "render", "t.vm")
    assert code == 2
    assert "t.vm:2:5: " in said


def test_help_names_only_what_is_built(tmp_path: Path) -> None:
    code, said = run(tmp_path, "serve", "--help")
    assert code == 0
    for flag in ("--watch", "--workers", "--credentials", "source"):
        assert flag not in said


def test_nothing_is_left_of_a_gateway_on_memory(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "routekey", "serve", "--port", "0", "--data", "memory:"], cwd=tmp_path,
        env=environment(TMPDIR=str(scratch)), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    assert process.wait(10) == 0
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scratch"]

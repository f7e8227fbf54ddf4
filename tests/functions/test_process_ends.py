"""Functions' processes end with the gateway, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.functions.helpers import alive, all_gone, end, numbers_in
from tests.support import ROLE, eventually, package

SLEEPER = """
import os, subprocess, time

def handler(event, context):
    child = subprocess.Popen(["sleep", "60"])
    with open(event + ".part", "w") as file:
        file.write(f"{os.getpid()}\\n{child.pid}\\n")
    os.rename(event + ".part", event)
    time.sleep(60)
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A gateway in a process of its own, and a client of its Lambda API."""
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "routekey", "serve", "--port", "0", "--data", "memory:"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://")
        yield (
            process,
            boto3.client(
                "lambda",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            ),
        )
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def started(client: Any, file: Path) -> list[int]:
    """The function's process and its child, both at work."""
    client.create_function(
        FunctionName="sleeper",
        Runtime="python3.11",
        Handler="app.handler",
        Role=ROLE,
        Timeout=120,
        Code={"ZipFile": package({"app.py": SLEEPER})},
    )
    client.invoke(FunctionName="sleeper", InvocationType="Event", Payload=f'"{file}"'.encode())
    pids = eventually(lambda: numbers_in(file))
    assert all(alive(pid) for pid in pids)
    return pids


def test_processes_end_with_a_gateway_that_is_killed(served: tuple[subprocess.Popen[str], Any], tmp_path: Path) -> None:
    process, client = served
    pids = started(client, tmp_path / "pids")
    try:
        process.kill()
        all_gone(pids, 2)
    finally:
        end(pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_processes_end_with_a_gateway_that_is_asked_to_stop(
    served: tuple[subprocess.Popen[str], Any], tmp_path: Path, number: signal.Signals
) -> None:
    process, client = served
    pids = started(client, tmp_path / "pids")
    try:
        process.send_signal(number)
        all_gone(pids, 2)
        assert process.wait(2) == 0
    finally:
        end(pids)


def test_a_gateway_that_stops_leaves_no_files(served: tuple[subprocess.Popen[str], Any], tmp_path: Path) -> None:
    process, client = served
    pids = started(client, tmp_path / "pids")
    try:
        process.terminate()
        assert process.wait(10) == 0
        assert list((tmp_path / "tmp").iterdir()) == []
    finally:
        end(pids)

"""The Autobahn suite, an independent judge of WebSocket servers, against the wire layer."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSION = "25.10.1"
CASES = [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)]  # 9.* wants messages far above 128 KB
FINE = {"OK", "NON-STRICT", "INFORMATIONAL"}
CLOSED_FINE = {"OK", "INFORMATIONAL"}
REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.conformance


def python2() -> str | None:
    """A Python 2.7 that runs: pyenv's command on the PATH does not while its 2.7 is not activated."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    for command in (shutil.which("python2.7"), *map(str, pyenv.glob("2.7*/bin/python2.7"))):
        if command is not None and subprocess.run([command, "-V"], capture_output=True).returncode == 0:
            return command
    return None


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "routekey-tests", f"autobahn-{VERSION}")


def install(python: str, folder: Path) -> Path:
    """The suite's command, installed into `folder` by the first who asks."""
    wstest, done = folder / "env" / "bin" / "wstest", folder / "done"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            steps: list[tuple[list[str], dict[str, str]]] = [
                ([python, "-m", "pip", "install", "-q", "--target", str(folder / "boot"), "virtualenv<20.22"], {}),
                ([python, "-m", "virtualenv", str(folder / "env")], {"PYTHONPATH": str(folder / "boot")}),
                ([str(folder / "env/bin/pip"), "install", "-q", f"autobahntestsuite=={VERSION}"], {}),
            ]
            for command, variables in steps:
                environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
                ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
                if ended.returncode != 0:
                    last = (ended.stderr.strip() or ended.stdout.strip() or "no word").splitlines()[-1]
                    pytest.skip(f"the Autobahn suite cannot be installed: {last}")
            done.touch()
    return wstest


@pytest.fixture(scope="module")
def wstest() -> Path:
    python = python2()
    if python is None:
        pytest.skip("the Autobahn suite needs Python 2.7: there is no python2.7 on PATH that runs, and none of pyenv's")
    try:
        return install(python, cache_folder())
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the Autobahn suite cannot be installed: {error}")


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    """The port of an echo server in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.wire.echo_server"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def test_no_case_of_the_autobahn_suite_fails(wstest: Path, echo_port: int, tmp_path: Path) -> None:
    spec = {
        "outdir": str(tmp_path / "reports"),
        "servers": [{"agent": "routekey", "url": f"ws://127.0.0.1:{echo_port}"}],
        "cases": CASES,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    ended = subprocess.run(
        [wstest, "-m", "fuzzingclient", "-s", tmp_path / "spec.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    index = tmp_path / "reports" / "index.json"
    assert index.exists(), f"wstest made no report: {ended.stdout[-1000:]} {ended.stderr[-1000:]}"
    results: dict[str, dict[str, str]] = json.loads(index.read_text())["routekey"]
    print("Autobahn:", len(results), "cases,", dict(Counter(result["behavior"] for result in results.values())))
    failed = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in results.items()
        if result["behavior"] not in FINE or result["behaviorClose"] not in CLOSED_FINE
    }
    assert failed == {}
    assert len(results) == 247

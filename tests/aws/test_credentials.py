"""The gateway's own credentials with `--aws real`, and what functions get of them. Nothing here reaches AWS."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path

import pytest

from routekey import app
from routekey.aws import credentials
from routekey.aws.client import AwsClient
from routekey.aws.credentials import Credentials, NoCredentials
from routekey.aws.endpoints import REAL, Endpoints
from routekey.aws.signing import Keys
from routekey.clock import Deadlines
from routekey.functions.environment import State
from routekey.wire.transport import HttpBackends
from tests.functions.helpers import invoke, settle
from tests.support import Lines, ManualClock, eventually, running

ENVIRONMENT = """
import os, time

def handler(event, context):
    time.sleep(event)
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
"""


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The SDK finds no credentials on this machine."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on the SDK finds the credentials of `name`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"secret of {name}")
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"token of {name}")


def test_functions_run_where_the_gateway_has_no_credentials_and_the_log_says_so_once(lines: Lines) -> None:
    with running(aws=REAL) as gateway:
        gateway.function("plain", ENVIRONMENT)
        for _ in range(2):
            answer = invoke(gateway, "plain", 0)
            assert answer.error is None
            assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(answer.value)
    [said] = lines.of("functions get no credentials")
    assert "set AWS_PROFILE or AWS_ACCESS_KEY_ID" in said["error"]
    assert not [each for each in lines.records if each.exc_info]


def test_a_new_process_of_a_function_gets_the_credentials_of_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    user(monkeypatch, "first")
    with running(aws=REAL, clock=clock) as gateway:
        gateway.function("environment", ENVIRONMENT)
        assert invoke(gateway, "environment", 0).value["AWS_ACCESS_KEY_ID"] == "first"
        settle(gateway, "environment")
        user(monkeypatch, "second")
        clock.advance(credentials.OWN_SECONDS)
        busy = threading.Thread(target=invoke, args=(gateway, "environment", 1.5))
        busy.start()
        eventually(lambda: gateway.call(lambda: running_processes(gateway.gateway)) == 1)
        found = invoke(gateway, "environment", 0).value
        busy.join()
    assert found["AWS_ACCESS_KEY_ID"] == "second"
    assert found["AWS_SECRET_ACCESS_KEY"] == "secret of second"
    assert found["AWS_SESSION_TOKEN"] == "token of second"


def running_processes(gateway: app.Gateway) -> int:
    """How many processes of functions have an invocation."""
    pools = [pool for _, pool in gateway.functions._pools.values()]
    return sum(each.state is State.BUSY for pool in pools for each in pool._all)


@pytest.mark.parametrize(("aws", "renewed"), [(REAL, True), ("http://127.0.0.1:1", False)])
def test_processes_end_before_the_users_credentials_do(
    monkeypatch: pytest.MonkeyPatch, aws: str, renewed: bool
) -> None:
    clock = ManualClock()
    monkeypatch.setattr(app, "REAP_SECONDS", 0.01)
    monkeypatch.setattr(app, "KEY_SECONDS", 120.0)  # so that they are not ended for being idle
    user(monkeypatch, "first")
    with running(aws=aws, clock=clock) as gateway:
        gateway.function("environment", ENVIRONMENT.replace("return {", "return {'pid': os.getpid()} | {"))
        before = invoke(gateway, "environment", 0).value
        settle(gateway, "environment")
        user(monkeypatch, "second")
        gateway.advance(121)
        if renewed:
            eventually(lambda: invoke(gateway, "environment", 0).value["AWS_ACCESS_KEY_ID"] == "second")
        else:
            time.sleep(0.1)
            assert invoke(gateway, "environment", 0).value["pid"] == before["pid"]


def asking(monkeypatch: pytest.MonkeyPatch, found: list[Keys | None], callers: int) -> tuple[int, list[object]]:
    """How often the SDK's chain was asked by so many callers of each of `found`, and what they got."""
    asked = 0

    def chain() -> Keys:
        nonlocal asked
        keys = found[asked]
        asked += 1
        time.sleep(0.05)
        if keys is None:
            raise NoCredentials("none")
        return keys

    async def work() -> list[object]:
        clock = ManualClock()
        deadlines = Deadlines(clock)
        own = Credentials(Endpoints(REAL, {}), AwsClient(HttpBackends(deadlines)), {}, "us-east-1", clock)
        got: list[object] = []
        for _ in found:
            got += await asyncio.gather(*(own.own() for _ in range(callers)), return_exceptions=True)
            got.append(await own.own() if not isinstance(got[-1], NoCredentials) else None)
            clock.advance(credentials.OWN_SECONDS)
        return got

    monkeypatch.setattr(credentials, "_from_chain", chain)
    got = asyncio.run(work())
    return asked, got


def test_callers_at_the_same_time_ask_the_sdk_once_and_again_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Keys("one", "secret"), Keys("two", "secret")
    asked, got = asking(monkeypatch, [one, two], 50)
    assert asked == 2
    assert got == [one] * 51 + [two] * 51


def test_callers_that_find_none_all_hear_it_and_the_next_one_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Keys("one", "secret")
    asked, got = asking(monkeypatch, [None, one], 50)
    assert asked == 2
    assert [str(each) for each in got[:50]] == ["none"] * 50
    assert got[51:] == [one] * 51


def test_the_keys_never_show() -> None:
    keys = Keys("AKID", "the secret", "the token")
    assert "the " not in repr(keys)
    assert json.dumps(keys.variables, sort_keys=True) == (
        '{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "the secret", "AWS_SESSION_TOKEN": "the token"}'
    )
    assert "AWS_SESSION_TOKEN" not in Keys("AKID", "the secret").variables

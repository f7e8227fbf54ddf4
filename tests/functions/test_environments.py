"""How many processes a function has, what waits, what is retried, and what is left afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config

from routekey.functions.code import CodeStore
from tests.functions.helpers import Maker, alive, all_gone, end, invoke, numbers_in, settle
from tests.support import ManualClock, RunningGateway, eventually, package, running

SLOW = "import os, time\ndef handler(event, context):\n    time.sleep(event)\n    return os.getpid()\n"
APPEND = """
import os
def handler(event, context):
    with open(event, "a") as file:
        file.write(context.aws_request_id + "\\n")
    {then}
"""


@pytest.fixture(scope="module")
def narrow() -> Iterator[RunningGateway]:
    """A gateway whose functions have at most two processes each."""
    with running(function_environments=2) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def retrying() -> Iterator[RunningGateway]:
    """A gateway that tries events again soon."""
    with running(event_delays=(0.0, 0.05, 0.05)) as gateway:
        yield gateway


def at_once(gateway: RunningGateway, name: str, events: list[Any]) -> list[Any]:
    """Invoke a function with all the events at the same time; gives the answers."""
    with ThreadPoolExecutor(len(events)) as threads:
        return [each.value for each in threads.map(lambda event: invoke(gateway, name, event), events)]


def impatient(gateway: RunningGateway) -> Any:
    """A client that does not try again when it is refused."""
    return boto3.client(
        "lambda",
        endpoint_url=gateway.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_invocations_at_the_same_time_have_processes_of_their_own(gateway: RunningGateway, make: Maker) -> None:
    name = make(SLOW)
    pids = at_once(gateway, name, [0.5] * 4)
    assert len(set(pids)) == 4
    settle(gateway, name)
    assert invoke(gateway, name, 0).value in pids


def test_beyond_the_limit_invocations_wait(narrow: RunningGateway) -> None:
    narrow.function("slow", SLOW)
    begun = time.monotonic()
    pids = at_once(narrow, "slow", [0.3] * 6)
    assert len(set(pids)) == 2
    assert time.monotonic() - begun > 0.85


def test_every_one_that_waits_is_answered_though_processes_end(narrow: RunningGateway) -> None:
    narrow.function("crash", "import os\ndef handler(event, context):\n    os._exit(1)\n")
    answers = at_once(narrow, "crash", [None] * 8)
    assert [each["errorType"] for each in answers] == ["Runtime.ExitError"] * 8


def test_every_one_that_waits_is_answered_though_no_process_can_start(narrow: RunningGateway) -> None:
    narrow.function("broken", "import nothing_like_it\n")
    answers = at_once(narrow, "broken", [None] * 6)
    assert [each["errorType"] for each in answers] == ["Runtime.ImportModuleError"] * 6


def test_versions_have_processes_of_their_own(gateway: RunningGateway, functions: Any, make: Maker) -> None:
    name = make(SLOW, Publish=True)
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    version = invoke(gateway, name, 0, Qualifier="1").value
    settle(gateway, name)
    assert invoke(gateway, name, 0).value != version
    assert invoke(gateway, name, 0, Qualifier="live").value == version


def test_an_update_leaves_the_processes_of_other_functions_and_versions(
    gateway: RunningGateway, functions: Any, make: Maker
) -> None:
    name, other = make(SLOW, Publish=True), make(SLOW)
    before = [invoke(gateway, name, 0, Qualifier="1").value, invoke(gateway, other, 0).value]
    settle(gateway, name)
    settle(gateway, other)
    make.update(name, SLOW + "# new\n")
    assert [invoke(gateway, name, 0, Qualifier="1").value, invoke(gateway, other, 0).value] == before


def test_when_too_many_wait_more_are_refused() -> None:
    with running(function_environments=1) as gateway:
        functions = gateway.gateway.functions
        functions.limits = replace(functions.limits, queue=1)
        gateway.function("slow", SLOW)
        invoke(gateway, "slow", 0)
        with ThreadPoolExecutor(2) as threads:
            working = [threads.submit(invoke, gateway, "slow", 0.8) for _ in range(2)]
            pool = gateway.call(lambda: functions._pools["slow", "$LATEST"][1])
            eventually(lambda: gateway.call(lambda: len(pool._queue)) == 1)
            client = impatient(gateway)
            with pytest.raises(client.exceptions.TooManyRequestsException, match="Rate Exceeded") as caught:
                client.invoke(FunctionName="slow", Payload=b"0")
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
            assert all(each.result().error is None for each in working)
        assert invoke(gateway, "slow", 0).error is None


def test_when_too_many_events_wait_more_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routekey.functions.service.MAX_EVENTS", 2)
    with running() as gateway:
        gateway.function("slow", SLOW)
        for _ in range(2):
            invoke(gateway, "slow", 1, InvocationType="Event")
        client = impatient(gateway)
        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName="slow", InvocationType="Event", Payload=b"0")


def test_idle_processes_are_ended_after_five_minutes() -> None:
    clock = ManualClock()
    with running(clock=clock) as gateway:
        gateway.function("idle", SLOW)
        gateway.function("used", SLOW)
        idle, used = invoke(gateway, "idle", 0).value, invoke(gateway, "used", 0).value
        settle(gateway, "used")
        gateway.advance(200)
        assert invoke(gateway, "used", 0).value == used
        settle(gateway, "used")
        gateway.advance(101)
        gateway.call(gateway.gateway.functions.reap)
        all_gone([idle])
        assert alive(used)
        assert invoke(gateway, "used", 0).value == used
        assert invoke(gateway, "idle", 0).value != idle


def test_the_process_that_was_used_last_is_used_next(gateway: RunningGateway, make: Maker) -> None:
    name = make(SLOW)
    at_once(gateway, name, [0.3] * 3)
    pids = set()
    for _ in range(5):
        settle(gateway, name)
        pids.add(invoke(gateway, name, 0).value)
    assert len(pids) == 1


def test_a_function_that_prints_without_end_stops_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with running() as gateway:
        gateway.function("echo", "def handler(event, context):\n    return event\n")
        assert invoke(gateway, "echo", 1).value == 1
        gateway.function(
            "noise",
            "import os\n"
            "def handler(event, context):\n"
            "    with open(event, 'w') as file:\n"
            "        file.write(f'{os.getpid()}\\n')\n"
            "    while True:\n"
            "        os.write(1, b'x\\n' * 2000)\n",
            Timeout=1,
        )
        invoke(gateway, "noise", str(file), InvocationType="Event")
        [pid] = eventually(lambda: numbers_in(file))
        guard = threading.Timer(4, end, [[pid]])  # a gateway that is stuck in reading goes on after this
        guard.start()
        try:
            time.sleep(0.3)
            begun = time.monotonic()
            assert invoke(gateway, "echo", 2).value == 2
            assert time.monotonic() - begun < 1.5
            all_gone([pid], 3)  # its timeout
        finally:
            guard.cancel()
            end([pid])


# events


def seen(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_an_event_that_fails_is_tried_twice_more(retrying: RunningGateway, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    retrying.function("failing", APPEND.format(then="raise ValueError('no')"))
    invoke(retrying, "failing", str(file), InvocationType="Event")
    eventually(lambda: len(seen(file)) == 3)
    time.sleep(0.3)
    assert len(seen(file)) == 3
    assert len(set(seen(file))) == 1


def test_an_event_that_ends_its_process_is_tried_twice_more(retrying: RunningGateway, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    retrying.function("crashing", APPEND.format(then="os._exit(1)"))
    invoke(retrying, "crashing", str(file), InvocationType="Event")
    eventually(lambda: len(seen(file)) == 3)
    time.sleep(0.4)
    assert len(seen(file)) == 3


def test_an_event_that_succeeds_is_not_tried_again(retrying: RunningGateway, tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    retrying.function("well", APPEND.format(then="return None"))
    retrying.function("second", APPEND.format(then="1 / (len(open(event).readlines()) - 1)"))
    invoke(retrying, "well", str(once), InvocationType="Event")
    invoke(retrying, "second", str(twice), InvocationType="Event")
    eventually(lambda: len(seen(twice)) == 2 and seen(once))
    time.sleep(0.3)
    assert (len(seen(once)), len(seen(twice))) == (1, 2)


def test_a_synchronous_invocation_is_not_tried_again(gateway: RunningGateway, make: Maker, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    assert invoke(gateway, make(APPEND.format(then="raise ValueError('no')")), str(file)).error == "Unhandled"
    time.sleep(0.2)
    assert len(seen(file)) == 1


# what is left


def processes_of(function: str) -> list[int]:
    """The processes that run a function of a gateway in this process."""
    found = []
    for each in psutil.Process().children():
        try:
            if each.environ().get("AWS_LAMBDA_FUNCTION_NAME") == function:
                found.append(each.pid)
        except psutil.Error:
            continue  # it has ended
    return found


def test_updates_while_it_is_invoked_lose_no_answer_and_leave_no_process() -> None:
    source = "import os\ndef handler(event, context):\n    return {}\n"
    with running() as gateway:
        gateway.function("busy", source.format(0))
        client = gateway.client("lambda")
        with ThreadPoolExecutor(4) as threads:
            done = threading.Event()

            def work() -> int:
                count = 0
                while not done.is_set():
                    assert invoke(gateway, "busy").error is None
                    count += 1
                return count

            workers = [threads.submit(work) for _ in range(3)]
            try:
                for number in range(1, 7):
                    client.update_function_code(FunctionName="busy", ZipFile=package({"app.py": source.format(number)}))
                    assert invoke(gateway, "busy").value == number
            finally:
                done.set()
            assert all(each.result() > 0 for each in workers)
        client.delete_function(FunctionName="busy")
        eventually(lambda: not processes_of("busy"), 3)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_update_at_the_time_of_unpacking_loses_no_answer_and_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    unpack = CodeStore.folder_of

    async def unpack_slowly(self: CodeStore, digest: str) -> Path:
        await asyncio.sleep(0.4 if moment == "before" else 0)
        folder = await unpack(self, digest)
        await asyncio.sleep(0.4 if moment == "after" else 0)
        return folder

    monkeypatch.setattr(CodeStore, "folder_of", unpack_slowly)
    source = "def handler(event, context):\n    return {}\n"
    with running() as gateway:
        gateway.function(f"unpacked-{moment}", source.format(1))
        client = impatient(gateway)
        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(client.invoke, FunctionName=f"unpacked-{moment}")
            time.sleep(0.1)
            client.update_function_code(
                FunctionName=f"unpacked-{moment}", ZipFile=package({"app.py": source.format(2)})
            )
            assert invoke(gateway, f"unpacked-{moment}").value == 2
            assert first.result()["Payload"].read() in (b"1", b"2")
        client.delete_function(FunctionName=f"unpacked-{moment}")
        eventually(lambda: not processes_of(f"unpacked-{moment}"), 3)


def test_an_environment_that_ended_leaves_nothing_in_the_gateway() -> None:
    with running() as gateway:
        client = gateway.client("lambda")

        def round_trip() -> None:
            gateway.function("short", SLOW)
            pid = invoke(gateway, "short", 0).value
            client.delete_function(FunctionName="short")
            all_gone([pid])

        def tasks() -> int:
            return gateway.call(lambda: len(asyncio.all_tasks()))

        round_trip()
        before = tasks()
        files = psutil.Process().num_fds()
        for _ in range(4):
            round_trip()
        eventually(lambda: tasks() <= before, 1)
        eventually(lambda: psutil.Process().num_fds() <= files, 1)


def test_a_gateway_stops_at_once_though_a_process_is_idle() -> None:
    with running() as gateway:
        gateway.function("idle", SLOW)
        pid = invoke(gateway, "idle", 0).value
        begun = time.monotonic()
        gateway.stop()
        assert time.monotonic() - begun < 2
    all_gone([pid])


def test_functions_outlive_a_restart_with_their_code(tmp_path: Path) -> None:
    data = f"sqlite:{tmp_path / 'data.db'}"
    with running(data=data) as gateway:
        gateway.function("kept", "def handler(event, context):\n    return event\n", Publish=True)
        assert invoke(gateway, "kept", 1).value == 1
    with running(data=data) as gateway:
        assert invoke(gateway, "kept", 2).value == 2
        assert invoke(gateway, "kept", 3, Qualifier="1").value == 3

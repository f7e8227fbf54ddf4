"""Functions made for one test, and what came of invoking them."""

from __future__ import annotations

import base64
import io
import itertools
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from routekey.functions.environment import State
from tests.support import ROLE, RunningGateway, eventually, package

_numbers = itertools.count(1)


def name_of(text: str = "function") -> str:
    """A name that no other test uses."""
    return f"{text}-{next(_numbers)}"


@dataclass
class Result:
    """An invocation's answer."""

    value: Any
    error: str | None
    log: str
    status: int
    version: str


def invoke(gateway: RunningGateway, name: str, event: Any = None, **options: Any) -> Result:
    """Invoke a function with `event` as JSON."""
    answer = gateway.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(event, ensure_ascii=False).encode(), **options
    )
    payload = answer["Payload"].read()
    return Result(
        json.loads(payload) if payload else None,
        answer.get("FunctionError"),
        base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace"),
        answer["StatusCode"],
        answer.get("ExecutedVersion", ""),
    )


def settle(gateway: RunningGateway, name: str) -> None:
    """Wait until each process of a function is idle: its answer is there a moment before that."""

    def idle() -> bool:
        pools = [pool for (each, _), (_, pool) in gateway.gateway.functions._pools.items() if each == name]
        return all(environment.state is State.IDLE for pool in pools for environment in pool._all)

    eventually(lambda: gateway.call(idle))


class Maker:
    """Makes functions on a gateway, and deletes them after the test: no process is left idle."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.names: list[str] = []

    def __call__(self, source: str, **settings: Any) -> str:
        """A function whose module `app` is `source`; gives its name."""
        name = name_of()
        self.gateway.function(name, source, **settings)
        self.names.append(name)
        return name

    def of_code(self, code: dict[str, Any], **settings: Any) -> str:
        """A function with `code` as the Lambda API takes it; gives its name."""
        name = name_of()
        self.create(name, code, **settings)
        return name

    def create(self, name: str, code: dict[str, Any], **settings: Any) -> Any:
        """The answer of CreateFunction."""
        made = self.gateway.client("lambda").create_function(
            **{
                "FunctionName": name,
                "Runtime": "python3.11",
                "Handler": "app.handler",
                "Role": ROLE,
                "Code": code,
                "Timeout": 10,
                **settings,
            }
        )
        self.names.append(name)
        return made

    def update(self, name: str, source: str) -> Any:
        """Give a function other code."""
        return self.gateway.client("lambda").update_function_code(
            FunctionName=name, ZipFile=package({"app.py": source})
        )

    def clear(self) -> None:
        client = self.gateway.client("lambda")
        for name in self.names:
            try:
                client.delete_function(FunctionName=name)
            except client.exceptions.ResourceNotFoundException:
                continue  # the test deleted it itself


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return str(psutil.Process(pid).status()) != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(pids: list[int], seconds: float = 2.0) -> None:
    """Wait until none of the processes runs."""
    eventually(lambda: not any(alive(pid) for pid in pids), seconds)


def end(pids: list[int]) -> None:
    """End processes that a failing test would leave behind."""
    for pid in pids:
        if alive(pid):
            psutil.Process(pid).kill()


def numbers_in(path: Path) -> list[int]:
    """The whole lines of a file, as numbers."""
    return [int(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def archive(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    """A zip of entries that a well-meant tool would not write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for info, data in entries:
            file.writestr(info, data)
    return buffer.getvalue()

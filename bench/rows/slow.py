"""Clients that send and never read, while pushes go to them: how far the gateway's memory grows."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

from bench.gateway import Gateway, mock
from bench.processes import LOAD_CORE, Process, python
from bench.report import Finding
from bench.rows import Options

CLIENTS = 1000
BUFFER = 1024  # KiB that the gateway may hold for each
PUSH = 96 * 1024  # bytes: the system takes some MB for each client before the gateway has to
SAMPLES_A_SECOND = 4


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(60)
    with Gateway() as gateway:
        path = gateway.api({"echo": mock()})
        arguments = [str(gateway.port), path, str(CLIENTS), str(PUSH), str(seconds)]
        time.sleep(1)
        before = gateway.process.resident()
        with python("-m", "bench.clients.slow", *arguments, core=LOAD_CORE) as clients, _Peak(gateway.process) as peak:
            told = json.loads(clients.line(seconds + 120))
        after = gateway.process.resident()
    grown = (peak.bytes - before) / 1024 / CLIENTS
    detail = (
        f"per client, of {CLIENTS:,} over {seconds:g} s at pushes of {PUSH // 1024} KiB: {told['delivered']:,} taken, "
        f"{told['refused']:,} refused with 429, {told['sent']:,} messages sent, {told['reopened']:,} clients closed by "
        f"the gateway and opened again; {(after - before) / 1024 / CLIENTS:.0f} KiB at the end"
    )
    what = "peak growth with clients that never read"
    yield Finding("slow", what, grown, detail, BUFFER * 1.05, at_most=True, unit=" KiB", numbers=told)


class _Peak:
    """The largest resident set of a process, looked at now and then."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(1 / SAMPLES_A_SECOND):
            self.bytes = max(self.bytes, self.process.resident())

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

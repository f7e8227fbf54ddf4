"""One execution environment: a process that runs a function, one invocation at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import cast

from routekey.clock import Deadlines
from routekey.functions.processes import Guardian
from routekey.functions.runtime_api import Outcome, RuntimeApi, Work, failure
from routekey.resources.function import Function
from routekey.wire.listener import Listener

log = logging.getLogger("routekey.functions")

INIT_SECONDS = 10.0
MAX_LINE = 64 * 1024  # bytes of one log line
READ = 64 * 1024  # bytes taken from the pipe at a time: others want their turn too
DRAIN = 16  # reads, at most, to get what was printed before an answer
MAX_LINES_A_SECOND = 2000  # that are logged; the rest is counted
LOG_TAIL_LINES = 200
# What the interpreter maps besides the function's own data, in MB: threads' stacks and the like.
MEMORY_ALLOWANCE = 192
# How the runtime client marks what functions log.
_LEVELS = (("[ERROR]", logging.ERROR), ("[CRITICAL]", logging.ERROR), ("[WARNING]", logging.WARNING))
_NBSP = "\u00a0"


class State(Enum):
    STARTING = 1
    IDLE = 2
    BUSY = 3
    ENDED = 4


@dataclass(frozen=True, slots=True)
class Program:
    """What is started: a command, where, and with which environment."""

    command: list[str]
    folder: Path
    variables: Mapping[str, str]
    sdk: Callable[[], Awaitable[Mapping[str, str]]]  # the variables of SDKs, asked for at each start: keys expire


class Environment(asyncio.SubprocessProtocol):
    """States go one way, but for IDLE and BUSY. `changed` is called after each change."""

    def __init__(
        self,
        function: Function,
        program: Program,
        deadlines: Deadlines,
        guardian: Guardian,
        changed: Callable[[Environment], None],
    ) -> None:
        self.function = function
        self.program = program
        self.guardian = guardian
        self.changed = changed
        self.state = State.STARTING
        self.clock = deadlines.clock
        self.idle_since = self.clock.monotonic()
        self.init_outcome: Outcome | None = None
        self.loop = asyncio.get_running_loop()
        self.api = RuntimeApi(self._ready, self._answered, self._init_failed, self._deadline_ms)
        self.listener = Listener(self.api, deadlines, context=None, max_connections=8)
        self._timer: asyncio.TimerHandle | None = None
        self._process: asyncio.SubprocessTransport | None = None
        self.pid = 0
        self._pipe = -1
        self._partial = b""
        self._second = self._lines = 0  # of its output
        self._deadline = 0.0
        self._current: Work | None = None  # until its outcome is known, whatever the Runtime API heard

    async def start(self) -> None:
        """Start the process. OSError when that cannot be done."""
        port = self.listener.listen("127.0.0.1", 0)
        self._pipe, child = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            sdk = await self.program.sdk()
            variables = {**sdk, **self.program.variables, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"}
            await self.loop.subprocess_exec(
                lambda: self,
                *self.program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=child,
                stderr=child,
                cwd=self.program.folder,
                env=variables,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            self._pipe = -1
            self.listener.close()
            raise
        finally:
            os.close(child)
        if self.state is State.ENDED:
            return  # it was over before this could go on
        self.guardian.watch(self.pid)
        limit_memory(self.pid, self.function.memory_size)
        self.loop.add_reader(self._pipe, self._read)
        if self.state is State.STARTING:
            self._timer = self.loop.call_later(INIT_SECONDS + self.function.timeout, self._init_late)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._process.get_pid()

    def invoke(self, work: Work) -> None:
        """Run `work`; its future gives the outcome."""
        self.state = State.BUSY
        self._current = work
        self._deadline = self.clock.time() + self.function.timeout
        self._timer = self.loop.call_later(self.function.timeout, self._late, work)
        self.api.give(work)

    def kill(self) -> None:
        """End the process and whatever it started."""
        if self._process is not None and self.state is not State.ENDED:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    # what the Runtime API hears

    def _deadline_ms(self) -> int:
        return int(self._deadline * 1000)

    def _ready(self) -> None:
        if self.state in (State.STARTING, State.BUSY):
            self._stop_timer()
            self.state = State.IDLE
            self.idle_since = self.clock.monotonic()
            self.changed(self)

    def _answered(self, work: Work, outcome: Outcome) -> None:
        self._stop_timer()
        self._drain()  # what it printed before it answered belongs to this request
        self._current = None
        work.finish(outcome)
        if self.state is not State.ENDED:
            # It has to ask for more work; one that never does is of no use.
            self._timer = self.loop.call_later(INIT_SECONDS, self.kill)

    def _init_failed(self, outcome: Outcome) -> None:
        self.init_outcome = outcome

    # ends

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _init_late(self) -> None:
        seconds = INIT_SECONDS + self.function.timeout
        self.init_outcome = failure("Sandbox.Timedout", f"Error: Init timed out after {seconds:.2f} seconds")
        self.kill()

    def _late(self, work: Work) -> None:
        self._drain()
        self._current = None
        message = f"RequestId: {work.request_id} Error: Task timed out after {self.function.timeout:.2f} seconds"
        work.finish(failure("Sandbox.Timedout", message))
        self.kill()

    def process_exited(self) -> None:
        code = self._process.get_returncode() if self._process is not None else None
        self.kill()  # whatever it has started and left behind
        self._stop_timer()
        self._drain()
        self.api.close()
        if self._pipe >= 0:
            self.loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1
        self.listener.close()
        self.guardian.forget(self.pid)
        if self._process is not None:
            self._process.close()
        if self.init_outcome is None and self.state is State.STARTING:
            self.init_outcome = failure("Runtime.ExitError", f"Error: {_exit_text(code)}")
        work, self._current = self._current, None
        if work is not None:
            work.finish(failure("Runtime.ExitError", f"RequestId: {work.request_id} Error: {_exit_text(code)}"))
        self.state = State.ENDED
        self.changed(self)

    # logs

    def _drain(self) -> None:
        """Take what the process has printed until now, its last line too, whether or not that has an end."""
        self._read(DRAIN)
        line, self._partial = self._partial, b""
        if line:
            self._line(line)

    def _read(self, times: int = 1) -> None:
        for _ in range(times):
            if self._pipe < 0:
                return
            try:
                data = os.read(self._pipe, READ)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                self.loop.remove_reader(self._pipe)
                return
            *lines, self._partial = (self._partial + data).split(b"\n")
            for line in lines:
                self._line(line)
            if len(self._partial) > MAX_LINE:
                self._line(self._partial)
                self._partial = b""

    def _too_many(self) -> bool:
        """Whether it has printed more lines this second than are logged."""
        second = int(self.clock.monotonic())
        if second != self._second:
            if self._lines > MAX_LINES_A_SECOND:
                data = {"function": self.function.function_name, "lines": self._lines - MAX_LINES_A_SECOND}
                log.warning("a function prints too fast: lines are left out", extra={"data": data})
            self._second, self._lines = second, 0
        self._lines += 1
        return self._lines > MAX_LINES_A_SECOND

    def _line(self, line: bytes) -> None:
        if b"LAMBDA_WARNING:" in line[:200]:
            return  # advice about AWS that does not hold here
        work = self._current
        if work is not None and work.log is not None:
            work.log.append(line)
            del work.log[:-LOG_TAIL_LINES]
        if self._too_many():
            return
        text = line.decode("utf-8", "replace").replace("\r", "\n").replace(_NBSP, " ").rstrip()
        if text:
            data = {"function": self.function.function_name}
            if work is not None:
                data["request"] = work.request_id
            level = next((level for mark, level in _LEVELS if text.startswith(mark)), logging.INFO)
            log.log(level, text, extra={"data": data})


def _exit_text(code: int | None) -> str:
    if code is None:
        return "Runtime exited without providing a reason"
    if code < 0:
        return f"Runtime exited with error: signal: {signal.Signals(-code).name.removeprefix('SIG').lower()}"
    if code == 0:
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: exit status {code}"


def limit_memory(pid: int, megabytes: int) -> None:
    """Hold the process to its memory setting where the system can (Linux)."""
    if sys.platform != "linux":
        return
    import resource

    limit = (megabytes + MEMORY_ALLOWANCE) * 1024 * 1024
    with contextlib.suppress(OSError, ValueError):
        resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))

"""Processes of a measurement: pinned to a core, and ended by whoever started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "bench" / "build"
SERVER_CORE = 0
LOAD_CORE = 1

_PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A process did not do what it was started for."""


def cores() -> int:
    return os.cpu_count() or 1


def core_number(core: int) -> int | None:
    """The system's number of the server's or the load's core; None where there is nothing to choose."""
    # A baseline that starts a process is pinned itself: what counts is the machine's cores.
    return core if hasattr(os, "sched_setaffinity") and cores() > 1 else None


def _before(core: int) -> Callable[[], None]:
    """Runs in the child: end with this process, whatever ends it, and stay on one core."""
    libc = ctypes.CDLL(None)
    number = core_number(core)

    def work() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if number is not None:
            os.sched_setaffinity(0, {number})

    return work


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of a gateway, and with the sources in reach."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ROUTEKEY_", "AWS_"))}
    paths = [str(ROOT / "src"), str(ROOT)]
    return {**clean, "PYTHONPATH": os.pathsep.join(paths), **(more or {})}


class Process:
    """A child that lives as long as its `with` block."""

    def __init__(self, command: Sequence[str | Path], core: int, more: Mapping[str, str] | None = None) -> None:
        BUILD.mkdir(exist_ok=True)
        self.command = [str(part) for part in command]
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.began = time.monotonic()
        self.child = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=BUILD,
            env=environment(more),
            preexec_fn=_before(core),
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # Read all that it prints, wanted or not: a full pipe would hold it up.
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self.child.pid

    def line(self, seconds: float = 60.0) -> str:
        """The next line that it prints."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise Failed(f"{self} printed nothing within {seconds:g} s{self.said()}") from None
        if not line:
            raise Failed(f"{self} ended with {self.child.wait(10)}{self.said()}")
        return line.decode().rstrip("\n")

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def resident(self) -> int:
        """Bytes of its resident set."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if self.child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.child.stdin.close()
        self.errors.close()

    def said(self) -> str:
        """The end of what it wrote to standard error."""
        self.errors.seek(0)
        text = self.errors.read()[-2000:].decode("utf-8", "replace").strip()
        return f":\n{text}" if text else ""

    def __str__(self) -> str:
        return " ".join(Path(part).name for part in self.command[:4])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def python(*arguments: str | Path, core: int = SERVER_CORE, more: Mapping[str, str] | None = None) -> Process:
    return Process([sys.executable, *arguments], core, more)


def base(name: str, *arguments: str | Path, core: int = SERVER_CORE) -> Process:
    """One of the baselines, bench/base/NAME.py."""
    return python("-m", f"bench.base.{name}", *arguments, core=core)

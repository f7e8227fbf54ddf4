"""The programs in C: built when needed, run on the core that the server does not have."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BUILD, LOAD_CORE, ROOT, Failed, Process

PROGRAMS = ("load", "hold", "backend")


def unavailable() -> str | None:
    """Why the programs in C cannot be had here, if they cannot."""
    if not sys.platform.startswith("linux"):
        return f"the load generator is for Linux, this is {sys.platform}"
    if compiler() is None:
        return "there is no C compiler (cc) for the load generator"
    return None


def compiler() -> str | None:
    return shutil.which("cc")


def build() -> None:
    BUILD.mkdir(exist_ok=True)
    header = ROOT / "bench" / "net.h"
    for name in PROGRAMS:
        source, program = ROOT / "bench" / f"{name}.c", BUILD / name
        newest = max(source.stat().st_mtime, header.stat().st_mtime)
        if not program.exists() or program.stat().st_mtime < newest:
            subprocess.run([compiler() or "cc", "-O2", "-Wall", "-o", program, source], check=True)


@dataclass(frozen=True, slots=True)
class Load:
    """What the generator is asked for."""

    kind: str  # ws or http
    path: str = "/"  # of the handshake
    lines: Sequence[str] = ()  # messages, or paths to POST to
    connections: int = 50
    depth: int = 1
    body: int = 64  # bytes of a POST


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a load, or of a bare loop."""

    rate: float
    cpu_us: float  # of the server's main thread, a message
    p50_us: float = 0.0
    p99_us: float = 0.0
    backend_us: float = 0.0  # of a backend's CPU, all its threads, a message

    @property
    def busy(self) -> float:
        """The share of the time that the server's main thread ran."""
        return self.rate * self.cpu_us / 1e6


def generate(load: Load, port: int, server: Process, seconds: float, *, backend: Process | None = None) -> Sample:
    """Put `load` on the server at `port`; `backend` is what it calls, where that is to be watched too."""
    lines = BUILD / f"lines-{server.pid}.txt"
    lines.write_text("\n".join(load.lines) + "\n")
    arguments: list[str | Path] = [
        BUILD / "load", load.kind, "-p", str(port), "-u", load.path, "-f", lines, "-c", str(load.connections),
        "-d", str(load.depth), "-t", str(seconds), "-P", str(server.pid), "-b", str(load.body),
    ]  # fmt: skip
    if backend is not None:
        arguments += ["-B", str(backend.pid)]
    try:
        with Process(arguments, LOAD_CORE) as process:
            found = json.loads(process.line(seconds + 60))
            if found["errors"]:
                raise Failed(f"{found['errors']} errors under load{process.said()}")
    finally:
        lines.unlink()
    return Sample(found["rate"], found["cpu_us"], found["p50_us"], found["p99_us"], found["backend_us"])


class Held:
    """Connections that are open and drained until `close`."""

    def __init__(self, port: int, path: str, count: int, *, sources: int = 1, message: str | None = None) -> None:
        arguments: list[str | Path] = [
            BUILD / "hold", "-p", str(port), "-u", path, "-c", str(count), "-s", str(sources)
        ]  # fmt: skip
        if message is not None:
            arguments += ["-m", message]
        self.process = Process(arguments, LOAD_CORE)
        self.replies: list[str] = []
        try:
            line = self.process.line(120)
            while '"open"' not in line:
                self.replies.append(line)
                line = self.process.line(120)
            self.open: int = json.loads(line)["open"]
        except BaseException:
            self.process.stop()
            raise

    def close(self) -> None:
        self.process.stop()

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

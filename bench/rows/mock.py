"""Two-way MOCK route with JSON route selection, beside a bare echo and Node's `ws`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench import measure
from bench.gateway import Gateway, mock
from bench.messages import MESSAGE
from bench.native import Load, Sample, generate
from bench.processes import BUILD, ROOT, SERVER_CORE, Process, base
from bench.report import Finding
from bench.rows import Options


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(1.5)
    with ExitStack() as stack:
        gateway = stack.enter_context(Gateway())
        path = gateway.api({"echo": mock()})
        echo = stack.enter_context(base("echo"))
        sides = {
            "bare": _side(echo, int(echo.line()), "/", seconds),
            "routekey": _side(gateway.process, gateway.port, path, seconds),
        }
        node = _node_command()
        if not isinstance(node, str):
            server = stack.enter_context(Process(node, SERVER_CORE, {"NODE_PATH": str(BUILD / "node_modules")}))
            sides["node"] = _side(server, int(server.line()), "/", seconds)
        samples = measure.in_turn(options.rounds, sides)
    mine, bare = samples["routekey"], samples["bare"]
    detail = measure.beside(("routekey", mine), ("bare echo", bare))
    what = "MOCK, 50 x 8, over the bare echo"
    found = measure.ratio(mine, bare)
    yield Finding(
        "mock",
        what,
        found,
        detail,
        0.25,
        aim=0.4,
        numbers=measure.numbers(samples),
        disturbed=not measure.undisturbed(mine, bare),
    )
    if "node" in samples:
        peer = samples["node"]
        detail = measure.beside(("routekey", mine), ("node ws", peer))
        yield Finding(
            "mock",
            "MOCK, 50 x 8, over Node ws echoing",
            measure.ratio(mine, peer),
            detail,
            1.0,
            disturbed=not measure.undisturbed(mine, peer),
        )
        bases = measure.ratio(bare, peer)
        yield Finding("mock", "the bare echo over Node ws", bases, "(4.0 when the base was chosen)")
    else:
        yield Finding("mock", "MOCK, 50 x 8, over Node ws echoing", 0.0, f"skipped: {node}")


def _side(server: Process, port: int, path: str, seconds: float) -> Callable[[], Sample]:
    load = Load("ws", path, [MESSAGE], connections=50, depth=8)
    return lambda: generate(load, port, server, seconds)


def _node_command() -> list[str] | str:
    """What runs the echo on Node, or why that cannot be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "node and npm are not here"
    if not (BUILD / "node_modules" / "ws").is_dir():
        command = [npm, "install", "--prefix", str(BUILD), "--no-audit", "--no-fund", "--silent", "ws@8"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
        except (subprocess.SubprocessError, OSError) as error:
            return f"npm could not install ws ({error})"
    return [node, str(ROOT / "bench" / "base" / "ws_echo.js")]

"""Two-way MOCK routes with JSON route selection, beside a bare echo and Node's `ws`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench import measure, templates
from bench.gateway import Gateway, mock
from bench.messages import MESSAGE
from bench.native import Load, Sample, generate
from bench.processes import BUILD, ROOT, SERVER_CORE, Failed, Process, base
from bench.report import Finding
from bench.rows import Options

# The side of each finding, and the templates that it has.
KINDS = {
    "routekey": "static request and response template",
    "typical": "static request template, response template of $context",
    "dynamic": "request template of $input.path, #set and #if, response template of $context and #if",
}


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(1.5)
    with ExitStack() as stack:
        gateway = stack.enter_context(Gateway())
        path = gateway.api({"echo": mock()})
        typical = gateway.api({"echo": mock(templates.MOCK_TYPICAL)})
        dynamic = gateway.api({"echo": mock(templates.MOCK_RESPONSE, templates.MOCK_REQUEST)})
        answer = json.loads(gateway.answer(dynamic, MESSAGE))
        if not answer.get("to") or (answer.get("route"), answer.get("stage")) != ("echo", "bench"):
            raise Failed(f"the templates made {answer}")
        echo = stack.enter_context(base("echo"))
        sides = {
            "bare": _side(echo, int(echo.line()), "/", seconds),
            "routekey": _side(gateway.process, gateway.port, path, seconds),
            "typical": _side(gateway.process, gateway.port, typical, seconds),
            "dynamic": _side(gateway.process, gateway.port, dynamic, seconds),
        }
        node = _node_command()
        if not isinstance(node, str):
            server = stack.enter_context(Process(node, SERVER_CORE, {"NODE_PATH": str(BUILD / "node_modules")}))
            sides["node"] = _side(server, int(server.line()), "/", seconds)
        samples = measure.in_turn(options.rounds, sides)
    bare, peer = samples["bare"], samples.get("node")
    for name, what in KINDS.items():
        mine = samples[name]
        yield Finding(
            "mock",
            f"MOCK, {what}, 50 x 8, over the bare echo",
            measure.ratio(mine, bare),
            measure.beside(("routekey", mine), ("bare echo", bare)),
            0.25,
            aim=0.4,
            numbers=measure.numbers(
                {side: each for side, each in samples.items() if side == name or side not in KINDS}
            ),
            disturbed=not measure.undisturbed(mine, bare),
        )
        if peer is not None:
            yield Finding(
                "mock",
                "the same over Node ws echoing",
                measure.ratio(mine, peer),
                measure.beside(("routekey", mine), ("node ws", peer)),
                1.0,
                disturbed=not measure.undisturbed(mine, peer),
            )
    if peer is not None:
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

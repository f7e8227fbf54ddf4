"""HTTP_PROXY two-way with 32 in flight, beside the gateway's own transport in a bare loop."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench import measure
from bench.gateway import Gateway
from bench.messages import MESSAGE
from bench.native import Load, Sample, generate
from bench.processes import BUILD, LOAD_CORE, Process, base
from bench.report import Finding
from bench.rows import Options

IN_FLIGHT = 32


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(1.5)
    with Process([BUILD / "backend"], LOAD_CORE) as backend, Gateway() as gateway, base("echo") as echo:
        port, echo_port = int(backend.line()), int(echo.line())
        uri = f"http://127.0.0.1:{port}/message"
        path = gateway.api(
            {"echo": {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "POST", "IntegrationUri": uri}}
        )

        def bare() -> Sample:
            with base("http_loop", str(port), str(IN_FLIGHT), str(seconds)) as loop:
                return Sample(**json.loads(loop.line(seconds + 60)))

        def loaded(connections: int) -> Sample:
            load = Load("ws", path, [MESSAGE], connections, IN_FLIGHT // connections)
            return generate(load, gateway.port, gateway.process, seconds)

        samples = measure.in_turn(
            options.rounds,
            {
                "bare": bare,
                "routekey": lambda: loaded(IN_FLIGHT),
                "deep": lambda: loaded(4),
                "echo": lambda: generate(Load("ws", "/", [MESSAGE], IN_FLIGHT), echo_port, echo, seconds),
            },
        )
    mine, loop, deep, bare_echo = (samples[name] for name in ("routekey", "bare", "deep", "echo"))
    detail = measure.beside(("routekey", mine), ("bare transport", loop))
    found = measure.ratio(mine, loop)
    yield Finding(
        "http",
        "HTTP_PROXY, 32 x 1, over the bare transport",
        found,
        detail,
        0.6,
        numbers=measure.numbers(samples),
        disturbed=not measure.undisturbed(mine, loop),
    )
    yield Finding("http", "the same, 4 x 8", measure.ratio(deep, loop), measure.shown("routekey", deep))
    most = measure.cpu(loop) / (measure.cpu(bare_echo) + measure.cpu(loop))
    detail = measure.shown("bare echo, 32 x 1", bare_echo)
    yield Finding("http", "what bare echo and bare transport one after the other would reach, by CPU", most, detail)

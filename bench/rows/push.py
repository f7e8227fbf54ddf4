"""POST @connections, beside a bare httptools server that answers 200 to the same requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from bench import measure
from bench.gateway import Gateway, mock
from bench.native import Held, Load, generate
from bench.processes import base
from bench.report import Finding
from bench.rows import Options

CONNECTIONS = 50


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(1.5)
    with Gateway() as gateway, base("http_ok") as bare:
        port = int(bare.line())
        path = gateway.api({"echo": mock()})
        # No route takes this message: the error frame that answers it tells each client its id.
        with Held(gateway.port, path, CONNECTIONS, message="who am I?") as held:
            ids = [json.loads(reply)["connectionId"] for reply in held.replies]
            load = Load("http", lines=[f"{path}/@connections/{quote(each)}" for each in ids], connections=CONNECTIONS)
            samples = measure.in_turn(
                options.rounds,
                {
                    "bare": lambda: generate(load, port, bare, seconds),
                    "routekey": lambda: generate(load, gateway.port, gateway.process, seconds),
                },
            )
    mine, ok = samples["routekey"], samples["bare"]
    detail = measure.beside(("routekey", mine), ("bare httptools", ok))
    found = measure.ratio(mine, ok)
    what = "POST @connections, 50 x 1, over bare httptools"
    yield Finding(
        "push", what, found, detail, 0.5, numbers=measure.numbers(samples), disturbed=not measure.undisturbed(mine, ok)
    )

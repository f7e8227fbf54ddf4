"""What many routes and many open connections do to the cost of a message."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from bench import measure, stores
from bench.gateway import Gateway, mock
from bench.messages import MESSAGE
from bench.native import Held, Load, generate
from bench.report import Finding
from bench.rows import Options

ROUTES = 10_000
CONNECTIONS = 50_000
_SPARE = 300  # descriptors that the gateway keeps for other things, besides a twentieth


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(1.5)
    yield _routes(options, seconds)
    yield _connections(options, seconds)


def _routes(options: Options, seconds: float) -> Finding:
    few, many = stores.build("one-route", 1, 1), stores.build("many-routes", 1, ROUTES)
    path = f"/{stores.api_id(0)}/{stores.STAGE}"
    with Gateway(data=f"sqlite:{few}") as small, Gateway(data=f"sqlite:{many}") as large:
        # As many different messages on both sides; in the second each is for a route of its own.
        to_one = Load("ws", path, [_message(0, each) for each in range(ROUTES)], 50, 8)
        to_all = Load("ws", path, [_message(each, each) for each in range(ROUTES)], 50, 8)
        samples = measure.in_turn(
            options.rounds,
            {
                "1 route": lambda: generate(to_one, small.port, small.process, seconds),
                f"{ROUTES} routes": lambda: generate(to_all, large.port, large.process, seconds),
            },
        )
    one, all_ = samples["1 route"], samples[f"{ROUTES} routes"]
    detail = measure.beside((f"{ROUTES:,} routes", all_), ("1 route", one))
    found = measure.ratio(all_, one)
    what = f"MOCK with {ROUTES:,} routes over 1 route"
    return Finding(
        "growth",
        what,
        found,
        detail,
        0.9,
        numbers=measure.numbers(samples),
        disturbed=not measure.undisturbed(all_, one),
    )


def _message(route: int, number: int) -> str:
    return f'{{"action":"{stores.route_key(route)}","id":"{number:06d}","data":"abcdefghijklmno"}}'


def _connections(options: Options, seconds: float) -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    room = CONNECTIONS if limit == resource.RLIM_INFINITY else limit - limit // 20 - _SPARE - 100
    wanted = min(CONNECTIONS, room)
    with Gateway() as small, Gateway() as large:
        paths = small.api({"echo": mock()}), large.api({"echo": mock()})
        with Held(small.port, paths[0], 1), Held(large.port, paths[1], wanted, sources=wanted // 2000 + 1) as held:
            samples = measure.in_turn(
                options.rounds,
                {
                    "1 open": lambda: generate(
                        Load("ws", paths[0], [MESSAGE], 50, 8), small.port, small.process, seconds
                    ),
                    f"{held.open} open": lambda: generate(
                        Load("ws", paths[1], [MESSAGE], 50, 8), large.port, large.process, seconds
                    ),
                },
            )
            count = held.open
    one, many = samples["1 open"], samples[f"{count} open"]
    detail = measure.beside((f"{count:,} open", many), ("1 open", one))
    if count < CONNECTIONS:
        detail += f"; the descriptor limit {limit:,} allows no {CONNECTIONS:,}"
    found = measure.ratio(many, one)
    what = f"MOCK with {count:,} open connections over 1"
    return Finding(
        "growth",
        what,
        found,
        detail,
        0.85,
        numbers=measure.numbers(samples),
        disturbed=not measure.undisturbed(many, one),
    )

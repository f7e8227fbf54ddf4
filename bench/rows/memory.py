"""Memory of idle connections: what each adds to the gateway, beside what it adds to the bare echo."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from bench.clients.tls_hold import TlsHold
from bench.gateway import Gateway, mock
from bench.native import Held
from bench.processes import BUILD, Process, base
from bench.report import Finding
from bench.rows import Options

CONNECTIONS = 6000
TLS_CONNECTIONS = 2000
# Opened before those that count: they fill what the start left free, and what the first of all makes is not theirs.
FIRST = 6000
TLS_FIRST = 1000
SETTLE = 1.0


def run(options: Options) -> Iterator[Finding]:
    with Gateway() as gateway, base("echo", BUILD / "echo-tls") as echo:
        port = int(echo.line())
        path = gateway.api({"echo": mock()})
        mine = _plain(gateway.process, gateway.port, path)
        bare = _plain(echo, port, "/")
        detail = f"routekey {mine:.2f}, bare echo {bare:.2f}, over {CONNECTIONS:,} connections"
        numbers = {"routekey": round(mine, 3), "bare": round(bare, 3)}
        what = "memory of an idle connection over the bare echo's"
        yield Finding("memory", what, mine - bare, detail, 4.0, at_most=True, unit=" KiB", numbers=numbers)
    with Gateway() as gateway, base("echo", BUILD / "echo-tls") as echo:
        port = int(echo.line())
        path = gateway.api({"echo": mock()})
        mine = _tls(gateway.process, gateway.port, path)
        bare = _tls(echo, port, "/")
        detail = f"routekey {mine:.2f}, bare echo {bare:.2f}, over {TLS_CONNECTIONS:,} connections"
        numbers = {"routekey": round(mine, 3), "bare": round(bare, 3)}
        yield Finding("memory", "the same over TLS", mine - bare, detail, unit=" KiB", numbers=numbers)


def _plain(server: Process, port: int, path: str) -> float:
    """KiB that each idle connection adds."""
    with Held(port, path, FIRST, sources=8):
        return _growth(server, lambda: Held(port, path, CONNECTIONS, sources=8))


def _tls(server: Process, port: int, path: str) -> float:
    with closing(TlsHold(port, path, TLS_FIRST)):
        return _growth(server, lambda: TlsHold(port, path, TLS_CONNECTIONS))


def _growth(server: Process, hold: Callable[[], Held | TlsHold]) -> float:
    time.sleep(SETTLE)
    before = server.resident()
    with closing(hold()) as held:
        time.sleep(SETTLE)
        return (server.resident() - before) / 1024 / held.open

"""`routekey serve` until it answers and until it accepts a WebSocket connection."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from statistics import median

from bench import stores
from bench.gateway import Gateway
from bench.processes import Failed, python
from bench.report import Finding
from bench.rows import Options

APIS = 5000
ROUTES = 10


def run(options: Options) -> Iterator[Finding]:
    rounds = max(options.rounds, 5)
    empty, botocore = [], []
    _empty()  # the first run writes bytecode
    for _ in range(rounds):
        empty.append(_empty())
        botocore.append(_import_botocore())
    detail = f"of {rounds}: {_list(empty)}"
    numbers = {"seconds": empty}
    what = "start of an empty gateway, to its first control-plane answer"
    yield Finding("startup", what, median(empty), detail, 0.6, at_most=True, unit=" s", numbers=numbers)
    store = stores.build("many-apis", APIS, ROUTES)
    full = [_full(f"sqlite:{store}") for _ in range(rounds)]
    what = f"start on {APIS:,} APIs of {ROUTES} routes, to the first accepted connection"
    numbers = {"seconds": full}
    yield Finding(
        "startup", what, median(full), f"of {rounds}: {_list(full)}", 1.0, at_most=True, unit=" s", numbers=numbers
    )
    yield Finding("startup", "python -c 'import botocore.session'", median(botocore), "", unit=" s")


def _empty() -> float:
    with Gateway() as gateway:
        for path in ("/_routekey/health", "/v2/apis"):
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status != 200:
                raise Failed(f"GET {path} was answered {answer.status}")
        return time.monotonic() - gateway.process.began


def _full(data: str) -> float:
    with Gateway(data=data) as gateway:
        path = f"/{stores.api_id(APIS // 2)}/{stores.STAGE}"
        with socket.create_connection(("127.0.0.1", gateway.port), 20) as client:
            client.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            answer = client.recv(4096)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise Failed(f"the handshake was answered {answer[:100]!r}")
        return time.monotonic() - gateway.process.began


def _import_botocore() -> float:
    with python("-c", "import botocore.session; print('done', flush=True)") as process:
        process.line()
        return time.monotonic() - process.began


def _list(values: list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in sorted(values))

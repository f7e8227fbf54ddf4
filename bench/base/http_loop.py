"""The gateway's transport to backends in a bare loop.

`http_loop PORT IN-FLIGHT SECONDS [BODY [HEADER-LINE ...]]` prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

from bench.messages import MESSAGE
from routekey.clock import Deadlines, SystemClock
from routekey.wire.transport import HttpBackends, Origin

WARM = 0.3
# The request that the gateway makes of a message.
REQUEST = (
    "POST /message HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
    "User-Agent: AmazonAPIGateway_abcdefghij\r\nX-Amzn-Trace-Id: Root=1-691ffa00-0123456789abcdef01234567\r\n"
    "x-amzn-apigateway-api-id: abcdefghij\r\n%sContent-Length: %d\r\n\r\n%s"
)


async def main() -> None:
    port, in_flight, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    backends = HttpBackends(Deadlines(SystemClock()))
    origin = Origin("127.0.0.1", port, False)
    body = sys.argv[4] if len(sys.argv) > 4 else MESSAGE
    headers = "".join(f"{line}\r\n" for line in sys.argv[5:])
    request = (REQUEST % (port, headers, len(body), body)).encode()
    begin = time.perf_counter() + WARM
    end = begin + seconds
    done = cpu = 0.0

    async def caller() -> None:
        nonlocal done, cpu
        while (now := time.perf_counter()) < end:
            answer = await backends.send(origin, "POST", request).future
            if answer.status != 200:
                raise SystemExit(f"the backend answered {answer.status}")
            if now >= begin:
                done += 1
                cpu = cpu or time.process_time()

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    used = time.process_time() - cpu
    print(json.dumps({"rate": done / (time.perf_counter() - begin), "cpu_us": used / done * 1e6}))
    backends.close()


uvloop.run(main())

"""PutItem requests to a moto server with nothing between: what moto itself reaches.

`moto_loop PORT PID IN-FLIGHT SECONDS` prints one JSON line; PID is moto's. Each request has a connection of its own,
as moto closes them. It is signed once: moto does not look at dates.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

import psutil
import uvloop

from bench.templates import CONTEXT, NOTE, PUT_ITEM
from routekey.aws.credentials import LOCAL
from routekey.aws.signing import sign
from routekey.expressions.vtl.render_template import render_template
from routekey.wire.http import header_lines

WARM = 0.3
LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)


def request(port: int) -> bytes:
    """What the gateway sends for the message."""
    body = render_template(PUT_ITEM, body=NOTE, context=CONTEXT).encode()
    headers = [
        ("Accept", "application/json"),
        ("Content-Type", "application/x-amz-json-1.0"),
        ("X-Amz-Target", "DynamoDB_20120810.PutItem"),
        ("User-Agent", "AmazonAPIGateway_abcdefghij"),
        ("X-Amzn-Trace-Id", "Root=1-691ffa00-0123456789abcdef01234567"),
    ]
    signed = sign(LOCAL, "dynamodb", "us-east-1", "POST", f"127.0.0.1:{port}", "/", headers, body)
    return f"POST / HTTP/1.1\r\n{header_lines(signed)}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def main() -> None:
    port, pid, in_flight, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    data, moto = request(port), psutil.Process(pid)
    begin = time.perf_counter() + WARM
    end = begin + seconds
    done = cpu = moto_cpu = 0.0

    def cpu_of_moto() -> float:
        times = moto.cpu_times()
        return times.user + times.system

    async def caller() -> None:
        nonlocal done, cpu, moto_cpu
        while (now := time.perf_counter()) < end:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            writer.close()  # moto closes it too, but only some milliseconds later
            if not head.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"moto answered {head + body!r}")
            if now >= begin:
                done += 1
                if not cpu:
                    cpu, moto_cpu = time.process_time(), cpu_of_moto()

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    lasted, used, moto_used = time.perf_counter() - begin, time.process_time() - cpu, cpu_of_moto() - moto_cpu
    found = {"rate": done / lasted, "cpu_us": used / done * 1e6, "backend_us": moto_used / done * 1e6}
    print(json.dumps(found), flush=True)


uvloop.run(main())

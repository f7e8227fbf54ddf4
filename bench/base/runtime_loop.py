"""A bare Runtime API with one invocation in flight: `runtime_loop FOLDER SECONDS` prints one JSON line.

FOLDER holds function.py; its client is the one that the gateway starts, on the core that the load has.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import httptools
import uvloop

from bench.processes import LOAD_CORE, Process, python

WARM = 0.3
# For 3.12 and later the client makes a thread for every invocation, which would hide what the gateway adds.
VERSION = "3.11"
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'


class RuntimeApi(asyncio.Protocol):
    """Hands out the same event again and again, and counts the answers."""

    event = b""
    seconds = 0.0
    begin = 0.0
    answers = 0
    cpu = 0.0
    finished: asyncio.Future[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)
        self.number = 0

    def on_message_begin(self) -> None:
        self.url = b""
        self.body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if not self.url.endswith(b"/invocation/next"):
            self.transport.write(ACCEPTED)
            self.count()
            return
        self.number += 1
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: 00000000-0000-4000-8000-{self.number:012d}\r\n"
            "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n"
            "Lambda-Runtime-Trace-Id: Root=1-691ffa00-0123456789abcdef01234567;Sampled=0\r\n"
            f"Content-Length: {len(self.event)}\r\n\r\n"
        )
        self.transport.write(head.encode() + self.event)

    def count(self) -> None:
        kind = RuntimeApi
        now = time.perf_counter()
        if not kind.begin:
            kind.begin = now + WARM
        elif now >= kind.begin:
            kind.cpu = kind.cpu or time.process_time()
            kind.answers += 1
            if now >= kind.begin + kind.seconds and not kind.finished.done():
                kind.finished.set_result(None)


def client(folder: str, port: int) -> Process:
    more = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{VERSION}",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": folder,
        "_HANDLER": "function.handler",
        "PYTHONPATH": folder,
        "TZ": ":UTC",
    }
    return python("-m", "awslambdaric", "function.handler", core=LOAD_CORE, more=more)


async def main() -> None:
    folder, RuntimeApi.seconds = sys.argv[1], float(sys.argv[2])
    RuntimeApi.event = sys.stdin.buffer.readline().strip()
    loop = asyncio.get_running_loop()
    RuntimeApi.finished = loop.create_future()
    server = await loop.create_server(RuntimeApi, "127.0.0.1", 0)
    with client(folder, server.sockets[0].getsockname()[1]):
        async with asyncio.timeout(RuntimeApi.seconds + 30):
            await RuntimeApi.finished
        lasted, used = time.perf_counter() - RuntimeApi.begin, time.process_time() - RuntimeApi.cpu
    done = RuntimeApi.answers
    print(json.dumps({"rate": done / lasted, "cpu_us": used / done * 1e6}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())

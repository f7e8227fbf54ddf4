"""Clients that connect, send and never read, and pushes to them.

`slow PORT PATH CLIENTS PUSH-BYTES SECONDS` prints one JSON line. A client that the gateway closes opens again.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import resource
import socket
import sys
import time
from urllib.parse import quote

import uvloop

from bench.messages import MESSAGE

PUSHERS = 8
SEND_SECONDS = 0.5  # between two messages of one client
FULL_SECONDS = 0.002  # a pusher's rest after a push that was refused
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


ID = re.compile(rb'"connectionId":"([^"]+)"')


def frame(text: str) -> bytes:
    """A masked text frame, shorter than 126 bytes."""
    mask = os.urandom(4)
    data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text.encode()))
    return bytes((0x81, 0x80 | len(data))) + mask + data


class Client:
    """Reads one frame, which tells its id, and then nothing more."""

    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.path = path
        self.id = ""  # while it is not open
        self.unsent = b""

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        await loop.sock_connect(self.socket, ("127.0.0.1", self.port))
        await loop.sock_sendall(self.socket, HANDSHAKE.format(path=self.path, port=self.port).encode())
        # No route takes this: the error frame that answers it tells the id.
        await loop.sock_sendall(self.socket, frame("who am I?"))
        seen = b""
        while (found := ID.search(seen)) is None:
            data = await loop.sock_recv(self.socket, 4096)
            if not data:
                raise ConnectionError(f"closed after {seen[:100]!r}")
            seen += data
        self.id = found[1].decode()

    def send(self, text: str) -> bool:
        """Send `text`, or what is left of the message before; whether that was begun now."""
        fresh = not self.unsent
        if fresh:
            self.unsent = frame(text)
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            return False
        except OSError:  # closed by the gateway: the next push to it says so
            return False
        return fresh

    def close(self) -> None:
        self.socket.close()
        self.id = ""
        self.unsent = b""


class Run:
    def __init__(self, port: int, path: str, clients: int, size: int, seconds: float) -> None:
        self.port = port
        self.path = path
        self.body = b"x" * size
        self.end = time.monotonic() + seconds
        self.clients = [Client(port, path) for _ in range(clients)]
        self.counts = {"delivered": 0, "refused": 0, "sent": 0, "reopened": 0}

    @property
    def going(self) -> bool:
        return time.monotonic() < self.end

    async def run(self) -> None:
        for client in self.clients:
            await client.open()
        await asyncio.gather(self.senders(), *(self.pusher() for _ in range(PUSHERS)))

    async def reopen(self, client: Client) -> None:
        client.close()
        await client.open()
        self.counts["reopened"] += 1

    async def senders(self) -> None:
        while self.going:
            begun = time.monotonic()
            for client in self.clients:
                self.counts["sent"] += bool(client.id) and client.send(MESSAGE)
            await asyncio.sleep(max(0.01, SEND_SECONDS - (time.monotonic() - begun)))

    async def pusher(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while self.going:
            client = random.choice(self.clients)
            if not client.id:
                await asyncio.sleep(0)
                continue
            pushed_to = client.id
            target = f"{self.path}/@connections/{quote(pushed_to)}"
            head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(self.body)}\r\n\r\n"
            writer.write(head.encode() + self.body)
            answer = await reader.readuntil(b"\r\n\r\n")
            lines = answer.lower().split(b"\r\n")
            length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            status = int(answer[9:12])
            if status == 200:
                self.counts["delivered"] += 1
            elif status == 410 and client.id == pushed_to:
                await self.reopen(client)
            else:
                self.counts["refused"] += 1
                await asyncio.sleep(FULL_SECONDS)
        writer.close()


async def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, path, clients, size, seconds = sys.argv[1:]
    run = Run(int(port), path, int(clients), int(size), float(seconds))
    await run.run()
    print(json.dumps(run.counts), flush=True)
    # The connections stay open until whoever started this has looked at the gateway.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())

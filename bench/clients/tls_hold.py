"""Open WebSocket connections over TLS and hold them: `tls_hold PORT PATH COUNT`, until standard input ends."""

from __future__ import annotations

import socket
import ssl
import sys

from bench.processes import LOAD_CORE, Failed, python

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class TlsHold:
    """The program below in a process of its own, until `close`."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self.process = python("-m", "bench.clients.tls_hold", str(port), path, str(count), core=LOAD_CORE)
        try:
            self.open = int(self.process.line(120))
        except Failed:
            self.process.stop()
            raise

    def close(self) -> None:
        self.process.stop()


def connect(context: ssl.SSLContext, port: int, path: str) -> ssl.SSLSocket:
    secured = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 20), server_hostname="localhost")
    secured.sendall(HANDSHAKE.format(path=path, port=port).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = secured.recv(4096)
        if not data:
            break
        answer += data
    if not answer.startswith(b"HTTP/1.1 101"):
        raise SystemExit(f"handshake refused: {answer[:200]!r}")
    return secured


def main() -> None:
    port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    held = [connect(context, port, path) for _ in range(count)]
    print(len(held), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""A service that takes orders over HTTP. Of WebSockets it knows one thing: how to tell a client that an order is ready.

    python backend.py [PORT]

POST /orders       {"item": "tea", "quantity": 2}: 201, 422 with what is wrong, or 503 when it is too much
GET  /orders/{id}  200 or 404
POST /notes        any text: 200

The header connectionId says whose request it is.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3

SECONDS = 0.5  # until an order is ready

orders: list[dict[str, Any]] = []


def push(connection: str, message: dict[str, Any]) -> None:
    """Send a client something that it has not asked for."""
    # AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI says where to.
    api = boto3.client("apigatewaymanagementapi")
    try:
        api.post_to_connection(ConnectionId=connection, Data=json.dumps(message).encode())
    except api.exceptions.GoneException:
        print(f"{connection} has gone", flush=True)


def take_order(connection: str, body: str) -> tuple[int, dict[str, Any]]:
    order = json.loads(body)
    if not order["item"]:
        return 422, {"problem": "an order needs an item"}
    if not isinstance(order["quantity"], int):
        return 422, {"problem": "a quantity is a number"}
    if order["quantity"] > 20:
        return 503, {"problem": "that is too much for today"}
    order |= {"id": len(orders) + 1, "state": "waiting"}
    orders.append(order)

    def ready() -> None:
        order["state"] = "ready"
        push(connection, {"ready": order["id"], "item": order["item"]})

    threading.Timer(SECONDS, ready).start()
    return 201, order


def show_order(number: str) -> tuple[int, dict[str, Any]]:
    if not number.isdigit() or not 0 < int(number) <= len(orders):
        return 404, {"problem": f"there is no order {number}"}
    return 200, orders[int(number) - 1]


def take_note(connection: str, body: str) -> tuple[int, dict[str, Any]]:
    return 200, {"noted": body, "from": connection}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_request(self) -> None:
        connection = self.headers.get("connectionId", "")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        match self.command, self.path.strip("/").split("/"):
            case "POST", ["orders"]:
                status, answer = take_order(connection, body)
            case "GET", ["orders", number]:
                status, answer = show_order(number)
            case "POST", ["notes"]:
                status, answer = take_note(connection, body)
            case _:
                status, answer = 404, {"problem": f"there is no {self.path}"}
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = handle_request  # noqa: N815  (the names that the class looks for)


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

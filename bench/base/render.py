"""One document made again and again, on one core: `render DOCUMENT template|plain SECONDS` prints one JSON line.

`template` is the gateway's engine, `plain` the same document by f-strings and the json module. Each parses the body
anew every time, as for another message.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.templates import CONTEXT, NOTE, ORDERS, PUT_ITEM, ROWS
from routekey.expressions.vtl.template import compile_template

WARM = 0.2
BATCH = 50  # between two looks at the clock

BODIES = {"rows": ORDERS, "put-item": NOTE}
TEMPLATES = {"rows": ROWS, "put-item": PUT_ITEM}


def rows(body: str, context: dict[str, Any]) -> str:
    message = json.loads(body)
    orders = message["orders"]
    lines = ",\n".join(
        f'        {{"id": {order["id"]}, "title": {json.dumps(order["title"])}, "price": {order["price"]}}}'
        for order in orders
    )
    return (
        f'{{\n    "customer": {json.dumps(message["customer"])},\n    "orders": [\n{lines}\n    ],\n'
        f'    "count": {len(orders)}\n}}'
    )


def put_item(body: str, context: dict[str, Any]) -> str:
    note = json.loads(body)
    return (
        f'{{\n    "TableName": "notes",\n    "Item": {{\n        "board": {{"S": {json.dumps(note["board"])}}},\n'
        f'        "id": {{"S": {json.dumps(note["id"])}}},\n        "text": {{"S": {json.dumps(note["text"])}}},\n'
        f'        "by": {{"S": "{context["connectionId"]}"}},\n        "at": {{"N": "{context["requestTimeEpoch"]}"}}\n'
        "    }\n}"
    )


PLAIN: dict[str, Callable[[str, dict[str, Any]], str]] = {"rows": rows, "put-item": put_item}


def main() -> None:
    document, kind, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    body, plain = BODIES[document], PLAIN[document]
    render = compile_template(TEMPLATES[document]).render
    if json.loads(render(body, None, CONTEXT)) != json.loads(plain(body, CONTEXT)):
        raise SystemExit(f"{document}: the template and plain Python do not make the same document")

    def template(text: str, context: dict[str, Any]) -> str:
        return render(text, None, context)

    make = template if kind == "template" else plain
    _spin(make, body, WARM)
    done, lasted, used = _spin(make, body, seconds)
    print(json.dumps({"rate": done / lasted, "cpu_us": used / done * 1e6}), flush=True)


def _spin(make: Callable[[str, dict[str, Any]], str], body: str, seconds: float) -> tuple[int, float, float]:
    """How many documents were made in how many seconds, and how many of those this process ran."""
    done, begin, cpu = 0, time.perf_counter(), time.process_time()
    while (lasted := time.perf_counter() - begin) < seconds:
        for _ in range(BATCH):
            make(body, CONTEXT)
        done += BATCH
    return done, lasted, time.process_time() - cpu


if __name__ == "__main__":
    main()

"""Mapping templates rendered by the engine alone, by CPU time, beside the same documents made by plain Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from bench import measure
from bench.native import Sample
from bench.processes import base
from bench.report import Finding
from bench.rows import Options

WHAT = {
    "rows": "renders a second of CPU: #foreach over 20 rows, escapeJavaScript and $foreach.hasNext in each",
    "put-item": "the same of a request for DynamoDB PutItem",
}
TARGETS = {"rows": 5000.0}


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(1.5)
    for document, what in WHAT.items():
        sides = {"template": _side(document, "template", seconds), "plain": _side(document, "plain", seconds)}
        samples = measure.in_turn(options.rounds, sides)
        template, plain = samples["template"], samples["plain"]
        detail = (
            f"{measure.cpu(template):.1f} us CPU, plain Python with json {measure.cpu(plain):.1f}: "
            f"{measure.cpu_ratio(template, plain):.2f} of its rate"
        )
        # By CPU time alone, so that it can be judged on a busy machine too.
        found = 1e6 / measure.cpu(template)
        numbers = measure.numbers(samples)
        yield Finding("render", what, found, detail, TARGETS.get(document), unit="/s", numbers=numbers)


def _side(document: str, kind: str, seconds: float) -> Callable[[], Sample]:
    def run() -> Sample:
        with base("render", document, kind, str(seconds)) as loop:
            return Sample(**json.loads(loop.line(seconds + 60)))

    return run

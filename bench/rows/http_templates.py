"""HTTP two-way with templates both ways and a mapped header, beside the gateway's own transport in a bare loop."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench import measure, templates
from bench.gateway import Gateway
from bench.messages import MESSAGE
from bench.native import Load, Sample, generate
from bench.processes import BUILD, LOAD_CORE, Failed, Process, base
from bench.report import Finding
from bench.rows import Options

IN_FLIGHT = 32


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(1.5)
    with Process([BUILD / "backend"], LOAD_CORE) as backend, Gateway() as gateway:
        port = int(backend.line())
        path = gateway.api({"echo": _integration(f"http://127.0.0.1:{port}/message")})
        answer = json.loads(gateway.answer(path, MESSAGE))
        if not answer.get("to") or not answer.get("answer"):
            raise Failed(f"the response template made {answer}")

        def bare() -> Sample:
            arguments = [str(port), str(IN_FLIGHT), str(seconds), templates.HTTP_REQUEST_SENT]
            with base("http_loop", *arguments, f"connectionId: {answer['to']}") as loop:
                return Sample(**json.loads(loop.line(seconds + 60)))

        def loaded() -> Sample:
            return generate(Load("ws", path, [MESSAGE], IN_FLIGHT), gateway.port, gateway.process, seconds)

        samples = measure.in_turn(options.rounds, {"bare": bare, "routekey": loaded})
    mine, loop = samples["routekey"], samples["bare"]
    yield Finding(
        "http_templates",
        "HTTP, request and response template, one mapped header, 32 x 1, over the bare transport",
        measure.ratio(mine, loop),
        measure.beside(("routekey", mine), ("bare transport", loop)),
        numbers=measure.numbers(samples),
    )


def _integration(uri: str) -> dict[str, object]:
    return {
        "IntegrationType": "HTTP",
        "IntegrationMethod": "POST",
        "IntegrationUri": uri,
        "RequestTemplates": {"$default": templates.HTTP_REQUEST},
        "RequestParameters": {"integration.request.header.connectionId": "context.connectionId"},
        "responses": [
            {"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": templates.HTTP_RESPONSE}}
        ],
    }

"""AWS_PROXY two-way with one function instance, beside a bare Runtime API with the same client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import psutil

from bench import measure
from bench.base.runtime_loop import VERSION
from bench.gateway import Gateway
from bench.messages import MESSAGE
from bench.native import Load, Sample, generate
from bench.processes import BUILD, LOAD_CORE, base, core_number
from bench.report import Finding
from bench.rows import Options

SOURCE = """def handler(event: dict[str, str], context: object) -> dict[str, object]:
    return {"statusCode": 200, "body": event["body"]}
"""
EVENT = {
    "requestContext": {
        "routeKey": "echo",
        "messageId": "L0SM9cOFvHcCIhw=",
        "eventType": "MESSAGE",
        "extendedRequestId": "L0SM9cOFvHcCIhw=",
        "requestTime": "25/Dec/2021:10:45:28 +0000",
        "messageDirection": "IN",
        "stage": "bench",
        "connectedAt": 1640429128331,
        "requestTimeEpoch": 1640429128331,
        "identity": {"userAgent": "bench", "sourceIp": "127.0.0.1"},
        "requestId": "L0SM9cOFvHcCIhw=",
        "domainName": "abcdefghij.execute-api.us-east-1.amazonaws.com",
        "connectionId": "L0SM9cOFvHcCIhw=",
        "apiId": "abcdefghij",
    },
    "body": MESSAGE,
    "isBase64Encoded": False,
}


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(1.5)
    folder = BUILD / "function"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "function.py").write_text(SOURCE)

    def bare() -> Sample:
        with base("runtime_loop", folder, str(seconds)) as loop:
            assert loop.child.stdin is not None
            loop.child.stdin.write(json.dumps(EVENT, separators=(",", ":")).encode() + b"\n")
            loop.child.stdin.flush()
            return Sample(**json.loads(loop.line(seconds + 60)))

    with Gateway(more={"ROUTEKEY_FUNCTION_ENVIRONMENTS": "1"}) as gateway:
        path = gateway.api({"echo": _integration(gateway)})

        def loaded(connections: int) -> Sample:
            load = Load("ws", path, [MESSAGE], connections=connections)
            return generate(load, gateway.port, gateway.process, seconds)

        generate(Load("ws", path, [MESSAGE], connections=1), gateway.port, gateway.process, 0.2)
        _pin_children(gateway)
        samples = measure.in_turn(
            options.rounds, {"bare": bare, "routekey": lambda: loaded(8), "one by one": lambda: loaded(1)}
        )
    mine, single, loop = samples["routekey"], samples["one by one"], samples["bare"]
    # The function is what is busy here, so how busy the servers are says nothing of disturbance.
    detail = f"{measure.shown('routekey', mine)}, {measure.shown('bare Runtime API', loop)}"
    found = measure.ratio(mine, loop)
    what = "AWS_PROXY, one instance, 8 x 1, over the bare Runtime API"
    yield Finding("function", what, found, detail, 0.8, numbers=measure.numbers(samples))
    what = "the same with 1 x 1, each message waiting for the reply before it"
    yield Finding("function", what, measure.ratio(single, loop), measure.shown("routekey", single))


def _integration(gateway: Gateway) -> dict[str, str]:
    made = gateway.client("lambda").create_function(
        FunctionName="bench",
        Runtime=f"python{VERSION}",
        Handler="function.handler",
        Role="arn:aws:iam::000000000000:role/bench",
        Code={"ZipFile": _package()},
    )
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{made['FunctionArn']}/invocations"
    return {"IntegrationType": "AWS_PROXY", "IntegrationMethod": "POST", "IntegrationUri": uri}


def _package() -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("function.py", SOURCE)
    return buffer.getvalue()


def _pin_children(gateway: Gateway) -> None:
    """Functions run on the load's core, as that of the bare loop does."""
    core = core_number(LOAD_CORE)
    if core is not None:
        for child in psutil.Process(gateway.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                child.cpu_affinity([core])

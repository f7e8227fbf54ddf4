"""AWS integration of DynamoDB PutItem, against a moto server, beside what that server reaches by itself."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3

from bench import measure, templates
from bench.gateway import Gateway
from bench.native import Load, Sample, generate
from bench.processes import LOAD_CORE, Failed, Process, base, python
from bench.report import Finding
from bench.rows import Options, Skipped
from routekey.aws import moto

IN_FLIGHT = 8
URI = "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem"


def run(options: Options) -> Iterator[Finding]:
    seconds = options.lasting(3)
    try:
        moto.require()
    except moto.NotInstalled:
        raise Skipped("moto is not here: pip install 'routekey[moto]'") from None
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with python("-m", "moto.server", "-H", "127.0.0.1", "-p", str(port), core=LOAD_CORE) as server:
        _wait(server, port)
        with closing(_dynamodb(url)) as dynamodb, Gateway("--aws", url) as gateway:
            path = gateway.api({"put": _integration()})
            _check(dynamodb, gateway.answer(path, templates.NOTE))

            def alone() -> Sample:
                with base("moto_loop", str(port), str(server.pid), str(IN_FLIGHT), str(seconds)) as loop:
                    return Sample(**json.loads(loop.line(seconds + 60)))

            def loaded() -> Sample:
                load = Load("ws", path, [templates.NOTE], IN_FLIGHT)
                return generate(load, gateway.port, gateway.process, seconds, backend=server)

            samples = measure.in_turn(options.rounds, {"moto": alone, "routekey": loaded})
    # moto is what is busy, and so what tells of disturbance.
    mine, raw = measure.of_backend(samples["routekey"]), measure.of_backend(samples["moto"])
    yield Finding(
        "dynamodb",
        "AWS dynamodb:action/PutItem, templates both ways, 8 x 1, over moto called directly with 8 in flight",
        measure.ratio(mine, raw),
        f"CPU of moto: {measure.beside(('through routekey', mine), ('directly', raw))}",
        0.9,
        aim=1.0,
        numbers=measure.numbers(samples),
        disturbed=not measure.undisturbed(mine, raw),
    )
    own = measure.cpu(samples["routekey"])
    yield Finding("dynamodb", "CPU of the gateway for a PutItem", own, f"{1e6 / own:,.0f}/s of one core", unit=" us")


def _integration() -> dict[str, Any]:
    return {
        "IntegrationType": "AWS",
        "IntegrationMethod": "POST",
        "IntegrationUri": URI,
        "RequestTemplates": {"$default": templates.PUT_ITEM},
        "responses": [
            {"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": templates.PUT_ITEM_RESPONSE}}
        ],
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Process, port: int) -> None:
    end = time.monotonic() + 60
    while server.child.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise Failed(f"moto did not start{server.said()}")


def _dynamodb(url: str) -> Any:
    """A client of moto's DynamoDB, where the table is."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
    )
    client.create_table(
        TableName="notes",
        KeySchema=[{"AttributeName": "board", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "board", "AttributeType": "S"},
            {"AttributeName": "id", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def _check(dynamodb: Any, answer: str) -> None:
    """Whether the message that `answer` answers is in the table."""
    note = json.loads(templates.NOTE)
    key = {name: {"S": note[name]} for name in ("board", "id")}
    item = dynamodb.get_item(TableName="notes", Key=key).get("Item", {})
    if item.get("text") != {"S": note["text"]} or item.get("by") != {"S": json.loads(answer).get("to")}:
        raise Failed(f"the gateway answered {answer}, and the table has {item}")

"""Functions that call the gateway: @connections, other functions, and what is not served here."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.functions.helpers import Maker, invoke
from tests.support import RunningGateway, TestApi, eventually, proxy, running

# Each answers by @connections, in a way that applications use. `url` is the usual one, made from the event.
HEAD = """
import json
import boto3

def handler(event, context):
    if event["requestContext"]["eventType"] != "MESSAGE":
        return {"statusCode": 200}
    told = event["requestContext"]
    connection = told["connectionId"]
    url = "https://" + told["domainName"] + "/" + told["stage"]
    text = "heard " + event["body"]
"""
TAIL = """
    return {"statusCode": 200}
"""
WAYS = {
    "boto3 with the endpoint of the event": """
    client = boto3.client("apigatewaymanagementapi", endpoint_url=url)
    client.post_to_connection(ConnectionId=connection, Data=text.encode())
""",
    "boto3 with a slash at the end": """
    client = boto3.client("apigatewaymanagementapi", endpoint_url=url + "/")
    client.post_to_connection(ConnectionId=connection, Data=text.encode())
""",
    "boto3 with an endpoint of the API id and region": """
    import os
    name = told["apiId"] + ".execute-api." + os.environ["AWS_REGION"] + ".amazonaws.com"
    client = boto3.client("apigatewaymanagementapi", endpoint_url="https://" + name + "/" + told["stage"])
    client.post_to_connection(ConnectionId=connection, Data=text.encode())
""",
    "a boto3 session with keys of its own": """
    session = boto3.session.Session(
        region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"
    )
    client = session.client("apigatewaymanagementapi", endpoint_url=url)
    assert client.get_connection(ConnectionId=connection)["ConnectedAt"]
    client.post_to_connection(ConnectionId=connection, Data=text.encode())
""",
    "urllib": """
    import urllib.parse, urllib.request
    address = url + "/@connections/" + urllib.parse.quote(connection, safe="")
    with urllib.request.urlopen(urllib.request.Request(address, text.encode(), method="POST"), timeout=5) as answer:
        assert answer.status == 200
""",
    "http.client": """
    import http.client, urllib.parse
    client = http.client.HTTPSConnection(told["domainName"], timeout=5)
    path = "/" + told["stage"] + "/@connections/" + urllib.parse.quote(connection, safe="")
    client.request("POST", path, text.encode())
    assert client.getresponse().status == 200
""",
    "urllib3": """
    import urllib3, urllib.parse
    address = url + "/@connections/" + urllib.parse.quote(connection, safe="")
    assert urllib3.PoolManager(timeout=5, retries=False).request("POST", address, body=text.encode()).status == 200
""",
    "asyncio": """
    import asyncio, urllib.parse
    async def post():
        reader, writer = await asyncio.open_connection(told["domainName"], 443, ssl=True)
        path = "/" + told["stage"] + "/@connections/" + urllib.parse.quote(connection, safe="")
        head = f"POST {path} HTTP/1.1\\r\\nHost: {told['domainName']}\\r\\nContent-Length: {len(text)}\\r\\n\\r\\n"
        writer.write(head.encode() + text.encode())
        assert b" 200 " in await reader.readline()
        writer.close()
    asyncio.run(post())
""",
    "asyncio under uvloop": """
    import asyncio, urllib.parse, uvloop
    async def post():
        reader, writer = await asyncio.open_connection(told["domainName"], 443, ssl=True)
        path = "/" + told["stage"] + "/@connections/" + urllib.parse.quote(connection, safe="")
        head = f"POST {path} HTTP/1.1\\r\\nHost: {told['domainName']}\\r\\nContent-Length: {len(text)}\\r\\n\\r\\n"
        writer.write(head.encode() + text.encode())
        assert b" 200 " in await reader.readline()
        writer.close()
    uvloop.run(post())
""",
    "a child process": """
    import subprocess, sys
    code = (
        "import boto3, sys; boto3.client('apigatewaymanagementapi', endpoint_url=sys.argv[1])"
        ".post_to_connection(ConnectionId=sys.argv[2], Data=sys.argv[3])"
    )
    subprocess.run([sys.executable, "-c", code, url, connection, text], check=True)
""",
    "a thread": """
    import threading
    client = boto3.client("apigatewaymanagementapi", endpoint_url=url)
    thread = threading.Thread(
        target=client.post_to_connection, kwargs={"ConnectionId": connection, "Data": text.encode()}
    )
    thread.start()
    thread.join()
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_function_reaches_its_client_by(gateway: RunningGateway, functions: Any, make: Maker, way: str) -> None:
    name = make(HEAD + WAYS[way] + TAIL)
    arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
    api = gateway.api({"$default": proxy(arn)})
    with api.connect() as client:
        client.send("you")
        assert client.recv(10) == "heard you"


@pytest.fixture(scope="module")
def plain() -> Iterator[RunningGateway]:
    """A gateway whose public port speaks no TLS."""
    with running(tls="off") as gateway:
        yield gateway


@pytest.mark.parametrize("way", ["boto3 with the endpoint of the event", "urllib", "http.client"])
def test_without_tls_on_the_public_port_a_function_reaches_its_client_by(plain: RunningGateway, way: str) -> None:
    name = way.replace(" ", "-").replace(".", "-")
    api = plain.api({"$default": proxy(plain.function(name, HEAD + WAYS[way] + TAIL))})
    with api.connect() as client:
        client.send("you")
        assert client.recv(10) == "heard you"


def test_a_function_pushes_to_another_client_and_learns_that_it_is_gone(
    gateway: RunningGateway, functions: Any, make: Maker
) -> None:
    source = """
import boto3

def handler(event, context):
    told = event["requestContext"]
    client = boto3.client("apigatewaymanagementapi", endpoint_url="https://" + told["domainName"] + "/" + told["stage"])
    try:
        client.post_to_connection(ConnectionId=event.get("body") or told["connectionId"], Data=b"hello")
    except client.exceptions.GoneException:
        return {"statusCode": 200, "body": "gone"}
    return {"statusCode": 200, "body": "sent"}
"""
    arn = functions.get_function_configuration(FunctionName=make(source))["FunctionArn"]
    api = gateway.api({"$connect": None, "$default": proxy(arn, two_way=True)})
    with api.connect() as one:
        [first] = api.connection_ids()
        with api.connect() as other:
            other.send(first)
            assert one.recv(10) == "hello"
            assert other.recv(10) == "sent"
    with api.connect() as third:
        third.send(first)
        assert third.recv(10) == "gone"


ANY_DOMAIN = """
import boto3

def handler(event, context):
    told = event["requestContext"]
    if told["eventType"] == "MESSAGE":
        url = "https://" + told["domainName"]
        if told["domainName"].endswith("amazonaws.com"):
            url += "/" + told["stage"]
        client = boto3.client("apigatewaymanagementapi", endpoint_url=url)
        client.post_to_connection(ConnectionId=told["connectionId"], Data=told["domainName"].encode())
    return {"statusCode": 200}
"""


def custom_domain(gateway: RunningGateway, api: TestApi, name: str) -> None:
    v2 = gateway.client("apigatewayv2")
    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/any"
    v2.create_domain_name(
        DomainName=name, DomainNameConfigurations=[{"CertificateArn": certificate, "EndpointType": "REGIONAL"}]
    )
    v2.create_api_mapping(ApiId=api.id, DomainName=name, Stage=api.stage)


def test_a_function_reaches_its_client_by_a_custom_domain() -> None:
    with running() as gateway:
        api = gateway.api({"$default": proxy(gateway.function("any-domain", ANY_DOMAIN))})
        custom_domain(gateway, api, "ws.example.com")
        with connect(
            f"ws://ws.example.com:{gateway.port}/", sock=socket.create_connection(("127.0.0.1", gateway.port))
        ) as client:
            client.send("x")
            assert client.recv(10) == "ws.example.com"


def test_a_process_learns_of_custom_domains_made_while_it_runs() -> None:
    with running() as gateway:
        api = gateway.api({"$default": proxy(gateway.function("any-domain", ANY_DOMAIN))})
        with api.connect() as client:
            client.send("x")
            assert client.recv(10) == f"{api.id}.execute-api.us-east-1.amazonaws.com"
        custom_domain(gateway, api, "ws.example.com")
        with connect(
            f"ws://ws.example.com:{gateway.port}/", sock=socket.create_connection(("127.0.0.1", gateway.port))
        ) as client:
            client.send("x")
            assert client.recv(10) == "ws.example.com"


CALLER = """
import json
import boto3

def handler(event, context):
    answer = boto3.client("lambda").invoke(
        FunctionName=event["name"], InvocationType=event["kind"], Payload=json.dumps(event["payload"])
    )
    text = answer["Payload"].read()
    return [answer["StatusCode"], answer.get("FunctionError"), json.loads(text) if text else None]
"""


def test_a_function_invokes_another_and_has_its_answer(gateway: RunningGateway, make: Maker) -> None:
    other = make("def handler(event, context):\n    return {'doubled': event * 2}\n")
    event = {"name": other, "kind": "RequestResponse", "payload": 21}
    assert invoke(gateway, make(CALLER), event).value == [200, None, {"doubled": 42}]


def test_a_function_sees_the_error_of_another(gateway: RunningGateway, make: Maker) -> None:
    other = make("def handler(event, context):\n    raise ValueError('no')\n")
    event = {"name": other, "kind": "RequestResponse", "payload": 1}
    status, error, document = invoke(gateway, make(CALLER), event).value
    assert (status, error, document["errorMessage"]) == (200, "Unhandled", "no")


def test_a_function_invokes_another_as_event(gateway: RunningGateway, make: Maker, tmp_path: Path) -> None:
    other = make("def handler(event, context):\n    with open(event, 'w') as file:\n        file.write('done')\n")
    target = tmp_path / "seen"
    event = {"name": other, "kind": "Event", "payload": str(target)}
    assert invoke(gateway, make(CALLER), event).value == [202, None, None]
    eventually(lambda: target.exists() and target.read_text() == "done")


def test_a_function_invokes_itself(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import json, boto3\n"
        "def handler(event, context):\n"
        "    if event == 0:\n        return 'bottom'\n"
        "    answer = boto3.client('lambda').invoke(\n"
        "        FunctionName=context.invoked_function_arn, Payload=json.dumps(event - 1))\n"
        "    return json.loads(answer['Payload'].read())\n"
    )
    assert invoke(gateway, name, 2).value == "bottom"


def test_without_tls_on_the_public_port_a_function_invokes_another(plain: RunningGateway) -> None:
    plain.function("caller", CALLER)
    plain.function("callee", "def handler(event, context):\n    return event\n")
    event = {"name": "callee", "kind": "RequestResponse", "payload": "x"}
    assert invoke(plain, "caller", event).value == [200, None, "x"]


@pytest.mark.parametrize(
    ("call", "service"),
    [
        ("client('dynamodb').list_tables()", "DYNAMODB"),
        ("resource('dynamodb').Table('t').put_item(Item={'id': 1})", "DYNAMODB"),
        ("client('sqs').list_queues()", "SQS"),
        ("client('sns').list_topics()", "SNS"),
        ("client('ssm').get_parameter(Name='p')", "SSM"),
        ("client('sts').get_caller_identity()", "STS"),
        ("client('s3').list_buckets()", "S3"),
        ("client('s3').put_object(Bucket='bucket', Key='k', Body=b'x')", "S3"),
        ("client('secretsmanager').get_secret_value(SecretId='s')", "SECRETS_MANAGER"),
        ("client('stepfunctions').list_state_machines()", "SFN"),
        ("client('events').list_rules()", "EVENTBRIDGE"),
        ("client('cognito-idp').list_user_pools(MaxResults=1)", "COGNITO_IDENTITY_PROVIDER"),
    ],
)
def test_a_call_to_a_service_that_is_not_here_fails_at_once_and_says_what_to_set(
    gateway: RunningGateway, make: Maker, call: str, service: str
) -> None:
    name = make(f"import boto3\ndef handler(event, context):\n    boto3.{call}\n")
    begun = time.monotonic()
    result = invoke(gateway, name)
    assert time.monotonic() - begun < 4
    assert result.error == "Unhandled"
    assert f"AWS_ENDPOINT_URL_{service} " in result.value["errorMessage"]


def test_a_function_chooses_where_a_service_is(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import boto3\ndef handler(event, context):\n    return boto3.client('dynamodb').meta.endpoint_url\n",
        Environment={"Variables": {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000"}},
    )
    assert invoke(gateway, name).value == "http://127.0.0.1:8000"


# what the preload changes in the standard library, and what it does not

CALLS = {
    "getaddrinfo by keywords": "socket.getaddrinfo(host='localhost', port=80)[0][4][1] == 80",
    "getaddrinfo of a name of ours by keywords": "socket.getaddrinfo(host=ours, port=443)[0][4][1] == 443",
    "getaddrinfo without a host": "socket.getaddrinfo(None, 80, flags=socket.AI_PASSIVE)",
    "getaddrinfo of bytes": "socket.getaddrinfo(ours.encode(), 443)[0][4][1] == 443",
    "gethostbyname": "socket.gethostbyname('localhost') == '127.0.0.1'",
    "gethostbyname of a name of ours": "socket.gethostbyname(ours)",
    "create_connection": "socket.create_connection((ours, 443), 5).close() is None",
    "connect_ex": "socket.socket().connect_ex((ours, 443)) == 0",
    "wrap_socket by position": (
        "context.wrap_socket(socket.create_connection((ours, 443), 5), False, True, True, ours).version()"
    ),
    "wrap_bio by position": "context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), False, ours).server_hostname == ours",
    "a name of ours in capitals": "context.wrap_socket(socket.create_connection((ours.upper(), 443), 5), "
    "server_hostname=ours.upper()).version()",
}


@pytest.mark.parametrize("call", CALLS)
def test_the_standard_library_takes_what_it_takes_elsewhere(gateway: RunningGateway, make: Maker, call: str) -> None:
    name = make(
        "import socket, ssl\n"
        "ours = 'abc123.execute-api.us-east-1.amazonaws.com'\n"
        "def handler(event, context):\n"
        "    context = ssl.create_default_context()\n"
        f"    return bool({CALLS[call]})\n"
    )
    assert invoke(gateway, name).value is True


def test_certificates_of_others_are_not_trusted(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import socket, ssl\n"
        "def handler(event, context):\n"
        "    raw = socket.create_connection(('127.0.0.1', event), 5)\n"
        "    ssl.create_default_context().wrap_socket(raw, server_hostname='localhost')\n"
    )
    assert invoke(gateway, name, gateway.port).value["errorType"] == "SSLCertVerificationError"


def test_the_functions_own_sitecustomize_runs_too(gateway: RunningGateway, make: Maker, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.CUSTOMIZED = 'yes'\n")
    name = make(
        "import builtins\ndef handler(event, context):\n    return builtins.CUSTOMIZED\n",
        Environment={"Variables": {"PYTHONPATH": str(tmp_path)}},
    )
    assert invoke(gateway, name).value == "yes"


def test_what_a_function_answers_reaches_its_client(gateway: RunningGateway, functions: Any, make: Maker) -> None:
    name = make("def handler(event, context):\n    return {'statusCode': 200, 'body': event['body'][::-1]}\n")
    arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
    api = gateway.api({"$default": proxy(arn, two_way=True)})
    with api.connect() as client:
        client.send("grüße")
        assert client.recv(10) == "eßürg"
        make.update(name, "def handler(event, context):\n    return {'statusCode': 200, 'body': 'new'}\n")
        client.send("grüße")
        assert client.recv(10) == "new"


def test_a_function_that_fails_is_an_internal_server_error(
    gateway: RunningGateway, functions: Any, make: Maker
) -> None:
    arn = functions.get_function_configuration(FunctionName=make("def handler(event, context):\n    1 / 0\n"))
    api = gateway.api({"$default": proxy(arn["FunctionArn"], two_way=True)})
    with api.connect() as client:
        client.send("x")
        assert json.loads(client.recv(10))["message"] == "Internal server error"

"""What the tests of AWS integrations share: integrations, messages, and a verifier of signatures."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import itertools
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from websockets.sync.client import ClientConnection

from tests.support import ROLE, RunningGateway, Seen, client_of

FORM = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
DEFAULT = {"IntegrationResponseKey": "$default"}

_numbers = itertools.count(1)


def name_of(text: str) -> str:
    """A name that no other test uses."""
    return f"{text}-{next(_numbers)}"


def aws(target: str, template: str | None = None, answer: str | None = None, **members: Any) -> dict[str, Any]:
    """A two-way AWS integration of `target`, such as `sqs:action/SendMessage`; `answer` is its response template."""
    response = dict(DEFAULT) if answer is None else {**DEFAULT, "ResponseTemplates": {"$default": answer}}
    integration = {
        "IntegrationType": "AWS",
        "IntegrationMethod": "POST",
        "IntegrationUri": target if target.startswith("arn:") else f"arn:aws:apigateway:us-east-1:{target}",
        "CredentialsArn": ROLE,
        "two_way": True,
        "responses": [response],
        **({} if template is None else {"RequestTemplates": {"$default": template}}),
        **members,
    }
    return {name: value for name, value in integration.items() if value is not None}


def ask(client: ClientConnection, action: str, **members: Any) -> str:
    """The frame that answers a message."""
    client.send(json.dumps({"action": action, **members}))
    return str(client.recv(10))


class Cloud:
    """A gateway with a moto server of its own."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.url = str(gateway.gateway.endpoints.aws)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A boto3 client that talks to moto itself."""
        if service not in self._clients:
            self._clients[service] = client_of(service, self.url)
        return self._clients[service]

    def table(self) -> str:
        """A DynamoDB table with the key `id`."""
        name = name_of("table")
        self.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        return name

    def queue(self) -> Queue:
        name = name_of("queue")
        return Queue(self, name, self.client("sqs").create_queue(QueueName=name)["QueueUrl"])


@dataclass
class Queue:
    """An SQS queue of moto's."""

    cloud: Cloud
    name: str
    url: str

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:us-east-1:000000000000:{self.name}"

    def bodies(self) -> list[str]:
        """The messages that wait in it."""
        found = self.cloud.client("sqs").receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        return [message["Body"] for message in found.get("Messages", [])]


def assume_role_answer(number: int, expires: datetime.datetime) -> bytes:
    """What STS answers to AssumeRole."""
    return f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::000000000000:assumed-role/any/routekey</Arn>
      <AssumedRoleId>AROA:routekey</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAROLE{number}</AccessKeyId>
      <SecretAccessKey>role-secret-{number}</SecretAccessKey>
      <SessionToken>role-token-{number}</SessionToken>
      <Expiration>{expires:%Y-%m-%dT%H:%M:%SZ}</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>
</AssumeRoleResponse>""".encode()


@dataclass
class Signature:
    """What the Authorization header of a request says."""

    access_key: str
    region: str
    service: str
    signed: list[str]  # names of headers


def signature(seen: Seen, secret: str) -> Signature:
    """The signature of a request, checked against the bytes that arrived as AWS's documents say, not as botocore does.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    headers = {name.lower(): value for name, value in seen.headers.items()}
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        headers["authorization"],
    )
    assert match, headers["authorization"]
    access_key, day, region, service, names, given = match.groups()
    moment = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    assert abs(moment - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=5)
    assert headers["x-amz-date"].startswith(day)
    digest = hashlib.sha256(seen.body).hexdigest()
    assert headers.get("x-amz-content-sha256", digest) == digest
    path, _, query = seen.target.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    canonical = [
        seen.method,
        quote(unquote(path) if service == "s3" else path, safe="/-_.~"),
        "&".join(
            f"{name}={value}" for name, value in sorted((_escaped(name), _escaped(value)) for name, _, value in pairs)
        ),
        *(f"{name}:{' '.join(headers[name].split())}" for name in names.split(";")),
        "",
        names,
        digest,
    ]
    scope = f"{day}/{region}/{service}/aws4_request"
    # The server reads header values as Latin-1: back to the bytes that came.
    hashed = hashlib.sha256("\n".join(canonical).encode("latin-1")).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashed}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    assert given == hmac.new(key, text.encode(), "sha256").hexdigest(), "\n".join(canonical)
    return Signature(access_key, region, service, names.split(";"))


def _escaped(text: str) -> str:
    return quote(unquote(text), safe="-_.~")

"""Makes a table, a queue, a topic, a role, and an API that uses them with no code in between. Prints its WebSocket URL.

    python deploy.py [ENDPOINT] [--aws URL]

ENDPOINT is that of apigatewayv2; --aws is where the services are, if not where AWS_ENDPOINT_URL says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

STAGE = "dev"
TABLE = "notes"
QUEUE = "tasks"
TOPIC = "news"
ROLE = "notes-api"


@dataclass(frozen=True)
class Resources:
    queue_arn: str
    topic_arn: str
    role_arn: str


def unless_there(make: Callable[..., Any], error: type[Exception], **members: Any) -> None:
    with contextlib.suppress(error):
        make(**members)


def make_resources(client: Callable[[str], Any]) -> Resources:
    dynamodb, sqs, sns, iam = client("dynamodb"), client("sqs"), client("sns"), client("iam")
    unless_there(
        dynamodb.create_table,
        dynamodb.exceptions.ResourceInUseException,
        TableName=TABLE,
        KeySchema=[{"AttributeName": "board", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "board", "AttributeType": "S"},
            {"AttributeName": "id", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=TABLE)
    table_arn = dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]

    queue_url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic_arn = sns.create_topic(Name=TOPIC)["TopicArn"]
    # What is published to the topic lands in the queue too.
    sqs.set_queue_attributes(
        QueueUrl=queue_url,
        Attributes={"Policy": policy(allow("sqs:SendMessage", queue_arn, Principal={"Service": "sns.amazonaws.com"}))},
    )
    sns.subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
    )  # fmt: skip

    # What the gateway may do: credentialsArn of each integration.
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "apigateway.amazonaws.com"}}
    unless_there(
        iam.create_role,
        iam.exceptions.EntityAlreadyExistsException,
        RoleName=ROLE,
        AssumeRolePolicyDocument=policy(trust),
    )
    iam.put_role_policy(
        RoleName=ROLE,
        PolicyName="use-them",
        PolicyDocument=policy(
            allow(["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Query"], table_arn),
            allow("sqs:SendMessage", queue_arn),
            allow("sns:Publish", topic_arn),
        ),
    )
    return Resources(queue_arn, topic_arn, iam.get_role(RoleName=ROLE)["Role"]["Arn"])


def allow(action: str | list[str], resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text().rstrip("\n")


def routes(resources: Resources, region: str) -> dict[str, dict[str, Any]]:
    """Route key to what is special about its integration."""
    start = f"arn:aws:apigateway:{region}"
    account, queue = resources.queue_arn.split(":")[4:]
    return {
        # Action style: the body is the action's input. DynamoDB wants and gives typed values, {"S": "text"}; the
        # templates turn the client's plain JSON into them, and back.
        "put": {
            "IntegrationUri": f"{start}:dynamodb:action/PutItem",
            "RequestTemplates": {"$default": template("put.vm")},
        },
        "get": {
            "IntegrationUri": f"{start}:dynamodb:action/GetItem",
            "RequestTemplates": {"$default": template("get.vm")},
        },
        "list": {
            "IntegrationUri": f"{start}:dynamodb:action/Query",
            "RequestTemplates": {"$default": template("list.vm")},
        },
        # Path style: a path of the service, and a body as its API wants it, here a form.
        "enqueue": {
            "IntegrationUri": f"{start}:sqs:path/{account}/{queue}",
            "RequestParameters": {
                "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'",
            },
            "RequestTemplates": {"$default": template("enqueue.vm")},
        },
        # Action style with the action's input in the query, by request parameters.
        "publish": {
            "IntegrationUri": f"{start}:sns:action/Publish",
            "RequestParameters": {
                "integration.request.querystring.TopicArn": f"'{resources.topic_arn}'",
                "integration.request.querystring.Message": "route.request.body.text",
            },
            "RequestTemplates": {"$default": ""},
        },
    }


def make_api(client: Any, resources: Resources) -> str:
    """The API; gives its WebSocket URL."""
    api = client.create_api(Name="notes", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    api_id = api["ApiId"]
    for key, members in routes(resources, client.meta.region_name).items():
        integration = client.create_integration(
            ApiId=api_id,
            IntegrationType="AWS",
            IntegrationMethod="POST",
            CredentialsArn=resources.role_arn,
            **members,
        )
        integration_id = integration["IntegrationId"]
        client.create_integration_response(
            ApiId=api_id,
            IntegrationId=integration_id,
            IntegrationResponseKey="$default",
            ResponseTemplates={"$default": template(f"{key}.answer.vm")},
        )
        route = client.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration_id}")
        client.create_route_response(ApiId=api_id, RouteId=route["RouteId"], RouteResponseKey="$default")
    client.create_stage(ApiId=api_id, StageName=STAGE)
    client.create_deployment(ApiId=api_id, StageName=STAGE)
    return f"{api['ApiEndpoint']}/{STAGE}"


def main() -> None:
    default = os.environ.get("AWS_ENDPOINT_URL_APIGATEWAYV2", "http://127.0.0.1:8080")
    parser = argparse.ArgumentParser(description="Make the API and what it uses.")
    parser.add_argument("endpoint", nargs="?", default=default, help=f"of apigatewayv2 ({default})")
    parser.add_argument("--aws", metavar="URL", help="where the services are (AWS_ENDPOINT_URL)")
    values = parser.parse_args()
    # Without an endpoint_url boto3 looks at AWS_ENDPOINT_URL, and then goes to AWS.
    resources = make_resources(lambda service: boto3.client(service, endpoint_url=values.aws))
    print(make_api(boto3.client("apigatewayv2", endpoint_url=values.endpoint), resources))


if __name__ == "__main__":
    main()

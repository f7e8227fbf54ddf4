"""Makes the API in front of backend.py with boto3, and prints its WebSocket URL.

python deploy.py [ENDPOINT] [--backend HOST:PORT]
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import boto3

STAGE = "dev"

# Route key to its integration. ${stageVariables.backend} is filled in when a message comes, so that each stage of the
# API can have a backend of its own.
ROUTES: dict[str, dict[str, Any]] = {
    # The request template makes the JSON that the service expects of the message that clients send.
    "order": {
        "IntegrationType": "HTTP",
        "IntegrationMethod": "POST",
        "IntegrationUri": "http://${stageVariables.backend}/orders",
        "RequestParameters": {"integration.request.header.connectionId": "context.connectionId"},
        "RequestTemplates": {
            "$default": """{
                "item": $input.json('$.item'),
                "quantity": #if($input.path('$.quantity') == "") 1 #else $input.json('$.quantity') #end
            }"""
        },
    },
    # A variable of the path, from the message.
    "look": {
        "IntegrationType": "HTTP",
        "IntegrationMethod": "GET",
        "IntegrationUri": "http://${stageVariables.backend}/orders/{order}",
        "RequestParameters": {"integration.request.path.order": "route.request.body.order"},
    },
    # The message as it is, and the answer as it is.
    "$default": {
        "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": "http://${stageVariables.backend}/notes",
        "RequestParameters": {"integration.request.header.connectionId": "context.connectionId"},
    },
}

# Of each HTTP integration: the service's status to what the client gets. The first key that fits counts, else $default.
ANSWERS = {
    "order": {
        r"/201/": """{"accepted": $input.json('$.id'), "request": "$context.requestId"}""",
        r"/4\d{2}/": """{"refused": $input.json('$.problem')}""",
        "$default": """{"trouble": $input.json('$.problem')}""",
    },
    "look": {
        r"/200/": """{"order": $input.json('$.id'), "state": $input.json('$.state')}""",
        "$default": """{"refused": $input.json('$.problem')}""",
    },
}


def deploy(endpoint: str, backend: str) -> str:
    """Make the API; gives its WebSocket URL."""
    client = boto3.client("apigatewayv2", endpoint_url=endpoint)
    api = client.create_api(
        Name="orders", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )  # fmt: skip
    api_id = api["ApiId"]
    for key, members in ROUTES.items():
        integration_id = client.create_integration(ApiId=api_id, **members)["IntegrationId"]
        for status, template in ANSWERS.get(key, {}).items():
            client.create_integration_response(
                ApiId=api_id,
                IntegrationId=integration_id,
                IntegrationResponseKey=status,
                ResponseTemplates={"$default": template},
            )
        route = client.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration_id}")
        client.create_route_response(ApiId=api_id, RouteId=route["RouteId"], RouteResponseKey="$default")
    client.create_stage(ApiId=api_id, StageName=STAGE, StageVariables={"backend": backend})
    client.create_deployment(ApiId=api_id, StageName=STAGE)
    return f"{api['ApiEndpoint']}/{STAGE}"


def main() -> None:
    default = os.environ.get("AWS_ENDPOINT_URL_APIGATEWAYV2", "http://127.0.0.1:8080")
    parser = argparse.ArgumentParser(description="Make the API in front of backend.py.")
    parser.add_argument("endpoint", nargs="?", default=default, help=f"of apigatewayv2 ({default})")
    parser.add_argument("--backend", default="127.0.0.1:9000", metavar="HOST:PORT", help="of the service")
    values = parser.parse_args()
    print(deploy(values.endpoint, values.backend))


if __name__ == "__main__":
    main()

"""Makes the chat on a gateway, with boto3 and nothing else: functions, API, routes, stage.

    python examples/chat/deploy.py --endpoint-url http://127.0.0.1:8080 --room /tmp/chat.db

A second run updates what the first one made. Against AWS it wants a role and, for who is there,
a store that functions share; the calls are the same.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path
from typing import Any

import boto3

NAME = "chat"
STAGE = "dev"
ROLE = "arn:aws:iam::000000000000:role/chat"
# Route key, handler in chat.py, and whether the client gets the function's answer.
ROUTES = (
    ("$connect", "connect", False),
    ("$disconnect", "disconnect", False),
    ("$default", "default", True),
    ("say", "say", True),
    ("who", "who", True),
)


def package() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write(Path(__file__).parent / "functions" / "chat.py", "chat.py")
    return buffer.getvalue()


def make_function(client: Any, handler: str, room: Path) -> str:
    """The function `chat-<handler>`; gives its ARN."""
    name = f"{NAME}-{handler}"
    settings: dict[str, Any] = {
        "Handler": f"chat.{handler}",
        "Runtime": "python3.11",
        "Timeout": 10,
        "Environment": {"Variables": {"ROOM": str(room)}},
    }
    try:
        made = client.create_function(FunctionName=name, Role=ROLE, Code={"ZipFile": package()}, **settings)
    except client.exceptions.ResourceConflictException:
        client.update_function_code(FunctionName=name, ZipFile=package())
        made = client.update_function_configuration(FunctionName=name, **settings)
    return str(made["FunctionArn"])


def make_api(client: Any, functions: dict[str, str]) -> str:
    """The API with a route to each function; gives its id."""
    api_id: str | None = next((api["ApiId"] for api in client.get_apis()["Items"] if api["Name"] == NAME), None)
    if api_id is not None:
        return api_id
    api_id = str(
        client.create_api(
            Name=NAME, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )["ApiId"]
    )  # fmt: skip
    region = client.meta.region_name
    for key, handler, two_way in ROUTES:
        integration = client.create_integration(
            ApiId=api_id,
            IntegrationType="AWS_PROXY",
            IntegrationMethod="POST",
            IntegrationUri=f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{functions[handler]}/invocations",
        )
        route = client.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")
        if two_way:
            client.create_route_response(ApiId=api_id, RouteId=route["RouteId"], RouteResponseKey="$default")
    client.create_stage(ApiId=api_id, StageName=STAGE)
    client.create_deployment(ApiId=api_id, StageName=STAGE)
    return api_id


def deploy(endpoint_url: str, room: Path) -> str:
    """Make or update the chat; gives its WebSocket URL."""

    def client(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    functions = {handler: make_function(client("lambda"), handler, room) for _, handler, _ in ROUTES}
    api_id = make_api(client("apigatewayv2"), functions)
    return f"{client('apigatewayv2').get_api(ApiId=api_id)['ApiEndpoint']}/{STAGE}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the chat example on a running gateway.")
    parser.add_argument("--endpoint-url", default="http://127.0.0.1:8080")
    parser.add_argument("--room", type=Path, default=Path("chat.db"), help="SQLite file of who is there")
    values = parser.parse_args()
    print(deploy(values.endpoint_url, values.room.absolute()))


if __name__ == "__main__":
    main()

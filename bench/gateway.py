"""The gateway under test, as its users start it and set it up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from bench.messages import ANSWER
from bench.native import Held
from bench.processes import SERVER_CORE, Process, python


class Gateway:
    """`routekey serve` on a free port, until its `with` block ends."""

    def __init__(self, *arguments: str, data: str = "memory:", more: Mapping[str, str] | None = None) -> None:
        flags = ["--port", "0", "--data", data, "--log-level", "warning", "--quota", "connect_rate=0", *arguments]
        self.process: Process = python("-m", "routekey", "serve", *flags, core=SERVER_CORE, more=more)
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Gateway:
        try:
            self.url = self.process.line()
        except BaseException:
            self.process.stop()
            raise
        self.port = int(urlsplit(self.url).port or 0)
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()
        self.process.stop()

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name="us-east-1",
                aws_access_key_id="bench",
                aws_secret_access_key="bench",
                config=Config(retries={"max_attempts": 1}),
            )
        return self._clients[service]

    def api(self, routes: Mapping[str, Mapping[str, Any]]) -> str:
        """An API whose two-way `routes` have these integrations; gives the path that clients connect to.

        `responses` of an integration are its integration responses.
        """
        v2 = self.client("apigatewayv2")
        api_id = v2.create_api(Name="bench", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")[
            "ApiId"
        ]
        for key, integration in routes.items():
            members = dict(integration)
            responses = members.pop("responses", [])
            made = v2.create_integration(ApiId=api_id, **members)["IntegrationId"]
            for response in responses:
                v2.create_integration_response(ApiId=api_id, IntegrationId=made, **response)
            route = v2.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{made}")["RouteId"]
            v2.create_route_response(ApiId=api_id, RouteId=route, RouteResponseKey="$default")
        v2.create_stage(ApiId=api_id, StageName="bench")
        v2.create_deployment(ApiId=api_id, StageName="bench")
        return f"/{api_id}/bench"

    def answer(self, path: str, message: str) -> str:
        """What one client is answered, to be looked at before any load: the generator only looks for errors."""
        with Held(self.port, path, 1, message=message) as held:
            return held.replies[0]


def mock(answer: str = ANSWER, request: str = '{"statusCode":200}') -> dict[str, Any]:
    """A MOCK integration with a request and a response template, static ones if not given."""
    return {
        "IntegrationType": "MOCK",
        "RequestTemplates": {"$default": request},
        "responses": [{"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": answer}}],
    }

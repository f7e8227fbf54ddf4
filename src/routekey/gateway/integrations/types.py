"""Integration types by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routekey.errors import CompileError
from routekey.gateway.integrations.aws_proxy import AwsProxy
from routekey.gateway.integrations.base import FunctionInvoker, Integration
from routekey.gateway.integrations.http_proxy import HttpProxy
from routekey.gateway.integrations.mock import Mock
from routekey.resources import integration as resources
from routekey.wire.transport import HttpBackends


@dataclass(frozen=True, slots=True)
class Backends:
    """What integrations reach the world through."""

    functions: FunctionInvoker
    http: HttpBackends


def build(
    resource: resources.Integration,
    responses: Sequence[resources.IntegrationResponse],
    variables: dict[str, str],
    backends: Backends,
) -> Integration:
    """The integration that `resource` describes. CompileError for what is not served yet."""
    kind = resource.integration_type
    if resource.connection_type == "VPC_LINK":
        raise CompileError("connectionType VPC_LINK is not available yet: use INTERNET")
    if kind == "MOCK":
        return Mock(resource, responses)
    if kind == "AWS_PROXY":
        return AwsProxy(resource, variables, backends.functions)
    if kind == "HTTP_PROXY":
        return HttpProxy(resource, resource.api_id, variables, backends.http)
    raise CompileError(f"integrationType {kind} is not available yet: use AWS_PROXY, HTTP_PROXY or MOCK")

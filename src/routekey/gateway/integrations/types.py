"""Integrations by type: the one place that knows which class serves which resource."""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from routekey.aws.client import AwsClient
from routekey.aws.credentials import Credentials
from routekey.aws.endpoints import Endpoints
from routekey.clock import Clock
from routekey.errors import CompileError
from routekey.expressions.stage_variables import references, substitute
from routekey.gateway.integrations.address import AddressMap, Surroundings, targets_of
from routekey.gateway.integrations.aws_proxy import AwsProxy
from routekey.gateway.integrations.aws_service import CALLER, CALLER_FAULT, AwsService, AwsUri, parse_uri
from routekey.gateway.integrations.base import Integration, LocalLambda
from routekey.gateway.integrations.function_target import FunctionTarget
from routekey.gateway.integrations.http import Http, HttpProxy
from routekey.gateway.integrations.http_backend import HttpBackend
from routekey.gateway.integrations.http_uri import Endpoint
from routekey.gateway.integrations.mock import Mock
from routekey.resources import integration as resources
from routekey.resources.access import ClientCertificate
from routekey.wire.transport import HttpBackends

_FUNCTION = re.compile(r":([a-z0-9-]+):lambda:path/2015-03-31/functions/([^/]+)/")


@dataclass(frozen=True, slots=True)
class Backends:
    """What integrations reach the world through."""

    functions: LocalLambda
    http: HttpBackends
    addresses: AddressMap
    endpoints: Endpoints
    credentials: Credentials
    aws: AwsClient
    clock: Clock
    identify: Callable[[ClientCertificate], Awaitable[ssl.SSLContext]]  # TLS that presents a client certificate


def build(
    resource: resources.Integration,
    responses: Sequence[resources.IntegrationResponse],
    surroundings: Surroundings,
    backends: Backends,
) -> Integration:
    """The integration that `resource` describes. CompileError or ExpressionError for what cannot be served."""
    kind = resource.integration_type
    if kind == "MOCK":
        return Mock(resource, responses)
    if kind in ("HTTP", "HTTP_PROXY"):
        endpoint = Endpoint(resource.integration_uri or "", surroundings.variables)
        targets = targets_of(resource, endpoint, surroundings, backends.addresses, backends.clock)
        backend = HttpBackend(resource, endpoint, targets, backends.http)
        return Http(resource, responses, backend) if kind == "HTTP" else HttpProxy(resource, backend)
    text = substitute(resource.integration_uri or "", surroundings.variables)
    function = _FUNCTION.search(text)
    role = substitute(resource.credentials_arn, surroundings.variables) if resource.credentials_arn else ""
    target = _function(function[2], function[1], role, backends) if function else None
    fault = CALLER_FAULT if CALLER.fullmatch(role) else None
    if kind == "AWS_PROXY":
        return AwsProxy(resource, text, target, fault)
    uri = fault or _aws_uri(resource, text)
    return AwsService(
        resource,
        responses,
        uri,
        target,
        role,
        backends.endpoints,
        backends.credentials,
        backends.aws,
    )


def _aws_uri(resource: resources.Integration, text: str) -> AwsUri | str:
    """The URI taken apart; what is wrong with it only where a stage variable may be to blame."""
    try:
        return parse_uri(text)
    except CompileError as error:
        if references(resource.integration_uri or ""):
            return str(error)
        raise


def _function(reference: str, region: str, role: str, backends: Backends) -> FunctionTarget:
    return FunctionTarget(
        reference,
        backends.functions,
        backends.addresses,
        backends.endpoints,
        backends.credentials,
        backends.aws,
        region,
        role,
    )

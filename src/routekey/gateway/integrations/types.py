"""Integrations by type: the one place that knows which class serves which resource."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from routekey.aws.client import AwsClient
from routekey.aws.credentials import Credentials
from routekey.aws.endpoints import Endpoints
from routekey.clock import Clock
from routekey.errors import CompileError
from routekey.expressions.stage_variables import substitute
from routekey.gateway.integrations.address import AddressMap, Targets, origins
from routekey.gateway.integrations.aws_proxy import AwsProxy
from routekey.gateway.integrations.aws_service import CALLER, AwsService, AwsUri, parse_uri
from routekey.gateway.integrations.base import Integration, LocalLambda
from routekey.gateway.integrations.functions import FunctionTarget
from routekey.gateway.integrations.http import Http, HttpProxy
from routekey.gateway.integrations.http_backend import Endpoint, HttpBackend
from routekey.gateway.integrations.mock import Mock
from routekey.resources import integration as resources
from routekey.resources.access import ClientCertificate
from routekey.wire.transport import HttpBackends

_FUNCTION = re.compile(r":([a-z0-9-]+):lambda:path/2015-03-31/functions/([^/]+)/")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.")


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
    identify: Callable[[ClientCertificate], ssl.SSLContext]  # TLS that presents a client certificate


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a deployment meets on the stage that serves it."""

    variables: Mapping[str, str]
    links: Mapping[str, Sequence[str]]  # VPC links by id: their names and the ARNs of their targets
    client_certificate: ClientCertificate | None = None


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
        targets = _targets(resource, endpoint, surroundings, backends)
        backend = HttpBackend(resource, endpoint, targets, backends.http)
        return Http(resource, responses, backend) if kind == "HTTP" else HttpProxy(resource, backend)
    text = substitute(resource.integration_uri or "", surroundings.variables)
    function = _FUNCTION.search(text)
    role = substitute(resource.credentials_arn, surroundings.variables) if resource.credentials_arn else ""
    target = _function(function[2], function[1], "" if CALLER.fullmatch(role) else role, backends) if function else None
    if kind == "AWS_PROXY":
        return AwsProxy(resource, text, target)
    uri = _aws_uri(resource, text)
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
        if _STAGE_VARIABLE.search(resource.integration_uri or ""):
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


def _targets(
    resource: resources.Integration, endpoint: Endpoint, surroundings: Surroundings, backends: Backends
) -> Targets | str:
    """The addresses behind an HTTP endpoint, or why there are none."""
    if endpoint.fault is not None:
        return endpoint.fault
    context = None
    if endpoint.secure and surroundings.client_certificate is not None:
        context = backends.identify(surroundings.client_certificate)
    name, found = endpoint.host, None
    if resource.connection_type == "VPC_LINK":
        found = _linked(resource, endpoint, surroundings, backends.addresses)
        if isinstance(found, str):
            if _STAGE_VARIABLE.search(resource.connection_id or ""):
                return found
            raise CompileError(found)
        if resource.tls_config and resource.tls_config.server_name_to_verify:
            name = resource.tls_config.server_name_to_verify
    else:
        mapped = backends.addresses.find([endpoint.authority, endpoint.host])
        found = mapped[1] if mapped is not None else [(endpoint.host, endpoint.port)]
    return Targets(origins(found, endpoint.secure, name, context), backends.clock)


def _linked(
    resource: resources.Integration, endpoint: Endpoint, surroundings: Surroundings, addresses: AddressMap
) -> list[tuple[str, int]] | str:
    """Where `--map` says that a VPC link leads; what is missing where it says nothing."""
    link = substitute(resource.connection_id or "", surroundings.variables)
    others = surroundings.links.get(link, ())
    found = addresses.find([link, *others, endpoint.host])
    if found is not None:
        return found[1]
    if not link:
        return f"connectionId {resource.connection_id} names no VPC link: set the stage variable"
    known = f" ({others[0]})" if others else ", which does not exist"
    return f"nothing says where VPC link {link}{known} leads: start the gateway with --map {link}=HOST:PORT"

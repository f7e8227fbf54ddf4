"""What is served: built once per deployment and stage, never changed, swapped whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from routekey.gateway.integrations.base import Integration
from routekey.gateway.invocation import Invocation
from routekey.gateway.validation import Check


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    route_key: str
    integration: Integration | None
    integration_id: str = ""
    two_way: bool = False
    check: Check | None = None  # request models; GatewayError for a body that does not fit
    # The rest matters on $connect alone.
    required_headers: tuple[str, ...] = ()
    required_query: tuple[str, ...] = ()
    unavailable: str | None = None  # why nobody can be let in


@dataclass(frozen=True, slots=True)
class CompiledApi:
    api_id: str
    stage: str
    deployment_id: str
    stage_variables: Mapping[str, str]
    select: Callable[[Invocation], str | None]  # a message's route key; None for one that is not JSON
    routes: Mapping[str, CompiledRoute]  # those that a message can reach, by route key
    default: CompiledRoute | None
    connect: CompiledRoute | None
    disconnect: CompiledRoute | None
    checks: Mapping[str, Check]  # request models by route key, which no change of the stage touches
    default_endpoint: bool  # whether execute-api hosts and /{apiId}/{stage} reach it

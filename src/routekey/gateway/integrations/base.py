"""The whole contract of an integration type, and what it asks of local Lambda."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from routekey.gateway.invocation import Invocation
from routekey.wire.http import Headers, HttpRequest, HttpResponse


@dataclass(slots=True)
class IntegrationResult:
    """What a backend's answer comes down to: a status for $connect, a text for the client."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | str = b""  # text where a template made it
    body_fault: str | None = None  # why it cannot be sent, where only a two-way route would notice


class Integration(Protocol):
    async def invoke(self, invocation: Invocation) -> IntegrationResult:
        """Carry out one event. GatewayError when it fails (spec 3.9, 4.11)."""


@dataclass(slots=True)
class FunctionAnswer:
    """What Invoke of Lambda answered."""

    status: int
    payload: bytes
    function_error: str | None = None  # Handled or Unhandled
    request_id: str = ""


class FunctionRefused(Exception):
    """Invoke did not reach the function: unknown, throttled, not permitted."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing  # there is no such function


class LocalLambda(Protocol):
    """The functions that this gateway runs."""

    async def invoke(self, function: str, payload: bytes, seconds: float) -> FunctionAnswer:
        """Call the function that the ARN or name `function` stands for, its account and region aside.

        TimeoutError when it has not answered after `seconds`; FunctionRefused when it was not reached.
        """

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """The answer of the Lambda API to any of its requests."""

    def is_own(self, function: str) -> bool:
        """Whether the ARN or name names this gateway's account and region, or none."""

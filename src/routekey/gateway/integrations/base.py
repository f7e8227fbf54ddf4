"""The whole contract of an integration type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from routekey.gateway.invocation import Invocation
from routekey.wire.http import Headers


@dataclass(slots=True)
class IntegrationResult:
    """What a backend's answer comes down to: a status for $connect, a text for the client."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
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


class FunctionInvoker(Protocol):
    async def invoke(self, function: str, payload: bytes, seconds: float) -> FunctionAnswer:
        """Call the function that the ARN or name `function` stands for.

        TimeoutError when it has not answered after `seconds`; FunctionRefused when it was not reached.
        """


@dataclass(slots=True)
class Answer:
    """What an HTTP backend answered."""

    status: int
    headers: Headers
    body: bytes

    def values(self, name: str) -> Sequence[str]:
        lower = name.lower()
        return [value for key, value in self.headers if key.lower() == lower]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

"""What goes wrong between the gateway and a backend, as clients and logs see it (spec 4.11)."""

from __future__ import annotations

from routekey.aws.credentials import NoCredentials
from routekey.aws.endpoints import NoEndpoint
from routekey.errors import GatewayError, ResponseType
from routekey.gateway.integrations.base import FunctionRefused
from routekey.gateway.invocation import Invocation
from routekey.wire.transport import BackendRefused, TransportError

FAILURES = (TimeoutError, TransportError, FunctionRefused, NoEndpoint, NoCredentials)


def failure(invocation: Invocation, what: str, seconds: float, error: Exception) -> GatewayError:
    """What one of FAILURES means for the event: `what` was called, and had `seconds` to answer."""
    if isinstance(error, TimeoutError):
        return GatewayError(ResponseType.INTEGRATION_TIMEOUT, f"{what} did not answer within {seconds:g} s")
    if isinstance(error, (BackendRefused, FunctionRefused)):
        return GatewayError(ResponseType.INTEGRATION_REFUSED, f"{what}: {error}")
    if isinstance(error, TransportError):
        # Frames show every failure of a backend the same way; only a handshake names the network (spec 2.3, 3.9).
        text = None if invocation.request is not None else ResponseType.API_CONFIGURATION_ERROR.text
        mend = " (--backend-ca FILE trusts other authorities)" if "certificate verify failed" in str(error) else ""
        return GatewayError(ResponseType.INTEGRATION_FAILURE, f"{what}: {error}{mend}", text)
    return GatewayError(ResponseType.API_CONFIGURATION_ERROR, f"{what}: {error}")

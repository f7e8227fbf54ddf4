"""MOCK: no backend; the request template decides the status (spec 4.10)."""

from __future__ import annotations

from collections.abc import Sequence

from routekey.errors import GatewayError, ResponseType
from routekey.expressions.vtl.jsonsmart import NotReadable, read
from routekey.gateway.integrations.answers import Answer
from routekey.gateway.integrations.base import IntegrationResult
from routekey.gateway.integrations.request_body import RequestBody
from routekey.gateway.integrations.responses import Responses
from routekey.gateway.invocation import Invocation
from routekey.resources.integration import Integration, IntegrationResponse


class Mock:
    def __init__(self, resource: Integration, responses: Sequence[IntegrationResponse]) -> None:
        self._body = RequestBody(resource)
        self._responses = Responses(responses)
        self._statuses: dict[str, int] = {}  # of rendered templates, which are few
        self._constant = self._precompute()  # the answer, where no template and no message can change it

    def _precompute(self) -> IntegrationResult | None:
        template = self._body.choice.constant
        if template is None or template.static is None:
            return None
        try:
            status = _status(template.static)
        except GatewayError:
            return None  # each message is told
        return self._responses.constant(str(status), status)

    async def invoke(self, invocation: Invocation) -> IntegrationResult:
        if self._constant is not None and invocation.request is None and not invocation.traced:
            return self._constant
        status = self._status(self._body.text(invocation))
        return self._responses.map(invocation, str(status), Answer(status, [], b""))

    def _status(self, text: str) -> int:
        status = self._statuses.get(text)
        if status is None:
            status = _status(text)
            if len(self._statuses) < 64 and len(text) < 256:
                self._statuses[text] = status
        return status


def _status(text: str) -> int:
    try:
        document = read(text)
    except NotReadable:
        document = None
    status = document.get("statusCode") if isinstance(document, dict) else None
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise GatewayError(
            ResponseType.API_CONFIGURATION_ERROR,
            "Unable to parse statusCode. It should be an integer that is defined in the request template.",
        )
    return status

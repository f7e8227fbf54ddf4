"""The body of an integration's request: a template's output, or the message (spec 4.6, 4.8, 4.9)."""

from __future__ import annotations

import base64
import binascii

from routekey.errors import GatewayError, ResponseType
from routekey.gateway.integrations.templates import compile_choice, render
from routekey.gateway.invocation import Invocation
from routekey.resources.integration import Integration


class RequestBody:
    """What is sent of a message: a template's output, the message as it is, or nothing, refused with 415."""

    def __init__(self, resource: Integration) -> None:
        self.choice = compile_choice(resource.request_templates, resource.template_selection_expression, "request")
        self._passthrough = resource.passthrough_behavior
        self._binary = resource.content_handling_strategy == "CONVERT_TO_BINARY"

    def text(self, invocation: Invocation) -> str:
        template = self.choice.pick(invocation)
        if template is not None:
            return render(template, invocation, invocation.body)
        if self._passthrough == "NEVER" or (self._passthrough == "WHEN_NO_TEMPLATES" and self.choice.templates):
            raise GatewayError(
                ResponseType.UNSUPPORTED_MEDIA_TYPE,
                f"no request template fits, and passthroughBehavior is {self._passthrough}",
            )
        return invocation.body

    def data(self, invocation: Invocation) -> bytes:
        text = self.text(invocation)
        return from_base64(text) if self._binary else text.encode("utf-8", "replace")


def from_base64(text: str) -> bytes:
    """The bytes that `text` stands for, where contentHandlingStrategy says CONVERT_TO_BINARY."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise GatewayError(
            ResponseType.API_CONFIGURATION_ERROR, "contentHandlingStrategy is CONVERT_TO_BINARY, and this is no base64"
        ) from None

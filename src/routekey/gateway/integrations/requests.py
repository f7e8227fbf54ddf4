"""The request of an integration: its body and its parameters (spec 4.5 to 4.9)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from routekey.errors import ExpressionError, GatewayError, ResponseType
from routekey.expressions.parameters import compile_request_mapping
from routekey.gateway.integrations.templates import compile_choice, override_text, render
from routekey.gateway.invocation import Invocation
from routekey.resources.base import Maybe
from routekey.resources.integration import Integration

# Headers that a mapping may not set, and those that a request never carries (spec 4.4).
REFUSED = frozenset(("content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id"))
REFUSED_BY_AWS = REFUSED | {"authorization", "connection", "expect", "proxy-authenticate", "te"}
DROPPED = frozenset(("expect", "proxy-authenticate", "te"))

_AUTHORED = "%/:?#[]@!$&'()*+,;="  # what a literal keeps: its author has encoded it
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


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


@dataclass(slots=True)
class Parameters:
    """What mappings and overrides give one request; query and path are percent-encoded."""

    headers: dict[str, tuple[str, str]] = field(default_factory=dict)  # by lower-case name: name and value
    query: dict[str, str] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)

    @property
    def pairs(self) -> list[str]:
        return [f"{quote(name, safe='')}={value}" for name, value in self.query.items()]


class RequestParameters:
    """The compiled requestParameters of an integration."""

    def __init__(self, mappings: Mapping[str, str] | Maybe, refused: frozenset[str], dropped: Iterable[str]) -> None:
        self._refused = refused
        self._dropped = frozenset(dropped)
        self._mappings = []
        self.fault: str | None = None  # why every call fails
        for target, source in (mappings or {}).items():
            try:
                mapping = compile_request_mapping(target, source)
            except ExpressionError as error:
                raise ExpressionError(f"requestParameters: {error}") from None
            if mapping.location == "header" and mapping.name.lower() in refused:
                self.fault = f"{target}: this header cannot be mapped"
            self._mappings.append(mapping)

    def of(self, invocation: Invocation) -> Parameters | None:
        """The parameters of one request, once its template has run; None where there are none."""
        override = invocation.override("requestOverride")
        overridden = any(override.values()) if override else False
        if not self._mappings and not overridden:
            return None
        found = Parameters()
        for mapping in self._mappings:
            value = mapping.source(invocation)
            if value is not None:
                self._set(found, mapping.location, mapping.name, value, mapping.static)
        for location, values in override.items() if overridden else ():
            for name, value in values.items() if isinstance(values, dict) else ():
                if location == "header" and str(name).lower() in self._refused:
                    raise GatewayError(
                        ResponseType.API_CONFIGURATION_ERROR, f"requestOverride: header {name} cannot be set"
                    )
                self._set(found, location, str(name), override_text(value), False)
        return found

    def _set(self, found: Parameters, location: str, name: str, value: str, static: bool) -> None:
        if location == "header":
            if name.lower() not in self._dropped and _TOKEN.fullmatch(name):
                found.headers[name.lower()] = name, value
        elif location == "querystring":
            found.query[name] = _encoded(value, static)
        elif location == "path":
            found.path[name] = _encoded(value, static)


def _encoded(value: str, static: bool) -> str:
    return quote(value, safe=_AUTHORED if static else "", errors="replace")

"""The parameters of an integration's request: mapped headers, query and path (spec 4.5), and overrides (5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from routekey.errors import ExpressionError, GatewayError, ResponseType
from routekey.expressions.parameters import compile_request_mapping
from routekey.gateway.integrations.templates import override_text
from routekey.gateway.invocation import Invocation
from routekey.resources.base import Maybe
from routekey.wire.http import Headers

BODYLESS = ("GET", "HEAD", "OPTIONS")  # methods whose requests carry no body (spec 4.4)

# Headers that a mapping may not set, and those that a request never carries (spec 4.4).
REFUSED = frozenset(("content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id"))
REFUSED_BY_AWS = REFUSED | {"authorization", "connection", "expect", "proxy-authenticate", "te"}
DROPPED = frozenset(("expect", "proxy-authenticate", "te"))

_AUTHORED = "%/:?#[]@!$&'()*+,;="  # what a literal keeps: its author has encoded it
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE = re.compile(r"\{([A-Za-z0-9._$-]+)\}")


@dataclass(slots=True)
class Parameters:
    """What mappings and overrides give one request; query and path are percent-encoded."""

    headers: dict[str, tuple[str, str]] = field(default_factory=dict)  # by lower-case name: name and value
    query: dict[str, str] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)

    @property
    def pairs(self) -> list[str]:
        return [f"{quote(name, safe='')}={value}" for name, value in self.query.items()]

    def fill(self, path: str) -> str:
        """`path` with its `{name}` variables; those without a value are empty."""
        return _VARIABLE.sub(lambda match: self.path.get(match[1], ""), path) if "{" in path else path

    def over(self, headers: Headers) -> Headers:
        """`headers` with the mapped ones in place of theirs."""
        kept = [pair for pair in headers if pair[0].lower() not in self.headers]
        # Mapped text goes out as UTF-8; what the client sent, byte for byte as it came.
        return kept + [(n, value.encode("utf-8", "replace").decode("latin-1")) for n, value in self.headers.values()]


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
        self.header_names = frozenset(each.name.lower() for each in self._mappings if each.location == "header")

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
            if not static and any(part in (".", "..") for part in value.split("/")):
                raise GatewayError(
                    ResponseType.API_CONFIGURATION_ERROR,
                    f"path variable {name} is '{value:.100}', which would lead out of its place",
                )
            found.path[name] = _encoded(value, static)


def _encoded(value: str, static: bool) -> str:
    return quote(value, safe=_AUTHORED if static else "", errors="replace")

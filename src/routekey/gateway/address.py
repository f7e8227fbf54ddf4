"""Which API and stage a request is for: by host, by custom domain, or by path (contract 1, spec 2.1, 9.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from routekey.gateway.catalog import Domains
from routekey.resources.ids import Region
from routekey.wire.http import HttpRequest, host_name

_EXECUTE_API = re.compile(r"([a-z0-9]+)\.execute-api\.")
CONNECTIONS = "@connections"
_MANAGEMENT = re.compile(
    r"(?:/([A-Za-z0-9_-]+))?(?:/([A-Za-z0-9_-]+))?/@connections/([A-Za-z0-9_-]+(?:=|%3D))"
)  # nearly all


@dataclass(frozen=True, slots=True)
class Target:
    """Where a data-plane request leads."""

    api_id: str
    stage: str
    domain_name: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """What the Host header says: an API, a custom domain, or neither."""

    api_id: str | None = None
    custom: str | None = None

    @property
    def is_data_plane(self) -> bool:
        return self.api_id is not None or self.custom is not None


class Addresses:
    def __init__(self, region: Region, domains: Domains, public_host: str | None) -> None:
        self.region = region
        self.domains = domains
        self.public_host = public_host

    def host(self, request: HttpRequest) -> Host:
        name = request.host
        match = _EXECUTE_API.match(name)
        if match is not None:
            return Host(api_id=match[1])
        if self.domains.mappings(name) is not None and name != host_name(self.public_host or ""):
            return Host(custom=name)
        return Host()

    def target(self, request: HttpRequest, host: Host) -> Target | None:
        """The stage that a handshake asks for; None when its address leads nowhere."""
        path = request.path
        segments = [unquote(part) for part in path.removesuffix("/").split("/")[1:]]
        if host.custom is not None:
            return self._mapped(host.custom, segments)
        if host.api_id is not None:
            return Target(host.api_id, segments[0], self.domain_name(host.api_id)) if len(segments) == 1 else None
        if len(segments) != 2:
            return None
        return Target(segments[0], segments[1], self.domain_name(segments[0]))

    def domain_name(self, api_id: str) -> str:
        """What `requestContext.domainName` shows where no custom domain was used."""
        return self.public_host or f"{api_id}{self.region.execute_api_suffix}"

    def _mapped(self, domain: str, segments: list[str]) -> Target | None:
        mappings = self.domains.mappings(domain) or {}
        rest = [segment for segment in segments if segment]
        mapping = mappings.get(rest[0]) if rest else None
        if mapping is not None:
            rest = rest[1:]
        else:
            mapping = mappings.get("")
        if mapping is None or rest:
            return None
        return Target(mapping.api_id, mapping.stage, domain, custom=True)


def management_path(path: str) -> tuple[list[str], str] | None:
    """The segments before @connections and the connection id after it; None for any other path.

    Doubled slashes count as one, and @ may come escaped: real clients send both (clients 2).
    """
    match = _MANAGEMENT.fullmatch(path)
    if match is not None:
        return [each for each in match.groups()[:2] if each], match[3].replace("%3D", "=")
    segments = [segment for segment in path.split("/") if segment]
    for at, segment in enumerate(segments):
        if segment.lower().replace("%40", "@") == CONNECTIONS:
            rest = segments[at + 1 :]
            return [unquote(each) for each in segments[:at]], unquote("/".join(rest))
    return None

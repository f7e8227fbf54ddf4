"""Where AWS services are: at `--aws`, where AWS_ENDPOINT_URL_<SERVICE> says, or on AWS itself (contract 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from routekey.aws.services import Service, data_folder
from routekey.wire.transport import Origin

REAL = "real"


class NoEndpoint(Exception):
    """Nothing says where a service is; the message names the flag and the variable."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where one service's requests go."""

    origin: Origin
    host: str  # what the request and its signature call it
    path: str  # what stands before the path, without a slash at its end
    region: str  # that it is signed for
    stands_in: bool = False  # `host` is AWS's own, and the origin is not


class Endpoints:
    """`aws` is the URL or `real` of `--aws`, None without one; an embedded server's URL is set once it runs."""

    def __init__(self, aws: str | None, variables: Mapping[str, str]) -> None:
        self.aws = aws
        self._variables = variables

    def url(self, service: Service) -> str | None:
        """The endpoint that is set for the service; None where that is AWS's own, or nothing."""
        return self._variables.get(service.variable) or (self.aws if self.aws != REAL else None)

    def locate(self, service: Service, region: str, partition: str, subdomain: str = "", prefix: str = "") -> Location:
        """Where the service is, with what its URI or model puts before its host. NoEndpoint where nobody says."""
        name, signing_region = aws_host(service.name, region, partition)
        full = f"{prefix}{subdomain}{'.' if subdomain else ''}{name}"
        url = self.url(service)
        if url is None:
            if self.aws != REAL:
                raise NoEndpoint(
                    f"nothing says where {service.name} is: start the gateway with --aws URL, moto or real, "
                    f"or set {service.variable}"
                )
            return Location(Origin(full, 443, True), full, "", signing_region)
        try:
            origin, authority, path = parse_url(url)
        except ValueError:
            raise NoEndpoint(f"{service.variable}={url} is no http:// or https:// URL") from None
        # One address serves every host name, so what stands before the host is only seen in AWS's own name.
        inside = bool(subdomain or prefix)
        return Location(origin, full if inside else authority, path, signing_region, stands_in=inside)


def parse_url(url: str) -> tuple[Origin, str, str]:
    """Where an endpoint's URL leads, its authority as signers write it, and its path. ValueError for other texts."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(url)
    secure = parts.scheme == "https"
    usual = 443 if secure else 80
    origin = Origin(parts.hostname, parts.port or usual, secure)
    return origin, parts.netloc.removesuffix(f":{usual}"), parts.path.rstrip("/")


@lru_cache(maxsize=256)
def aws_host(service: str, region: str, partition: str) -> tuple[str, str]:
    """AWS's own host for a service, and the region that its requests are signed for."""
    found = next((each for each in _partitions() if each["partition"] == partition), _partitions()[0])
    suffix = found["dnsSuffix"]
    known = found["services"].get(service, {})
    if known.get("isRegionalized") is False and "partitionEndpoint" in known:
        endpoint = known["endpoints"].get(known["partitionEndpoint"], {})
        return endpoint.get("hostname", f"{service}.{suffix}"), endpoint.get("credentialScope", {}).get(
            "region", region
        )
    return f"{service}.{region}.{suffix}", region


@lru_cache(maxsize=1)
def _partitions() -> list[dict[str, Any]]:
    document = msgspec.json.decode((data_folder() / "endpoints.json").read_bytes())
    partitions: list[dict[str, Any]] = document["partitions"]
    return partitions

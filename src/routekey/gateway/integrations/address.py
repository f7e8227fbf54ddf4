"""Where the host of a URI is: on the internet, behind a VPC link, or where `--map` says (spec 1.14, 4.4)."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from routekey.clock import Clock
from routekey.errors import CompileError
from routekey.expressions.stage_variables import references, substitute
from routekey.gateway.integrations.http_uri import Endpoint
from routekey.resources.integration import Integration
from routekey.wire.http import parse_addresses
from routekey.wire.transport import Origin

RETRY_SECONDS = 5.0  # that a target which could not be connected to is left out


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a deployment meets on the stage that serves it."""

    variables: Mapping[str, str]
    links: Mapping[str, Sequence[str]]  # VPC links by id: their names and the ARNs of their targets
    identity: ssl.SSLContext | None = None  # TLS that presents the stage's client certificate


class Targets:
    """The addresses behind one name, taken in turn; one that cannot be connected to is left out for a while."""

    def __init__(self, origins: Sequence[Origin], clock: Clock, mapped: str = "") -> None:
        """`mapped` is the name of `--map` that led here."""
        where = ", ".join(map(str, origins))
        self.shown = f" at {where} (--map {mapped})" if mapped else ""  # behind a URI, in logs
        self._origins = list(origins)
        self.alone = self._origins[0] if len(self._origins) == 1 else None
        self._clock = clock
        self._next = 0
        self._dead: dict[Origin, float] = {}  # until when

    def order(self) -> Sequence[Origin]:
        """The addresses in the order in which this request should try them."""
        origins = self._origins
        start, self._next = self._next, (self._next + 1) % len(origins)
        turned = origins[start:] + origins[:start]
        if not self._dead:
            return turned
        now = self._clock.monotonic()
        return sorted(turned, key=lambda origin: max(0.0, self._dead.get(origin, 0.0) - now))

    def failed(self, origin: Origin) -> None:
        self._dead[origin] = self._clock.monotonic() + RETRY_SECONDS

    def worked(self, origin: Origin) -> None:
        self._dead.pop(origin, None)


class AddressMap:
    """The table of `--map`: names of things that live elsewhere, and their addresses."""

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._entries = entries

    def find(self, names: Iterable[str]) -> tuple[str, Sequence[tuple[str, int]]] | None:
        """The first of `names` that has an entry, with its hosts and ports, or sockets and 0.

        CompileError for an entry that is none.
        """
        for name in names:
            text = self._entries.get(name)
            if text is not None:
                found = parse_addresses(text)
                if found is None:
                    raise CompileError(
                        f"--map {name}={text}: HOST:PORT, unix:PATH or several of them with commas are expected"
                    )
                return name, found
        return None


def targets_of(
    resource: Integration,
    endpoint: Endpoint,
    surroundings: Surroundings,
    addresses: AddressMap,
    clock: Clock,
) -> Targets | str:
    """The addresses behind an HTTP endpoint, or why there are none, where a stage variable may be to blame.

    CompileError for a VPC link that is named outright and leads nowhere.
    """
    if endpoint.fault is not None:
        return endpoint.fault
    server_name, mapped = endpoint.host, None
    if resource.connection_type == "VPC_LINK":
        link = substitute(resource.connection_id or "", surroundings.variables)
        mapped = addresses.find([link, *surroundings.links.get(link, ()), endpoint.host])
        if mapped is None:
            why = _nowhere(resource, link, surroundings.links.get(link, ()))
            if references(resource.connection_id or ""):
                return why
            raise CompileError(why)
        if resource.tls_config and resource.tls_config.server_name_to_verify:
            server_name = resource.tls_config.server_name_to_verify
    else:
        mapped = addresses.find([endpoint.authority, endpoint.host])
    found = mapped[1] if mapped is not None else [(endpoint.host, endpoint.port)]
    context = surroundings.identity if endpoint.secure else None
    name = server_name if endpoint.secure else None
    origins = [Origin(host, port, endpoint.secure, name, context) for host, port in found]
    return Targets(origins, clock, mapped[0] if mapped is not None else "")


def _nowhere(resource: Integration, link: str, names: Sequence[str]) -> str:
    if not link:
        return f"connectionId {resource.connection_id} names no VPC link: set the stage variable"
    if not names:
        return (
            f"VPC link {link} does not exist, and --map has no address for it: make it, or say --map {link}=HOST:PORT"
        )
    return f"nothing says where VPC link {link} leads: start the gateway with --map {names[0]}=HOST:PORT"

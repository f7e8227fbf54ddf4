"""Where the host of a URI is: on the internet, behind a VPC link, or where `--map` says (spec 1.14, 4.4)."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping, Sequence

from routekey.clock import Clock
from routekey.errors import CompileError
from routekey.wire.transport import Origin

RETRY_SECONDS = 5.0  # that a target which could not be connected to is left out

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})")


class Targets:
    """The addresses behind one name, taken in turn; one that cannot be connected to is left out for a while."""

    def __init__(self, origins: Sequence[Origin], clock: Clock) -> None:
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

    def find(self, names: Iterable[str]) -> tuple[str, list[tuple[str, int]]] | None:
        """The first of `names` that has an entry, and the hosts and ports (or sockets and 0) that it names."""
        for name in names:
            text = self._entries.get(name)
            if text is not None:
                return name, [_address(name, part.strip()) for part in text.split(",")]
        return None


def _address(name: str, text: str) -> tuple[str, int]:
    if text.startswith("unix:") and len(text) > 5:
        return text[5:], 0
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise CompileError(f"--map {name}={text}: HOST:PORT, unix:PATH or several of them with commas are expected")
    return match["host"].strip("[]"), int(match["port"])


def origins(
    addresses: Iterable[tuple[str, int]], secure: bool, server_name: str, context: ssl.SSLContext | None
) -> list[Origin]:
    return [Origin(host, port, secure, server_name if secure else None, context) for host, port in addresses]

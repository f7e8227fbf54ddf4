"""What expressions may read of a message, in their own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from routekey.expressions.selection import Response


class Scope(Protocol):
    """One request on its way to an integration."""

    @property
    def body(self) -> str: ...

    @property
    def stage_variables(self) -> Mapping[str, str]: ...

    def header_values(self, name: str) -> Sequence[str]:
        """Values of a handshake header, matched without regard to case."""

    def query_values(self, name: str) -> Sequence[str]: ...

    def context_value(self, name: str) -> object:
        """The value of `$context.name`, dotted; None where there is none."""


class Result(Response, Protocol):
    """One answer of an integration."""

    @property
    def text(self) -> str: ...

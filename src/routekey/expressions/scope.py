"""What expressions may read of a message and of its answer, in their own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from routekey.expressions.json import NotJson, parse
from routekey.expressions.jsonpath import MISSING


class Message(Protocol):
    """One message of a client."""

    @property
    def body(self) -> str: ...

    @property
    def document(self) -> Any:
        """The body's JSON value, or MISSING where it is not JSON."""


class Scope(Message, Protocol):
    """One request on its way to an integration."""

    @property
    def stage_variables(self) -> Mapping[str, str]: ...

    def header_values(self, name: str) -> Sequence[str]:
        """Values of a handshake header, matched without regard to case."""

    def query_values(self, name: str) -> Sequence[str]: ...

    def context_value(self, name: str) -> object:
        """The value of `$context.name`, dotted; None where there is none."""


class Response(Protocol):
    """One answer of an integration."""

    @property
    def status(self) -> int: ...

    @property
    def text(self) -> str: ...

    @property
    def document(self) -> Any: ...

    def values(self, name: str) -> Sequence[str]:
        """Every value of the header `name`, matched without regard to case."""


def document_of(text: str) -> Any:
    """The JSON value of `text`, or MISSING."""
    try:
        return parse(text)
    except NotJson:
        return MISSING

"""Servers of the wire layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.wire.server import LOOPS, Server


@pytest.fixture(params=list(LOOPS))
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """Makes servers for one test."""
    made: list[Server] = []

    def make(**options: Any) -> Server:
        made.append(Server(request.param, **options))
        return made[-1]

    yield make
    for server in made:
        server.stop()
    assert [error for server in made for error in server.errors] == []


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A server for one test that needs no settings."""
    return serve()

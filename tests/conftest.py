"""One gateway serves all tests that need no settings of their own: each makes its own API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import Lines, RunningGateway, running


@pytest.fixture(scope="session")
def gateway() -> Iterator[RunningGateway]:
    with running() as shared:
        yield shared


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What gateways log during the test."""
    with Lines() as found:
        yield found

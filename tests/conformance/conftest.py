"""A gateway with room for what all these tests make, and a plain HTTP connection beside the real clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.worlds import Wire
from tests.support import RunningGateway, running


@pytest.fixture(scope="session")
def gateway() -> Iterator[RunningGateway]:
    with running(domain_names=10_000, v1_vpc_links=10_000) as shared:
        yield shared


@pytest.fixture
def wire(gateway: RunningGateway) -> Iterator[Wire]:
    connection = Wire(gateway)
    yield connection
    connection.close()

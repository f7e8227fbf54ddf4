from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.aws.helpers import Cloud
from tests.support import running


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """One gateway with a moto server for all tests that need no settings of their own."""
    with running(aws="moto") as gateway:
        yield Cloud(gateway)


@pytest.fixture(autouse=True)
def no_variables_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have keys and endpoints set, which gateways read."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from routekey.functions import service
from routekey.resources.function import Function
from tests.functions.helpers import Maker
from tests.support import RunningGateway


@pytest.fixture
def make(gateway: RunningGateway) -> Iterator[Maker]:
    maker = Maker(gateway)
    yield maker
    maker.clear()


@pytest.fixture
def functions(gateway: RunningGateway) -> Any:
    """A boto3 client of the Lambda API."""
    return gateway.client("lambda")


@pytest.fixture(params=["awslambdaric", "routekey.functions.runtime_client"], ids=["official", "own"])
def runtime_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which runtime interface client runs functions: the test runs once with each."""
    module = str(request.param)
    if find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"there is no {module} for this system")

    def command(function: Function) -> list[str]:
        return [sys.executable, "-m", module, function.handler]

    monkeypatch.setattr(service, "command", command)
    return module

"""A server whose clock is ours, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sales_exporter.config import QueryApi
from sales_exporter.sidecar.history.client import Client
from tests.sidecar.history.api import Api, serving
from tests.sidecar.history.making import NOW, steady
from tests.support.clocks import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def api(clock: FakeClock) -> AsyncIterator[Api]:
    async with serving(Api(clock, {"load": [({"host": "a"}, steady(2.0))]})) as found:
        yield found


@pytest.fixture
async def client(api: Api, clock: FakeClock) -> AsyncIterator[Client]:
    async with Client(QueryApi(url=api.url, timeout=5), clock) as found:
        yield found

"""The world that the dashboards are tried on: one for the whole session, because it takes a while to begin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.grafana.world import World, living
from tests.support.databases import Databases


@pytest.fixture(scope="session")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A company, its applications and its sidecar in a real Prometheus."""
    with living(databases.fresh(lasting=True), tmp_path_factory.mktemp("dashboards")) as alive:
        yield alive

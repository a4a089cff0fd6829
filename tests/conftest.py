"""Fixtures of the whole suite. Real servers are started once for a session and shared."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sales_exporter.demo.binaries import obtain
from sales_exporter.demo.postgres import Postgres, running
from tests.grafana.weeks import Weeks
from tests.grafana.weeks import weeks as two_weeks
from tests.support.databases import Databases
from tests.support.datasets import bank, crm, olist  # noqa: F401  (fixtures)

ROOT = Path(__file__).resolve().parent.parent

# The whole suite tries as many examples as hypothesis does by itself. `make unit` asks for the quick profile.
settings.register_profile("quick", deadline=None, max_examples=10)
settings.register_profile("thorough", deadline=None)
settings.load_profile("thorough")


def pytest_sessionstart() -> None:
    """Collecting makes a million objects that stay: to look for garbage among them is a tenth of a quick run."""
    gc.disable()
    gc.set_threshold(20_000)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Obtain the real servers before the first test that needs them, as `make demo` does."""
    gc.freeze()
    gc.enable()
    if any(item.get_closest_marker("stack") for item in session.items):
        found = obtain(ROOT / ".sales-exporter", print).prometheus.parent
        os.environ["SALES_EXPORTER_BIN"] = str(found)
        os.environ["PATH"] = os.pathsep.join([str(found), os.environ["PATH"]])


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The shared embedded PostgreSQL. Tests that stop or freeze a server start one of their own."""
    folder = tmp_path_factory.mktemp("postgres")
    for part in (folder, *folder.parents):
        if part.owner() == "root" and part.name.startswith(("pytest-", "postgres")):
            part.chmod(0o711)
    with running(folder / "cluster", fsync="off", synchronous_commit="off", full_page_writes="off") as server:
        yield server
    # It may lie elsewhere, where PostgreSQL's own user gets to; there nobody else would remove it.
    shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Databases:
    """Makes fresh databases with the contract in them, cheaply, from a template."""
    return Databases(postgres)


@pytest.fixture(scope="session")
def weeks() -> Iterator[Weeks]:
    """Two weeks of a whole installation, on which dashboards are asked and drawn."""
    with two_weeks() as alive:
        yield alive


@pytest.fixture(scope="session")
def data_sets() -> Path:
    """The folder of the real data sets; skips where SALES_TEST_DATA names none."""
    where = os.environ.get("SALES_TEST_DATA", "")
    if not where or not Path(where).is_dir():
        pytest.skip("SALES_TEST_DATA names no folder with the real data sets")
    return Path(where)

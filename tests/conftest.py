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
from tests.grafana.making import Making
from tests.grafana.weeks import Weeks, living, standing
from tests.support.databases import Databases
from tests.support.datasets import bank, crm, olist  # noqa: F401  (fixtures)

ROOT = Path(__file__).resolve().parent.parent
MAKING = pytest.StashKey[Making]()
DATABASES = pytest.StashKey[Databases]()

# The whole suite tries as many examples as hypothesis does by itself. `make unit` asks for the quick profile.
settings.register_profile("quick", deadline=None, max_examples=10)
settings.register_profile("thorough", deadline=None)
settings.load_profile("thorough")


def pytest_sessionstart() -> None:
    """Collecting makes a million objects that stay: to look for garbage among them is a tenth of a quick run."""
    gc.disable()
    gc.set_threshold(20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks the two weeks comes last: until then they are made."""
    items.sort(key=asks_the_weeks)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Obtain the real servers before the first test that needs them, as `make demo` does."""
    gc.freeze()
    gc.enable()
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker("stack") for item in session.items):
        found = obtain(ROOT / ".sales-exporter", print).prometheus.parent
        os.environ["SALES_EXPORTER_BIN"] = str(found)
        os.environ["PATH"] = os.pathsep.join([str(found), os.environ["PATH"]])
    if any(map(asks_the_weeks, session.items)) and standing() is None:
        session.config.stash[MAKING] = Making()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Whoever asked for the two weeks or not: nothing is left of them."""
    making = session.config.stash.get(MAKING, None)
    if making is not None:
        making.clear()


def asks_the_weeks(item: pytest.Item) -> bool:
    """Whether a test needs the two weeks."""
    return "weeks" in getattr(item, "fixturenames", ())


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
def databases(request: pytest.FixtureRequest, postgres: Postgres) -> Databases:
    """Makes fresh databases with the contract in them, cheaply, from a template."""
    made = request.config.stash[DATABASES] = Databases(postgres)
    return made


@pytest.fixture(scope="module", autouse=True)
def swept(request: pytest.FixtureRequest) -> Iterator[None]:
    """Databases go with the module whose tests asked for them: a thousand would be eight gigabytes to write."""
    yield
    made = request.config.stash.get(DATABASES, None)
    if made is not None:
        made.sweep()


@pytest.fixture(scope="session")
def weeks(request: pytest.FixtureRequest) -> Iterator[Weeks]:
    """Two weeks of a whole installation, on which dashboards are asked and drawn."""
    given = standing()
    if given is not None:
        yield given
        return
    with living(request.config.stash[MAKING].made()) as alive:
        yield alive


@pytest.fixture(scope="session")
def data_sets() -> Path:
    """The folder of the real data sets; skips where SALES_TEST_DATA names none."""
    where = os.environ.get("SALES_TEST_DATA", "")
    if not where or not Path(where).is_dir():
        pytest.skip("SALES_TEST_DATA names no folder with the real data sets")
    return Path(where)

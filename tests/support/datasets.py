"""The real data sets, each loaded once a session through the shipped importer into a database of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from sales_exporter import importer
from tests.support.databases import Database, Databases


class Loaded(NamedTuple):
    """A database that holds one data set, and the day after its last event."""

    database: Database
    as_of: datetime


@pytest.fixture(scope="session")
def olist(databases: Databases, data_sets: Path) -> Loaded:
    """Leads and won deals of a marketplace integrator, 2017-06 to 2018-11."""
    return _load("olist", databases, data_sets)


@pytest.fixture(scope="session")
def crm(databases: Databases, data_sets: Path) -> Loaded:
    """B2B opportunities with stages, reps and values, 2016-10 to 2017-12."""
    return _load("crm", databases, data_sets)


@pytest.fixture(scope="session")
def bank(databases: Databases, data_sets: Path) -> Loaded:
    """Phone campaign calls and the scores of two models, 2008-05 to 2010-11."""
    return _load("bank", databases, data_sets)


def _load(name: str, databases: Databases, data_sets: Path) -> Loaded:
    database = databases.fresh(lasting=True)
    as_of = importer.load_example(name, data_sets, database.owner.dsn)
    return Loaded(database, as_of)

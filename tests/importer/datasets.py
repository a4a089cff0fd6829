"""The data sets in two sizes: small invented files, always; the real ones where SALES_TEST_DATA names their folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from sales_exporter.importer import load_example
from tests.importer.support import DATA
from tests.support.databases import Database, Databases

REAL_FOLDERS = {"olist": "olist-funnel", "crm": "crm-opportunities", "bank": "bank-calls"}


class Loaded(NamedTuple):
    """A database that holds one data set, the day after its last event, and the files that it came from."""

    database: Database
    as_of: datetime
    folder: Path


def loaded(name: str, request: pytest.FixtureRequest) -> Loaded:
    """The data set of a fixture whose parameter is ``small`` or ``real``."""
    if request.param == "small":
        databases: Databases = request.getfixturevalue("databases")
        database = databases.fresh()
        return Loaded(database, load_example(name, DATA / name, database.owner.dsn), DATA / name)
    folder: Path = request.getfixturevalue("data_sets")
    database, as_of = request.getfixturevalue(name)
    return Loaded(database, as_of, folder / REAL_FOLDERS[name])

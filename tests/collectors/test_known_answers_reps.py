"""Wins by sales representative of a real marketplace, as the reference answers have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sales_exporter.collectors.reps import Reps
from tests.support.datasets import Loaded
from tests.support.reading import collect, values

pytestmark = pytest.mark.postgres


async def test_olist_won_by_sales_rep(olist: Loaded, data_sets: Path) -> None:
    expected = json.loads((data_sets / "olist-funnel" / "expected.json").read_text())["won_by_sales_rep"]
    found = values(await collect(Reps(), olist.database, olist.as_of), "sales_rep_deals")
    assert {rep: n for (rep, result, window), n in found.items() if (result, window) == ("won", "all")} == expected

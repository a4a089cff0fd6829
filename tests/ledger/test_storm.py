"""Cells equal a full recomputation whatever writers, crashes and late rows do; the whole storm is a benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import Databases
from tests.support.hammer import Hammer
from tests.support.storm import storm


@pytest.mark.postgres
@pytest.mark.process
@pytest.mark.slow
async def test_no_cell_differs_after_concurrent_writers_and_kills(databases: Databases, tmp_path: Path) -> None:
    database = databases.fresh()
    hammer = Hammer(database.owner.dsn, changes=16_000, writers=8, things=1_500, seed=11)
    outcome = await storm(hammer, database.reader.dsn, tmp_path / "state", kill=0.35)
    assert outcome.changes >= 16_000
    assert outcome.kills >= 3
    assert outcome.cells > 1_000
    assert {one.source: one.cells for one in outcome.differences if one.total} == {}
    assert {cube: ours for cube, (ours, plain) in outcome.sums.items()} == {
        cube: plain for cube, (ours, plain) in outcome.sums.items()}

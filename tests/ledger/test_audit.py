"""The audit: one wrong cell is found, right ones never, and the sampled one compares only what a part makes alone."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from sales_exporter.errors import SourceUnavailable
from sales_exporter.ledger.audit import EVERY, Audit, between, differences, full, inner, sampled
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.leads import COHORT, MOVES
from sales_exporter.ledger.source import Part
from sales_exporter.ledger.sources import leads as leads_module
from tests.ledger.test_ledger import GROUND, NOW, PARTS, Life
from tests.support.databases import Databases

PLAN = Layout("plan", ("day", "stage"))


def tally(*keys: int) -> Tally:
    return Tally.of(np.array(keys, dtype=np.int64))


def test_differences_are_counted_by_cube_with_cells_of_one_side_only() -> None:
    found = differences("s", {"a": tally(1, 2, 2), "b": tally(5)}, {"a": tally(1, 2, 3), "b": tally(5)})
    assert (dict(found.cells), found.total, found.compared) == ({"a": 2}, 2, 4)


def test_the_inner_range_leaves_out_the_first_and_the_last_hour_or_day() -> None:
    one = Tally.of(PLAN.pack(day=[4, 4, 5, 7, 7], stage=[0, 3, 2, 0, 9]))
    assert PLAN.unpack(between(one, *inner(PLAN, one)).keys)["day"].tolist() == [5]
    lone = Tally.of(PLAN.pack(day=[4, 4], stage=[0, 3]))
    assert len(between(lone, *inner(PLAN, lone))) == 0
    assert len(between(one, *inner(PLAN, tally()))) == 0


@pytest.fixture
async def life(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Life]:
    monkeypatch.setattr(leads_module, "PARTS", PARTS)
    base = databases.fresh()
    base.execute(GROUND)
    found = Life(base.reader.dsn, tmp_path)
    await found.step()
    yield found
    await found.close()


@pytest.mark.postgres
class TestOnPostgres:
    """Leads in four parts by creation, in hours 1 to 40 of May 2024."""

    async def test_a_sound_ledger_has_no_wrong_cell(self, life: Life) -> None:
        for _ in range(8):
            found = await sampled(life.ledger, life.ledger.states["leads"], life.reader)
            assert (found.source, found.total) == ("leads", 0)
            assert found.compared > 0
        assert set((await life.wrong()).values()) == {0}

    @pytest.mark.parametrize("layout", [COHORT, MOVES])
    async def test_one_wrong_cell_is_found_by_the_full_audit(self, life: Life, layout: Layout) -> None:
        cube = life.ledger.states["leads"].cubes[layout.name]
        cube.add(tally(int(cube.tally.keys[-1])))
        found = await full(life.ledger, "leads", life.reader, lambda done, total: None)
        assert dict(found.cells) == {layout.name: 1}
        assert found.total == 1

    async def test_the_sampled_audit_finds_it_in_its_part_and_in_no_other(
        self, life: Life, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state = life.ledger.states["leads"]
        hours = COHORT.unpack(state.cubes["cohort"].tally.keys)["hour"]
        place = int(np.searchsorted(hours, hours.min() + 14))
        state.cubes["cohort"].add(tally(int(state.cubes["cohort"].tally.keys[place])))
        found = []
        for number in range(4):
            monkeypatch.setattr(random, "choice", lambda parts, number=number: parts[number])
            found.append((await sampled(life.ledger, state, life.reader)).total)
        assert found == [0, 1, 0, 0]

    async def test_changes_since_the_mark_are_no_mismatch(self, life: Life, databases: Databases) -> None:
        database = life.database
        async with database.reader(5) as db:
            rows = await db.fetch("SELECT current_database()::text AS name")
        owner = databases._postgres.login(database=rows[0]["name"])
        with psycopg.connect(owner.dsn) as connection:
            connection.execute("DELETE FROM sales.stage_transitions WHERE lead_id < 'l2'")
            connection.execute("UPDATE sales.leads SET channel_id = 'other', is_test = lead_id < 'l3'")
            connection.execute("DELETE FROM sales.leads WHERE lead_id > 'l35'")
        assert set((await life.wrong()).values()) == {0}
        assert (await sampled(life.ledger, life.ledger.states["leads"], life.reader)).total == 0

    async def test_each_source_is_audited_once_an_hour_the_first_time_an_hour_after_the_fill(self, life: Life) -> None:
        audit, sources = Audit(), len(life.ledger.states)
        assert not await audit.step(life.ledger, life.reader, NOW)
        assert not await audit.step(life.ledger, life.reader, NOW + EVERY - 1)
        assert audit.mismatches == {}
        done = [await audit.step(life.ledger, life.reader, NOW + EVERY) for _ in range(sources + 1)]
        assert done == [True] * sources + [False]
        assert audit.mismatches == dict.fromkeys(life.ledger.states, 0)

    async def test_an_audit_that_could_not_read_is_not_repeated_at_once(self, life: Life) -> None:
        audit = Audit()
        await audit.step(life.ledger, life.reader, NOW)
        life.fails = lambda sql: True
        for _ in life.ledger.states:
            with pytest.raises(SourceUnavailable):
                await audit.step(life.ledger, life.reader, NOW + EVERY)
        assert not await audit.step(life.ledger, life.reader, NOW + EVERY)

    async def test_it_compares_the_parts_of_the_mark(self, life: Life) -> None:
        _, kept, parts = life.ledger.frozen("leads")
        assert [Part(*one).low for one in parts][1:] == [
            "2024-05-01 10:00:00+00", "2024-05-01 20:00:00+00", "2024-05-02 06:00:00+00"]
        life.ledger.states["leads"].cubes["cohort"].add(tally(1))
        assert 1 not in kept["cohort"].keys.tolist(), "later folds do not change what is being audited"

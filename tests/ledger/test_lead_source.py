"""Leads from a real PostgreSQL: what is folded equals what is counted anew, however rows came and went."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.ledger.fill import recompute
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.source import Moment, Names
from sales_exporter.ledger.sources.leads import LeadSource
from sales_exporter.runtime import database
from tests.support.databases import Database, Databases
from tests.support.hammer import DAYS, START, Writer, erase, insert_leads, merge, move, revise, transaction
from tests.support.sources import Replica

pytestmark = pytest.mark.postgres

NOW = datetime(2024, 6, 1, tzinfo=UTC).timestamp()
RELATIONS = frozenset({"leads", "lead_revisions", "stage_transitions", "removals"})
SCHEME = Scheme(
    ("lead", "contact", "qualified", "proposal", "won", "lost"), ("open", "open", "open", "open", "won", "lost"),
    "Europe/Berlin")
MOVE = "INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at) VALUES "
LEAD = "INSERT INTO sales.leads (lead_id, created_at, channel_id, campaign_id, is_test) VALUES "
GROUND = (
    LEAD + "('a', '2024-05-01', 'email', 'c1', false), ('b', '2024-05-02', 'paid', NULL, false),"
    " ('test', '2024-05-02', 'paid', NULL, true), ('quiet', '2024-05-03', NULL, NULL, false)",
    MOVE + "('a1', 'a', NULL, 'lead', '2024-05-01'), ('a2', 'a', 'lead', 'contact', '2024-05-03'),"
    " ('b1', 'b', 'lead', 'lost', '2024-05-05'), ('x1', 'test', 'lead', 'won', '2024-05-05'),"
    " ('o1', 'orphan', 'lead', 'contact', '2024-05-06'), ('z1', 'a', 'nowhere', 'odd', '2024-05-07')",
)
WORK = (insert_leads, move, revise, erase, merge), (3, 6, 2, 1, 1)
CHANGES = {
    "a new lead": (LEAD + "('n', '2024-05-30', 'new channel', NULL, false)",),
    "a new row": (MOVE + "('a3', 'a', 'contact', 'won', '2024-05-20')",),
    "a late row that becomes the first": (MOVE + "('a0', 'a', NULL, 'qualified', '2024-05-01 12:00+00')",),
    "a row before the lead itself": (MOVE + "('b0', 'b', NULL, 'contact', '2024-04-01')",),
    "a tie that the id decides": (MOVE + "('a15', 'a', 'lead', 'lost', '2024-05-03'), ('a25', 'a', NULL, 'won',"
                                  " '2024-05-03')",),
    "another channel": ("UPDATE sales.leads SET channel_id = 'partner', campaign_id = 'c9' WHERE lead_id = 'a'",),
    "no channel": ("UPDATE sales.leads SET channel_id = NULL WHERE lead_id = 'a'",),
    "another creation": ("UPDATE sales.leads SET created_at = '2024-05-02 23:00+00' WHERE lead_id = 'a'",),
    "it was a test": ("UPDATE sales.leads SET is_test = true WHERE lead_id = 'a'",),
    "it was no test": ("UPDATE sales.leads SET is_test = false WHERE lead_id = 'test'",),
    "a row of a test lead": (MOVE + "('x2', 'test', 'won', 'lost', '2024-05-06')",),
    "rows and lead deleted": ("DELETE FROM sales.stage_transitions WHERE lead_id = 'a'",
                              "DELETE FROM sales.leads WHERE lead_id = 'a'"),
    "lead deleted, rows left": ("DELETE FROM sales.leads WHERE lead_id = 'a'",),
    "rows deleted, lead left": ("DELETE FROM sales.stage_transitions WHERE lead_id = 'a'",),
    "one row deleted": ("DELETE FROM sales.stage_transitions WHERE transition_id = 'a2'",),
    "a row that came and went": (MOVE + "('t', 'a', NULL, 'won', '2024-05-09')",
                                 "DELETE FROM sales.stage_transitions WHERE transition_id = 't'"),
    "a row written anew": ("DELETE FROM sales.stage_transitions WHERE transition_id = 'a2'",
                           MOVE + "('a2', 'a', 'lead', 'won', '2024-05-04')"),
    "deleted and written anew": ("DELETE FROM sales.leads WHERE lead_id = 'a'",
                                 LEAD + "('a', '2024-05-10', 'paid', NULL, false)"),
    "all leads deleted": ("DELETE FROM sales.leads", "DELETE FROM sales.stage_transitions"),
    "merged": (MOVE + "('m1', 'b', 'lead', 'contact', '2024-05-03')",
               "DELETE FROM sales.stage_transitions WHERE lead_id = 'a'",
               "DELETE FROM sales.leads WHERE lead_id = 'a'"),
    "another id": ("UPDATE sales.leads SET lead_id = 'c' WHERE lead_id = 'a'",),
    "the lead of an orphan": (LEAD + "('orphan', '2024-05-05', 'email', NULL, false)",),
    "unknown stages": (MOVE + "('u', 'a', 'contact', 'elsewhere', '2024-05-09'),"
                       " ('v', 'a', 'elsewhere', 'won', '2024-05-10')",),
    "a date that never comes": (MOVE + "('i', 'a', NULL, 'won', 'infinity'), ('j', 'b', NULL, 'won', '-infinity')",),
    "an update of nothing": ("UPDATE sales.leads SET channel_id = channel_id",),
}


@pytest.fixture
def base(databases: Databases) -> Database:
    return databases.fresh()


@pytest.fixture
async def replica(base: Database) -> AsyncIterator[Replica]:
    found = Replica(LeadSource(SCHEME, RELATIONS), base)
    yield found
    await found.close()


@contextmanager
def begun(base: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A transaction of its own that the test ends."""
    with psycopg.connect(base.owner.dsn) as connection:
        yield connection


def total(replica: Replica, cube: str) -> int:
    return sum(replica.cells[cube].values())


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
@pytest.mark.parametrize("together", [True, False], ids=["in one transaction", "in transactions of their own"])
async def test_folding_a_change_equals_counting_anew_and_the_past_stays(
    base: Database, replica: Replica, change: tuple[str, ...], together: bool
) -> None:
    for statement in GROUND:
        base.execute(statement)
    await replica.step(NOW)
    before, snapshot = replica.cells, replica.snapshot
    assert before == await replica.anew(NOW)
    for statement in ["; ".join(change)] if together else change:
        base.execute(statement)
    assert await replica.anew(NOW, snapshot) == before
    await replica.step(NOW + 60)
    assert replica.cells == await replica.anew(NOW + 60)
    assert await replica.step(NOW + 61) == []


@pytest.mark.parametrize("seed", range(6))
async def test_folding_whatever_happens_equals_counting_anew(base: Database, replica: Replica, seed: int) -> None:
    writer, chance, folded = Writer(0, seed, 40), random.Random(seed), 0
    end = START.timestamp() + DAYS * 86_400
    await replica.step(end)
    with psycopg.connect(base.owner.dsn, autocommit=True) as connection:
        for step in range(10):
            for _ in range(chance.randint(1, 4)):
                transaction(writer, connection, chance.choices(*WORK, k=2))
            folded += len(await replica.step(end + step))
            assert replica.cells == await replica.anew(end + step)
    assert folded > 50


async def test_transactions_that_stay_open_over_folds_count_when_they_commit(base: Database, replica: Replica) -> None:
    for statement in GROUND:
        base.execute(statement)
    await replica.step(NOW)
    with begun(base) as older, begun(base) as younger:
        older.execute(MOVE + "('p1', 'a', 'contact', 'qualified', '2024-05-10')")
        younger.execute(MOVE + "('p2', 'a', 'qualified', 'proposal', '2024-05-11')")
        younger.execute("UPDATE sales.leads SET channel_id = 'social' WHERE lead_id = 'b'")
        assert await replica.step(NOW + 1) == []
        younger.commit()
        assert await replica.step(NOW + 2) == ["a", "b"]
        assert replica.cells == await replica.anew(NOW + 2)
        older.execute("UPDATE sales.leads SET channel_id = 'partner' WHERE lead_id = 'b'")
        older.execute("DELETE FROM sales.stage_transitions WHERE transition_id = 'a2'")
        assert await replica.step(NOW + 3) == []
        middle, snapshot = replica.cells, replica.snapshot
        older.commit()
        assert await replica.anew(NOW + 3, snapshot) == middle
        assert await replica.step(NOW + 4) == ["a", "b"]
    assert replica.cells == await replica.anew(NOW + 4)


async def test_what_is_rolled_back_is_never_counted(base: Database, replica: Replica) -> None:
    for statement in GROUND:
        base.execute(statement)
    await replica.step(NOW)
    before = replica.cells
    with begun(base) as writer:
        writer.execute(MOVE + "('r', 'a', NULL, 'won', '2024-05-10')")
        writer.execute("DELETE FROM sales.leads WHERE lead_id = 'b'")
        writer.rollback()
        writer.execute("SAVEPOINT s")
        writer.execute(MOVE + "('s', 'a', NULL, 'lost', '2024-05-10')")
        writer.execute("ROLLBACK TO SAVEPOINT s")
        writer.execute("SAVEPOINT kept")
        writer.execute(MOVE + "('k', 'quiet', NULL, 'contact', '2024-05-10')")
        writer.execute("RELEASE SAVEPOINT kept")
    assert await replica.step(NOW + 1) == ["quiet"]
    assert replica.cells == await replica.anew(NOW + 1)
    assert total(replica, "event") == sum(before["event"].values()) + 1


async def test_a_fill_counts_what_its_snapshot_saw_though_rows_go_between_its_parts(
    base: Database, replica: Replica
) -> None:
    for statement in GROUND:
        base.execute(statement)
    await replica.step(NOW)
    before, snapshot = replica.cells, replica.snapshot
    for statement in (*CHANGES["merged"], *CHANGES["it was no test"], *CHANGES["the lead of an orphan"]):
        base.execute(statement)
    base.execute("UPDATE sales.leads SET channel_id = 'x', created_at = created_at + interval '9 days'")
    base.execute("DELETE FROM sales.leads WHERE lead_id = 'quiet'")
    assert await replica.anew(NOW, snapshot) == before


async def test_rows_dated_in_the_future_are_due_and_count_when_their_time_comes(
    base: Database, replica: Replica
) -> None:
    base.execute(LEAD + "('a', '2024-05-01', 'email', NULL, false), ('b', '2024-06-01 00:01+00', 'email', NULL, false)")
    base.execute(MOVE + "('f', 'a', 'lead', 'won', '2024-06-01 00:02:00.000001+00'),"
                 " ('g', 'a', NULL, 'won', 'infinity')")
    await replica.step(NOW)
    assert sorted(replica.due) == [(NOW + 60, "b"), (NOW + 120.000001, "a")]
    assert (total(replica, "open"), total(replica, "event")) == (1, 1)
    assert await replica.step(NOW + 60) == []
    assert await replica.step(NOW + 60.001) == ["b"]
    assert await replica.step(NOW + 120.000001) == []
    assert await replica.step(NOW + 121) == ["a"]
    assert replica.cells == await replica.anew(NOW + 121)
    assert (total(replica, "open"), total(replica, "event")) == (2, 3)
    assert replica.due == []


async def test_a_moment_at_the_cutoff_does_not_count_yet(base: Database, replica: Replica) -> None:
    base.execute(LEAD + "('at', '2024-06-01', 'email', NULL, false),"
                 " ('before', '2024-05-31 23:59:59.999999+00', 'email', NULL, false)")
    await replica.step(NOW)
    assert total(replica, "open") == 1


async def test_revisions_of_an_older_installation_lack_the_moment_of_creation(base: Database, replica: Replica) -> None:
    for statement in GROUND:
        base.execute(statement)
    base.execute("ALTER TABLE sales.lead_revisions DISABLE TRIGGER USER")
    base.execute("UPDATE sales.lead_revisions SET created_at = NULL")
    base.execute("ALTER TABLE sales.lead_revisions ENABLE TRIGGER USER")
    await replica.step(NOW)
    before, snapshot = replica.cells, replica.snapshot
    base.execute("UPDATE sales.leads SET channel_id = 'social' WHERE lead_id = 'a'")
    base.execute("DELETE FROM sales.leads WHERE lead_id = 'b'")
    assert await replica.anew(NOW, snapshot) == before
    await replica.step(NOW + 1)
    assert replica.cells == await replica.anew(NOW + 1)


async def test_keys_are_read_as_now_without_a_snapshot_as_a_part_is(base: Database) -> None:
    for statement in GROUND:
        base.execute(statement)
    source = LeadSource(SCHEME, RELATIONS)
    found = database.Database(SecretStr(base.reader.dsn), config.Database())
    try:
        names = Names()
        whole = await recompute(source, lambda: found.reader(5), Moment(NOW), names, lambda done, total: None)
        async with found.reader(5) as db:
            reads = await source.read(db, ["a", "b", "test", "quiet", "orphan", "none"], Moment(NOW), names)
    finally:
        await found.close()
    assert not any(len(cube.tally.plus(reads.cells[name], -1)) for name, cube in whole.items())


async def test_late_rows_are_counted_as_such(base: Database) -> None:
    base.execute(LEAD + "('a', '2024-05-01', 'email', NULL, false)")
    source, found = LeadSource(SCHEME, RELATIONS), database.Database(SecretStr(base.reader.dsn), config.Database())
    try:
        async with found.reader(5) as db:
            snapshot = (await db.fetch("SELECT pg_current_snapshot()::text AS now"))[0]["now"]
        base.execute(MOVE + "('l', 'a', NULL, 'contact', '2024-05-31 22:59+00'),"
                     " ('m', 'a', NULL, 'won', '2024-05-31 23:01+00')")
        async with found.reader(5) as db:
            change = await source.change(db, ["a"], Moment(NOW, snapshot), Moment(NOW + 5), Names())
    finally:
        await found.close()
    assert (change.rows, change.late) == (2, 1)


class TestPlans:
    """A fold costs what changed."""

    @pytest.fixture
    def large(self, base: Database) -> Database:
        base.execute("SET session_replication_role = replica; " + LEAD.removesuffix("VALUES ") +
                     "SELECT 'l' || g, timestamptz '2024-01-01' + g * interval '1 minute', 'email', NULL, false"
                     " FROM generate_series(1, 50000) AS g; " + MOVE.removesuffix("VALUES ") +
                     "SELECT 't' || g, 'l' || (g % 50000 + 1), 'lead', 'contact', '2024-05-01'"
                     " FROM generate_series(1, 100000) AS g")
        base.execute("INSERT INTO sales.lead_revisions (lead_id, created_at, channel_id, is_test, deleted)"
                     " SELECT lead_id, created_at, channel_id, is_test, false FROM sales.leads")
        base.execute("ANALYZE")
        return base

    async def test_a_fold_of_a_thousand_leads_scans_no_table(self, large: Database) -> None:
        plans: list[str] = []

        class Explained(database.Reader):
            async def columns(self, sql: str, names: Sequence[str], /, **parameters: object) -> Mapping[str, Any]:
                cursor = await (await self._begin()).execute(f"EXPLAIN {sql}".encode(), parameters)
                plans.extend(row["QUERY PLAN"] for row in await cursor.fetchall())
                return await super().columns(sql, names, **parameters)

        source, found = LeadSource(SCHEME, RELATIONS), database.Database(SecretStr(large.reader.dsn), config.Database())
        try:
            async with found.reader(9) as db:
                snapshot = (await db.fetch("SELECT pg_current_snapshot()::text AS now"))[0]["now"]
            large.execute(MOVE.removesuffix("VALUES ") + "SELECT 'n' || g, 'l' || g, 'lead', 'won', '2024-05-02'"
                          " FROM generate_series(1, 1000) AS g")
            large.execute("UPDATE sales.leads SET channel_id = 'x' WHERE lead_id < 'l1002'")
            large.execute("DELETE FROM sales.stage_transitions WHERE transition_id < 't10005'")
            reader = Explained(found, 9, 9)
            keys = await source.touched(reader, snapshot, NOW + 1)
            assert len(keys) >= 1000
            await source.change(reader, keys, Moment(NOW, snapshot), Moment(NOW + 1), Names())
            await reader.close(clean=True)
        finally:
            await found.close()
        scans = [line for line in plans if "Seq Scan" in line and "removals" not in line]
        assert scans == []

"""The books of deals and of spend: a fold after any changes equals a reading from scratch."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.ledger.audit import full, sampled
from sales_exporter.ledger.book import Book, Records
from sales_exporter.ledger.deals import DEALS, NEVER, NO_AMOUNT, NO_STAGE, OPEN, SPEND, TEST, UNKNOWN, WON
from sales_exporter.ledger.fill import rewrite
from sales_exporter.ledger.ledger import Ledger
from sales_exporter.ledger.source import Moment, Names
from sales_exporter.ledger.sources import discover
from sales_exporter.ledger.store import Store
from sales_exporter.runtime import database as runtime
from sales_exporter.runtime.ledgers import scheme_of
from tests.support.databases import Database, Databases
from tests.support.histories import AS_OF, Deal, Lead, Move, Touch, ago, write

pytestmark = pytest.mark.postgres
NOW = AS_OF.timestamp()
RELATIONS = frozenset({
    "leads", "lead_revisions", "stage_transitions", "deals", "spend", "touches", "removals"})
SCHEME = scheme_of(config.Business())
STAGES = ("contact", "qualified", "proposal", "won", "lost", "strange")


class Bench:
    """A ledger on a database, and the same books from scratch."""

    def __init__(self, database: Database, folder: Path | None = None) -> None:
        self.database = database
        self.folder = folder
        self._reader = runtime.Database(SecretStr(database.reader.dsn), config.Database(statement_timeout=30))
        self.ledger = self.opened()

    def opened(self, relations: frozenset[str] = RELATIONS) -> Ledger:
        kinds = discover().values()
        store = Store(
            self.folder, [cube for kind in kinds for cube in kind.layouts], [b for kind in kinds for b in kind.books])
        self.ledger = Ledger(SCHEME, store, relations)
        return self.ledger

    def readers(self) -> AbstractAsyncContextManager[Any]:
        return self._reader.reader(30.0)

    async def advance(self, now: float = NOW) -> None:
        for _ in range(100):
            async with self.readers() as db:
                await self.ledger.fold(db, now)
            if not await self.ledger.fill(self.readers):
                return

    async def differences(self, now: float = NOW) -> dict[str, int]:
        found = {}
        for name in ("deals", "spend"):
            if name in self.ledger.states:
                state = self.ledger.states[name]
                fresh = await rewrite(state.source, self.readers, Moment(now), self.ledger.names, lambda n, of: None)
                found |= {book: state.books[book].differences(fresh[book]) for book in fresh}
        return found

    async def close(self) -> None:
        await self.ledger.close()
        await self._reader.close()


@pytest.fixture
async def bench(databases: Databases, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(databases.fresh(), tmp_path)
    yield made
    await made.close()


async def record(bench: Bench, now: float = NOW) -> dict[str, Any]:
    """The only deal there is."""
    await bench.advance(now)
    found = {}
    for name, column in bench.ledger.view.book(DEALS).columns.items():
        (found[name],) = column
    return found


async def test_a_record_is_the_deal_with_its_lead_and_its_path(bench: Bench) -> None:
    write(bench.database, [Lead("a", 40, "email", "spring", is_test=True)], deals=[Deal("d", "a", 5, 12.34)], touches=[
        Touch("2", "a", 10, "ads"), Touch("1", "a", 10, "fair"), Touch("3", "a", 5, "at the close"),
        Touch("4", "a", 4, "after the close")])
    found = await record(bench)
    names = bench.ledger.names
    assert found["cents"] == 1234
    assert found["status"] == WON | TEST
    assert (found["created"], found["opened"], found["closed"]) == tuple(
        round(ago(days).timestamp()) for days in (40, 400, 5))
    assert [names.text(int(found[n])) for n in ("channel", "campaign", "currency", "rep")] == [
        "email", "spring", "EUR", None]
    path, _ = names.paths.touches(np.array([found["path"]]))
    assert [names.text(int(code) >> 5) for code in path] == ["fair", "ads", "at the close"]


async def test_what_is_unknown_is_told_apart_from_any_value(bench: Bench) -> None:
    bench.database.execute(
        "INSERT INTO sales.deals (deal_id, stage, status, amount, currency)"
        " VALUES ('d', 'limbo', 'open', 'NaN', 'EUR')")
    found = await record(bench)
    assert (found["cents"], found["created"], found["opened"], found["closed"], found["path"]) == (
        NO_AMOUNT, UNKNOWN, UNKNOWN, NEVER, 0)
    assert (found["stage"], found["status"]) == (NO_STAGE, OPEN)


@pytest.mark.parametrize("closed", ["infinity", "-infinity", "9999-01-01", "0044-01-01 BC"])
async def test_corrupt_dates_spoil_their_own_deal_only(bench: Bench, closed: str) -> None:
    bench.database.execute(
        "INSERT INTO sales.deals (deal_id, stage, status, amount, currency, opened_at, closed_at)"
        " VALUES ('d', 'won', 'won', 1e15, 'EUR', '-infinity', %s)", closed)
    found = await record(bench)
    assert found["closed"] == (NEVER - 1 if closed in {"infinity", "9999-01-01"} else 1)
    assert found["cents"] == 10**17


async def test_the_stage_of_an_open_deal_is_that_of_the_moment_until_the_log_gets_there(bench: Bench) -> None:
    write(bench.database, [Lead("a", 40)], [Move("a", None, "contact", 30), Move("a", None, "proposal", -2)])
    bench.database.execute("INSERT INTO sales.deals (deal_id, lead_id, stage, status, amount, currency)"
                           " VALUES ('d', 'a', 'proposal', 'open', 1, 'EUR')")
    assert SCHEME.stages[(await record(bench))["stage"]] == "contact"
    later = NOW + 3 * 86_400
    assert SCHEME.stages[(await record(bench, later))["stage"]] == "proposal"
    assert await bench.differences(later) == {"deals": 0, "spend": 0}


TRANSITION = ("INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at)"
              " VALUES (%s, %s, %s, %s)")


@pytest.mark.parametrize(("days_ago", "goes_on", "found"), [
    pytest.param(0.1, False, [], id="a plain one"),
    pytest.param(30, False, [], id="a late one"),
    pytest.param(-1, False, ["d"], id="one of the future"),
    pytest.param(0, False, ["d"], id="one at the cutoff"),
    pytest.param(0.1, True, ["d"], id="a plain one before one of the future that is known"),
])
async def test_a_transition_touches_the_deals_whose_stage_it_can_change(
    bench: Bench, days_ago: float, goes_on: bool, found: list[str]
) -> None:
    write(bench.database, [Lead("a", 40)], [Move("a", None, "contact", 35)])
    bench.database.execute("INSERT INTO sales.deals (deal_id, lead_id, stage, status, amount, currency)"
                           " VALUES ('d', 'a', 'contact', 'open', 1, 'EUR')")
    if goes_on:
        bench.database.execute(TRANSITION, "known", "a", "proposal", ago(-2))
    await bench.advance(NOW - 60)
    state = bench.ledger.states["deals"]
    assert state.mark is not None
    bench.database.execute(TRANSITION, "new", "a", "qualified", ago(days_ago))
    async with bench.readers() as db:
        assert await state.source.touched(db, state.mark.snapshot, NOW) == found
    await bench.advance()
    assert await bench.differences() == {"deals": 0, "spend": 0}


async def test_a_transition_that_is_gone_touches_its_deal(bench: Bench) -> None:
    write(bench.database, [Lead("a", 40)], [Move("a", None, "contact", 30), Move("a", None, "proposal", -2)])
    bench.database.execute("INSERT INTO sales.deals (deal_id, lead_id, stage, status, amount, currency)"
                           " VALUES ('d', 'a', 'proposal', 'open', 1, 'EUR')")
    assert SCHEME.stages[(await record(bench))["stage"]] == "contact"
    bench.database.execute("DELETE FROM sales.stage_transitions WHERE to_stage = 'proposal'")
    assert SCHEME.stages[(await record(bench))["stage"]] == "proposal"


async def test_a_touch_of_the_future_counts_when_its_time_has_come(bench: Bench) -> None:
    write(bench.database, [Lead("a", 40)], deals=[Deal("d", "a", None, status="open")],
          touches=[Touch("1", "a", -1, "ads")])
    assert (await record(bench))["path"] == 0
    assert (await record(bench, NOW + 2 * 86_400))["path"] == 1


async def test_a_deal_that_is_gone_leaves_the_book_and_comes_back(bench: Bench) -> None:
    write(bench.database, deals=[Deal("d", None, 5), Deal("e", None, 5)])
    await bench.advance()
    bench.database.execute("DELETE FROM sales.deals WHERE deal_id = 'd'")
    bench.database.execute("UPDATE sales.deals SET deal_id = 'f' WHERE deal_id = 'e'")
    assert (await record(bench))["cents"] == 10_000
    write(bench.database, deals=[Deal("d", None, 5)])
    await bench.advance()
    assert len(bench.ledger.view.book(DEALS)) == 2


async def test_a_restart_takes_the_books_over(bench: Bench) -> None:
    write(bench.database, [Lead("a", 40)], deals=[Deal("d", "a", 5)], touches=[Touch("1", "a", 10, "ads")])
    bench.database.execute("INSERT INTO sales.spend VALUES ('2026-05-01', 'ads', NULL, 10, 'EUR')")
    await bench.advance()
    await bench.ledger.close()
    bench.opened()
    assert len(bench.ledger.view.book(DEALS)) == len(bench.ledger.view.book(SPEND)) == 1
    bench.database.execute("UPDATE sales.spend SET amount = 20")
    await bench.advance()
    assert bench.ledger.states["deals"].rebuilds == 0
    assert bench.ledger.view.book(SPEND)["cents"].tolist() == [2000]
    assert await bench.differences() == {"deals": 0, "spend": 0}


async def test_a_view_keeps_the_state_of_its_fold(bench: Bench) -> None:
    write(bench.database, deals=[Deal("d", None, 5)])
    await bench.advance()
    before = bench.ledger.view
    bench.database.execute("UPDATE sales.deals SET amount = 7")
    await bench.advance()
    assert before.book(DEALS)["cents"].tolist() == [10_000]
    assert bench.ledger.view.book(DEALS)["cents"].tolist() == [700]


async def test_without_a_log_of_removals_a_deal_that_is_gone_is_noticed_by_reading_again(bench: Bench) -> None:
    bench.database.execute("DROP TABLE sales.removals CASCADE")
    bench.database.execute("DROP TRIGGER log_removals ON sales.deals")
    bench.database.execute("DROP TRIGGER log_rekeyed_deals ON sales.deals")
    await bench.ledger.close()
    bench.opened(frozenset({"deals"}))
    write(bench.database, deals=[Deal("d", None, 5), Deal("e", None, 5)])
    await bench.advance()
    assert bench.ledger.states["deals"].reason
    bench.database.execute("DELETE FROM sales.deals WHERE deal_id = 'd'")
    bench.database.execute("UPDATE sales.deals SET amount = 3")
    assert (await record(bench))["cents"] == 300


@pytest.mark.parametrize("seed", range(6))
async def test_folds_equal_a_reading_from_scratch(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    database, now = bench.database, NOW
    with psycopg.connect(database.owner.dsn) as first, psycopg.connect(database.owner.dsn) as second:
        for step in range(12):
            for side, connection in enumerate((first, second)):
                for number in range(chance.randrange(12)):
                    change(connection, chance, side, f"{side}.{step}.{number}")
            # One transaction may stay open over a fold, or come to nothing.
            for connection in (first, second):
                chance.choice((connection.commit, connection.commit, connection.rollback, lambda: None))()
            now += chance.choice((0, 600, 86_400))
            await bench.advance(now)
            if step % 4 == 3:
                assert await bench.differences(now) == {"deals": 0, "spend": 0}
        first.commit()
        second.commit()
        await bench.advance(now)
        assert await bench.differences(now) == {"deals": 0, "spend": 0}
        assert len(bench.ledger.view.book(DEALS)) > 5
        assert all(not state.reason and not state.rebuilds for state in bench.ledger.states.values())
    await bench.ledger.close()
    bench.opened()
    assert await bench.differences(now) == {"deals": 0, "spend": 0}


def change(connection: psycopg.Connection, chance: random.Random, side: int, unique: str) -> None:
    """One random change; two open transactions never touch the same rows, so that none waits for the other."""
    lead, deal = f"l{side}.{chance.randrange(8)}", f"d{side}.{chance.randrange(12)}"
    when = AS_OF + timedelta(days=chance.uniform(-60, 5))
    closed = chance.choice((None, when))
    status = chance.choice(("won", "lost", "open", "parked"))
    statements: Sequence[tuple[str, tuple[object, ...]]] = (
        ("INSERT INTO sales.leads VALUES (%s, %s, %s, %s, NULL, %s) ON CONFLICT (lead_id) DO UPDATE"
         " SET channel_id = excluded.channel_id, is_test = excluded.is_test",
         (lead, when, chance.choice(("ads", "fair")), chance.choice((None, "c")), chance.random() < 0.2)),
        ("INSERT INTO sales.deals (deal_id, lead_id, rep_id, stage, status, amount, currency, opened_at, closed_at)"
         " VALUES (%s, %s, %s, %s, %s, %s, 'EUR', %s, %s) ON CONFLICT (deal_id) DO UPDATE SET lead_id ="
         " excluded.lead_id, stage = excluded.stage, status = excluded.status, closed_at = excluded.closed_at,"
         " amount = excluded.amount",
         (deal, lead, chance.choice((None, "r")), chance.choice(STAGES), status, chance.randrange(99), when, closed)),
        ("INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, kind)"
         " VALUES (%s, %s, %s, %s, 'click')",
         (unique, lead, when, chance.choice(("ads", "fair", "mail")))),
        ("INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at) VALUES (%s, %s, %s, %s)",
         (unique, lead, chance.choice(STAGES), when)),
        ("INSERT INTO sales.spend VALUES (%s, %s, %s, %s, 'EUR')"
         " ON CONFLICT (spend_day, channel_id, (coalesce(campaign_id, ''))) DO UPDATE SET amount = excluded.amount",
         (when.date() - timedelta(days=chance.randrange(3)), f"ads{side}", chance.choice((None, "c")),
          chance.randrange(50))),
        ("DELETE FROM sales.deals WHERE deal_id = %s", (deal,)),
        ("DELETE FROM sales.touches WHERE lead_id = %s", (lead,)),
        ("DELETE FROM sales.stage_transitions WHERE lead_id = %s", (lead,)),
        ("DELETE FROM sales.leads WHERE lead_id = %s", (lead,)),
        ("DELETE FROM sales.spend WHERE channel_id = %s AND campaign_id IS NULL", (f"ads{side}",)),
    )
    weights = (6, 12, 6, 6, 6, 1, 1, 1, 1, 1)
    statement, values = chance.choices(statements, weights)[0]
    connection.execute(statement.encode(), values)


async def test_the_audit_finds_a_record_that_is_wrong_and_none_that_changed_since(bench: Bench) -> None:
    write(bench.database, deals=[Deal(name, None, 5) for name in "abcd"])
    await bench.advance()
    bench.database.execute("UPDATE sales.deals SET amount = 7 WHERE deal_id = 'a'")
    bench.database.execute("DELETE FROM sales.deals WHERE deal_id = 'b'")
    for found in (await full(bench.ledger, "deals", bench.readers, lambda n, of: None),
                  await sampled(bench.ledger, bench.ledger.states["deals"], bench.readers)):
        assert found.total == 0
        assert found.compared > 0
    book = bench.ledger.states["deals"].books["deals"]
    wrong = Records(DEALS, {**book.records.columns, "cents": book.records["cents"] + 1})
    bench.ledger.states["deals"].books["deals"] = Book.of(DEALS, wrong)
    assert (await full(bench.ledger, "deals", bench.readers, lambda n, of: None)).cells == {"deals": 2}
    assert (await sampled(bench.ledger, bench.ledger.states["deals"], bench.readers)).cells == {"deals": 2}


def test_a_book_of_a_million_deals_is_small() -> None:
    assert DEALS.dtype.itemsize == 42
    assert Book.of(DEALS).order.itemsize == 4


async def test_a_moment_of_the_past_is_read_from_the_rows(bench: Bench) -> None:
    write(bench.database, [Lead("a", 40)], [Move("a", None, "contact", 30), Move("a", None, "won", 5)],
          deals=[Deal("d", "a", 5)], touches=[Touch("1", "a", 20, "ads"), Touch("2", "a", 10, "fair")])
    source, names = discover()["deals"](SCHEME, RELATIONS), Names()
    books = await rewrite(source, bench.readers, Moment(ago(15).timestamp()), names, lambda n, of: None)
    found = books["deals"].records
    path, _ = names.paths.touches(found["path"])
    assert [names.text(int(code) >> 5) for code in path] == ["ads"]
    assert [SCHEME.stages[stage] for stage in found["stage"]] == ["contact"]

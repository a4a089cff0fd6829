"""The ledger on a real PostgreSQL: fills, folds, restarts, failures; memory and disk are always of one mind."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sales_exporter.config import Business
from sales_exporter.config import Database as Limits
from sales_exporter.errors import SourceUnavailable
from sales_exporter.ledger import ledger as module
from sales_exporter.ledger.audit import full
from sales_exporter.ledger.ledger import Ledger
from sales_exporter.ledger.sources import discover
from sales_exporter.ledger.sources import leads as leads_module
from sales_exporter.ledger.store import Commit, Store
from sales_exporter.runtime.database import Database, Reader
from sales_exporter.runtime.ledgers import scheme_of
from tests.support.databases import Database as Fresh
from tests.support.databases import Databases

pytestmark = pytest.mark.postgres

NOW = 1_717_200_000.0
LEAD = "INSERT INTO sales.leads (lead_id, created_at, channel_id) "
MOVE = "INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at) "
GROUND = LEAD + ("SELECT 'l' || g, timestamptz '2024-05-01' + g * interval '1 hour', 'c' || g % 3"
                 " FROM generate_series(1, 40) AS g; ") + MOVE + (
    "SELECT 't' || g, 'l' || g, 'won', timestamptz '2024-05-10' + g * interval '1 hour'"
    " FROM generate_series(1, 40) AS g")
PARTS = "SELECT DISTINCT created_at::text AS edge, created_at FROM sales.leads WHERE lead_id IN ('l10', 'l20', 'l30')" \
        " ORDER BY created_at"


class Life:
    """A ledger over a database from its opening to its end, whose readings and commits a test can disturb."""

    def __init__(self, dsn: str, folder: Path | None, business: Business | None = None) -> None:
        self.database = Database(SecretStr(dsn), Limits(statement_timeout=5.0))
        self.folder, self.business = folder, business or Business()
        self.asked: list[str] = []
        self.parts: list[str] = []
        self.fails: Callable[[str], bool] = lambda sql: False
        self._ledger: Ledger | None = None

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """A reading that tells what it was asked, and fails where the test says so."""
        async with self.database.reader(60.0, 5.0) as db:
            yield Watched(self, db)  # type: ignore[misc]

    @property
    def ledger(self) -> Ledger:
        assert self._ledger is not None
        return self._ledger

    async def fold(self, now: float = NOW) -> None:
        async with self.reader() as db:
            if self._ledger is None:
                kinds = discover().values()
                store = Store(self.folder, [one for kind in kinds for one in kind.layouts],
                              [book for kind in kinds for book in kind.books])
                self._ledger = Ledger(scheme_of(self.business), store, await db.relations())
            await self._ledger.fold(db, now)

    async def step(self, now: float = NOW) -> None:
        await self.fold(now)
        await self.filled()

    async def filled(self) -> None:
        while await self.ledger.fill(self.reader):
            pass

    async def close(self) -> None:
        if self._ledger is not None:
            await self._ledger.close()
            self._ledger = None
        await self.database.close()

    async def wrong(self) -> dict[str, int]:
        """Cells of each source that differ from a recomputation as of its mark."""
        return {name: (await full(self.ledger, name, self.reader, lambda done, total: None)).total
                for name in self.ledger.states}

    def cells(self) -> dict[str, list[tuple[int, int]]]:
        """What memory holds."""
        return {
            name: list(zip(cube.tally.keys.tolist(), cube.tally.counts.tolist(), strict=True))
            for state in self.ledger.states.values() for name, cube in state.cubes.items()}

    def stored(self) -> dict[str, list[tuple[int, int]]]:
        """What the disk holds."""
        store, found = self.ledger._store, {}
        for state in self.ledger.states.values():
            for layout in state.source.layouts:
                tally = store.cells(layout)
                found[layout.name] = list(zip(tally.keys.tolist(), tally.counts.tolist(), strict=True))
        return found

    def total(self, cube: str) -> int:
        return sum(n for _, n in self.cells()[cube])

    def rebuilds(self) -> dict[str, int]:
        return {name: state.rebuilds for name, state in self.ledger.states.items() if state.rebuilds}


class Watched:
    """A reader in the hands of a test."""

    def __init__(self, life: Life, db: Reader) -> None:
        self._life, self._db = life, db

    async def relations(self) -> frozenset[str]:
        return await self._db.relations()

    async def fetch(self, sql: str, /, **parameters: object) -> list[dict[str, Any]]:
        self._note(sql)
        return await self._db.fetch(sql, **parameters)

    async def columns(self, sql: str, names: Sequence[str], /, **parameters: object) -> Mapping[str, Any]:
        self._note(sql)
        if "FROM sales.leads WHERE created_at" in sql:
            self._life.parts.append(str(parameters["low"]))
        return await self._db.columns(sql, names, **parameters)

    def _note(self, sql: str) -> None:
        self._life.asked.append(sql)
        if self._life.fails(sql):
            raise SourceUnavailable("gone in the middle")


@pytest.fixture
def base(databases: Databases) -> Fresh:
    found = databases.fresh()
    found.execute(GROUND)
    return found


@pytest.fixture
async def live(base: Fresh, tmp_path: Path) -> AsyncIterator[Callable[..., Life]]:
    lives: list[Life] = []

    def make(business: Business | None = None, folder: Path | None = tmp_path, dsn: str = "") -> Life:
        lives.append(Life(dsn or base.reader.dsn, folder, business))
        return lives[-1]

    yield make
    for one in lives:
        await one.close()


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leads in four parts."""
    monkeypatch.setattr(leads_module, "PARTS", PARTS)


async def test_a_fill_and_a_fold_equal_a_recomputation_and_so_does_the_disk(
    base: Fresh, live: Callable[..., Life]
) -> None:
    life = live()
    await life.step()
    assert life.total("open") == 40
    base.execute("DELETE FROM sales.leads WHERE lead_id = 'l3'")
    base.execute(MOVE + "VALUES ('new', 'l4', 'lost', '2024-05-12')")
    await life.step(NOW + 10)
    assert life.total("open") == 39
    assert set((await life.wrong()).values()) == {0}
    assert life.stored() == life.cells()


async def test_a_pass_with_nothing_new_asks_little_and_writes_nothing(base: Fresh, live: Callable[..., Life]) -> None:
    life = live()
    await life.step()
    written = life.ledger._store.mark("leads")
    life.asked.clear()
    await life.step(NOW + 10)
    assert life.ledger._store.mark("leads") == written
    assert len(life.asked) < 2 + 4 * len(life.ledger.states)
    assert life.ledger.states["leads"].mark is not None
    assert life.ledger.states["leads"].mark.cutoff == NOW + 10


async def test_a_restart_goes_on_where_it_was(base: Fresh, live: Callable[..., Life]) -> None:
    life = live()
    await life.step()
    before = life.cells()
    await life.close()
    base.execute("UPDATE sales.leads SET channel_id = 'never seen' WHERE lead_id = 'l7'")
    life = live()
    await life.fold(NOW + 10)
    assert life.parts == []
    assert life.rebuilds() == {}
    assert life.cells() != before
    assert set((await life.wrong()).values()) == {0}
    assert life.ledger.names.numbered(["never seen"]).tolist() == [4]


@pytest.mark.usefixtures("small_parts")
async def test_a_fill_that_was_broken_off_goes_on_with_the_next_part(base: Fresh, live: Callable[..., Life]) -> None:
    life = live()
    await life.fold()
    while (mark := life.ledger.states["leads"].mark) is None or mark.part != 2:
        await life.ledger.fill(life.reader)
    assert life.ledger.states["leads"].progress == 0.5
    assert "leads" not in life.ledger.view.ready
    assert life.parts == ["-infinity", "2024-05-01 10:00:00+00"]
    await life.close()
    base.execute("UPDATE sales.leads SET channel_id = 'x', created_at = created_at + interval '20 hours'")
    base.execute("DELETE FROM sales.leads WHERE lead_id IN ('l1', 'l39')")
    life = live()
    await life.step(NOW + 10)
    assert life.rebuilds() == {}
    assert life.parts == ["2024-05-01 20:00:00+00", "2024-05-02 06:00:00+00"]
    await life.fold(NOW + 20)
    assert life.total("open") == 38
    assert set((await life.wrong()).values()) == {0}
    assert life.stored() == life.cells()


@pytest.mark.usefixtures("small_parts")
async def test_a_part_whose_reading_failed_is_read_again(live: Callable[..., Life]) -> None:
    life = live()
    await life.fold()
    life.fails = lambda sql: "stage_transitions" in sql
    with pytest.raises(SourceUnavailable):
        await life.filled()
    life.fails = lambda sql: False
    await life.step(NOW + 10)
    assert set((await life.wrong()).values()) == {0}
    assert life.total("open") == 40


async def test_future_rows_that_are_due_survive_a_restart(base: Fresh, live: Callable[..., Life]) -> None:
    base.execute("INSERT INTO sales.leads (lead_id, created_at) VALUES ('f', to_timestamp(%s))", NOW + 100)
    life = live()
    await life.step()
    assert life.total("open") == 40
    await life.close()
    life = live()
    await life.step(NOW + 99)
    assert life.total("open") == 40
    await life.step(NOW + 101)
    assert life.total("open") == 41
    assert set((await life.wrong()).values()) == {0}


async def test_what_is_due_is_kept_once_though_it_is_touched_often(base: Fresh, live: Callable[..., Life]) -> None:
    base.execute(MOVE + "VALUES ('f', 'l1', 'lost', to_timestamp(%s))", NOW + 1000)
    life = live()
    await life.step()
    for step in range(5):
        base.execute("UPDATE sales.leads SET channel_id = 'x' || channel_id WHERE lead_id = 'l1'")
        await life.step(NOW + step + 1)
    assert life.ledger._store.connection().execute("SELECT key FROM due").fetchall() == [("l1",)]


async def test_the_clock_going_back_takes_nothing_away(base: Fresh, live: Callable[..., Life]) -> None:
    life = live()
    await life.step()
    base.execute(MOVE + "VALUES ('n', 'l1', 'lost', to_timestamp(%s))", NOW - 50)
    await life.step(NOW - 3600)
    assert life.ledger.states["leads"].mark is not None
    assert life.ledger.states["leads"].mark.cutoff == NOW
    assert set((await life.wrong()).values()) == {0}


async def test_what_became_old_is_coarse_and_still_what_a_recomputation_gives(
    base: Fresh, live: Callable[..., Life]
) -> None:
    life = live()
    await life.step()
    fine = {name: len(cells) for name, cells in life.cells().items()}
    later = NOW + 4 * 365 * 86_400
    await life.step(later)
    coarse = {name: len(cells) for name, cells in life.cells().items()}
    assert coarse["event"] < fine["event"]
    assert life.stored() == life.cells()
    base.execute("DELETE FROM sales.leads WHERE lead_id < 'l2'")
    base.execute(MOVE + "VALUES ('late', 'l2', 'lost', '2024-05-03')")
    await life.step(later + 10)
    assert set((await life.wrong()).values()) == {0}
    await life.close()
    life = live()
    await life.step(later + 20)
    assert life.rebuilds() == {}
    assert set((await life.wrong()).values()) == {0}


class TestRebuilds:
    """What makes a source start anew."""

    async def test_a_truncated_relation(self, base: Fresh, live: Callable[..., Life]) -> None:
        life = live()
        await life.step()
        base.execute("TRUNCATE sales.stage_transitions")
        await life.step(NOW + 10)
        assert life.rebuilds().keys() >= {"leads"}
        assert "calls" not in life.rebuilds()
        assert life.total("moves") == 0
        assert set((await life.wrong()).values()) == {0}

    async def test_another_database(self, databases: Databases, live: Callable[..., Life]) -> None:
        life = live()
        await life.step()
        await life.close()
        life = live(dsn=databases.fresh().reader.dsn)
        await life.step(NOW + 10)
        assert life.rebuilds() == dict.fromkeys(life.ledger.states, 1)
        assert life.total("open") == 0
        assert life.stored() == life.cells()

    @pytest.mark.parametrize("change", [
        {"reporting_timezone": "Asia/Kolkata"},
        {"stages": [{"name": "lead"}, {"name": "won", "kind": "won"}]},
    ], ids=["time zone", "stages"])
    async def test_another_definition(self, live: Callable[..., Life], change: dict[str, Any]) -> None:
        life = live()
        await life.step()
        await life.close()
        life = live(Business(**change))
        await life.step(NOW + 10)
        assert life.rebuilds().keys() >= {"leads"}
        assert life.total("open") == 40
        assert set((await life.wrong()).values()) == {0}

    async def test_more_changes_than_are_worth_folding(
        self, base: Fresh, live: Callable[..., Life], monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(module, "MOST_TOUCHED", 30)
        life = live()
        await life.step()
        base.execute("UPDATE sales.leads SET channel_id = 'x'")
        await life.fold(NOW + 10)
        assert "leads" not in life.ledger.view.ready
        assert life.stored()["open"] == []
        await life.step(NOW + 20)
        assert life.rebuilds() == {"leads": 1}
        assert ("ledger is rebuilt", "40 things changed since the last pass") in [
            (record.message, getattr(record, "reason", "")) for record in caplog.records]
        assert set((await life.wrong()).values()) == {0}

    async def test_a_table_that_is_rewritten_but_the_same_costs_one_fill(
        self, base: Fresh, live: Callable[..., Life]
    ) -> None:
        life = live()
        await life.step()
        base.execute("CLUSTER sales.leads USING leads_pkey")
        await life.step(NOW + 10)
        await life.step(NOW + 20)
        assert life.rebuilds()["leads"] == 1


class TestFailures:
    """A failure changes neither memory nor disk, or both."""

    @pytest.mark.parametrize("statement", ["AS seen, true AS here", "relation = 'stage_transitions'",
                                           "pg_control_system", "WITH ORDINALITY"])
    async def test_a_reading_that_fails_leaves_all_as_it_was(
        self, base: Fresh, live: Callable[..., Life], statement: str
    ) -> None:
        life = live()
        await life.step()
        before = life.cells()
        base.execute(MOVE + "VALUES ('n', 'l1', 'lost', '2024-05-12')")
        life.fails = lambda sql: statement in sql
        with pytest.raises(SourceUnavailable):
            await life.fold(NOW + 10)
        assert life.cells() == before == life.stored()
        life.fails = lambda sql: False
        await life.fold(NOW + 20)
        assert life.cells() != before
        assert set((await life.wrong()).values()) == {0}

    async def test_memory_is_never_ahead_of_the_disk(
        self, base: Fresh, live: Callable[..., Life], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        life = live()
        await life.step()
        before, mark = life.cells(), life.ledger.states["leads"].mark
        base.execute("UPDATE sales.leads SET channel_id = 'unheard of' WHERE lead_id = 'l1'")

        def full_disk(store: Store, step: Commit) -> None:
            raise OSError("no space left")

        with monkeypatch.context() as poisoned:
            poisoned.setattr(Store, "commit", full_disk)
            with pytest.raises(OSError, match="no space"):
                await life.fold(NOW + 10)
        assert (life.cells(), life.ledger.states["leads"].mark) == (before, mark)
        await life.fold(NOW + 20)
        assert life.stored() == life.cells() != before
        await life.close()
        life = live()
        await life.fold(NOW + 30)
        assert life.ledger.names.text(4) == "unheard of"
        assert set((await life.wrong()).values()) == {0}

    @pytest.mark.parametrize("what", ["commit", "clear"])
    async def test_whoever_is_cancelled_in_a_commit_leaves_memory_and_disk_of_one_mind(
        self, base: Fresh, live: Callable[..., Life], monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        life = live()
        await life.step()
        if what == "commit":
            base.execute(MOVE + "VALUES ('n', 'l1', 'lost', '2024-05-12')")
        else:
            base.execute("TRUNCATE sales.stage_transitions")
        inside, go = threading.Event(), threading.Event()
        real = getattr(Store, what)

        def slow(store: Store, *given: object) -> None:
            inside.set()
            go.wait(10)
            real(store, *given)

        with monkeypatch.context() as slowed:
            slowed.setattr(Store, what, slow)
            task = asyncio.create_task(life.fold(NOW + 10))
            await asyncio.to_thread(inside.wait, 10)
            for _ in range(2):
                task.cancel()
                await asyncio.sleep(0.01)
            closing = asyncio.create_task(life.ledger._busy.acquire())
            await asyncio.sleep(0.01)
            assert not closing.done(), "nobody may close the state under the commit"
            go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            await closing
            life.ledger._busy.release()
        assert life.stored() == life.cells()
        await life.step(NOW + 20)
        assert life.stored() == life.cells()
        assert set((await life.wrong()).values()) == {0}

    async def test_a_fill_that_waited_for_a_fold_that_began_anew_does_not_break(
        self, base: Fresh, live: Callable[..., Life]
    ) -> None:
        life = live()
        await life.fold()
        async with life.ledger._busy:
            filling = asyncio.create_task(life.ledger.fill(life.reader))
            await asyncio.sleep(0)
            for state in life.ledger.states.values():
                state.mark = None
        assert await filling is True


async def test_sources_go_on_by_marks_of_their_own(base: Fresh, live: Callable[..., Life]) -> None:
    life = live()
    await life.step()
    base.execute(MOVE + "VALUES ('n', 'l1', 'lost', '2024-05-12')")
    base.execute("INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome) VALUES"
                 " ('c', 'ai', 'inbound', '2024-05-12', '2024-05-12', 'busy')")
    life.fails = lambda sql: "sales.stage_transitions" in sql
    with pytest.raises(SourceUnavailable):
        await life.fold(NOW + 10)
    marks = {name: state.mark.cutoff for name, state in life.ledger.states.items() if state.mark}
    assert (marks["calls"], marks["leads"]) == (NOW + 10, NOW)
    life.fails = lambda sql: False
    await life.fold(NOW + 20)
    assert set((await life.wrong()).values()) == {0}


async def test_folds_and_fills_that_meet_do_not_mix(
    base: Fresh, live: Callable[..., Life], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    life = live()
    await life.fold()

    async def write() -> None:
        for number in range(12):
            row = f"VALUES ('n{number}', 'l{number}', 'lost', '2024-05-12')"
            await asyncio.to_thread(base.execute, MOVE + row)

    async def fold() -> None:
        for number in range(8):
            await life.fold(NOW + number)

    await asyncio.gather(write(), fold(), life.filled(), fold())
    await life.step(NOW + 60)
    assert life.stored() == life.cells()
    assert set((await life.wrong()).values()) == {0}

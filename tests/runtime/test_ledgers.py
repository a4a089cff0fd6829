"""The ledger at work in the exporter: what waits for it, what it shares, what survives."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from sales_exporter.collectors import discover
from sales_exporter.config import CollectorSettings, Settings, Storage
from sales_exporter.config import Database as Limits
from sales_exporter.demo.postgres import Login
from sales_exporter.errors import ConfigError, SourceError, SourceUnavailable
from sales_exporter.ledger.ledger import Ledger
from sales_exporter.ledger.store import FILE, Store
from sales_exporter.runtime import ledgers as module
from sales_exporter.runtime.database import Database
from sales_exporter.runtime.exporter import Exporter
from sales_exporter.runtime.ledgers import FRESH, LONG_STATEMENT, RETRY, Ledgers
from tests.ledger.test_ledger import GROUND, MOVE, NOW
from tests.support.clocks import FakeClock
from tests.support.databases import Database as Fresh
from tests.support.databases import Databases
from tests.support.exporting import serving
from tests.support.proxy import Proxy

pytestmark = pytest.mark.postgres

OFF = CollectorSettings(enabled=False)
ONLY = {name: OFF for name in discover() if name not in ("funnel", "ledger", "exporter")}


@pytest.fixture
def fresh(databases: Databases) -> Fresh:
    found = databases.fresh()
    found.execute(GROUND)
    return found


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Fills wait until it is set."""
    opened, real = asyncio.Event(), Ledger.fill

    async def waits(ledger: Ledger, readers: object) -> bool:
        await opened.wait()
        return await real(ledger, readers)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "fill", waits)
    return opened


async def pump(clock: FakeClock, done: Callable[[], bool], step: float = 1.0, seconds: float = 20.0) -> float:
    """Let time pass in small steps until something is so; how much of it passed."""
    began = clock.monotonic()
    async with asyncio.timeout(seconds):
        while not done():
            await clock.advance(step)
            await asyncio.sleep(0.005)
    return clock.monotonic() - began


def made(dsn: str, clock: FakeClock, replay: float | None = None, path: Path | None = None) -> tuple[Ledgers, Database]:
    settings = Settings(storage=Storage(path=path), database=Limits(pass_deadline=30))
    database = Database(SecretStr(dsn), settings.database)
    return Ledgers(settings, database, clock, replay), database


class TestCollectors:
    """Those that read cells wait for them, visibly."""

    async def test_they_are_off_while_it_fills_and_pass_at_once_when_it_is_done(
        self, fresh: Fresh, gate: asyncio.Event
    ) -> None:
        clock = FakeClock(NOW)
        async with serving(fresh.reader.dsn, clock, Settings(collectors=ONLY)) as exporter:
            await pump(clock, lambda: exporter.passes["ledger"].success is True)
            await pump(clock, lambda: bool(exporter.passes["funnel"].detail))
            state = exporter.passes["funnel"]
            assert state.success is None
            assert re.fullmatch(r"the ledger is being filled \(leads: 0%\)", state.detail)
            assert "sales_ledger_fill_ratio" in page(exporter)
            names = {re.split("[{ ]", line)[0] for line in page(exporter).splitlines()}
            assert names.isdisjoint(metric.name for metric in discover()["funnel"].metrics)
            gate.set()
            waited = await pump(clock, lambda: exporter.passes["funnel"].success is True, 0.25)
            assert waited < discover()["funnel"].interval / 2

    async def test_a_source_without_its_relations_is_waited_for_by_nobody(self, fresh: Fresh) -> None:
        fresh.execute("DROP TABLE sales.stage_transitions CASCADE")
        clock = FakeClock(NOW)
        ledgers, database = made(fresh.reader.dsn, clock)
        await ledgers.current(NOW)
        assert "leads" not in ledgers.states
        assert ledgers.waiting(["leads"]) == ""
        assert ledgers.waiting(["leads", "calls"]).startswith("the ledger is being filled (calls")
        await ledgers.close()
        await database.close()

    async def test_a_rebuild_switches_them_off_and_on_again(self, fresh: Fresh) -> None:
        clock = FakeClock(NOW)
        async with serving(fresh.reader.dsn, clock, Settings(collectors=ONLY)) as exporter:
            await pump(clock, lambda: exporter.passes["funnel"].success is True)
            before = exporter.passes["funnel"].last_success
            fresh.execute("TRUNCATE sales.stage_transitions")
            await pump(clock, lambda: exporter.passes["funnel"].last_success not in (None, before), 2)
            assert re.search(r'sales_ledger_rebuilds_total\{source="leads"\} 1', page(exporter))


def page(exporter: Exporter) -> str:
    return exporter.exposition("text", packed=False, only=None).decode()


class TestSharing:
    """One fold for all."""

    async def test_passes_of_the_same_moment_share_a_fold(
        self, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock, folds, real = FakeClock(NOW), [], Ledger.fold
        ledgers, database = made(fresh.reader.dsn, clock)

        async def counted(ledger: Ledger, db: object, now: float) -> None:
            folds.append(now)
            await real(ledger, db, now)  # type: ignore[arg-type]

        monkeypatch.setattr(Ledger, "fold", counted)
        await asyncio.gather(*(ledgers.current(NOW) for _ in range(5)))
        assert folds == [NOW]
        await clock.advance(FRESH)
        await ledgers.current(NOW + FRESH)
        assert folds == [NOW, NOW + FRESH]
        await ledgers.close()
        await database.close()

    async def test_a_database_that_is_away_is_asked_once_and_all_are_told(
        self, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = FakeClock(NOW)
        async with Proxy(fresh.reader.port) as proxy:
            login = Login(proxy.port, fresh.reader.user, fresh.reader.password, fresh.reader.database)
            ledgers, database = made(login.dsn, clock)
            proxy.set("refuse")
            asked, real = [], database.take

            async def take(limit: float) -> object:
                asked.append(limit)
                return await real(limit)

            monkeypatch.setattr(database, "take", take)
            found = await asyncio.gather(*(ledgers.current(NOW) for _ in range(4)), return_exceptions=True)
            assert {type(one) for one in found} == {SourceUnavailable}
            assert len(asked) == 1
            proxy.set("pass")
            with pytest.raises(SourceUnavailable):
                await ledgers.current(NOW + 1)
            await clock.advance(FRESH)
            assert (await ledgers.current(NOW + FRESH)).ready == frozenset()
            assert ledgers.states
            await ledgers.close()
            await database.close()


class TestWork:
    """Filling goes on for ever, whatever happens."""

    @pytest.mark.parametrize("error", [SourceUnavailable("away"), OSError("no space left"), ZeroDivisionError()])
    async def test_a_failure_is_said_and_tried_again(
        self, fresh: Fresh, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        clock, real, failures = FakeClock(NOW), Ledger.fill, [error]

        async def fails(ledger: Ledger, readers: object) -> bool:
            if failures:
                raise failures.pop()
            return await real(ledger, readers)  # type: ignore[arg-type]

        monkeypatch.setattr(Ledger, "fill", fails)
        ledgers, database = made(fresh.reader.dsn, clock)
        await ledgers.current(NOW)
        working = asyncio.create_task(ledgers.work())
        waited = await pump(clock, lambda: ledgers.waiting(["leads"]) == "", 0.5)
        assert waited >= RETRY
        assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == ["ledger waits"]
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await ledgers.close()
        await database.close()

    async def test_long_readings_have_longer_limits_than_passes(self, fresh: Fresh) -> None:
        ledgers, database = made(fresh.reader.dsn, FakeClock(NOW))
        async with ledgers._long() as db:
            rows = await db.fetch("SELECT current_setting('statement_timeout') AS long")
        assert rows == [{"long": f"{LONG_STATEMENT:.0f}s"}]
        assert database.settings.statement_timeout < LONG_STATEMENT
        await database.close()


class TestReplay:
    """A moment of the past is computed once."""

    async def test_it_is_computed_once_and_then_stands_still(self, fresh: Fresh, tmp_path: Path) -> None:
        clock = FakeClock(NOW)
        past = 1_715_000_000.0
        ledgers, database = made(fresh.reader.dsn, clock, past, tmp_path)
        assert ledgers.waiting(["leads"]) == "the moment of the past is being computed"
        await ledgers.claim()
        working = asyncio.create_task(ledgers.work())
        await pump(clock, lambda: ledgers.waiting(["leads"]) == "")
        view = await ledgers.current(past)
        assert view.tallies["open"].counts.sum() == 40
        assert "moves" in view.tallies
        fresh.execute(MOVE + "VALUES ('n', 'l1', 'lost', '2024-05-01')")
        await pump(clock, lambda: clock.monotonic() > 1100, 10)
        assert (await ledgers.current(past)) is view
        assert os.listdir(tmp_path) == [], "a replay leaves the state alone"
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await ledgers.close()
        await database.close()


class TestState:
    """The folder of the state: claimed at the start, given back at a reload."""

    async def test_a_start_with_a_state_in_use_is_refused(self, fresh: Fresh, tmp_path: Path) -> None:
        owner = Store(tmp_path, [])
        settings = Settings(storage=Storage(path=tmp_path))
        exporter = Exporter(lambda: (settings, SecretStr(fresh.reader.dsn)), FakeClock())
        try:
            with pytest.raises(ConfigError, match="in use by another process"):
                await exporter.run()
        finally:
            owner.close()
            await exporter.close()

    async def test_a_reload_closes_the_state_and_goes_on_with_it(self, fresh: Fresh, tmp_path: Path) -> None:
        clock, settings = FakeClock(NOW), Settings(collectors=ONLY, storage=Storage(path=tmp_path))
        async with serving(fresh.reader.dsn, clock, settings) as exporter:
            await pump(clock, lambda: exporter.passes["funnel"].success is True)
            first = exporter._ledgers
            fresh.execute("DELETE FROM sales.leads WHERE lead_id = 'l1'")
            await exporter.reload()
            await pump(clock, lambda: exporter.passes["funnel"].success is True)
            assert exporter._ledgers is not first
            states = exporter._ledgers.states
            assert {state.rebuilds for state in states.values()} == {0}
            assert exporter._ledgers.view.tallies["open"].counts.sum() == 39
            assert exporter._ledgers.report.set_aside == 0

    async def test_a_reload_into_a_folder_in_use_is_told_and_heals(self, fresh: Fresh, tmp_path: Path) -> None:
        clock, paths = FakeClock(NOW), [tmp_path / "one", tmp_path / "two"]
        owner = Store(paths[1], [])
        exporter = Exporter(
            lambda: (Settings(collectors=ONLY, storage=Storage(path=paths[0]), database=Limits(pass_deadline=300)),
                     SecretStr(fresh.reader.dsn)), clock)
        running = asyncio.create_task(exporter.run())
        try:
            await pump(clock, lambda: exporter.passes["funnel"].success is True)
            paths.pop(0)
            await exporter.reload()
            await pump(clock, lambda: exporter.passes["ledger"].success is False)
            assert "in use by another process" in exporter.passes["ledger"].detail
            owner.close()
            await pump(clock, lambda: exporter.passes["funnel"].success is True)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            owner.close()

    async def test_a_damaged_state_is_set_aside_and_counted(
        self, fresh: Fresh, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / FILE).write_text("no state")
        ledgers, database = made(fresh.reader.dsn, FakeClock(NOW), path=tmp_path)
        await ledgers.current(NOW)
        assert ledgers.report.set_aside == 1
        assert "state set aside, a new one is filled" in [record.message for record in caplog.records]
        assert ledgers.report.bytes > 0
        await ledgers.close()
        await database.close()

    async def test_a_relation_that_appears_brings_its_sources_in(self, fresh: Fresh, tmp_path: Path) -> None:
        fresh.execute("ALTER TABLE sales.calls RENAME TO hidden")
        clock = FakeClock(NOW)
        ledgers, database = made(fresh.reader.dsn, clock, path=tmp_path)
        await ledgers.current(NOW)
        assert "calls" not in ledgers.states
        fresh.execute("ALTER TABLE sales.hidden RENAME TO calls")
        await clock.advance(FRESH)
        await ledgers.current(NOW + FRESH)
        assert "calls" in ledgers.states
        assert {state.rebuilds for state in ledgers.states.values()} == {0}
        await ledgers.close()
        await database.close()
        Store(tmp_path, []).close()

    async def test_a_folder_that_cannot_be_used_is_a_failure_of_the_source(
        self, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledgers, database = made(fresh.reader.dsn, FakeClock(NOW))

        def refused(*ignored: object) -> Store:
            raise ConfigError("storage.path x: not writable")

        monkeypatch.setattr(module, "Store", refused)
        with pytest.raises(SourceError, match="not writable"):
            await ledgers.current(NOW)
        await database.close()

"""Where incremental reading cannot be exact: parts are read again, and the exporter says that it is so."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from sales_exporter import contract
from sales_exporter.demo.postgres import Postgres, create_role, running
from sales_exporter.ledger.fill import recompute
from sales_exporter.ledger.identity import LOGS
from sales_exporter.ledger.source import Moment, Names
from sales_exporter.ledger.sources import leads as leads_module
from tests.ledger.test_ledger import GROUND, LEAD, MOVE, NOW, PARTS, Life
from tests.support.databases import READER, Databases
from tests.support.databases import Database as Fresh

pytestmark = pytest.mark.postgres

VIEWS = """
    CREATE SCHEMA crm;
    ALTER TABLE sales.leads SET SCHEMA crm;
    ALTER TABLE sales.stage_transitions SET SCHEMA crm;
    ALTER TABLE crm.leads DISABLE TRIGGER USER;
    ALTER TABLE crm.stage_transitions DISABLE TRIGGER USER;
    DROP TABLE sales.lead_revisions CASCADE;
    CREATE VIEW sales.leads AS SELECT lead_id, created_at, channel_id, campaign_id, rep_id, is_test FROM crm.leads;
    CREATE VIEW sales.stage_transitions AS
        SELECT transition_id, lead_id, from_stage, to_stage, occurred_at, recorded_at, rep_id, reason
          FROM crm.stage_transitions;
    GRANT SELECT ON sales.leads, sales.stage_transitions TO sales_exporter
"""
FAR = "'99999999999'"


@pytest.fixture
def base(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Fresh:
    monkeypatch.setattr(leads_module, "PARTS", PARTS)
    return databases.fresh()


@pytest.fixture
async def life(base: Fresh, tmp_path: Path) -> AsyncIterator[Life]:
    found = Life(base.reader.dsn, tmp_path)
    yield found
    await found.close()


async def anew(life: Life, now: float) -> dict[str, list[tuple[int, int]]]:
    """All cells of leads, computed at this moment."""
    names: Names = life.ledger.names
    source = life.ledger.states["leads"].source
    cubes = await recompute(source, life.reader, Moment(now), names, lambda done, total: None)
    return {name: list(zip(cube.tally.keys.tolist(), cube.tally.counts.tolist(), strict=True))
            for name, cube in cubes.items()}


async def settled(life: Life, now: float) -> None:
    """As many passes as there are parts."""
    for _ in range(4):
        await life.step(now)
    found = life.cells()
    assert {name: found[name] for name in leads_cubes(life)} == await anew(life, now)


def leads_cubes(life: Life) -> list[str]:
    return [layout.name for layout in life.ledger.states["leads"].source.layouts]


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(getattr(record, "source", ""), getattr(record, "reason", "")) for record in caplog.records
            if record.message == "source is not exact"]


class TestViews:
    """Views without change keys, as an application's own tables are often shown."""

    @pytest.fixture(autouse=True)
    def crm(self, base: Fresh) -> None:
        base.execute(GROUND)
        with psycopg.connect(base.owner.dsn) as connection:
            connection.execute(VIEWS.encode())

    async def test_they_are_not_exact_and_that_is_said_once(
        self, life: Life, caplog: pytest.LogCaptureFixture
    ) -> None:
        await life.step()
        await life.step(NOW + 10)
        state = life.ledger.states["leads"]
        assert not state.report(None).exact
        told = [reason for source, reason in said(caplog) if source == "leads"]
        assert told == ["no change key in lead_revisions, leads, stage_transitions"]

    async def test_new_rows_count_with_the_next_pass_and_old_changes_after_a_round(
        self, base: Fresh, life: Life
    ) -> None:
        await life.step()
        base.execute("INSERT INTO crm.leads (lead_id, created_at) VALUES ('new', '2024-05-20')")
        await life.step(NOW + 10)
        assert life.total("open") == 41
        base.execute("UPDATE crm.leads SET channel_id = 'x' WHERE lead_id IN ('l1', 'l15', 'l40')")
        base.execute("DELETE FROM crm.leads WHERE lead_id IN ('l2', 'l12')")
        base.execute("DELETE FROM crm.stage_transitions WHERE lead_id = 'l5'")
        base.execute("UPDATE crm.leads SET created_at = '2024-05-01 11:00+00' WHERE lead_id = 'l6'")
        await settled(life, NOW + 20)
        assert life.total("open") == 39
        assert life.stored() == life.cells()
        assert life.rebuilds() == {}

    async def test_a_restart_keeps_what_the_parts_contributed(self, base: Fresh, life: Life, tmp_path: Path) -> None:
        await life.step()
        await life.close()
        base.execute("DELETE FROM crm.leads WHERE lead_id IN ('l2', 'l39')")
        again = Life(base.reader.dsn, tmp_path)
        try:
            await settled(again, NOW + 10)
            assert again.rebuilds() == {}
        finally:
            await again.close()

    async def test_keys_that_appear_make_it_exact(self, base: Fresh, life: Life) -> None:
        await life.step()
        base.execute("DROP VIEW sales.leads, sales.stage_transitions; ALTER TABLE crm.leads SET SCHEMA sales;"
                     " ALTER TABLE crm.stage_transitions SET SCHEMA sales")
        with psycopg.connect(base.owner.dsn, autocommit=True) as connection:
            connection.execute(contract.schema_sql().encode())
            connection.execute(b"GRANT SELECT ON sales.lead_revisions TO sales_exporter")
        again = Life(base.reader.dsn, life.folder)
        await life.close()
        try:
            await again.step(NOW + 10)
            assert again.ledger.states["leads"].report(None).exact
            assert set((await again.wrong()).values()) == {0}
        finally:
            await again.close()


async def test_every_source_can_do_without_change_keys(base: Fresh, life: Life) -> None:
    await load(base)
    base.execute(";".join(
        f"ALTER TABLE sales.{name} DISABLE TRIGGER USER; ALTER TABLE sales.{name} RENAME TO kept_{name};"
        f" ALTER TABLE sales.kept_{name} RENAME COLUMN {key} TO hidden;"
        f" CREATE VIEW sales.{name} AS SELECT * FROM sales.kept_{name}; GRANT SELECT ON sales.{name} TO sales_exporter"
        for name, key in LOGS.items() if name != "removals"))
    await life.step()
    assert not any(state.report(None).exact for state in life.ledger.states.values())
    assert all(state.ready for state in life.ledger.states.values())
    assert {name: state.report(None).rows > 0 for name, state in life.ledger.states.items()} == dict.fromkeys(
        life.ledger.states, True)
    await life.step(NOW + 10)
    assert set((await life.wrong()).values()) == {0}


async def load(base: Fresh) -> None:
    """Something of everything."""
    base.execute(GROUND)
    base.execute("INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, ended_at, outcome) VALUES"
                 " ('c', 'ai', 'inbound', '2024-05-12', '2024-05-12', 'busy')")
    base.execute("INSERT INTO sales.call_judgements (judgement_id, call_id, success, judged_at) VALUES"
                 " ('j', 'c', true, '2024-05-12')")
    base.execute("INSERT INTO sales.spend (spend_day, channel_id, amount, currency)"
                 " VALUES ('2024-05-12', 'c1', 5, 'EUR')")
    base.execute("INSERT INTO sales.deals (deal_id, lead_id, stage, status, amount, currency, opened_at, closed_at)"
                 " VALUES ('d', 'l1', 'won', 'won', 5, 'EUR', '2024-05-10', '2024-05-12')")
    base.execute("INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, kind)"
                 " VALUES ('t', 'l1', '2024-05-09', 'c1', 'click')")
    base.execute("INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id,"
                 " predicted_at, horizon_seconds, score, threshold) VALUES ('p', 'm', '1', 'lead', 'l1', '2024-05-09',"
                 " 86400, 0.5, 0.5)")
    base.execute("INSERT INTO sales.model_outcomes (subject_kind, subject_id, observed_at, label, is_final)"
                 " VALUES ('lead', 'l1', '2024-05-09 12:00+00', 1, true)")


class TestRestoredDump:
    """Rows that bear transactions of another cluster."""

    @pytest.fixture
    def dump(self, base: Fresh) -> str:
        base.execute(GROUND)
        return MOVE.replace("occurred_at)", "occurred_at, recorded_tx)") + (
            f"VALUES ('far', 'l1', 'lost', '2024-05-20', {FAR})")

    async def test_a_state_made_after_it_is_not_exact_and_says_so(
        self, base: Fresh, life: Life, dump: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        base.execute(dump)
        await life.step()
        assert not life.ledger.states["leads"].report(None).exact
        assert life.ledger.states["calls"].report(None).exact
        assert ("leads", "rows of stage_transitions bear transactions of the future (restored dump)") in said(caplog)
        await settled(life, NOW + 10)

    async def test_a_state_made_before_it_counts_no_row_again_and_again(
        self, base: Fresh, life: Life, dump: str
    ) -> None:
        await life.step()
        base.execute(dump)
        for step in range(4):
            await life.step(NOW + 10 + step)
        assert not life.ledger.states["leads"].report(None).exact
        assert life.total("moves") == 41
        await settled(life, NOW + 20)

    async def test_a_restart_says_it_again(
        self, base: Fresh, life: Life, dump: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        base.execute(dump)
        await life.step()
        await life.close()
        caplog.clear()
        again = Life(base.reader.dsn, life.folder)
        try:
            await again.step(NOW + 10)
        finally:
            await again.close()
        assert ("leads", "rows of stage_transitions bear transactions of the future (restored dump)") in said(caplog)

    async def test_keys_that_were_set_right_make_it_exact(self, base: Fresh, life: Life, dump: str) -> None:
        base.execute(dump)
        await life.step()
        base.execute("UPDATE sales.stage_transitions SET recorded_tx = pg_current_xact_id()"
                     " WHERE recorded_tx >= pg_snapshot_xmax(pg_current_snapshot())")
        await life.step(NOW + 10)
        await life.step(NOW + 20)
        assert life.ledger.states["leads"].report(None).exact
        assert set((await life.wrong()).values()) == {0}


@pytest.mark.process
@pytest.mark.slow
class TestStandby:
    """A real streaming standby."""

    @pytest.fixture
    def primary(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
        monkeypatch.setattr(leads_module, "PARTS", PARTS)
        opened(tmp_path)
        with running(tmp_path / "primary", fsync="off", wal_level="replica") as server:
            with psycopg.connect(server.login().dsn, autocommit=True) as connection:
                connection.execute(contract.schema_sql().encode())
                connection.execute(GROUND.encode())
            create_role(server.login(), contract.role_sql(), READER, "reader-password")
            yield server

    @pytest.fixture
    def standby(self, primary: Postgres, tmp_path: Path) -> Iterator[Postgres]:
        program = primary._binary("pg_basebackup")
        if not Path(program).exists():
            pytest.skip("no pg_basebackup beside the embedded PostgreSQL")
        server = Postgres(tmp_path / "standby", settings={"fsync": "off", "hot_standby": "on"})
        done = subprocess.run(
            [program, "-D", str(server._data), "-R", "-X", "stream", "-c", "fast", "-d",
             primary.login(database="postgres").dsn],
            capture_output=True, text=True, cwd=server.folder, check=False, **server._credentials())
        assert done.returncode == 0, done.stderr
        server._secret.write_text(primary._secret.read_text())
        server.start()
        try:
            yield server
        finally:
            server.stop()

    async def test_it_is_not_exact_catches_up_and_is_exact_once_promoted(
        self, primary: Postgres, standby: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        life = Life(standby.login(READER, "reader-password").dsn, tmp_path / "state")
        try:
            await life.step()
            assert not any(state.report(None).exact for state in life.ledger.states.values())
            assert ("leads", "a standby does not tell which transactions are running") in said(caplog)
            with psycopg.connect(primary.login().dsn, autocommit=True) as connection:
                connection.execute((LEAD + "VALUES ('late', '2024-05-01 03:00+00', 'c9')").encode())
                connection.execute(b"DELETE FROM sales.leads WHERE lead_id IN ('l15', 'l35')")
                connection.execute((MOVE + "VALUES ('n', 'l20', 'lost', '2024-05-12')").encode())
                (here,) = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
            await replayed(standby, str(here))
            await settled(life, NOW + 10)
            assert life.total("open") == 39
            with psycopg.connect(standby.login().dsn, autocommit=True) as connection:
                connection.execute("SELECT pg_promote(true, 30)")
            await life.close()
            life = Life(standby.login(READER, "reader-password").dsn, tmp_path / "state")
            await life.step(NOW + 20)
            assert life.ledger.states["leads"].report(None).exact
            assert set((await life.wrong()).values()) == {0}
        finally:
            await life.close()


async def replayed(standby: Postgres, lsn: str) -> None:
    """Wait until the standby has come as far."""
    for _ in range(500):
        with psycopg.connect(standby.login().dsn) as connection:
            row = connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (lsn,)).fetchone()
        if row and row[0]:
            return
        await asyncio.sleep(0.02)
    raise TimeoutError("the standby does not follow")


def opened(folder: Path) -> None:
    """PostgreSQL runs as another user when we are root."""
    for part in (folder, *folder.parents):
        if part.stat().st_uid == os.geteuid() and str(part).startswith("/tmp/pytest"):
            part.chmod(0o711)

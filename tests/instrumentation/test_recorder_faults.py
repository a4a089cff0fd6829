"""Recorders while their database freezes, dies and breaks off at the worst moment: nobody waits, nothing is doubled."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sales_exporter import contract
from sales_exporter.demo.postgres import Login, Postgres, create_role, running
from sales_exporter.instrumentation.recorders import Recorder, Writer
from tests.support.clocks import until
from tests.support.databases import Databases
from tests.support.proxy import Proxy
from tests.support.recording import dropped, fresh, frozen, value

pytestmark = pytest.mark.postgres

LIMIT, BATCH = 2000, 500
SUBJECTS = "SELECT subject_id FROM sales.model_predictions"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Postgres]:
    """A server of this test's own, with the contract, to freeze."""
    for part in (tmp_path, *tmp_path.parents):
        if part.stat().st_uid == os.geteuid() and str(part).startswith("/tmp/pytest"):
            part.chmod(0o711)
    with running(tmp_path / "cluster", fsync="off") as server:
        with psycopg.connect(server.login().dsn, autocommit=True) as connection:
            connection.execute(contract.schema_sql().encode())
        yield server


def connect(server: Postgres) -> Recorder:
    login = create_role(server.login(), contract.recorder_role_sql(), contract.RECORDER_ROLE, "recorder-password")
    return Recorder(writer=Writer(
        login.dsn, limit=LIMIT, batch=BATCH, delay=0.02, write_seconds=0.5, retry_seconds=0.1, exit_seconds=0.5))


def landed(login: Login) -> list[str]:
    with psycopg.connect(login.dsn) as connection:
        return [row[0] for row in connection.execute(SUBJECTS)]


@pytest.mark.process
async def test_r23_a_frozen_database_never_blocks_and_what_was_not_dropped_lands_once(own_server: Postgres) -> None:
    recorder = connect(own_server)
    writer = recorder.writer
    assert writer is not None
    for number in range(100):
        recorder.record_prediction("m", "1", f"before-{number}", 0.5)
    assert await asyncio.to_thread(recorder.flush, 10)
    slowest, most, turns = 0.0, 0, 0
    with frozen(own_server):
        for number in range(20_000):
            began = time.perf_counter()
            recorder.record_prediction("m", "1", number, 0.5)
            slowest = max(slowest, time.perf_counter() - began)
            most = max(most, writer.queued)
            if number % 100 == 0:
                await asyncio.sleep(0)
                turns += 1
        # The attempts fail by our own deadline, not by the server's word.
        await until(lambda: value(recorder.meter, "sales_recorder_write_errors_total", "timeout") >= 2)
        kept = writer.queued
        lost = int(dropped(recorder.meter, "full"))
        assert (kept + lost, turns) == (20_000, 200)
        assert LIMIT <= kept <= most <= LIMIT + BATCH + 1
        # Less than one attempt to write: no call waited for any.
        assert slowest < 0.4
    assert await asyncio.to_thread(recorder.flush, 20)
    assert writer.queued == 0
    assert int(dropped(recorder.meter, "full")) == lost
    rows = landed(own_server.login())
    assert len(rows) == len(set(rows)) == 100 + 20_000 - lost
    numbers = sorted(int(row) for row in rows if row.isdecimal())
    # The oldest went: what landed is the newest rows, and the batch that was in hand when the queue filled up.
    assert numbers[-LIMIT:] == list(range(20_000 - LIMIT, 20_000))
    assert len(numbers[:-LIMIT]) <= BATCH
    recorder.close()


@pytest.mark.process
def test_r23_threads_under_a_frozen_database_lose_no_count(own_server: Postgres) -> None:
    recorder = connect(own_server)
    assert recorder.writer is not None

    def record(who: int) -> None:
        for number in range(5000):
            recorder.record_prediction("m", "1", f"{who}-{number}", 0.5)
            recorder.record_outcome(f"{who}-{number}", 1)

    with frozen(own_server):
        threads = [threading.Thread(target=record, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lost = [int(dropped(recorder.meter, "full", name)) for name in ("model_predictions", "model_outcomes")]
        assert sum(lost) + recorder.writer.queued == 40_000
    assert recorder.flush(20)
    rows = landed(own_server.login())
    assert len(rows) == len(set(rows)) == 20_000 - lost[0]
    assert value(recorder.meter, "sales_app_predictions_total", "m", "1") == 20_000
    recorder.close()


@pytest.mark.process
def test_closing_while_the_database_is_frozen_ends_in_time_and_counts_what_is_left(own_server: Postgres) -> None:
    recorder = connect(own_server)
    assert recorder.writer is not None
    recorder.record_prediction("m", "1", "before", 0.5)
    assert recorder.flush(10)
    with frozen(own_server):
        for number in range(1000):
            recorder.record_prediction("m", "1", number, 0.5)
        began = time.monotonic()
        assert not recorder.close(0.3)
        assert time.monotonic() - began < 2.0
        assert dropped(recorder.meter, "closed") == 1000
        assert recorder.writer.queued == 0


async def test_backends_killed_in_the_middle_of_batches_cost_no_row_and_double_none(databases: Databases) -> None:
    database, login = fresh(databases)
    recorder = Recorder(writer=Writer(login.dsn, limit=100_000, batch=50, delay=0.01, retry_seconds=0.05))
    over = threading.Event()
    recorded = 0

    def record() -> None:
        nonlocal recorded
        while not over.is_set() and recorded < 90_000:
            for _ in range(50):
                recorder.record_prediction("m", "1", recorded, 0.5)
                recorded += 1
            over.wait(0.002)

    thread = threading.Thread(target=record)
    thread.start()
    kills = 0

    def kill() -> bool:
        nonlocal kills
        kills += len(database.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                   " WHERE usename = 'sales_recorder' AND datname = current_database()"))
        return kills >= 30

    await until(kill, 60)
    over.set()
    await asyncio.to_thread(thread.join)
    assert await asyncio.to_thread(recorder.flush, 30)
    assert database.rows("SELECT count(*), count(DISTINCT subject_id) FROM sales.model_predictions") == [
        (recorded, recorded)]
    assert dropped(recorder.meter, "full") == dropped(recorder.meter, "rejected") == 0
    assert value(recorder.meter, "sales_recorder_write_errors_total", "lost") >= 1
    recorder.close()


async def test_a_connection_that_is_lost_during_commit_doubles_no_row(databases: Databases) -> None:
    database, login = fresh(databases)
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute("""
            CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON sales.model_outcomes DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION public.dawdle()""")
    async with Proxy(login.port) as proxy:
        recorder = Recorder(writer=Writer(
            Login(proxy.port, login.user, login.password, login.database).dsn, delay=0.02, retry_seconds=0.1))
        recorder.record_outcome("x", 1)

        def committing() -> bool:
            return database.rows("SELECT FROM pg_stat_activity WHERE usename = 'sales_recorder' AND query = 'COMMIT'"
                                 " AND state = 'active' AND datname = current_database()") != []

        await until(committing)
        proxy.set("cut")
        # The server commits all the same, and nobody is told.
        await until(lambda: database.rows("SELECT count(*) FROM sales.model_outcomes") == [(1,)])
        assert value(recorder.meter, "sales_recorder_written_rows_total", "model_outcomes") == 0
        proxy.set("pass")
        assert await asyncio.to_thread(recorder.flush, 10)
        assert database.rows("SELECT count(*) FROM sales.model_outcomes") == [(1,)]
        assert value(recorder.meter, "sales_recorder_written_rows_total", "model_outcomes") == 1
        assert value(recorder.meter, "sales_recorder_write_errors_total", "lost") == 1
        await asyncio.to_thread(recorder.close)


@pytest.mark.parametrize("mode", ["deaf", "stall", "refuse"])
async def test_a_network_that_answers_nothing_is_given_up_and_tried_again(databases: Databases, mode: str) -> None:
    database, login = fresh(databases)
    async with Proxy(login.port) as proxy:
        recorder = Recorder(writer=Writer(
            Login(proxy.port, login.user, login.password, login.database).dsn, delay=0.02, retry_seconds=0.1,
            write_seconds=0.3))
        proxy.set(mode)  # type: ignore[arg-type]
        recorder.record_prediction("m", "1", 1, 0.5)
        reason = "connect" if mode == "refuse" else "timeout"
        await until(lambda: value(recorder.meter, "sales_recorder_write_errors_total", reason) >= 2)
        proxy.set("pass")
        assert await asyncio.to_thread(recorder.flush, 10)
        assert database.rows("SELECT count(*) FROM sales.model_predictions") == [(1,)]
        await asyncio.to_thread(recorder.close)

"""Recorders with a real PostgreSQL: rows land as they were recorded, whoever records them and whatever is refused."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import errors as pg

from sales_exporter import contract
from sales_exporter.contract import relations as contract_relations
from sales_exporter.demo.postgres import Login, free_port
from sales_exporter.instrumentation.recorders import Recorder, Writer, values
from sales_exporter.instrumentation.recorders.relations import RELATIONS
from tests.support.clocks import until
from tests.support.databases import Database, Databases
from tests.support.recording import dropped, exposed, fresh, value

pytestmark = pytest.mark.postgres
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ODD = 'a "quoted" \\ {braces}, NULL and\ttabs\nlines ✓'


@pytest.fixture
def place(databases: Databases) -> tuple[Database, Login]:
    return fresh(databases)


@pytest.fixture(scope="module")
def somewhere(databases: Databases) -> tuple[Database, Login]:
    """A place that tests share which empty it."""
    return fresh(databases)


@pytest.fixture
def database(place: tuple[Database, Login]) -> Database:
    return place[0]


@pytest.fixture
def login(place: tuple[Database, Login]) -> Login:
    return place[1]


@pytest.fixture
def recorder(login: Login) -> Iterator[Recorder]:
    made = Recorder(writer=Writer(login.dsn, delay=0.02, retry_seconds=0.1))
    yield made
    made.close()


def test_rows_land_as_they_were_recorded(recorder: Recorder, database: Database) -> None:
    recorder.record_prediction("m", ODD, ODD, 1 / 3, threshold=0.5, horizon_seconds=60, subject_kind="deal",
                               predicted_at=NOON, prediction_id="p1")
    recorder.record_prediction("m", "2", 7, 1e-320, predicted_at=NOON, prediction_id="p2")
    recorder.record_outcome("lead-1", 1, observed_at=NOON)
    recorder.record_outcome("lead-1", 0, subject_kind="call", observed_at=NOON, is_final=False)
    recorder.record_call(
        "c1", direction="inbound", agent_kind="ai", started_at=NOON, answered_at=NOON, ended_at=NOON,
        outcome="answered", lead_id="l", rep_id="r", channel_id="ch", carrier=ODD, success=True, talk_seconds=1.5,
        hold_seconds=2.5, wrap_seconds=3.5, first_response_seconds=0.25, transferred=True,
        cost=Decimal("0.012345"), currency="EUR")
    recorder.record_call("c2", direction="outbound", agent_kind="human", started_at=0, ended_at=0.5, outcome="busy")
    recorder.record_judgement("c1", False, judged_at=NOON, judgement_id="j1")
    assert recorder.flush(10)
    assert database.rows(
        "SELECT prediction_id, model, version, subject_kind, subject_id, predicted_at, horizon_seconds, score,"
        " threshold FROM sales.model_predictions ORDER BY 1") == [
            ("p1", "m", ODD, "deal", ODD, NOON, 60.0, 1 / 3, 0.5),
            ("p2", "m", "2", "lead", "7", NOON, 2_592_000.0, 1e-320, None)]
    assert database.rows(
        "SELECT subject_kind, subject_id, observed_at, label, is_final FROM sales.model_outcomes ORDER BY 1") == [
            ("call", "lead-1", NOON, 0, False), ("lead", "lead-1", NOON, 1, True)]
    names = ", ".join(column.name for column in contract_columns("calls"))
    assert database.rows(f"SELECT {names} FROM sales.calls ORDER BY call_id") == [
        ("c1", "l", "r", "ch", ODD, "ai", "inbound", NOON, NOON, NOON, "answered", True, 1.5, 2.5, 3.5, 0.25, True,
         Decimal("0.012345"), "EUR"),
        ("c2", None, None, None, None, "human", "outbound", datetime.fromtimestamp(0, UTC), None,
         datetime.fromtimestamp(0.5, UTC), "busy", None, None, None, None, None, False, None, None)]
    assert database.rows("SELECT judgement_id, call_id, success, judged_at FROM sales.call_judgements") == [
        ("j1", "c1", False, NOON)]


TEXTS = st.text(max_size=300)
FLOATS = st.floats()


@given(st.lists(st.tuples(TEXTS, TEXTS, FLOATS, st.none() | FLOATS, st.datetimes(timezones=st.just(UTC))), max_size=20))
@settings(max_examples=40, deadline=None)
def test_whatever_is_taken_is_what_lands_and_the_rest_is_counted(
    somewhere: tuple[Database, Login], some: list[tuple[str, str, float, float | None, datetime]]
) -> None:
    database, login = somewhere
    database.execute("TRUNCATE sales.model_predictions")
    recorder = Recorder(writer=Writer(login.dsn, delay=0.01))
    taken: dict[str, tuple[object, ...]] = {}
    for model, subject, score, threshold, at in some:
        identity = recorder.record_prediction(model, "1", subject, score, threshold=threshold, predicted_at=at)
        taken[identity] = (identity, values.text(model), values.text(subject), score, threshold, at) if identity else ()
    assert recorder.close(10)
    refused = sum(not identity for identity in taken)
    assert database.rows(
        "SELECT prediction_id, model, subject_id, score, threshold, predicted_at FROM sales.model_predictions"
        " ORDER BY prediction_id") == [taken[key] for key in sorted(taken) if key]
    assert dropped(recorder.meter, "rejected") == 0
    assert len(taken) - refused + dropped(recorder.meter, "invalid") == len(some)


def contract_columns(relation: str) -> list[contract_relations.Column]:
    return [column for column in contract_relations.RELATIONS[relation].columns if column.name != "recorded_tx"]


def test_a_call_that_was_followed_lands_with_its_times_in_order(recorder: Recorder, database: Database) -> None:
    with recorder.call(call_id="c", rep_id="r", channel_id="ch") as call:
        call.answered()
        call.first_response()
        call.ended("answered", cost=0.1, currency="EUR", success=True)
    assert recorder.flush(10)
    assert database.rows(
        "SELECT started_at <= answered_at AND answered_at <= ended_at, first_response_seconds >= 0, outcome, cost,"
        " rep_id FROM sales.calls WHERE call_id = 'c'") == [(True, True, "answered", Decimal("0.100000"), "r")]


async def test_threads_and_coroutines_record_at_once_and_every_row_lands_once(
    recorder: Recorder, database: Database
) -> None:
    recorded: dict[str, tuple[str, float]] = {}

    def record(who: int) -> None:
        for number in range(500):
            subject, score = f"{who}-{number}", number / 500
            recorded[recorder.record_prediction("m", "1", subject, score)] = (subject, score)

    async def acting(who: int) -> None:
        for number in range(500):
            subject, score = f"{who}-{number}", number / 500
            recorded[recorder.record_prediction("m", "1", subject, score)] = (subject, score)
            await asyncio.sleep(0)

    with ThreadPoolExecutor(8) as pool:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, record, who) for who in range(8)),
                             *(acting(who) for who in range(8, 12)))
        assert await asyncio.to_thread(recorder.flush, 20)
    rows = database.rows("SELECT prediction_id, subject_id, score FROM sales.model_predictions ORDER BY 1")
    assert rows == [(key, *recorded[key]) for key in sorted(recorded)]
    assert len(rows) == 6000
    assert value(recorder.meter, "sales_recorder_written_rows_total", "model_predictions") == 6000
    await until(lambda: exposed(recorder.meter)["sales_recorder_queue_rows"].samples[0].value == 0)


def test_a_row_that_is_there_already_is_no_error(recorder: Recorder, database: Database) -> None:
    for _ in range(3):
        for number in range(10):
            recorder.record_prediction("m", "1", number, 0.5, prediction_id=f"p{number}")
        recorder.record_outcome("x", 1, observed_at=NOON)
        recorder.record_call("c", direction="inbound", agent_kind="ai", started_at=NOON, ended_at=NOON, outcome="busy")
        assert recorder.flush(10)
    assert database.rows("SELECT (SELECT count(*) FROM sales.model_predictions), (SELECT count(*) FROM sales.calls),"
                         " (SELECT count(*) FROM sales.model_outcomes)") == [(10, 1, 1)]
    assert dropped(recorder.meter, "rejected") == 0
    assert value(recorder.meter, "sales_recorder_written_rows_total", "model_predictions") == 30


def test_a_row_that_the_database_refuses_is_dropped_and_its_neighbours_land(
    recorder: Recorder, database: Database
) -> None:
    database.execute("ALTER TABLE sales.model_predictions ADD CHECK (subject_id NOT LIKE 'bad%%')")
    for number in range(1000):
        recorder.record_prediction("m", "1", f"bad-{number}" if number in (0, 333, 334, 999) else number, 0.5)
    recorder.record_outcome("x", 1)
    assert recorder.flush(20)
    assert database.rows("SELECT count(*), count(DISTINCT subject_id) FROM sales.model_predictions") == [(996, 996)]
    assert database.rows("SELECT count(*) FROM sales.model_outcomes") == [(1,)]
    assert dropped(recorder.meter, "rejected") == 4
    assert recorder.writer is not None
    assert recorder.writer.queued == 0


def test_rows_of_a_wrong_kind_given_to_the_writer_itself_are_dropped_alone(login: Login, database: Database) -> None:
    writer = Writer(login.dsn, delay=0.02)
    # No application gets such a row past the recorder.
    for row in [("j1", "c", True, NOON), ("j2", "\ud800", True, NOON), ("j3", "c", "maybe", NOON),
                ("j4", "c", False, NOON)]:
        writer.put("call_judgements", row)
    assert writer.flush(10)
    assert database.rows("SELECT judgement_id FROM sales.call_judgements ORDER BY 1") == [("j1",), ("j4",)]
    assert dropped(writer.meter, "rejected", "call_judgements") == 2
    writer.close()


def test_a_relation_that_is_missing_holds_up_no_other_and_is_written_when_it_comes(
    recorder: Recorder, database: Database
) -> None:
    database.execute("ALTER TABLE sales.model_predictions RENAME TO elsewhere")
    recorder.record_prediction("m", "1", 1, 0.5)
    recorder.record_outcome("x", 1)
    assert not recorder.flush(0.5)
    assert database.rows("SELECT count(*) FROM sales.model_outcomes") == [(1,)]
    assert value(recorder.meter, "sales_recorder_write_errors_total", "schema") >= 1
    database.execute("ALTER TABLE sales.elsewhere RENAME TO model_predictions")
    assert recorder.flush(10)
    assert database.rows("SELECT count(*) FROM sales.model_predictions") == [(1,)]


def test_a_lock_on_the_table_is_waited_out(login: Login, database: Database) -> None:
    writer = Writer(login.dsn, delay=0.02, retry_seconds=0.1, write_seconds=0.5)
    recorder = Recorder(writer=writer)
    with psycopg.connect(database.owner.dsn) as holder:
        holder.execute("LOCK TABLE sales.model_predictions IN ACCESS EXCLUSIVE MODE")
        recorder.record_prediction("m", "1", 1, 0.5)
        assert not recorder.flush(1.0)
        assert value(recorder.meter, "sales_recorder_write_errors_total", "busy") >= 1
    assert recorder.flush(10)
    assert database.rows("SELECT count(*) FROM sales.model_predictions") == [(1,)]
    recorder.close()


def test_a_database_that_is_down_at_the_start_gets_the_rows_when_it_is_up(
    login: Login, database: Database, tmp_path: Path
) -> None:
    secret = tmp_path / "dsn"
    secret.write_text(Login(free_port(), login.user, login.password, login.database).dsn)
    recorder = Recorder(writer=Writer(dsn_file=secret, delay=0.02, retry_seconds=0.1))
    for number in range(100):
        recorder.record_prediction("m", "1", number, 0.5)
    assert not recorder.flush(0.3)
    assert value(recorder.meter, "sales_recorder_write_errors_total", "connect") >= 1
    assert value(recorder.meter, "sales_recorder_queue_rows") == 100
    secret.write_text(login.dsn + "\n")
    assert recorder.flush(10)
    assert database.rows("SELECT count(*) FROM sales.model_predictions") == [(100,)]
    recorder.close()


@pytest.mark.parametrize("dsn", [
    "host=127.0.0.1 port={free} user=x password=hunter2 dbname=sales",
    "host=127.0.0.1 port={port} user=sales_recorder password=hunter2 dbname=sales",
    "postgresql://x:hunter2%ZZ@127.0.0.1/sales",
    "no connection string hunter2",
])
def test_s1_what_is_wrong_with_a_connection_is_told_without_the_password(
    dsn: str, login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(writer=Writer(dsn.format(free=free_port(), port=login.port), delay=0.02, retry_seconds=0.05))
    recorder.record_prediction("m", "1", 1, 0.5)
    assert not recorder.close(0.3)
    assert dropped(recorder.meter, "closed") == 1
    assert "connect" in caplog.text
    assert "hunter2" not in caplog.text
    assert "hunter2" not in repr(vars(recorder)) + repr(vars(recorder.writer))


def test_what_is_recorded_after_the_end_is_counted(recorder: Recorder) -> None:
    recorder.record_prediction("m", "1", 1, 0.5)
    assert recorder.close()
    assert recorder.close()
    recorder.record_prediction("m", "1", 1, 0.5)
    recorder.record_prediction("m", "1", None, 0.5)
    assert (dropped(recorder.meter, "closed"), dropped(recorder.meter, "invalid")) == (1, 1)
    assert value(recorder.meter, "sales_app_predictions_total", "m", "1") == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "sales-recorder" and thread.is_alive()
                and recorder.writer is not None and thread is recorder.writer._thread]


def child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, **environment})


def test_rows_that_are_left_at_the_end_of_a_process_are_written(login: Login, database: Database) -> None:
    done = child("import os; from sales_exporter.instrumentation.recorders import Recorder\n"
                 "r = Recorder(os.environ['DSN'])\n"
                 "for n in range(5000): r.record_prediction('m', '1', n, 0.5)\n", DSN=login.dsn)
    assert (done.returncode, done.stderr) == (0, "")
    assert database.rows("SELECT count(DISTINCT subject_id) FROM sales.model_predictions") == [(5000,)]


def test_the_end_of_a_process_is_not_held_up_by_a_database_that_is_away() -> None:
    done = child("import os, time, atexit; from sales_exporter.instrumentation.recorders import Recorder, Writer\n"
                 "began = time.monotonic()\n"
                 "import atexit\n"
                 "r = Recorder(writer=Writer(os.environ['DSN'], exit_seconds=0.5))\n"
                 "r.record_prediction('m', '1', 1, 0.5)\n"
                 "from sales_exporter.instrumentation.recorders import writer\n"
                 "atexit.unregister(writer._leave)\n"
                 "atexit.register(lambda: print(time.monotonic() - began, r.writer.queued))\n"
                 "atexit.register(writer._leave)\n",
                 DSN=f"host=127.0.0.1 port={free_port()} user=x password=y")
    seconds, queued = done.stdout.split()
    assert 0.4 < float(seconds) < 3.0
    assert (queued, done.stderr) == ("0", "recorder cannot write: connect\n")


def test_a_forked_child_writes_its_own_rows_and_leaves_the_parents_alone(login: Login, database: Database) -> None:
    done = child("""
import json, os
from sales_exporter.instrumentation.recorders import Recorder
r = Recorder(os.environ["DSN"])
r.record_prediction("m", "1", "before", 0.5)
r.flush(10)
for n in range(200):
    r.record_prediction("m", "1", f"parent-{n}", 0.5)
children = []
for c in range(3):
    pid = os.fork()
    if not pid:
        queued = r.writer.queued
        for n in range(200):
            r.record_prediction("m", "1", f"child-{c}-{n}", 0.5)
        clean = r.close(10)
        os._exit(0 if clean and queued == 0 else 1)
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
r.record_prediction("m", "1", "after", 0.5)
print(json.dumps([codes, r.close(10)]))
""", DSN=login.dsn)
    assert json.loads(done.stdout) == [[0, 0, 0], True], done.stderr
    assert done.stderr == ""
    rows = [row[0] for row in database.rows("SELECT subject_id FROM sales.model_predictions")]
    assert len(rows) == len(set(rows)) == 2 + 200 + 3 * 200


@pytest.fixture(scope="module")
def role(databases: Databases) -> Login:
    """The role's login to a database that no other test writes to."""
    return fresh(databases)[1]


@pytest.mark.parametrize("statement", [
    "SELECT * FROM sales.model_predictions", "SELECT prediction_id FROM sales.model_predictions",
    "SELECT * FROM sales.leads",
    "UPDATE sales.model_predictions SET score = 0", "DELETE FROM sales.calls", "TRUNCATE sales.calls",
    "INSERT INTO sales.leads (lead_id, created_at) VALUES ('a', now())",
    "INSERT INTO sales.call_judgements (judgement_id, call_id, success, judged_at, recorded_tx)"
    " VALUES ('a', 'b', true, now(), '1')",
    "CREATE TABLE sales.mine (x int)", "SELECT * FROM pg_authid", "SELECT pg_read_file('/etc/passwd')",
    "COPY sales.calls TO STDOUT", "SET ROLE postgres", "SELECT nextval('sales.lead_revision_number')",
])
def test_s3_the_recorders_role_does_nothing_else(role: Login, statement: str) -> None:
    with psycopg.connect(role.dsn) as connection, pytest.raises(pg.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_the_recorders_role_needs_no_temporary_tables_and_carries_its_limits(
    login: Login, database: Database, recorder: Recorder
) -> None:
    database.execute(f"REVOKE TEMPORARY ON DATABASE {login.database} FROM PUBLIC")
    recorder.record_prediction("m", "1", 1, 0.5)
    assert recorder.flush(10)
    with psycopg.connect(login.dsn) as connection:
        assert connection.execute(
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), rolconnlimit"
            " FROM pg_roles WHERE rolname = current_user").fetchall() == [("30s", "5s", 32)]


def test_the_grants_name_every_column_that_is_recorded() -> None:
    script = contract.recorder_role_sql()
    for relation in RELATIONS:
        listed = script.split(f'"{relation.name}": [', 1)[1].split("]", 1)[0]
        assert [name.strip().strip('"') for name in listed.split(",")] == [name for name, _ in relation.columns]

"""The check against servers that refuse, freeze, stand by, or hide behind a pooler; no secret is ever shown."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from sales_exporter.config import Business, Stage
from sales_exporter.contract import role_sql, schema_sql
from sales_exporter.contract.catalog import Role
from sales_exporter.contract.checker import Checker
from sales_exporter.contract.findings import Finding, Report
from sales_exporter.contract.server import pooler_findings, role_findings, server_findings
from sales_exporter.demo.postgres import Postgres, create_role, free_port, running
from tests.contract import healthy
from tests.support.databases import Database, Databases

CANARY = "canary-7f3a"
SERVER = {"version": 180000, "standby": False, "clock": 1000.0, "has_schema": True, "may_use_schema": True}


def report(dsn: str, seconds: float = 5.0) -> Report:
    return Checker(SecretStr(dsn), Business(), time.time, seconds).run()


def only(found: Report) -> Finding:
    (finding,) = found.findings
    return finding


@pytest.mark.parametrize(
    ("change", "code", "severity"), [
        ({"version": 130012}, "server_version", "error"),
        ({"standby": True}, "standby", "warning"),
        ({"has_schema": False, "may_use_schema": False}, "schema_missing", "error"),
        ({"may_use_schema": False}, "schema_not_readable", "error"),
        ({"clock": 1031.0}, "clock_skew", "error"),
        ({"clock": 969.0}, "clock_skew", "error"),
    ],
)
def test_server_rule(change: dict[str, object], code: str, severity: str) -> None:
    (finding,) = server_findings({**SERVER, **change}, 1000.0)
    assert (finding.code, finding.severity) == (code, severity)


@pytest.mark.parametrize("clock", [970.0, 1000.0, 1030.0])
def test_small_skew_is_no_finding(clock: float) -> None:
    assert list(server_findings({**SERVER, "clock": clock}, 1000.0)) == []


@pytest.mark.parametrize(
    ("ours", "other", "shared"), [
        ((7, 7), 8, False), ((7, 7), 7, True), ((7, 9), 7, True), ((7, 9), 8, True),
    ],
)
def test_shared_server_process_is_a_pooler_in_transaction_mode(
    ours: tuple[int, ...], other: int, shared: bool
) -> None:
    assert [finding.code for finding in pooler_findings(ours, other)] == ["pooler_transaction_mode"] * shared


@pytest.mark.parametrize("change", [{"may_create": True}, {"attributes": True}, {"memberships": ("pg_read_all_data",)}])
def test_powers_beyond_reading_are_too_wide(change: dict[str, object]) -> None:
    facts: dict[str, object] = {
        "superuser": False, "attributes": False, "connections": 5, "settings": frozenset({
            "default_transaction_read_only", "statement_timeout", "lock_timeout",
            "idle_in_transaction_session_timeout", "client_connection_check_interval"}),
        "may_create": False, "memberships": (), "other_relations": 0,
    }
    (finding,) = role_findings(Role(**{**facts, **change}), {})  # type: ignore[arg-type]
    assert (finding.code, finding.severity) == ("rights_too_wide", "error")


def test_nobody_listening_is_said_in_one_finding() -> None:
    finding = only(report(f"host=127.0.0.1 port={free_port()} user=u password={CANARY} dbname=d"))
    assert finding.code == "connection"
    assert "nobody listens" in finding.message


def test_unknown_host_is_said() -> None:
    finding = only(report(f"host=nowhere.invalid user=u password={CANARY} dbname=d"))
    assert "host name is unknown" in finding.message


@pytest.mark.parametrize(
    "dsn", [
        f"postgresql://u:{CANARY}%zz@127.0.0.1/d", f"postgresql://u:{CANARY}@127.0.0.1:port/d",
        f"host=127.0.0.1 password='{CANARY}", f"nonsense {CANARY}", f"host=127.0.0.1 {CANARY}=1",
    ],
)
def test_s1_broken_dsn_never_shows_its_password(dsn: str) -> None:
    found = report(dsn)
    assert only(found).code == "connection"
    assert CANARY not in found.as_text() + found.as_json()


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "words"), [
        ({"password": CANARY}, "password or the user is wrong"),
        ({"user": CANARY}, "password or the user is wrong"),
        ({"dbname": CANARY}, "database does not exist"),
    ],
)
def test_refused_login_is_explained_without_the_secret(postgres: Postgres, change: dict[str, str], words: str) -> None:
    found = report(psycopg.conninfo.make_conninfo(postgres.login(database="postgres").dsn, **change))
    assert words in only(found).message
    assert CANARY not in found.as_text() + found.as_json()


@pytest.mark.postgres
def test_role_without_login_is_explained(databases: Databases) -> None:
    database = databases.fresh()
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS silent; CREATE ROLE silent PASSWORD 'p'")
    finding = only(report(psycopg.conninfo.make_conninfo(database.owner.dsn, user="silent", password="p")))
    assert "may not log in" in finding.message


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[tuple[Postgres, Database]]:
    """A server of the test's own, with the contract and rows in it, to be frozen or stopped."""
    for part in (tmp_path, *tmp_path.parents):
        if part.owner() == "root" and part.name.startswith(("pytest-", "test_")):
            part.chmod(0o711)
    with running(tmp_path / "cluster", fsync="off", full_page_writes="off") as server:
        owner = server.login()
        with psycopg.connect(owner.dsn, autocommit=True) as connection:
            connection.execute(schema_sql().encode())
            connection.execute(healthy.ROWS.encode())
        yield server, Database(owner, create_role(owner, role_sql(), "sales_exporter", "p"))


@pytest.mark.postgres
def test_check_of_a_frozen_server_ends(own_server: tuple[Postgres, Database]) -> None:
    server, database = own_server
    dsn = psycopg.conninfo.make_conninfo(database.reader.dsn, connect_timeout=2)
    started = time.monotonic()
    try:
        found = Checker(SecretStr(dsn), Business(), _freezing(server), seconds=0.5).run()
    finally:
        _signal_all(server, signal.SIGCONT)
    assert only(found).code == "connection"
    assert time.monotonic() - started < 6


@pytest.mark.postgres
def test_standby_is_told(own_server: tuple[Postgres, Database]) -> None:
    server, database = own_server
    server.stop()
    (server.folder / "data" / "standby.signal").touch()
    server.start()
    found = report(database.reader.dsn)
    assert [finding.code for finding in found.findings] == ["standby"]


def _freezing(server: Postgres) -> Callable[[], float]:
    """A clock that freezes the server when it is first read, which is when a session is open."""
    def now() -> float:
        _signal_all(server, signal.SIGSTOP)
        return time.time()
    return now


def _signal_all(server: Postgres, number: signal.Signals) -> None:
    postmaster = psutil.Process(server.pid)
    for process in (*postmaster.children(recursive=True), postmaster):
        process.send_signal(number)


@pytest.mark.postgres
@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="no pgbouncer on PATH")
@pytest.mark.parametrize(("mode", "codes"), [("transaction", ["pooler_transaction_mode"]), ("session", [])])
def test_pgbouncer_in_transaction_mode_is_told(
    databases: Databases, tmp_path: Path, mode: str, codes: list[str]
) -> None:
    database, port = databases.fresh(), free_port()
    tmp_path.joinpath("users.txt").write_text(f'"{database.reader.user}" "{database.reader.password}"\n')
    config = tmp_path / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host=127.0.0.1 port={database.reader.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {tmp_path}/users.txt\n"
        f"pool_mode = {mode}\nignore_startup_parameters = extra_float_digits\nlogfile = {tmp_path}/log\n")
    for path in (tmp_path, *tmp_path.parents):
        if path.name.startswith(("pytest-", "test_")):
            path.chmod(0o777)
    pooler = subprocess.Popen(["pgbouncer", *(["-u", "nobody"] if os.geteuid() == 0 else []), str(config)])
    try:
        dsn = psycopg.conninfo.make_conninfo(database.reader.dsn, port=port)
        _wait(dsn)
        assert [f.code for f in report(dsn).findings if f.code != "role_limits"] == codes
    finally:
        pooler.terminate()
        pooler.wait(10)


def _wait(dsn: str) -> None:
    limit = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.mark.postgres
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), min_size=1, max_size=64),
    min_size=2, max_size=4, unique=True))
def test_s4_hostile_stage_names_are_values(databases: Databases, names: list[str]) -> None:
    database = _loaded(databases)
    stages = (*(Stage(name=name, kind="open") for name in names), Stage(name="'; DROP SCHEMA sales; --", kind="won"))
    if len({stage.name for stage in stages}) < len(stages):
        return
    found = Checker(SecretStr(database.reader.dsn), Business(stages=stages), time.time).run()
    assert {finding.code for finding in found.findings} <= {"unknown_stage"}
    assert len(found.present) == 17


def _loaded(databases: Databases, made: dict[int, Database] = {}) -> Database:  # noqa: B006  (one for all examples)
    if id(databases) not in made:
        made[id(databases)] = database = databases.fresh()
        with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
            connection.execute(healthy.ROWS.encode())
    return made[id(databases)]

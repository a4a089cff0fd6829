"""The source under faults: passes end in time, connections stay few, errors are of a closed set."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.demo.postgres import Login, Postgres, free_port, running
from sales_exporter.errors import (
    ContractViolation,
    DeadlineExceeded,
    LockTimeout,
    RowBudgetExceeded,
    SourceError,
    SourceUnavailable,
)
from sales_exporter.runtime.database import LARGE_ANSWER, Database
from tests.support.clocks import until
from tests.support.databases import Database as Fresh
from tests.support.databases import Databases
from tests.support.proxy import Proxy

pytestmark = pytest.mark.postgres


@pytest.fixture
def fresh(databases: Databases) -> Fresh:
    return databases.fresh()


@pytest.fixture
async def database(fresh: Fresh) -> AsyncIterator[Database]:
    source = Database(SecretStr(fresh.reader.dsn), config.Database())
    yield source
    await source.close()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Postgres]:
    """A server of this test's own, to stop, freeze and kill."""
    for part in (tmp_path, *tmp_path.parents):
        if part.stat().st_uid == os.geteuid() and str(part).startswith("/tmp/pytest"):
            part.chmod(0o711)
    with running(tmp_path / "cluster", fsync="off") as server:
        yield server


async def ask(database: Database, sql: str = "SELECT 1 AS one", deadline: float = 5.0) -> list[dict[str, object]]:
    async with database.reader(deadline) as reader:
        return await reader.fetch(sql)


async def test_a_pass_sees_one_snapshot_while_rows_are_written(fresh: Fresh, database: Database) -> None:
    async with database.reader(5.0) as reader:
        before = await reader.fetch("SELECT count(*) AS n FROM sales.channels")
        fresh.execute("INSERT INTO sales.channels (channel_id, name, kind) VALUES ('a', 'A', 'paid')")
        assert await reader.fetch("SELECT count(*) AS n FROM sales.channels") == before
    assert (await ask(database, "SELECT count(*) AS n FROM sales.channels"))[0]["n"] == 1


@pytest.mark.parametrize("dsn", [
    pytest.param("host=127.0.0.1 port={free} user=x password=hunter2 dbname=sales", id="nothing listens"),
    pytest.param("host=127.0.0.1 port={port} user=sales_exporter password=hunter2 dbname=sales", id="wrong password"),
    pytest.param("host=no-such-host.invalid user=x password=hunter2", id="unknown host"),
    pytest.param("postgresql://x:hunter2%ZZ@127.0.0.1/sales", id="broken escape"),
])
async def test_r1_a_source_that_is_away_is_an_error_of_the_pass_without_the_password(
    dsn: str, postgres: Postgres
) -> None:
    database = Database(SecretStr(dsn.format(free=free_port(), port=postgres.port)), config.Database())
    with pytest.raises(SourceUnavailable) as caught:
        await ask(database)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__suppress_context__}"


async def test_r2_at_most_one_pass_fails_when_backends_are_killed_again_and_again(
    fresh: Fresh, database: Database
) -> None:
    failures = 0
    for _ in range(50):
        fresh.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sales_exporter'"
                      " AND datname = current_database()")
        try:
            await ask(database)
        except SourceError:
            failures += 1
    assert failures <= 1


async def test_r2_a_server_that_crashed_is_used_again_after_its_restart(own_server: Postgres) -> None:
    database = Database(SecretStr(own_server.login().dsn), config.Database())
    await ask(database)
    own_server.stop(signal.SIGKILL)
    with pytest.raises(SourceUnavailable):
        await ask(database)
    own_server.start()
    assert await ask(database) == [{"one": 1}]
    await database.close()


async def test_r2_never_more_than_two_connections(fresh: Fresh, database: Database) -> None:
    passes = [asyncio.create_task(ask(database, "SELECT pg_sleep(0.05)")) for _ in range(10)]
    most = 0
    while not all(task.done() for task in passes):
        rows = await asyncio.to_thread(
            fresh.rows, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'sales_exporter'"
                        " AND datname = current_database()")
        most = max(most, int(str(rows[0][0])))
    await asyncio.gather(*passes)
    assert 1 <= most <= 2


async def test_r3_a_frozen_server_ends_a_pass_at_its_deadline(own_server: Postgres) -> None:
    database = Database(SecretStr(own_server.login(database="sales").dsn), config.Database())
    await ask(database)
    os.killpg(own_server.pid, signal.SIGSTOP)
    group = [child.pid for child in psutil.Process(own_server.pid).children(recursive=True)]
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(SourceError):
            await ask(database, deadline=0.5)
        assert time.monotonic() - began < 0.75
    finally:
        for pid in (own_server.pid, *group):
            os.kill(pid, signal.SIGCONT)
    await database.close()


@pytest.mark.parametrize("mode", ["deaf", "stall"])
async def test_r3_a_silent_network_ends_a_pass_at_its_deadline_and_heals(fresh: Fresh, mode: str) -> None:
    async with Proxy(fresh.reader.port) as proxy:
        login = Login(proxy.port, fresh.reader.user, fresh.reader.password, fresh.reader.database)
        database = Database(SecretStr(login.dsn), config.Database())
        if mode == "stall":
            await ask(database)
        proxy.set(mode)  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(SourceError):
            await ask(database, deadline=0.4)
        assert time.monotonic() - began < 0.6
        proxy.set("pass")
        assert await ask(database) == [{"one": 1}]
        await database.close()


async def test_r4_a_held_lock_costs_a_second_and_no_more_connections(fresh: Fresh, database: Database) -> None:
    with psycopg.connect(fresh.owner.dsn) as holder:
        holder.execute("LOCK TABLE sales.deals IN ACCESS EXCLUSIVE MODE")
        for _ in range(2):
            with pytest.raises((LockTimeout, DeadlineExceeded)):
                await ask(database, "SELECT count(*) AS n FROM sales.deals")
        rows = fresh.rows("SELECT count(*) FROM pg_stat_activity WHERE usename = 'sales_exporter'"
                          " AND datname = current_database()")
        assert int(str(rows[0][0])) <= 2


async def test_r5_a_slow_statement_is_ended_by_the_server(fresh: Fresh) -> None:
    database = Database(SecretStr(fresh.reader.dsn), config.Database(statement_timeout=0.1))
    with pytest.raises(DeadlineExceeded):
        await ask(database, "SELECT pg_sleep(5)")
    await database.close()


@pytest.mark.parametrize("sql", [
    pytest.param("SELECT * FROM sales.nothing_here", id="missing table"),
    pytest.param("SELECT no_such_column FROM sales.deals", id="missing column"),
    pytest.param("SELECT * FROM pg_catalog.pg_authid", id="no privilege"),
    pytest.param("SELECT 'x'::text::int", id="wrong type"),
    pytest.param("SELECT 1 / 0", id="division by zero"),
])
async def test_r6_what_the_contract_excludes_fails_this_pass_only(database: Database, sql: str) -> None:
    with pytest.raises(ContractViolation):
        await ask(database, sql)
    assert await ask(database) == [{"one": 1}]


async def test_r7_row_budget_stops_a_million_rows(fresh: Fresh) -> None:
    database = Database(SecretStr(fresh.reader.dsn), config.Database(row_budget=1000))
    with pytest.raises(RowBudgetExceeded):
        await ask(database, "SELECT generate_series(1, 1000000) AS n")
    assert len(await ask(database, "SELECT generate_series(1, 1000) AS n")) == 1000
    await database.close()


async def test_close_ends_a_pass_that_is_under_way(database: Database) -> None:
    task = asyncio.create_task(ask(database, "SELECT pg_sleep(0.9)"))
    await until(lambda: database.open_connections > 0)
    await database.close()
    with pytest.raises(SourceError):
        await task


async def test_a_pass_that_is_cancelled_at_any_moment_leaves_no_connection_behind(fresh: Fresh) -> None:
    async with Proxy(fresh.reader.port) as proxy:
        login = Login(proxy.port, fresh.reader.user, fresh.reader.password, fresh.reader.database)
        database = Database(SecretStr(login.dsn), config.Database(connections=1))
        assert await ask(database) == [{"one": 1}]
        proxy.set("stall")
        # The kept connection is being looked at, and its answer does not come.
        task = asyncio.create_task(ask(database, deadline=30))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert database.open_connections == 0
        proxy.set("pass")
        async with database.reader(5.0) as reader:
            await reader.fetch("SELECT 1 AS one")
            proxy.set("stall")
            closing = asyncio.create_task(reader.close(clean=True))
            await asyncio.sleep(0.05)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
        assert database.open_connections == 0
        proxy.set("pass")
        assert await ask(database) == [{"one": 1}]
        await database.close()


async def test_without_a_connection_string_the_source_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="dsn_file"):
        await ask(Database(None, config.Database()))


async def test_a_connection_that_brought_a_large_answer_is_not_kept(database: Database) -> None:
    for rows, kept in ((LARGE_ANSWER, 1), (LARGE_ANSWER + 1, 0)):
        async with database.reader(10.0) as reader:
            found = await reader.columns(f"SELECT generate_series(1, {rows}) AS n", ("n",))
        assert len(found["n"]) == rows
        assert database.open_connections == kept

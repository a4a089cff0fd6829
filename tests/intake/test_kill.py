"""Faults of the real world: a frozen database, a process killed again and again. What got 2xx is there exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from sales_exporter import contract
from sales_exporter.demo.postgres import Login, Postgres, free_port, running
from tests.support.clocks import until
from tests.support.databases import Database, Databases
from tests.support.intake import (
    SECRET,
    TOKEN,
    bearing,
    call,
    emptied,
    give,
    open_desk,
    post,
    prepared,
    settings,
    with_intake,
)
from tests.support.web import ask, served

pytestmark = [pytest.mark.postgres, pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Postgres]:
    """A server of this test's own, to freeze."""
    for part in (tmp_path, *tmp_path.parents):
        if part.stat().st_uid == os.geteuid() and str(part).startswith("/tmp/pytest"):
            part.chmod(0o711)
    with running(tmp_path / "cluster", fsync="off") as server:
        yield server


@contextlib.contextmanager
def frozen(server: Postgres) -> Iterator[None]:
    """The whole server stands still."""
    group = [server.pid, *(child.pid for child in psutil.Process(server.pid).children(recursive=True))]
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in group:
            os.kill(pid, signal.SIGCONT)


async def test_r23_with_the_database_frozen_the_intake_goes_on_until_the_spool_is_full(
    own_server: Postgres, tmp_path: Path
) -> None:
    owner = own_server.login(database="sales")
    with psycopg.connect(owner.dsn, autocommit=True) as connection:
        connection.execute(contract.schema_sql().encode())
    database = Database(owner, owner)
    login = with_intake(database)
    async with open_desk(settings(tmp_path, login.dsn, spool_events=60)) as (desk, address):
        await give(address, call("first"))
        await emptied(desk)
        with frozen(own_server):
            slowest = 0.0
            accepted = 0
            for number in range(70):
                began = time.monotonic()
                answer = await give(address, call(number))
                scrape = await ask(address)
                slowest = max(slowest, time.monotonic() - began)
                accepted += answer.status == 202
                assert (answer.status, scrape.status) == (202 if number < 60 else 503, 200)
            assert accepted == 60
            assert slowest < 1.0
            assert desk.report is not None
            assert desk.report.oldest is not None
        await emptied(desk, 40)
    assert database.rows("SELECT count(*), count(DISTINCT call_id) FROM sales.calls") == [(61, 61)]


class Served:
    """``sales-exporter serve`` with an intake, to be killed and started again."""

    def __init__(self, folder: Path, login: Login) -> None:
        self.address = ("127.0.0.1", free_port())
        self.log = folder / "log"
        for name, text in (("secret", SECRET), ("token", TOKEN), ("dsn", login.dsn)):
            (folder / name).write_text(text)
        self.config = folder / "sales.yml"
        self.config.write_text(json.dumps({
            "web": {"listen_address": [f"127.0.0.1:{self.address[1]}"]}, "storage": {"path": str(folder / "state")},
            "intake": {"dsn_file": str(folder / "dsn"), "requests_per_second": 5000, "burst": 5000,
                       "sources": {"bearing": {"mapping": "generic", "bearer_file": str(folder / "token")}}}}))
        self.child: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(  # noqa: ASYNC220  (returns at once)
                [sys.executable, "-m", "sales_exporter", "serve", f"--config.file={self.config}"],
                stdout=log, stderr=log)
        await served(self.address, "/-/healthy")

    def end(self, how: signal.Signals) -> int:
        assert self.child is not None
        self.child.send_signal(how)
        return self.child.wait(20)


async def _load(server: Served, worker: int, accepted: list[str], stop: asyncio.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        name = f"{worker}-{number}"
        body = json.dumps(call(name)).encode()
        # Without an answer nothing is promised, and a vendor would try again.
        while not stop.is_set():
            with contextlib.suppress(OSError):
                if (await post(server.address, "bearing", body, bearing())).status in (200, 202):
                    accepted.append(f"call-{name}")
                    break
            await asyncio.sleep(0.02)


async def test_r23_what_got_2xx_is_in_the_database_exactly_once_after_many_kills(
    databases: Databases, tmp_path: Path
) -> None:
    database, login = prepared(databases)
    server = Served(tmp_path, login)
    accepted: list[str] = []
    stop = asyncio.Event()
    await server.start()
    load = [asyncio.create_task(_load(server, worker, accepted, stop)) for worker in range(8)]
    for kill in range(5):
        wanted = len(accepted) + 60 + 25 * kill
        await until(lambda: len(accepted) >= wanted, 30)  # noqa: B023  (waited for here)
        server.end(signal.SIGKILL)
        await server.start()
    stop.set()
    await asyncio.gather(*load)
    assert await _written(database, accepted, 30) == set()
    assert database.rows("SELECT count(*) - count(DISTINCT call_id) FROM sales.calls") == [(0,)]
    # One event id for each call: none was written under two.
    ((rows,),) = database.rows("SELECT count(*) FROM sales.calls")
    assert database.rows("SELECT count(*) FROM sales_intake.events") == [(rows,)]
    assert server.end(signal.SIGTERM) == 0
    assert "Traceback" not in server.log.read_text()


async def test_r17_a_clean_end_drains_and_a_reload_keeps_the_intake(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)
    server = Served(tmp_path, login)
    await server.start()
    body = json.dumps(call(1)).encode()
    assert (await post(server.address, "bearing", body, bearing())).status == 202
    (tmp_path / "token").write_text("another-token-of-the-tests")
    assert server.child is not None
    server.child.send_signal(signal.SIGHUP)
    body = json.dumps(call(2)).encode()
    async with asyncio.timeout(10):
        renewed = bearing("another-token-of-the-tests")
        while (await post(server.address, "bearing", body, renewed)).status != 202:  # noqa: ASYNC110  (no event tells)
            await asyncio.sleep(0.02)
    assert (await post(server.address, "bearing", body, bearing())).status == 401
    began = time.monotonic()
    assert server.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    assert database.rows("SELECT call_id FROM sales.calls ORDER BY 1") == [("call-1",), ("call-2",)]


async def _written(database: Database, accepted: list[str], seconds: float) -> set[str]:
    """What is still missing after so long."""
    missing = set(accepted)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while missing:
                rows = await asyncio.to_thread(database.rows, "SELECT call_id FROM sales.calls")
                missing = set(accepted) - {str(one) for (one,) in rows}
                await asyncio.sleep(0.05)
    return missing

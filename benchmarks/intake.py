"""Webhook intake: events a second and latency over real HTTP, with the database frozen, and after kills.

    python benchmarks/intake.py [--seconds 10] [--clients 1 16 64] [--kills 10]

It starts ``sales-exporter serve`` as a process, with fsync on in the spool and in the database, and posts events of
calls over connections that are kept open. At the end it compares what was answered with 2xx with what is in the
database.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from sales_exporter import contract
from sales_exporter.demo.postgres import Login, Postgres, create_role, free_port, running

TOKEN = "a-token-of-the-benchmark"


@dataclass
class Load:
    """What clients saw."""

    accepted: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    refused: int = 0

    def told(self, what: str, took: float) -> str:
        ordered = sorted(self.seconds) or [0.0]
        p50, p99 = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        return (f"{what}: {len(self.accepted) / took:,.0f} events/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
                f"{len(self.accepted):,} accepted, {self.refused:,} refused")


class Serve:
    """The exporter as a process."""

    def __init__(self, folder: Path, login: Login) -> None:
        self.port = free_port()
        self._folder = folder
        (folder / "token").write_text(TOKEN)
        (folder / "dsn").write_text(login.dsn)
        (folder / "sales.yml").write_text(json.dumps({
            "web": {"listen_address": [f"127.0.0.1:{self.port}"], "max_connections_per_address": 200},
            "storage": {"path": str(folder / "state")},
            "intake": {"dsn_file": str(folder / "dsn"), "requests_per_second": 100_000, "burst": 100_000,
                       "spool_events": 1_000_000, "spool_bytes": 1 << 30,
                       "sources": {"bench": {"mapping": "generic", "bearer_file": str(folder / "token")}}}}))
        self.child: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self.child = subprocess.Popen(  # noqa: ASYNC220  (returns at once)
                [sys.executable, "-m", "sales_exporter", "serve", f"--config.file={self._folder / 'sales.yml'}"],
                stdout=log, stderr=log)
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.02)

    def end(self, how: signal.Signals) -> None:
        assert self.child is not None
        self.child.send_signal(how)
        self.child.wait(20)


def request(name: str) -> bytes:
    body = json.dumps({"id": name, "type": "call", "occurred_at": "2026-03-01T09:02:30Z", "data": {
        "call_id": name, "agent_kind": "ai", "direction": "outbound", "outcome": "answered", "lead_id": f"lead-{name}",
        "started_at": "2026-03-01T09:00:00Z", "ended_at": "2026-03-01T09:02:30Z", "talk_seconds": 150.0,
        "cost": "0.25", "currency": "EUR"}}).encode()
    return (f"POST /ingest/bench HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


async def client(port: int, name: str, load: Load, until: asyncio.Event) -> None:
    """Post one event after the other over one connection; a new one when it breaks."""
    number = 0
    while not until.is_set():
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                while not until.is_set():
                    number += 1
                    began = time.perf_counter()
                    writer.write(request(f"{name}-{number}"))
                    head = await reader.readuntil(b"\r\n\r\n")
                    lines = head.lower().split(b"\r\n")
                    await reader.readexactly(next(int(one[15:]) for one in lines if one.startswith(b"content-length")))
                    if head[9:12] == b"202":
                        load.accepted.append(f"{name}-{number}")
                        load.seconds.append(time.perf_counter() - began)
                    else:
                        load.refused += 1
            finally:
                writer.close()
        await asyncio.sleep(0.01)


async def loaded(serve: Serve, label: str, clients: int, seconds: float) -> tuple[Load, float]:
    load, until, began = Load(), asyncio.Event(), time.perf_counter()
    tasks = [asyncio.create_task(client(serve.port, f"{label}-{n}", load, until)) for n in range(clients)]
    await asyncio.sleep(seconds)
    until.set()
    await asyncio.gather(*tasks)
    return load, time.perf_counter() - began


async def scrapes(port: int, until: asyncio.Event) -> list[float]:
    """Latencies of scrapes beside the load."""
    found = []
    while not until.is_set():
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.read(-1)
        writer.close()
        found.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)
    return found


@contextlib.contextmanager
def frozen(server: Postgres):  # type: ignore[no-untyped-def]
    group = [server.pid, *(child.pid for child in psutil.Process(server.pid).children(recursive=True))]
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in group:
            os.kill(pid, signal.SIGCONT)


def in_database(owner: Login) -> tuple[int, set[str]]:
    with psycopg.connect(owner.dsn) as connection:
        rows = connection.execute("SELECT call_id FROM sales.calls").fetchall()
    return len(rows), {str(one) for (one,) in rows}


async def drained(owner: Login, accepted: list[str], seconds: float = 120.0) -> float:
    began = time.perf_counter()
    while set(accepted) - in_database(owner)[1]:
        if time.perf_counter() - began > seconds:
            raise SystemExit(f"lost: {len(set(accepted) - in_database(owner)[1])} events")
        await asyncio.sleep(0.1)
    return time.perf_counter() - began


async def run(folder: Path, server: Postgres, options: argparse.Namespace) -> None:
    owner = server.login(database="sales")
    with psycopg.connect(owner.dsn, autocommit=True) as connection:
        for script in (contract.schema_sql(), contract.intake_sql()):
            connection.execute(script.encode())
    serve = Serve(folder, create_role(owner, contract.intake_role_sql(), "sales_intake", "intake-password"))
    await serve.start()
    everything: list[str] = []
    for clients in options.clients:
        load, took = await loaded(serve, f"c{clients}", clients, options.seconds)
        everything += load.accepted
        print(load.told(f"{clients} connections", took), f"; drained {await drained(owner, everything):.1f} s later")
    until = asyncio.Event()
    with frozen(server):
        scraping = asyncio.create_task(scrapes(serve.port, until))
        load, took = await loaded(serve, "frozen", 16, options.seconds)
        until.set()
        beside = sorted(await scraping)
    everything += load.accepted
    print(load.told("16 connections, database frozen", took),
          f"; scrapes beside p99 {1000 * beside[int(0.99 * (len(beside) - 1))]:.0f} ms"
          f"; drained {await drained(owner, everything):.1f} s after the thaw")
    load, until = Load(), asyncio.Event()
    tasks = [asyncio.create_task(client(serve.port, f"kill-{n}", load, until)) for n in range(16)]
    for _ in range(options.kills):
        wanted = len(load.accepted) + 500
        while len(load.accepted) < wanted:  # noqa: ASYNC110  (counts tell no event)
            await asyncio.sleep(0.005)
        serve.end(signal.SIGKILL)
        await serve.start()
    until.set()
    await asyncio.gather(*tasks)
    everything += load.accepted
    await drained(owner, everything)
    rows, names = in_database(owner)
    print(f"{options.kills} kills under load: {len(load.accepted):,} accepted, {len(set(everything) - names)} lost, "
          f"{rows - len(names)} twice")
    serve.end(signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running(folder / "cluster") as server:
            asyncio.run(run(folder, server, options))


if __name__ == "__main__":
    main()

"""What a refresh of the funnel costs: the ledger's fold beside the queries of a plain SQL exporter, in one run.

    python benchmarks/refresh.py [--leads 1000000,3000000] [--rows 1000,10000] [--no-naive]

Loads a PostgreSQL of its own with the generator's benchmark preset, fills the ledger, then commits new transitions and
folds them. Database time is what EXPLAIN (ANALYZE, BUFFERS) gives for each statement of the fold, run again in the
same transaction; wall time is the fold as the exporter does it, its commit included. Medians of five folds. Prints a
table and a JSON line, and exits 1 when a bar is missed: 50 ms of database time for 1,000 rows and 0.5 s for 10,000 at
the first size, buffers within 10 % between sizes, 500 times less than the naive refresh, state at most 100 MB, a
running exporter at most 160 MiB, no statement of the fill above 5 s, a peak of the process that fills of at most
1,024 MiB (``fill_peak_mib``).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
from pydantic import SecretStr

from sales_exporter import contract
from sales_exporter.config import Business
from sales_exporter.config import Database as Settings
from sales_exporter.demo.generator import benchmark, generate, load
from sales_exporter.demo.postgres import Login, create_role, free_port, running
from sales_exporter.ledger.ledger import Ledger
from sales_exporter.ledger.sources import discover
from sales_exporter.ledger.store import Store
from sales_exporter.runtime.columns import aggregated
from sales_exporter.runtime.database import Database, Reader
from sales_exporter.runtime.ledgers import scheme_of
from sales_exporter.runtime.memory import give_back

REPEATS = 5
# What exporters that run SQL on a schedule ask for these figures, in one pass.
NAIVE = {
    "funnel of 30 days by channel": """
        SELECT l.channel_id, t.to_stage, count(DISTINCT t.lead_id) FROM sales.leads AS l
          JOIN sales.stage_transitions AS t USING (lead_id)
         WHERE l.created_at >= %(end)s::timestamptz - interval '30 days' AND NOT l.is_test GROUP BY 1, 2""",
    "distinct leads by stage": """
        SELECT to_stage, count(DISTINCT lead_id) FROM sales.stage_transitions GROUP BY 1""",
    "funnel of all time by channel": """
        SELECT l.channel_id, t.to_stage, count(DISTINCT t.lead_id) FROM sales.leads AS l
          JOIN sales.stage_transitions AS t USING (lead_id) WHERE NOT l.is_test GROUP BY 1, 2""",
    "stage durations": """
        SELECT stage, percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM left_at - entered))
          FROM (SELECT to_stage AS stage, occurred_at AS entered,
                       lead(occurred_at) OVER (PARTITION BY lead_id ORDER BY occurred_at, transition_id) AS left_at
                  FROM sales.stage_transitions) AS visit WHERE left_at IS NOT NULL GROUP BY 1""",
    "win rates of reps": """
        SELECT rep_id, count(*) FILTER (WHERE status = 'won')::float8 / nullif(count(*), 0) FROM sales.deals
         WHERE status <> 'open' GROUP BY 1""",
}


@dataclass
class Watch:
    """Statements of a pass, with what they took."""

    seconds: list[float] = field(default_factory=list)
    statements: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)


class Watched:
    """A reading that remembers what it was asked."""

    def __init__(self, reader: Reader, watch: Watch) -> None:
        self._reader = reader
        self._watch = watch

    async def fetch(self, sql: str, /, **parameters: object) -> list[dict[str, Any]]:
        """As the reader does."""
        began = time.perf_counter()
        rows = await self._reader.fetch(sql, **parameters)
        self._note(sql, parameters, began)
        return rows

    async def columns(self, sql: str, names: Sequence[str], /, **parameters: object) -> Mapping[str, Any]:
        """As the reader does."""
        began = time.perf_counter()
        found = await self._reader.columns(sql, names, **parameters)
        self._note(aggregated(sql, names), parameters, began)
        return found

    def _note(self, sql: str, parameters: Mapping[str, object], began: float) -> None:
        self._watch.seconds.append(time.perf_counter() - began)
        self._watch.statements.append((sql, parameters))


@dataclass(frozen=True)
class Fold:
    """One fold: database time and buffers by EXPLAIN, and wall time with the commit."""

    milliseconds: float
    buffers: int
    wall: float


@dataclass
class Size:
    """Everything measured at one size."""

    leads: int
    transitions: int = 0
    fill_seconds: float = 0.0
    longest_statement: float = 0.0
    fill_peak_mib: float = 0.0
    state_mb: float = 0.0
    rss_mib: float = 0.0
    folds: dict[int, Fold] = field(default_factory=dict)
    naive: dict[str, float] = field(default_factory=dict)


async def explained(dsn: str, statements: Sequence[tuple[str, Mapping[str, object]]]) -> tuple[float, int]:
    """Execution time in milliseconds and buffers of statements, one after the other."""
    total, buffers = 0.0, 0
    connection = await psycopg.AsyncConnection.connect(dsn)
    async with connection:
        await connection.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
        for sql, parameters in statements:
            cursor = await connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}".encode(), parameters or None)
            row = await cursor.fetchone()
            assert row is not None
            plan = row[0][0]
            total += plan["Execution Time"] + plan["Planning Time"]
            buffers += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return total, buffers


class Subject:
    """The ledger of one database, with everything that it asks watched."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.database = Database(SecretStr(dsn), Settings(statement_timeout=60.0))
        self.folder = folder
        self.watch = Watch()
        self.ledger: Ledger | None = None
        self.longest = 0.0

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator[Watched]:
        """One watched reading."""
        async with self.database.reader(600.0, 60.0) as db:
            yield Watched(db, self.watch)

    async def fill(self) -> None:
        """Open and fill."""
        async with self.database.reader(60.0) as db:
            relations = await db.relations()
        kinds = list(discover().values())
        store = Store(self.folder, [one for kind in kinds for one in kind.layouts],
                      [one for kind in kinds for one in kind.books])
        self.ledger = Ledger(scheme_of(Business()), store, relations)
        await self.fold()
        while await self.ledger.fill(self.reader):
            self.longest = max([self.longest, *self.watch.seconds])
            # The keys of all parts would count as memory of the fill.
            self.watch = Watch()
        await self.fold()

    async def fold(self) -> tuple[float, Watch]:
        """One fold; its seconds and its statements."""
        assert self.ledger is not None
        self.watch = Watch()
        began = time.perf_counter()
        async with self.reader() as db:
            await self.ledger.fold(db, time.time())
        return time.perf_counter() - began, self.watch

    async def close(self) -> None:
        """Close everything."""
        assert self.ledger is not None
        await self.ledger.close()
        await self.database.close()


def commit_transitions(owner: Login, leads: int, rows: int, chance: random.Random) -> None:
    """New transitions of random leads, in transactions of ten."""
    with psycopg.connect(owner.dsn, autocommit=True) as connection:
        ids = [one for (one,) in connection.execute(
            "SELECT lead_id FROM sales.leads TABLESAMPLE system (5) ORDER BY random() LIMIT %s", (rows,)).fetchall()]
        for start in range(0, rows, 10):
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at)"
                    " VALUES (%s, %s, 'contact', %s, now())",
                    [(f"new-{chance.random():.17f}-{i}", ids[i % len(ids)],
                      chance.choice(("qualified", "proposal", "lost"))) for i in range(start, min(rows, start + 10))])


def filled(dsn: str, folder: Path) -> tuple[float, float, float]:
    """A first fill: its seconds, those of its longest statement, and the peak memory of this process in MiB."""
    async def run() -> float:
        subject = Subject(dsn, folder)
        await subject.fill()
        await subject.close()
        return subject.longest

    began = time.perf_counter()
    longest = asyncio.run(run())
    seconds = time.perf_counter() - began
    # Not getrusage: what the parent held when this process was started counts there.
    status = Path("/proc/self/status").read_text()
    return seconds, longest, int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def measured(owner: Login, reader: Login, size: Size, rows: Sequence[int], folder: Path) -> None:
    """Take the state that was filled over, and fold."""
    subject, chance = Subject(reader.dsn, folder), random.Random(1)
    await subject.fill()
    for n in rows:
        found = []
        for _ in range(REPEATS):
            commit_transitions(owner, size.leads, n, chance)
            wall, watch = await subject.fold()
            found.append(Fold(*await explained(owner.dsn, watch.statements), wall))
        size.folds[n] = Fold(*(statistics.median(getattr(one, name) for one in found)
                               for name in ("milliseconds", "buffers", "wall")))
    await subject.close()


def naive(owner: Login) -> dict[str, float]:
    """Seconds of each of the plain queries, run once as they would be."""
    found = {}
    with psycopg.connect(owner.dsn, autocommit=True) as connection:
        row = connection.execute("SELECT max(created_at) FROM sales.leads").fetchone()
        assert row is not None
        for name, sql in NAIVE.items():
            began = time.perf_counter()
            connection.execute(sql.encode(), {"end": row[0]}).fetchall()
            found[name] = time.perf_counter() - began
    return found


def resident(reader: Login, folder: Path) -> float:
    """MiB of an exporter that took the state over and has served for half a minute."""
    secret = folder.parent / "dsn"
    secret.write_text(reader.dsn)
    port = free_port()
    command = [sys.executable, "-m", "sales_exporter", "serve", f"--storage.path={folder}",
               f"--database.dsn-file={secret}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with subprocess.Popen(command) as process:
        time.sleep(40)
        rss = psutil.Process(process.pid).memory_info().rss / 2**20
        process.terminate()
    return rss


def measure(leads: int, rows: Sequence[int], *, compare: bool) -> Size:
    """One size, in a cluster of its own."""
    size = Size(leads)
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running(folder / "cluster") as server:
            owner = server.login()
            with psycopg.connect(owner.dsn) as connection:
                connection.execute(contract.schema_sql().encode())
            reader = create_role(owner, contract.role_sql(), "sales_exporter", "reader-password")
            # Two years up to now: what is older than the windows is kept in coarser cells.
            tables, _ = generate(benchmark(leads, seed=1, until=datetime.now(UTC)))
            size.transitions = len(tables["stage_transitions"])
            load(owner.dsn, tables, lambda done, total, what: None)
            del tables
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=give_back) as pool:
                filling = pool.submit(filled, reader.dsn, folder / "state")
                size.fill_seconds, size.longest_statement, size.fill_peak_mib = filling.result()
            asyncio.run(measured(owner, reader, size, rows, folder / "state"))
            size.state_mb = sum(file.stat().st_size for file in (folder / "state").iterdir()) / 1e6
            if compare:
                size.naive = naive(owner)
                size.rss_mib = resident(reader, folder / "state")
    return size


def report(size: Size) -> None:
    """One size, printed."""
    print(f"\n{size.leads:,} leads, {size.transitions:,} transitions: filled in {size.fill_seconds:.1f} s, "
          f"longest statement of it {size.longest_statement:.2f} s, fill_peak_mib {size.fill_peak_mib:.0f}, "
          f"state {size.state_mb:.0f} MB")
    for n, fold in size.folds.items():
        print(f"  fold of {n:>6} new transitions: {fold.milliseconds:8.1f} ms in the database, "
              f"{fold.buffers:>8.0f} buffers, {fold.wall * 1000:8.1f} ms in all")
    for name, seconds in size.naive.items():
        print(f"  naive: {name:<32}{seconds:8.2f} s")
    if size.naive:
        ratio = sum(size.naive.values()) * 1000 / next(iter(size.folds.values())).milliseconds
        print(f"  naive refresh {sum(size.naive.values()):.1f} s, {ratio:.0f} times the fold; "
              f"running exporter {size.rss_mib:.0f} MiB")


def met(sizes: Sequence[Size]) -> dict[str, bool]:
    """Each bar."""
    first = sizes[0]
    bars = {f"{n}_rows": first.folds[n].milliseconds <= most
            for n, most in ((1_000, 50.0), (10_000, 500.0)) if n in first.folds}
    bars["state"] = first.state_mb <= 100
    bars["statements"] = first.longest_statement <= 5
    if first.naive:
        bars["ratio"] = sum(first.naive.values()) * 1000 >= 500 * next(iter(first.folds.values())).milliseconds
        bars["rss"] = first.rss_mib <= 160
    bars["fill_peak_mib"] = all(size.fill_peak_mib <= 1024 for size in sizes)
    for other in sizes[1:]:
        n = next(iter(first.folds))
        bars[f"buffers_at_{other.leads}"] = abs(other.folds[n].buffers / first.folds[n].buffers - 1) <= 0.1
    return bars


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", default="1000000,3000000")
    parser.add_argument("--rows", default="1000,10000")
    parser.add_argument("--no-naive", action="store_true", help="leave the plain queries and the running exporter out")
    options = parser.parse_args()
    rows = [int(one) for one in options.rows.split(",")]
    sizes = []
    for number, leads in enumerate(int(one) for one in options.leads.split(",")):
        sizes.append(measure(leads, rows, compare=number == 0 and not options.no_naive))
        report(sizes[-1])
    bars = met(sizes)
    print(json.dumps({"sizes": [asdict(size) for size in sizes], "met": bars}))
    if not all(bars.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""What recording costs the application, with the database healthy and with it frozen; and how fast rows land.

    python benchmarks/recorders.py [--calls 50000] [--rounds 3] [--flood 1000000]

One PostgreSQL of its own, one process for each case, cases interleaved, medians of the rounds. Each call of
``record_prediction`` is timed alone. frozen: the whole server is stopped by SIGSTOP before the first call and goes on
after the last one. healthy: calls as fast as they come, while the writer's thread competes for the interpreter. paced:
5,000 calls a second, the thread busy in between. After each case the rows in the database are counted: recorded =
landed + dropped, to the row. The flood is one more case with the server frozen; memory is read every 10,000 calls.
Ways to write a batch are compared in rows a second, with what they cost this process. Prints tables and a JSON line,
and exits 1 when a bar is missed: p99 of a call 50 µs (paced: above the same pace without a database, because on a busy
machine one call in fifty finds its processor's caches cold), memory 64 MiB above the start, counts exact, everything
within 90 s.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg

from sales_exporter import contract
from sales_exporter.demo.postgres import Login, Postgres, create_role, running
from sales_exporter.instrumentation.recorders import Recorder, Writer
from sales_exporter.instrumentation.recorders.relations import PREDICTIONS, Row
from sales_exporter.instrumentation.recorders.values import fresh_id

CASES = ("no database", "frozen", "healthy", "paced, no database", "paced")
PACE = 5000
P99_MICROSECONDS, MEMORY_MIB, SECONDS = 50.0, 64.0, 90.0


def case(name: str, dsn: str, calls: int) -> None:
    """One case, in a process of its own: prints what it saw, waits for a line, flushes, prints its counts."""
    recorder = Recorder() if "no database" in name else Recorder(dsn)
    process, taken = psutil.Process(), array("d", bytes(8 * calls))
    recorder.record_prediction("lead-score", "2026-11", "warm", 0.5)
    start = most = process.memory_info().rss
    clock, record = time.perf_counter, recorder.record_prediction
    opened = clock()
    for number in range(calls):
        while name.startswith("paced") and clock() < opened + number / PACE:
            pass
        subject = f"lead-{number}"
        began = clock()
        record("lead-score", "2026-11", subject, 0.5)
        taken[number] = clock() - began
        if number % 10_000 == 0:
            most = max(most, process.memory_info().rss)
    most = max(most, process.memory_info().rss)
    queued = recorder.writer.queued if recorder.writer is not None else 0
    ordered = sorted(taken)
    print(json.dumps({
        "median": ordered[calls // 2] * 1e6, "p99": ordered[calls * 99 // 100] * 1e6,
        "p999": ordered[calls * 999 // 1000] * 1e6, "worst": ordered[-1] * 1e6, "mib": (most - start) / 2**20,
        "queued": queued}), flush=True)
    sys.stdin.readline()
    flushed = recorder.flush(30)
    dropped = sum(sample.value for sample in recorder.meter.samples()
                  if sample.metric.name == "sales_recorder_dropped_rows_total")
    print(json.dumps({"flushed": flushed, "dropped": dropped, "recorded": calls + 1}), flush=True)


@contextmanager
def frozen(server: Postgres, wanted: bool) -> Iterator[None]:
    """The server stands still for the length of a block."""
    group = [server.pid, *(one.pid for one in psutil.Process(server.pid).children(recursive=True))] if wanted else []
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(group):
            os.kill(pid, signal.SIGCONT)


def run(server: Postgres, login: Login, name: str, calls: int) -> dict[str, Any]:
    """One case, from outside; ``exact`` says whether the database holds what was recorded and not dropped."""
    owner = server.login()
    with psycopg.connect(owner.dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE sales.model_predictions")
    command = [sys.executable, __file__, "--case", name, "--calls", str(calls)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "BENCHMARK_DSN": login.dsn}) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with frozen(server, name == "frozen"):
            found: dict[str, Any] = json.loads(child.stdout.readline())
        child.stdin.write("go\n")
        child.stdin.flush()
        found |= json.loads(child.stdout.readline())
    with psycopg.connect(owner.dsn) as connection:
        row = connection.execute(
            "SELECT count(*), count(DISTINCT subject_id) FROM sales.model_predictions").fetchone()
    assert row is not None
    found["landed"] = row[0]
    expected = 0 if "no database" in name else found["recorded"] - found["dropped"]
    found["exact"] = found["flushed"] and row[0] == row[1] == expected
    return found


def throughput(login: Login, rows: int) -> float:
    """Rows a second from the first call to the last row in the database, none dropped."""
    recorder = Recorder(writer=Writer(login.dsn, limit=rows))
    began = time.perf_counter()
    for number in range(rows):
        recorder.record_prediction("lead-score", "2026-11", number, 0.5)
    flushed = recorder.flush(60)
    seconds = time.perf_counter() - began
    dropped = sum(sample.value for sample in recorder.meter.samples()
                  if sample.metric.name == "sales_recorder_dropped_rows_total")
    recorder.close()
    if not flushed or dropped:
        raise SystemExit("rows were dropped while the database was healthy")
    return rows / seconds


def ways(server: Postgres) -> dict[str, dict[str, float]]:
    """Rows a second, and microseconds of this process a row, of three ways to write batches of 1000."""
    names = ", ".join(name for name, _ in PREDICTIONS.columns)
    insert = f"INSERT INTO sales.model_predictions ({names})"
    with psycopg.connect(server.login().dsn, autocommit=True) as connection:
        connection.execute(
            (f"CREATE TEMP TABLE stage ({', '.join(' '.join(column) for column in PREDICTIONS.columns)})"
             " ON COMMIT DELETE ROWS").encode())

        def arrays(rows: list[Row]) -> None:
            connection.pgconn.exec_params(PREDICTIONS.insert, PREDICTIONS.arrays(rows))

        def copied(rows: list[Row]) -> None:
            with connection.cursor().copy(f"COPY stage ({names}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
            connection.execute(f"{insert} SELECT * FROM stage ON CONFLICT DO NOTHING".encode())

        def inserted(rows: list[Row]) -> None:
            with connection.cursor() as cursor:
                marks = ", ".join(["%s"] * len(PREDICTIONS.columns))
                cursor.executemany(f"{insert} VALUES ({marks}) ON CONFLICT DO NOTHING".encode(), rows)

        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(3):
            for name, way in (("INSERT from arrays", arrays), ("COPY, then INSERT", copied), ("executemany", inserted)):
                found.setdefault(name, []).append(batches(connection, way))
    return {name: {"rows_per_second": statistics.median(rate for rate, _ in runs),
                   "cpu_microseconds": statistics.median(cpu for _, cpu in runs)} for name, runs in found.items()}


def batches(connection: psycopg.Connection[Any], way: Callable[[list[Row]], None]) -> tuple[float, float]:
    """Rows a second and microseconds of our own time a row, over ten batches."""
    now = datetime.now(UTC)
    made: list[list[Row]] = [
        [(fresh_id(now.timestamp()), "lead-score", "2026-11", "lead", f"lead-{n}", now, 2592000.0, n / 1000, None)
         for n in range(1000)] for _ in range(10)]
    began, cpu = time.perf_counter(), time.thread_time()
    for rows in made:
        connection.execute("BEGIN")
        way(rows)
        connection.execute("COMMIT")
    return 10_000 / (time.perf_counter() - began), (time.thread_time() - cpu) / 10_000 * 1e6


def measure(calls: int, rounds: int, flood: int) -> dict[str, Any]:
    """Everything."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running(folder / "cluster") as server:
            with psycopg.connect(server.login().dsn, autocommit=True) as connection:
                connection.execute(contract.schema_sql().encode())
            login = create_role(server.login(), contract.recorder_role_sql(), contract.RECORDER_ROLE, "benchmark")
            runs: dict[str, list[dict[str, Any]]] = {one: [] for one in CASES}
            for _ in range(rounds):
                for one in CASES:
                    runs[one].append(run(server, login, one, calls // 5 if one.startswith("paced") else calls))
            flooded = run(server, login, "frozen", flood)
            rate = statistics.median(throughput(login, 20_000) for _ in range(3))
            compared = ways(server)
    cases = {
        one: {key: statistics.median(found[key] for found in runs[one])
              for key in ("median", "p99", "p999", "worst", "dropped", "landed")}
        for one in CASES}
    exact = all(found["exact"] for some in runs.values() for found in some) and flooded["exact"]
    return {"cases": cases, "flood": flooded, "rows_per_second": rate, "ways": compared, "exact": exact,
            "seconds": time.perf_counter() - began}


def report(found: dict[str, Any]) -> None:
    """Tables."""
    print(f"{'record_prediction':<20}{'median':>10}{'p99':>10}{'p99.9':>10}{'worst':>12}{'landed':>10}{'dropped':>10}")
    for name, one in {**found["cases"], f"flood of {found['flood']['recorded'] - 1:,}": found["flood"]}.items():
        print(f"{name:<20}{one['median']:>7.1f} µs{one['p99']:>7.1f} µs{one['p999']:>7.1f} µs{one['worst']:>9.0f} µs"
              f"{one['landed']:>10.0f}{one['dropped']:>10.0f}")
    flood = found["flood"]
    print(f"\nflood: {flood['mib']:.1f} MiB above the start, {flood['queued']} rows queued at its end")
    print(f"recorded = landed + dropped in every case: {found['exact']}")
    print(f"healthy, none dropped: {found['rows_per_second']:,.0f} rows/s from the first call to the last row\n")
    for name, one in found["ways"].items():
        print(f"{name:<20}{one['rows_per_second']:>10,.0f} rows/s{one['cpu_microseconds']:>8.1f} µs of ours a row")
    print(f"\n{found['seconds']:.0f} s")


def met(found: dict[str, Any]) -> dict[str, bool]:
    """Each bar."""
    cases = found["cases"]
    return {
        **{f"p99 {name}": cases[name]["p99"] <= P99_MICROSECONDS for name in ("no database", "frozen", "healthy")},
        "p99 paced": cases["paced"]["p99"] - cases["paced, no database"]["p99"] <= P99_MICROSECONDS,
        "p99 flood": found["flood"]["p99"] <= P99_MICROSECONDS, "memory": found["flood"]["mib"] < MEMORY_MIB,
        "exact": found["exact"], "seconds": found["seconds"] < SECONDS}


def main() -> None:
    """Measure, or be one case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flood", type=int, default=1_000_000)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case(options.case, os.environ["BENCHMARK_DSN"], options.calls)
        return
    found = measure(options.calls, options.rounds, options.flood)
    report(found)
    bars = met(found)
    print(json.dumps({**found, "met": bars}))
    if not all(bars.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

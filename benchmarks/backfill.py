"""What a past of ninety days costs: `backfill --since 90d` as a user runs it, on a database of a million leads.

    python benchmarks/backfill.py [--leads 1000000] [--days 90]

Loads a PostgreSQL of its own with the generator's benchmark preset, two years up to now, runs the command as a process
of its own and watches it. Prints wall time, series, samples and the most memory that the process and its children held
together, and a JSON line; exits 1 when the command takes more than 120 s.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg

from sales_exporter import contract
from sales_exporter.demo.generator import benchmark, generate, load
from sales_exporter.demo.postgres import create_role, running

MOST_SECONDS = 120.0
POLL = 0.2


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    leads: int
    days: int
    seconds: float
    series: int
    samples: int
    peak_rss_mib: float

    @property
    def met(self) -> bool:
        """Whether it was quick enough."""
        return self.seconds <= MOST_SECONDS


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children hold now; pages that they share count for each."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total


def watched(command: list[str]) -> tuple[str, float, int]:
    """Output, seconds and most resident bytes of a command."""
    began, most = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as told, subprocess.Popen(command, stdout=told) as process:
        watch = psutil.Process(process.pid)
        while process.poll() is None:
            most = max(most, resident(watch))
            time.sleep(POLL)
        seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"backfill ended with status {process.returncode}")
        told.seek(0)
        return told.read(), seconds, most


def measure(leads: int, days: int) -> Run:
    """One run, on a cluster of its own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with running(folder / "cluster") as server:
            owner = server.login()
            with psycopg.connect(owner.dsn) as connection:
                connection.execute(contract.schema_sql().encode())
            reader = create_role(owner, contract.role_sql(), "sales_exporter", "reader-password")
            tables, _ = generate(benchmark(leads, seed=1, until=datetime.now(UTC)))
            load(owner.dsn, tables, lambda done, total, what: None)
            del tables
            secret = folder / "dsn"
            secret.touch(0o600)
            secret.write_text(reader.dsn)
            out, seconds, most = watched([
                sys.executable, "-m", "sales_exporter", "backfill", f"--database.dsn-file={secret}",
                f"--since={days}d", f"--out={folder / 'past'}"])
    counts = re.match(r"([\d,]+) series, ([\d,]+) samples", out)
    if counts is None:
        raise SystemExit(f"backfill said something else: {out[:200]}")
    series, samples = (int(count.replace(",", "")) for count in counts.groups())
    return Run(leads, days, seconds, series, samples, most / 2**20)


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90)
    options = parser.parse_args()
    run = measure(options.leads, options.days)
    print(f"{run.leads:,} leads, {run.days} days: {run.seconds:.1f} s (at most {MOST_SECONDS:.0f}), "
          f"{run.series:,} series, {run.samples:,} samples, at most {run.peak_rss_mib:.0f} MiB resident")
    print(json.dumps({**asdict(run), "met": run.met}))
    if not run.met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

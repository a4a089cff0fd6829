"""Quiet days stay quiet, and a bad one pages: the demo company's numbers, the shipped watches, the default budget.

    python benchmarks/quiet.py [--seeds 101 102 103 104 105] [--leads 36000] [--calls 1000]

For each seed the demo's generator invents a company without incidents and without a model that drifts, and the same
once more with an outage that makes most calls of one carrier fail for its last eight hours. Each is loaded into a
PostgreSQL, evaluated hour by hour by the real collectors, as ``up`` does, and put into the blocks of a real Prometheus.
The shipped watches are read from it as at a start of the sidecar: all but the last day teaches (and is replayed, so
that the budget knows the fleet), the last day is judged minute by minute with what pages in it. What no database
remembers (machine, applications, the exporter itself) is not there: it would be invented for this measurement.

Prints a line for each run and a JSON line; exits 1 when a quiet day pages, or no page of a bad one names the watch that
sees the outage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg

from sales_exporter import contract
from sales_exporter.config import Business, QueryApi, Settings
from sales_exporter.demo import generator
from sales_exporter.demo.binaries import Binaries, obtain
from sales_exporter.demo.generator import Incident, Preset
from sales_exporter.demo.postgres import Postgres, create_role, free_port, running
from sales_exporter.runtime import blocks
from sales_exporter.runtime import past as runtime_past
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import History, Scope
from sales_exporter.sidecar.judging.alarming import Page
from sales_exporter.sidecar.judging.core import REPLAY, Core
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats, Verdicts
from sales_exporter.sidecar.watches.files import shipped
from sales_exporter.sidecar.watches.watch import Watch

UNTIL = datetime(2026, 11, 19, 20, tzinfo=UTC)
"""A Thursday evening."""
DAY = 86_400.0
DAYS = 16
"""Days that are evaluated: a day to judge, and more than the fourteen that have to be known."""
OUTAGE = Incident("carrier_outage", "north", 0.0, 11, 8.0, 0.85)
WATCH = "call_failure_ratio"
"""What sees it."""


@dataclass(frozen=True)
class Odd:
    """One page."""

    watch: str
    series: str
    at: str
    severity: str
    channel: str
    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Run:
    """One day."""

    seed: int
    quiet: bool
    series: int
    level: float
    pages: tuple[Odd, ...]
    delay_minutes: float | None
    seconds: float

    @property
    def met(self) -> bool:
        """Whether it went as it has to."""
        return not self.pages if self.quiet else self.delay_minutes is not None


def company(seed: int, leads: int, calls: float, incidents: tuple[Incident, ...]) -> Preset:
    """The demo's company, of another size, without a script and without drift."""
    made = generator.demo(until=UNTIL, leads=leads, seed=seed, incidents=incidents)
    models = tuple(replace(model, drift_days_before=None) for model in made.models)
    return replace(made, models=models, calls_per_lead=calls * made.days / leads)


def past(server: Postgres, preset: Preset, programs: Binaries, watches: Sequence[Watch], tsdb: Path) -> None:
    """Blocks of what the watches read, evaluated from the company's data."""
    owner = server.login()
    with psycopg.connect(owner.dsn) as connection:
        connection.execute(contract.schema_sql().encode())
    reader = create_role(owner, contract.role_sql(), contract.ROLE, "reader-password")
    tables, _ = generator.generate(preset)
    generator.load(owner.dsn, tables, lambda done, total, what: None)
    hours, business = blocks.moments(preset.end, DAYS), Business()
    beginning = runtime_past.begin(reader.dsn, business, float(hours[0]), _unheard)
    # Each hour: how often costly figures are looked at must not hang on what else the machine does.
    evaluation = runtime_past.Past(reader.dsn, business, runtime_past.EVENLY)
    found = asyncio.run(evaluation.columns(beginning, hours.tolist()))
    series = blocks.columns(found, blocks.HOUR)
    asked = set(re.findall(r"\bsales_[a-z_]+", "".join(watch.query + (watch.denominator or "") for watch in watches)))
    labels = 'job="sales-exporter",instance="localhost:18880",cluster="demo",tenant="default"'
    blocks.make_blocks(programs.promtool, [one for one in series if one.name in asked], float(hours[0]), preset.end,
                       labels, tsdb, _unheard)


@contextlib.contextmanager
def prometheus(programs: Binaries, tsdb: Path) -> Iterator[str]:
    """The address of a Prometheus on these blocks."""
    url = f"http://127.0.0.1:{free_port()}"
    config = tsdb.parent / "prometheus.yml"
    config.write_text("global: {scrape_interval: 60s}\n")
    command = [programs.prometheus, f"--config.file={config}", f"--storage.tsdb.path={tsdb}",
               "--storage.tsdb.retention.time=10y", f"--web.listen-address={url.removeprefix('http://')}",
               *programs.prometheus_flags()]
    with (tsdb.parent / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        limit = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                break
            if time.monotonic() > limit:
                raise SystemExit((tsdb.parent / "prometheus.log").read_text()[-500:])
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


class Then:
    """A clock that stands at a moment of the past."""

    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        """The moment."""
        return self._at

    def monotonic(self) -> float:
        """Real, for durations."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Real, too."""
        await asyncio.sleep(seconds)


class Day:
    """Teaches with what was before a day, and collects what pages in it."""

    def __init__(self, watches: Sequence[Watch], settings: Settings, since: float) -> None:
        self.core = Core.of(watches, settings, since)
        self._since = since
        self._told: set[tuple[SeriesId, float]] = set()
        self.pages: list[Odd] = []
        self.seen: list[float] = []
        """When a page named the watch that sees the outage, also as a contributor."""

    def hear(self, at: float, ids: tuple[SeriesId, ...], values: Floats, verdicts: Verdicts, cases: Floats) -> None:
        """One moment of the past that was judged."""
        if at < self._since:
            self.core.alarming.learn(at, ids, values, verdicts, cases)
            return
        for page in self.core.alarming.step(at, ids, values, verdicts, cases):
            if any(one.series.watch == WATCH for one in page.cause.members):
                self.seen.append(at)
            key = page.cause.lead, page.cause.since
            if key not in self._told:
                self._told.add(key)
                self.pages.append(odd(page, at))


def odd(page: Page, at: float) -> Odd:
    """What is to be known of a page."""
    return Odd(page.watch.name, ",".join(f"{name}={value}" for name, value in page.series.labels),
               f"{datetime.fromtimestamp(at, UTC):%d %H:%M}", page.severity, page.channel, page.value,
               page.verdict.lower, page.verdict.upper)


async def judge(url: str, watches: Sequence[Watch], settings: Settings, end: float) -> tuple[Day, int]:
    """The last day before the end, and how many series there are."""
    day = Day(watches, settings, end - DAY)
    async with Client(QueryApi(url=url), SystemClock()) as client:
        scope = Scope(past=(DAYS - 0.5) * DAY)
        history = History(client, watches, day.core.detector, Then(end), scope)
        errors = await history.fill(None, day.hear, REPLAY + DAY)
        if errors:
            raise SystemExit(f"not read: {errors}")
        return day, len(history.ids)


def measure(programs: Binaries, preset: Preset) -> Run:
    """One day of one company."""
    began, watches = time.perf_counter(), shipped()
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        tsdb = Path(name) / "tsdb"
        # Quickly, not safely: it is thrown away.
        with running(Path(name) / "cluster", fsync="off", synchronous_commit="off", full_page_writes="off") as server:
            past(server, preset, programs, watches, tsdb)
        with prometheus(programs, tsdb) as url:
            day, series = asyncio.run(judge(url, watches, Settings(), preset.end))
    onset = UNTIL.replace(hour=OUTAGE.hour).timestamp()
    after = [at for at in day.seen if at >= onset] if preset.incidents else []
    delay = (after[0] - onset) / 60 if after else None
    return Run(preset.seed, not preset.incidents, series, round(day.core.alarming.standing(preset.end).level, 2),
               tuple(day.pages), delay, round(time.perf_counter() - began, 1))


def _unheard(done: int, total: int) -> None:
    """Nobody is told how far it is."""


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104, 105])
    parser.add_argument("--leads", type=int, default=36_000, help="of 120 days")
    parser.add_argument("--calls", type=float, default=1_000, help="a day")
    parser.add_argument("--servers", type=Path, default=Path(".sales-exporter"), help="folder for Prometheus")
    options = parser.parse_args()
    programs = obtain(options.servers, lambda text: print(text, file=sys.stderr))
    runs = []
    presets = [company(seed, options.leads, options.calls, incidents)
               for seed in options.seeds for incidents in ((), (OUTAGE,))]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for run in pool.map(partial(measure, programs), presets):
            runs.append(run)
            print(f"seed {run.seed} {'quiet' if run.quiet else 'outage'}: {run.series} series, level {run.level}, "
                  f"{len(run.pages)} pages, delay {run.delay_minutes}, {run.seconds} s, "
                  f"{'met' if run.met else 'MISSED'}", flush=True)
            for page in run.pages:
                print(f"    {page}", flush=True)
    print(json.dumps([{**asdict(run), "met": run.met} for run in runs]))
    if not all(run.met for run in runs):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

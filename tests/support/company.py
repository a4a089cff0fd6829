"""A company of the demo's generator whose clock can be moved: its past as blocks, its live mode, a real exporter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from sales_exporter.config import Business
from sales_exporter.demo import generator
from sales_exporter.demo.generator.live import Pace, live
from sales_exporter.demo.generator.world import Episode
from sales_exporter.demo.postgres import free_port
from sales_exporter.runtime import blocks, past
from tests.support import shop as shops
from tests.support.binaries import Program
from tests.support.databases import Database
from tests.support.shop import eventually

HOUR = 3_600.0
PAST = 15
"""Days of history."""
CALLS = 6_000.0
"""A day."""
LABELS = 'job="sales-exporter",instance="exporter",cluster="demo",tenant="default"'


def afternoon(now: float) -> float:
    """14 o'clock of the last weekday of which three hours more have passed."""
    day = datetime.fromtimestamp(now - 17 * HOUR, UTC).replace(hour=14, minute=0, second=0, microsecond=0)
    while day.weekday() > 4:
        day -= timedelta(days=1)
    return day.timestamp()


@dataclass
class Moved:
    """A clock that begins at a moment and runs ``speed`` times as fast; at 0 it stands."""

    start: float
    speed: float
    began: float = field(default_factory=time.monotonic)
    slept: set[float] = field(default_factory=set)

    def now(self) -> float:
        """Epoch seconds."""
        return self.start + self.speed * (time.monotonic() - self.began)

    def monotonic(self) -> float:
        """The same."""
        return self.now()

    async def sleep(self, seconds: float) -> None:
        """Wait so long by this clock."""
        self.slept.add(seconds)
        await asyncio.sleep(seconds / self.speed if self.speed else HOUR)


@contextlib.asynccontextmanager
async def writing(database: Database, clock: Moved, *episodes: Episode) -> AsyncIterator[None]:
    """The generator's live mode beside a block; what was missed is written when the block begins."""
    pace = Pace(writers=1, tick=30.0, restate=HOUR)
    task = asyncio.create_task(live(database.owner.dsn, clock, pace, episodes))
    try:
        limit = time.monotonic() + 60
        while not clock.slept >= {pace.tick, pace.restate}:
            assert not task.done(), task
            assert time.monotonic() < limit
            await asyncio.sleep(0.05)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def outage(since: float, hours: float) -> Episode:
    """Nearly all calls of one of three carriers fail."""
    return Episode("carrier_outage", "north", since, since + hours * HOUR, 0.95)


def load(database: Database, until: float) -> None:
    """The company's rows, without incidents and drift, until a moment."""
    made = generator.demo(until=datetime.fromtimestamp(until, UTC), leads=1_000, days=PAST + 2, seed=5, incidents=())
    preset = replace(made, calls_per_lead=CALLS * made.days / made.leads,
                     models=tuple(replace(model, drift_days_before=None) for model in made.models))
    tables, _ = generator.generate(preset)
    generator.load(database.owner.dsn, tables, lambda done, total, what: None)


def make_past(promtool: Program, database: Database, tsdb: Path, noon: float, moved: float) -> None:
    """Blocks of what the collector of calls said at each hour until ``noon``, all of it ``moved`` by so much."""
    hours, dsn = blocks.moments(noon + 1, PAST), database.reader.dsn
    beginning = past.begin(dsn, Business(), float(hours[0]), lambda done, total: None)
    # Of the collectors, those that need nothing but calls.
    beginning = replace(beginning, relations=frozenset({"calls"}))
    found = past.evaluate(dsn, Business(), beginning, hours.tolist(), lambda done, total: None)
    calls = [one for one in found if one.name == "sales_calls_total"]
    blocks.make_blocks(promtool.path, calls, float(hours[0]) + moved, noon + moved, LABELS, tsdb,
                       lambda done, total: None)


@contextlib.contextmanager
def exporter(folder: Path, database: Database) -> Iterator[int]:
    """The port of a real exporter that looks each second."""
    port, config, dsn = free_port(), folder / "exporter.yml", folder / "dsn"
    config.write_text(yaml.safe_dump({"collectors": {"calls": {"interval": 1}}}))
    dsn.write_text(database.reader.dsn)
    dsn.chmod(0o600)
    command = [sys.executable, "-m", "sales_exporter", "serve", f"--config.file={config}",
               f"--web.listen-address=127.0.0.1:{port}", f"--database.dsn-file={dsn}"]
    with (folder / "exporter.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
    try:
        eventually(lambda: "sales_calls_total{" in shops.fetch(f"http://127.0.0.1:{port}/metrics"),
                   "the exporter counts calls", 120)
        yield port
    finally:
        process.terminate()
        process.wait(20)

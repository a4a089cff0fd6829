"""Fills an empty database of the local stack: schema, read-only role, data, and the past for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psycopg
from pydantic import SecretStr

from sales_exporter import contract
from sales_exporter.collectors import Context, Pass, discover
from sales_exporter.config import Business
from sales_exporter.config import Database as DatabaseSettings
from sales_exporter.demo import generator, machine
from sales_exporter.demo.layout import CLUSTER, INSTANCES, TENANT
from sales_exporter.demo.postgres import Login, create_role
from sales_exporter.model import Sample
from sales_exporter.runtime import blocks
from sales_exporter.runtime.database import Database
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.runtime.past import NOT_EVALUATED, begin, evaluate

PAST_DAYS = 21
SEED = 7


class Report(Protocol):
    """How long steps tell how far they are."""

    def step(self, what: str) -> AbstractContextManager[Callable[[int, int], None]]:
        """A step with its name; what it yields takes (done, total)."""
        ...


@dataclass(frozen=True, slots=True)
class Past:
    """What was made of the past."""

    series: int
    samples: int


def prepare(superuser: Login, password: str, recorder_password: str) -> tuple[Login, Login]:
    """Create the schema and both roles; the logins of the exporter's and the recorder's. Again changes nothing."""
    with psycopg.connect(superuser.dsn) as connection:
        connection.execute(contract.schema_sql().encode())
    return (create_role(superuser, contract.role_sql(), contract.ROLE, password),
            create_role(superuser, contract.recorder_role_sql(), contract.RECORDER_ROLE, recorder_password))


def generate(superuser: Login, now: float, report: Report) -> None:
    """Load the demo company's data up to ``now``."""
    with report.step("inventing a company") as progress:
        tables, _ = generator.generate(generator.demo(until=datetime.fromtimestamp(now, UTC), seed=SEED))
        progress(1, 1)
    with report.step("loading its data") as progress:
        generator.load(superuser.dsn, tables, lambda done, total, what: progress(done, total), replace=True)


def make_past(reader: Login, promtool: Path, tsdb: Path, now: float, report: Report) -> Past:
    """Write the last three weeks of every series into ``tsdb``; Prometheus must not run on it yet."""
    business = Business()
    hours = blocks.moments(now, PAST_DAYS)
    fine = blocks.moments(now, PAST_DAYS, blocks.GAUGE_STEP)
    with report.step(f"reading what was {PAST_DAYS} days ago") as progress:
        beginning = begin(reader.dsn, business, float(hours[0]), progress)
    with report.step(f"evaluating {PAST_DAYS} days, hour by hour") as progress:
        series = evaluate(reader.dsn, business, beginning, hours.tolist(), progress)
    present = asyncio.run(_present(reader, business, now))
    series += blocks.columns(machine.past(present, fine, SEED), blocks.GAUGE_STEP)
    labels = f'job="sales-exporter",instance="{INSTANCES["sales-exporter"]}",cluster="{CLUSTER}",tenant="{TENANT}"'
    with report.step("making Prometheus blocks of them") as progress:
        samples = blocks.make_blocks(
            promtool, series, float(hours[0]), now, labels, tsdb, progress)
    return Past(len(series), samples)


async def _present(reader: Login, business: Business, now: float) -> Mapping[str, float]:
    """What the collectors that no database remembers say now."""
    database = Database(SecretStr(reader.dsn), DatabaseSettings(connections=1))
    passes = {name: Pass(kind.interval, success=True, duration=0.05, last_success=now, finished=True)
              for name, kind in discover().items()}
    samples: list[Sample] = []
    try:
        async with database.reader(30.0) as source:
            for name, kind in discover().items():
                if name in NOT_EVALUATED:
                    context = Context(now=now, wall=now, db=source, business=business, passes=passes,
                                      relations=await source.relations(), reload=(True, now))
                    collector = kind()
                    await collector.collect(context)
                    samples.extend(await collector.collect(context))
    finally:
        await database.close()
    return Renderer().values(samples)

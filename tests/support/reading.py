"""Runs one pass of a collector against a real database, as the exporter's read-only role."""

from __future__ import annotations

from datetime import datetime

from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.collectors import Collector, Context
from sales_exporter.model import Distribution, Sample
from sales_exporter.runtime import database as source
from tests.support.databases import Database

SECONDS = 30.0


async def collect(
    collector: Collector,
    database: Database,
    as_of: datetime,
    business: config.Business | None = None,
    relations: frozenset[str] | None = None,
) -> list[Sample]:
    """All samples of one pass at ``as_of``; ``relations`` are those the role can read unless given."""
    reader_of = source.Database(SecretStr(database.reader.dsn), config.Database(statement_timeout=SECONDS))
    try:
        async with reader_of.reader(SECONDS) as reader:
            found = await reader.relations() if relations is None else relations
            now = as_of.timestamp()
            context = Context(now=now, db=reader, business=business or config.Business(), relations=found, wall=now)
            return list(await collector.collect(context))
    finally:
        await reader_of.close()


def values(samples: list[Sample], name: str) -> dict[tuple[str, ...], float | Distribution]:
    """Label values to value of one metric; a test that expects a series which is not there fails on the key.

    Raises:
        AssertionError: two samples have the same labels.
    """
    found = [sample for sample in samples if sample.metric.name == name]
    by_labels = {sample.labels: sample.value for sample in found}
    assert len(by_labels) == len(found), f"{name} repeats a series"
    return by_labels


def number(samples: list[Sample], name: str, **labels: str) -> float | None:
    """The value of one series, None when it is absent."""
    for sample in samples:
        if sample.metric.name == name and dict(zip(sample.metric.labels, sample.labels, strict=True)) == labels:
            assert isinstance(sample.value, float)
            return sample.value
    return None

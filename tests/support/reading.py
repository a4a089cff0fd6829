"""Runs one pass of a collector against a real database, as the exporter's read-only role."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.collectors import Collector, Context
from sales_exporter.ledger.fill import Readers, recompute, rewrite
from sales_exporter.ledger.source import Moment, Names
from sales_exporter.ledger.sources import discover
from sales_exporter.ledger.view import View
from sales_exporter.model import Distribution, Sample
from sales_exporter.runtime import database
from sales_exporter.runtime.ledgers import scheme_of
from tests.support.databases import Database

SECONDS = 30.0


async def collect(
    collector: Collector,
    target: Database,
    as_of: datetime,
    business: config.Business | None = None,
    relations: frozenset[str] | None = None,
) -> list[Sample]:
    """All samples of one pass at ``as_of``; ``relations`` are those the role can read unless given."""
    reader_of = database.Database(SecretStr(target.reader.dsn), config.Database(statement_timeout=SECONDS))
    try:
        async with reader_of.reader(SECONDS) as reader:
            found = await reader.relations() if relations is None else relations
        now, rules = as_of.timestamp(), business or config.Business()
        view = await ledger_at(collector.folds, found, rules, now, lambda: reader_of.reader(SECONDS))
        async with reader_of.reader(SECONDS) as reader:
            context = Context(now=now, db=reader, business=rules, ledger=view, relations=found, wall=now)
            return list(await collector.collect(context))
    finally:
        await reader_of.close()


async def ledger_at(
    sources: Iterable[str], relations: frozenset[str], business: config.Business, now: float, readers: Readers
) -> View:
    """The cells of these sources, computed whole at a moment, as a replay does it."""
    scheme, names = scheme_of(business), Names()
    view, kinds = View(scheme, names), discover()
    for name in sources:
        if not relations.issuperset(kinds[name].reads):
            continue
        source = kinds[name](scheme, relations)
        cubes = await recompute(source, readers, Moment(now), names, lambda done, total: None)
        books = await rewrite(source, readers, Moment(now), names, lambda done, total: None)
        view = view.joined(name, cubes, books)
    return view


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

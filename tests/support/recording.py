"""A database with the recorders' role in it, and a look at what a meter counted."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from sales_exporter import contract
from sales_exporter.demo.postgres import Login, Postgres, create_role
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.model import Distribution
from sales_exporter.runtime.exposition import Renderer, join
from tests.support.databases import Database, Databases


def fresh(databases: Databases) -> tuple[Database, Login]:
    """A new database with the contract, and the login of the role that may only record."""
    database = databases.fresh()
    role = create_role(database.owner, contract.recorder_role_sql(), contract.RECORDER_ROLE, "recorder-password")
    return database, role


def value(meter: Meter, name: str, *labels: str) -> float:
    """The number of one series; of a histogram, how many observations it has; 0 when there is none."""
    for sample in meter.samples():
        if sample.metric.name == name and sample.labels == labels:
            return sum(sample.value.counts) if isinstance(sample.value, Distribution) else sample.value
    return 0.0


def exposed(meter: Meter) -> dict[str, Family]:
    """What a scrape of the meter tells, by the name of the family; nothing was left out of it."""
    page = Renderer().render(meter.samples())
    assert (page.invalid, page.duplicates) == (0, 0)
    text = join([page], "text", packed=False).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def dropped(meter: Meter, reason: str, relation: str = "model_predictions") -> float:
    """Rows that were dropped for a reason."""
    return value(meter, "sales_recorder_dropped_rows_total", relation, reason)


@contextmanager
def frozen(server: Postgres) -> Iterator[None]:
    """The server stands still for the length of a block: the kernel accepts connections, and nobody answers."""
    group = [server.pid, *(child.pid for child in psutil.Process(server.pid).children(recursive=True))]
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(group):
            os.kill(pid, signal.SIGCONT)

"""One field over time: read finely from Prometheus, then down-sampled so that no answer has over 2,000 points."""

from __future__ import annotations

import math

import numpy as np

from sales_exporter.api.asked import Chosen, ChosenPast, seconds
from sales_exporter.api.dashboards import expression
from sales_exporter.api.decimation import kept
from sales_exporter.api.reading import ahead_of, asking, depends, values_of
from sales_exporter.api.schema import Line, Past
from sales_exporter.api.table import Field, named
from sales_exporter.grafana.document import RATE_INTERVAL
from sales_exporter.sidecar.history.answers import Matrix
from sales_exporter.sidecar.history.client import Client

FINEST = 15.0
"""Seconds between two samples at least: scrapes are as far apart, or nearly."""
MOMENTS, MOMENTS_OF_MANY = 2_000, 500
"""Samples of a series before down-sampling: of a single one, and of one among many."""
LEAST = 10
"""Points of a line at least."""
SCRAPE = 10


class NoSuchField(LookupError):
    """The field, or this part of it, is not in the table."""


async def past(client: Client, wanted: ChosenPast, now: float, patience: float) -> Past:
    """The past that is asked for. Without any sample it has no lines.

    Raises:
        NoSuchField: the text says which there is.
        SourceError: the server does not answer, or not in time.
    """
    field = named(wanted.metric)
    if field is None:
        raise NoSuchField("no such metric: take a section and a field of performance/current or "
                          "business/comprehensive, such as api.latency_p95")
    ref = field.ref(wanted.part)
    if ref is None:
        raise NoSuchField(f"{wanted.metric} has no {wanted.part}; it has {', '.join(field.refs)}")
    start, step, count = grid(field, wanted, now)
    chosen = Chosen(**wanted.model_dump(include=set(Chosen.model_fields)))
    asks = asking(client, now, patience)
    values = await values_of(field, [ref], chosen, asks)
    try:
        expr = expression(ref, values, max(RATE_INTERVAL, math.ceil(step) + SCRAPE))
        start += ahead_of(field, values)
        matrix = await client.range(expr, start, step, count)
    except LookupError:
        # A variable without a value: there is no series.
        matrix = Matrix((), np.empty((0, count)))
    lines = drawn(matrix, field, wanted, start, step)
    return Past(metric=wanted.metric, part=wanted.part, unit=field.unit, method=wanted.method, start=start,
                end=start + step * (count - 1), step=step, variables=depends([ref], values), lines=lines,
                left_out=len(matrix.labels) - len(lines))


def grid(field: Field, wanted: ChosenPast, now: float) -> tuple[float, float, int]:
    """First moment, seconds between two, and how many, of what is asked of the server."""
    end = now if wanted.end is None else wanted.end
    length = min(seconds(wanted.range), end)
    most = MOMENTS_OF_MANY if field.by else MOMENTS
    step = max(FINEST, math.ceil(length / most))
    count = int(length // step) + 1
    return end - step * (count - 1), step, count


def drawn(matrix: Matrix, field: Field, wanted: ChosenPast, start: float, step: float) -> tuple[Line, ...]:
    """As many lines as may have ten points each, in the order of their labels, and together no more than wanted."""
    labels = [{name: dict(one).get(name, "") for name in field.by} for one in matrix.labels]
    order = sorted(range(len(labels)), key=lambda place: tuple(labels[place].values()))
    order = order[:wanted.points // LEAST]
    share = wanted.points // max(1, len(order))
    found = []
    for place in order:
        values = matrix.values[place]
        points = [(round(start + step * int(one), 3), None if math.isnan(values[one]) else float(values[one]))
                  for one in kept(values, share, wanted.method)]
        found.append(Line(labels=labels[place], points=points))
    return tuple(found)

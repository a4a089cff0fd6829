"""What the cells of a real meter have counted by the end of each step: whole columns instead of one call at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sales_exporter.demo.history.faults import Floats
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.store import Cell, sample, width
from sales_exporter.model import Metric
from sales_exporter.runtime.blocks import Series
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.stats.special import ndtr


class Counted:
    """A meter, which names the series, and for each of its cells a row of numbers for each step."""

    def __init__(self, meter: Meter, steps: int) -> None:
        self._meter = meter
        self._steps = steps
        self._rows: dict[int, Floats] = {}

    def row(self, metric: Metric, cell: Cell | Sequence[float]) -> Floats:
        """(numbers of the cell, steps): what is added in each step, or of a gauge what it is then. To be changed."""
        return self._rows.setdefault(id(cell), np.zeros((width(metric), self._steps)))

    def series(self, step: int) -> list[Series]:
        """All series, named as a scrape names them."""
        found: list[Series] = []
        for metric, labels, cell in self._meter.store.rows():
            row = self._rows.get(id(cell))
            if row is None:
                row = np.zeros((width(metric), self._steps))
            keys = list(Renderer().values([sample(metric, labels, cell)]))
            columns = _columns(metric, row)
            for key, values in zip(keys, columns, strict=True):
                name, _, text = key.partition("{")
                found.append(Series(name, text.removesuffix("}"), values, step))
        return found


def _columns(metric: Metric, row: Floats) -> list[Floats]:
    """The values of the lines of one cell, in the order of a page."""
    if metric.kind == "gauge":
        return [row[0]]
    grown = np.cumsum(row, axis=1)
    if metric.kind == "counter":
        return [grown[0]]
    buckets = np.cumsum(grown[:-1], axis=0)
    return [*buckets, grown[-1], buckets[-1]]


def observe(row: Floats, metric: Metric, times: NDArray[np.int64], medians: Floats | float, sigma: float,
            rng: np.random.Generator) -> None:
    """Add log-normal observations to the row of a histogram: ``times`` of them in each step, with its median.

    Buckets are drawn; the sum is what is expected of the numbers in these buckets.
    """
    medians = np.broadcast_to(np.asarray(medians, dtype=np.float64), times.shape)
    edges = np.log(np.maximum(np.array([0.0, *metric.bounds, np.inf]), 1e-12))
    for median in np.unique(medians):
        at = np.flatnonzero(medians == median)
        cuts = (edges - np.log(median)) / sigma
        cuts[0] = -np.inf
        shares = np.diff(ndtr(cuts))
        # Of a log-normal number: its mean within each bucket times the bucket's probability.
        parts = median * np.exp(sigma**2 / 2) * np.diff(ndtr(cuts - sigma))
        means = np.divide(parts, shares, out=np.zeros_like(parts), where=shares > 0)
        drawn = rng.multinomial(times[at], shares / shares.sum())
        row[:-1, at] += drawn.T
        row[-1, at] += drawn @ means

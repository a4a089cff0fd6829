"""From running totals, as they are read, to new outcomes: gaps, corrections and restarts included."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sales_exporter.sidecar.verdicts import Floats


class Totals(NamedTuple):
    """Running totals of decisions whose labels are settled, (streams, segments). NaN: not seen yet."""

    right: Floats
    total: Floats

    @classmethod
    def unseen(cls, streams: int, segments: int) -> Totals:
        """Of streams that nothing was read of yet."""
        return cls(np.full((streams, segments), np.nan), np.full((streams, segments), np.nan))


def new(taken: Totals, read: Totals) -> tuple[Totals, Totals]:
    """Outcomes since the totals ``taken``, and the totals as taken now.

    What was not read, or read for the first time, brings none. A label that is corrected moves a total back or a right
    decision to the wrong ones; what cannot be taken from the new outcomes is left for those to come, so that sums
    always agree in the end.
    """
    first = np.isnan(taken.total)
    there = ~np.isnan(read.total) & ~np.isnan(read.right)
    going = there & ~first
    more = np.where(going, read.total - np.where(first, 0.0, taken.total), 0.0)
    right = np.where(going, read.right - np.where(first, 0.0, taken.right), 0.0)
    came = more > 0
    fresh = Totals(np.where(came, np.clip(right, 0.0, np.maximum(more, 0.0)), 0.0), np.where(came, more, 0.0))
    start = there & first
    return fresh, Totals(
        np.where(start, read.right, taken.right + fresh.right), np.where(start, read.total, taken.total + fresh.total))

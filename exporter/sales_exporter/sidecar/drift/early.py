"""Before labels come: whether the mix of cases alone makes a model miss what is asked of it. Never a reason to page."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.sidecar.drift.report import DriftReport
from sales_exporter.sidecar.verdicts import Floats

ESTIMATE = "estimate"
"""The kind of drift that is only expected."""
BLIND = "It cannot see concept drift: that the same score has come to mean something else shows in labels only."


class Early(NamedTuple):
    """One row per stream: the accuracy that pending decisions are expected to have, and what is asked of them."""

    expected: Floats
    lower: Floats
    upper: Floats
    asked: Floats
    active: NDArray[np.bool_]


def early(
    bounds: tuple[ArrayLike, ArrayLike, ArrayLike], floors: ArrayLike, report: DriftReport, least_loss: float,
    before: NDArray[np.bool_],
) -> Early:
    """Compare estimates (lower bound, value, upper bound; NaN where there is none) with what is asked.

    That is the stated floor, or else what all settled decisions were like, less the loss that does not count. It begins
    when even the upper bound lies below, and is over when the estimate does not; ``before`` is what was active.
    """
    lower, expected, upper = (np.asarray(part, dtype=np.float64) for part in bounds)
    stated = np.asarray(floors, dtype=np.float64)
    usual = np.full(len(stated), np.nan)
    np.divide(report.right, report.total, out=usual, where=report.total > 0)
    asked = np.where(np.isnan(stated), usual - least_loss, stated)
    active = (upper < asked) | (before & (expected < asked))
    return Early(expected, lower, upper, asked, active)


def early_words(found: Early, row: int, model: str, version: str) -> str:
    """What is said of one model whose pending decisions are expected to miss what is asked."""
    lower, expected, upper, asked = (
        float(part[row]) for part in (found.lower, found.expected, found.upper, found.asked))
    return (f"{model} {version} is expected to decide right in {expected:.1%} ({lower:.1%} to {upper:.1%}) of the "
            f"cases whose labels are pending; {asked:.1%} is asked. Estimated from calibrated scores. {BLIND}")

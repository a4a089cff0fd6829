"""Drift in words with numbers, as alerts say it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from sales_exporter.sidecar.drift.advice import Advice
from sales_exporter.sidecar.drift.report import KINDS, DriftReport


class Words(NamedTuple):
    """Annotations of an alert on one model."""

    summary: str
    value: str
    expected: str
    since: str
    effect: str
    reason: str
    confidence: str
    recommendation: str


def words(report: DriftReport, advice: Advice, row: int, model: str, version: str) -> Words:
    """What is said of one model that drifts."""
    loss = report.loss
    lower, upper = (float(bound[row]) for bound in loss.bounds)
    before, now, size = (float(part[row]) for part in (loss.before, loss.now, loss.size))
    kind = KINDS.index(report.kind(row))
    began = float(loss.since[row])
    since = "unknown" if math.isnan(began) else f"about {datetime.fromtimestamp(began, UTC):%Y-%m-%d %H:%M} UTC"
    what = ("the accuracy that is asked of it", "the accuracy that it had")[kind]
    return Words(
        summary=f"{model} {version} decides right in {now:.1%} of all cases; {what} is {before:.1%}.",
        value=f"{now:.1%}", expected=f"{before:.1%}", since=since,
        effect=f"{-100 * size:.1f} points of accuracy ({-100 * upper:.1f} to {-100 * lower:.1f})",
        reason=f"{KINDS[kind]}: e-value {report.e[row, kind]:.3g}, limit {report.limit:.3g}, from "
               f"{report.total[row]:.0f} settled decisions. As early labels are biased, only days all of whose labels "
               "are known count.",
        confidence=f"{1 - min(1 / max(float(report.e[row, kind]), 1.0), 1.0):.1%} (1 - 1/e-value)",
        recommendation=_recommendation(advice, row),
    )


def _recommendation(advice: Advice, row: int) -> str:
    gain, value, confidence = (float(part[row]) for part in (advice.gain, advice.value, advice.confidence))
    worth = "" if math.isnan(value) else f", worth {value:,.0f} in the reporting currency"
    if not advice.recommended[row]:
        return f"No training yet: that it pays has a probability of {confidence:.0%}. Look at the inputs first."
    if not gain > 0:
        return "Train it anew: the recommendation stands until newer labels are known."
    return (f"Train it anew: expected to bring {gain:,.0f} more right decisions a month{worth}. That it pays has a "
            f"probability of {confidence:.0%}.")

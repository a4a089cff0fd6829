"""What the fleet publishes: bands, scores and alarms by series, and how the budget stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from sales_exporter.model import Metric, Sample, counter, gauge
from sales_exporter.sidecar.fleet.insights import INSIGHT
from sales_exporter.sidecar.series import SeriesId

_BY = ("watch", "series")
LEVEL = gauge("sales_anomaly_level", "Value that was judged last. series: the series' own labels as text.", *_BY)
EXPECTED = gauge("sales_anomaly_expected", "Value that was expected.", *_BY)
LOWER = gauge("sales_anomaly_lower", "Lower end of the range in which a single sample was expected.", *_BY)
UPPER = gauge("sales_anomaly_upper", "Upper end of the range in which a single sample was expected.", *_BY)
SCORE = gauge("sales_anomaly_score", "How odd it looks, from 0 to 1; from 0.5 on it begins to alarm.", *_BY)
ACTIVE = gauge("sales_anomaly_active", "1 while it alarms, else 0.", *_BY)
CONFIDENCE = gauge(
    "sales_anomaly_confidence_ratio", "While it alarms, 1 less the adjusted p: the chance that in a day nothing of all "
    "that is watched looks as odd by chance.", *_BY,
)
THRESHOLD = gauge(
    "sales_anomaly_threshold", "The p below which a series of mean weight begins to alarm; from what all have shown.",
)
BUDGET = gauge("sales_false_alarm_budget_per_week", "False pages that were accepted, a week, over all series.")
SPENT = gauge("sales_false_alarm_budget_spent", "Pages of the last seven days, true ones among them.")
PAGES = counter("sales_anomaly_pages_total", "Pages since the state began: groups of series that began to alarm.")

BANDS: tuple[Metric, ...] = (LEVEL, EXPECTED, LOWER, UPPER, SCORE, ACTIVE, CONFIDENCE)
"""Those of a single series."""
METRICS: tuple[Metric, ...] = (*BANDS, THRESHOLD, BUDGET, SPENT, PAGES, INSIGHT)
"""Everything that this room publishes."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One series at the last tick; NaN where nothing can be said. ``p`` is the adjusted one."""

    series: SeriesId
    value: float
    expected: float
    lower: float
    upper: float
    score: float
    active: bool
    p: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How the budget stands: stated pages a week, pages in the last week and ever, and the threshold as a strength."""

    per_week: float
    last_week: int
    total: int
    level: float


def samples(judged: Iterable[Judged], standing: Standing) -> Iterator[Sample]:
    """Facts as series; a number that is not known is absent."""
    # First, so that no limit on series takes them.
    if math.isfinite(standing.level):
        yield THRESHOLD(math.exp(-standing.level))
    yield BUDGET(standing.per_week)
    yield SPENT(standing.last_week)
    yield PAGES(standing.total)
    for one in judged:
        labels = _labels(one.series)
        for metric, value in ((LEVEL, one.value), (EXPECTED, one.expected), (LOWER, one.lower), (UPPER, one.upper),
                              (SCORE, one.score), (ACTIVE, float(one.active))):
            if not math.isnan(value):
                yield Sample(metric, labels, value)
        if one.active:
            yield Sample(CONFIDENCE, labels, 1 - one.p)


@lru_cache(maxsize=4_096)
def _labels(series: SeriesId) -> tuple[str, ...]:
    """Those of a series, for each of its metrics; the same at each tick."""
    return LEVEL.labelled((series.watch, series.text))

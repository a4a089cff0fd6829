"""Insights: what of the business is odd or changing, in one sentence with numbers, by the money at stake."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sales_exporter.model import LABEL_LENGTH, Sample, gauge
from sales_exporter.sidecar.fleet.quantities import duration, line, quantity
from sales_exporter.sidecar.fleet.words import Finding, change

Category = Literal["anomaly", "trend"]
MOST = 20
"""Insights that are published."""
HOURS_A_WEEK = 168.0
INSIGHT = gauge(
    "sales_insight_info", "1 for each anomaly and trend of the business, in words; rank 1 has the most money at stake.",
    "rank", "category", "text",
)


@dataclass(frozen=True, slots=True)
class Trend:
    """A change that lasts: slope per week with its 95 % bounds, the level now, and the weeks it was seen for.

    ``money`` is what a week of the slope is worth in ``currency``; NaN where nobody knows.
    """

    what: str
    entity: str
    unit: str
    per_week: float
    lower: float
    upper: float
    level: float
    weeks: float
    money: float = math.nan
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Insight:
    """One sentence; ``money`` at stake a week, NaN where nobody knows."""

    category: Category
    text: str
    money: float


def insights(findings: Sequence[Finding], trends: Sequence[Trend]) -> list[Insight]:
    """The sentences, those with the most money at stake first, then those of unknown worth, in the order given.

    A trend whose bounds hold 0 is none.
    """
    found = [_anomaly(one) for one in findings] + [_trend(one) for one in trends if one.lower * one.upper > 0]
    return sorted(found, key=lambda one: -one.money if one.money > 0 else 0.0)[:MOST]


def samples(found: Sequence[Insight]) -> Iterator[Sample]:
    """The insights as series."""
    for rank, one in enumerate(found, 1):
        yield INSIGHT(1, rank=str(rank), category=one.category, text=one.text)


def _anomaly(found: Finding) -> Insight:
    percent = change(found.value, found.expected)
    money = HOURS_A_WEEK * found.money if found.money > 0 else math.nan
    facts = (f"{found.quantity(found.value)} instead of {found.quantity(found.expected)}"
             f"{f' ({percent})' if percent else ''} for {duration(max(found.at - found.since, 0.0))}")
    return Insight("anomaly", _sentence(found.title, facts, money, found.currency), money)


def _trend(found: Trend) -> Insight:
    title = f"{found.what} ({found.entity})" if found.entity else found.what
    way = "up" if found.per_week > 0 else "down"
    slope = quantity(abs(found.per_week), found.unit, found.currency)
    facts = (f"{way} {slope} a week for {duration(found.weeks * 7 * 86_400.0)}, now "
             f"{quantity(found.level, found.unit, found.currency)}")
    money = abs(found.money) if math.isfinite(found.money) else math.nan
    return Insight("trend", _sentence(title, facts, money, found.currency), money)


def _sentence(title: str, facts: str, money: float, currency: str) -> str:
    # A label has little room: the numbers are kept whole and the name is cut.
    stake = f"; {quantity(money, 'currency', currency)} a week at stake" if money > 0 else ""
    rest = f": {facts}{stake}"
    return line(title, max(LABEL_LENGTH - len(rest), 8)) + rest

"""Outcomes of backtests, made up."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np

from sales_exporter.sidecar.backtest.course import Course
from sales_exporter.sidecar.backtest.outcome import DAY, WEEK, Outcome, Span, Watched
from sales_exporter.sidecar.backtest.record import Alert
from sales_exporter.sidecar.fleet.incidents import Incident
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.watches.watch import Watch

START = 1_793_469_600.0
"""Saturday, 31 October 2026, 18:00 UTC."""
UNTIL = START + 4 * WEEK
BERLIN = ZoneInfo("Europe/Berlin")
SERIES = SeriesId("latency", (("route", "/api"),))
LATENCY = Watch(name="latency", title="API latency", query="latency", unit="s", by=("route",))
TEXTS = {"summary": "API latency (route=/api): 1.29 s, expected 292 ms to 424 ms.",
         "reason": "odd by a single sample", "effect": "31 usual deviations above, +267 %"}


def alert(day: float, series: SeriesId = SERIES, incident: int | None = None, **texts: str) -> Alert:
    """A critical alert of two hours, so many days after the start."""
    at = START + day * DAY
    return Alert(at, at + 7_200, series.watch, series, 1.29, 0.35, 0.292, 0.424, "critical", {**TEXTS, **texts},
                 frozenset({series}), incident)


def course(series: SeriesId = SERIES) -> Course:
    """Four columns of a week each, the third without samples."""
    low = np.array([0.3, 0.28, np.nan, 0.31], np.float32)
    ones = np.ones(4, np.float32)
    return Course(series, START, WEEK, low, low + np.float32(0.1), 0.35 * ones, 0.25 * ones, 0.45 * ones)


def watched(*alerts: Alert, watch: Watch = LATENCY, before: float = 28 * DAY, error: str = "",
            series: SeriesId = SERIES) -> Watched:
    """A watch with one series that could be judged all the time."""
    return Watched(watch, 1, 4.0, before, alerts, (), course(series), error)


def outcome(*watches: Watched, weeks: float = 4.0, incidents: tuple[Incident, ...] = ()) -> Outcome:
    """Four weeks in steps of five minutes, with a budget of one page a week."""
    return Outcome(Span(START, UNTIL, 300.0, 28 * DAY), BERLIN, "EUR", 1.0, weeks, watches or (watched(),), incidents,
                   0, 12.5)


def unseen(name: str) -> Watched:
    """A watch whose query answered with nothing."""
    return replace(watched(watch=Watch(name=name, query=name)), series=0, weeks=0.0, course=None)

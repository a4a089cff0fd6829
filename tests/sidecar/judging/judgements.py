"""Watches and verdicts of the tests of judging, written as rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sales_exporter.config import Sidecar
from sales_exporter.sidecar.fleet.calendar import Calendar
from sales_exporter.sidecar.judging.alarming import Alarming, Page
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import NONE, Verdicts
from sales_exporter.sidecar.watches.watch import Watch

NOON = 1_767_614_400.0
"""Monday, 5 January 2026, 12:00 UTC."""
HOUR, DAY = 3_600.0, 86_400.0
UTC = Calendar.of("UTC", ())
ODD = 1e-40
"""A p beyond every threshold."""

Row = tuple[SeriesId, float, float, float]
"""A series, its value, what was expected, and p."""


def watch(name: str = "leads", **rest: Any) -> Watch:
    return Watch(name=name, query=name, **rest)


def series(name: str = "leads", **labels: str) -> SeriesId:
    return SeriesId.of(name, labels)


def verdicts(*rows: Row, deviation: float = 1.0) -> Verdicts:
    """Ranges of two deviations, effects in deviations; nothing can be said where nothing was expected."""
    value, expected, p = (np.array([row[place] for row in rows], float) for place in (1, 2, 3))
    nothing = np.isnan(expected)
    return Verdicts(
        score=np.zeros(len(rows)), p=np.where(nothing, 1.0, p), expected=expected, lower=expected - 2 * deviation,
        upper=expected + 2 * deviation, effect=(value - expected) / deviation,
        channel=np.where(nothing, NONE, 0).astype(np.int8))


def alarming(*watches: Watch, **settings: Any) -> Alarming:
    return Alarming(watches, ("sample",), Sidecar.model_validate(settings), UTC)


def step(made: Alarming, at: float, *rows: Row, cases: float = math.nan) -> list[Page]:
    """One moment of these series, in this order of slots."""
    return made.step(at, tuple(row[0] for row in rows), np.array([row[1] for row in rows]), verdicts(*rows),
                     np.full(len(rows), cases))

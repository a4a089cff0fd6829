"""How bad an alarm is: from its effect, its duration and the weight that users gave it, never from how sure it is."""

from __future__ import annotations

import math
from typing import Literal

from sales_exporter.config import SeverityClass

Class = Literal["info", "warning", "critical"]
CLASSES: tuple[Class, ...] = ("info", "warning", "critical")
LONGEST = 2.0
"""Largest factor of the duration."""


def points(effect: float, duration: float, weight: float, settings: SeverityClass) -> float:
    """``weight × |effect| × min(1/2 + duration / escalate_after, 2)``, the effect in usual deviations; 0 for NaN.

    A spike counts half. What lasts for ``escalate_after`` counts three times as much as a spike, and then soon four
    times, but no more.
    """
    if math.isnan(effect):
        return 0.0
    return weight * abs(effect) * min(0.5 + max(duration, 0.0) / settings.escalate_after, LONGEST)


def severity(
    now: float, before: Class | None, settings: SeverityClass, least: Class = "info", most: Class = "critical"
) -> Class:
    """The class of an alarm of so many points, within the limits of its watch.

    Within one alarm (``before`` is its class so far) it rises and never falls: an alarm is told of three times at most,
    however its value dances. The alarm's own end is the way back.
    """
    found = 2 if now >= settings.critical else 1 if now >= settings.warning else 0
    lowest = max(CLASSES.index(least), CLASSES.index(before) if before is not None else 0)
    return CLASSES[min(max(found, lowest), CLASSES.index(most))]

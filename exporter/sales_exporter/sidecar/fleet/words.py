"""What an alert says: the annotations of a finding, from its numbers and their units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sales_exporter.sidecar.fleet.quantities import digits, duration, line, moment, quantity

_NAME = 60
"""Longest name of a contributor."""


@dataclass(frozen=True, slots=True)
class Contributor:
    """A series that has a part in a cause: its labels as text, what it is and what was expected."""

    name: str
    value: float
    expected: float


@dataclass(frozen=True, slots=True)
class Quality:
    """What the judgement rests on: the days of history, and the share of the last day's samples that came."""

    days: float
    share: float


@dataclass(frozen=True, slots=True)
class Finding:
    """An anomaly in numbers; NaN where a number is not known, and then nothing is said of it.

    ``channel`` is the detector's name of the oddest view, ``p`` the adjusted one of the budget, ``effect`` in usual
    deviations with its sign, ``last_week`` the value at the same time a week ago, ``money`` what is at stake an hour in
    ``currency``.
    """

    what: str
    entity: str
    unit: str
    at: float
    since: float
    value: float
    expected: float
    lower: float
    upper: float
    effect: float
    p: float
    channel: str
    last_week: float = math.nan
    money: float = math.nan
    currency: str = ""
    contributors: Sequence[Contributor] = ()
    recommendation: str = ""
    quality: Quality | None = None

    def quantity(self, value: float) -> str:
        """A value of the series with its unit."""
        return quantity(value, self.unit, self.currency)

    @property
    def title(self) -> str:
        """What and where."""
        return f"{self.what} ({self.entity})" if self.entity else self.what


def texts(found: Finding) -> dict[str, str]:
    """Annotations of an alert: each on one line of at most 256 characters, what is unknown left out."""
    said = {
        "summary": f"{found.title}: {found.quantity(found.value)}, expected {_range(found)}.",
        "description": _description(found),
        "value": found.quantity(found.value) if math.isfinite(found.value) else "",
        "expected": _range(found),
        "confidence": confidence(found.p),
        "since": f"{moment(found.since)} ({duration(max(found.at - found.since, 0.0))})",
        "effect": _effect(found),
        "reason": _reason(found),
        "last_week": _last_week(found),
        "contributors": "; ".join(_contributor(found, one) for one in found.contributors),
        "stake": f"{quantity(found.money, 'currency', found.currency)} an hour" if found.money > 0 else "",
        "recommendation": found.recommendation,
        "data_quality": _quality(found.quality),
    }
    return {name: line(text) for name, text in said.items() if text}


def confidence(p: float) -> str:
    """One less the adjusted p, and what that means; empty when it is not known."""
    if not math.isfinite(p):
        return ""
    return (f"{digits(100 * (1 - p))} % (1 - adjusted p: the chance that in a day nothing of all that is watched looks "
            "as odd by chance)")


def change(value: float, expected: float) -> str:
    """The change in per cent with its sign; empty where there is none to tell."""
    if not math.isfinite(value - expected) or expected == 0:
        return ""
    share = 100 * (value - expected) / abs(expected)
    return f"{'+' if share >= 0 else '-'}{digits(abs(share))} %"


def _range(found: Finding) -> str:
    if math.isfinite(found.lower) and math.isfinite(found.upper):
        return f"{found.quantity(found.lower)} to {found.quantity(found.upper)}"
    return found.quantity(found.expected)


def _description(found: Finding) -> str:
    value, percent = found.quantity(found.value), change(found.value, found.expected)
    since = f"since {moment(found.since)}"
    # What is odd over hours, varies too much or stands still may well be within the range of a single sample.
    if found.lower <= found.value <= found.upper or not math.isfinite(found.value - found.expected):
        return f"{found.title} looks unlike its past {since}: {value}, expected {_range(found)}."
    way = "lower" if found.value < found.expected else "higher"
    return (f"{found.title} is {way} than expected {since}: {value} instead of {found.quantity(found.expected)}"
            f"{f' ({percent})' if percent else ''}.")


def _effect(found: Finding) -> str:
    if not math.isfinite(found.effect):
        return ""
    percent = change(found.value, found.expected)
    return f"{digits(abs(found.effect))} usual deviations {'below' if found.effect < 0 else 'above'}" + (
        f", {percent}" if percent else "")


def _reason(found: Finding) -> str:
    return f"what was odd: {found.channel.replace('_', ' ')}" if found.channel else ""


def _last_week(found: Finding) -> str:
    return f"{found.quantity(found.last_week)} at this time a week ago" if math.isfinite(found.last_week) else ""


def _contributor(found: Finding, one: Contributor) -> str:
    return f"{line(one.name, _NAME)}: {found.quantity(one.value)} instead of {found.quantity(one.expected)}"


def _quality(quality: Quality | None) -> str:
    if quality is None:
        return ""
    return f"{digits(100 * quality.share)} % of the last day's samples, {digits(quality.days)} days of history"

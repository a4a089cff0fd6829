"""A replay in words: a table for people, facts for programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sales_exporter.rules.firing import Episode
from sales_exporter.rules.replay import Outcome, Span

HEADS = ("alert", "fired", "a week", "firing", "longest", "first", "last", "pending only")


def rows(outcomes: Sequence[Outcome], span: Span) -> list[tuple[str, ...]]:
    """A row for each alert that did anything, the one that fired most often first."""
    told = sorted((one for one in outcomes if one.episodes or one.error), key=lambda one: -len(one.fired))
    return [_row(one, span) for one in told]


def when(outcomes: Sequence[Outcome], span: Span) -> list[tuple[str, str, str, str]]:
    """Each time that an alert fired: alert, from, for how long, and its labels."""
    found = [(episode.fired or 0.0, outcome.alert.title, episode) for outcome in outcomes for episode in outcome.fired]
    return [(title, _moment(fired), _length((one.until or span.until) - fired) + ("" if one.until else " so far"),
             _labels(outcome_labels(one))) for fired, title, one in sorted(found, key=lambda one: one[:2])]


def outcome_labels(episode: Episode) -> dict[str, str]:
    """What tells one series of an alert from another: its labels without those that all have."""
    return {name: value for name, value in episode.labels if name not in ("severity", "team", "category", "service")}


def facts(outcomes: Sequence[Outcome], span: Span) -> dict[str, Any]:
    """Everything, as JSON takes it; times are epoch seconds."""
    return {
        "from": span.since, "until": span.until, "step": span.step,
        "alerts": [{
            "alert": one.alert.name, "labels": dict(one.alert.labels), "error": one.error or None,
            "fired": len(one.fired), "per_week": round(one.per_week(span), 3), "seconds": round(one.seconds(span)),
            "pending_only": one.almost,
            "episodes": [{"labels": dict(episode.labels), "pending": episode.since, "fired": episode.fired,
                          "until": episode.until, "value": _finite(episode.value)} for episode in one.episodes],
        } for one in outcomes],
    }


def summary(outcomes: Sequence[Outcome], span: Span) -> str:
    """One line on all of them."""
    fired = [one for one in outcomes if one.fired]
    wrong = sum(bool(one.error) for one in outcomes)
    text = (f"{len(outcomes)} alerts over {_length(span.until - span.since)}: {len(fired)} fired, "
            f"{sum(len(one.fired) for one in fired)} times in all, "
            f"{sum(one.per_week(span) for one in fired):.1f} a week")
    return text + (f"; {wrong} could not be evaluated" if wrong else "")


def _row(one: Outcome, span: Span) -> tuple[str, ...]:
    if one.error:
        return (one.alert.title, "?", "", "", "", "", "", one.error)
    if not one.fired:
        return (one.alert.title, "0", "0.0", "", "", "", "", str(one.almost))
    lengths = [(episode.until or span.until) - (episode.fired or 0.0) for episode in one.fired]
    return (one.alert.title, str(len(one.fired)), f"{one.per_week(span):.1f}", _length(one.seconds(span)),
            _length(max(lengths)), _moment(one.fired[0].fired or 0.0), _moment(one.fired[-1].fired or 0.0),
            str(one.almost))


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%a %d %b %H:%M}"


def _length(seconds: float) -> str:
    minutes = round(seconds / 60)
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number}{unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if number]
    return " ".join(parts[:2]) or "0m"


def _labels(labels: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items())


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None

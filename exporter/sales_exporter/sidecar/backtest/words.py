"""A backtest in words and as plain values, for a terminal and for programs. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from sales_exporter.sidecar.backtest.axes import local
from sales_exporter.sidecar.backtest.outcome import WEEK, Outcome, Watched
from sales_exporter.sidecar.backtest.record import Alert
from sales_exporter.sidecar.fleet.incidents import stamp
from sales_exporter.sidecar.fleet.quantities import digits, duration, line
from sales_exporter.sidecar.judging.core import REPLAY

LISTED = 12
"""Watches that are named in one sentence at most."""
LEAST = 0.001
"""Chance below which it is not told any more."""


def verdict(found: Outcome, limit: float) -> str:
    """The one sentence that matters."""
    pages = count(found.pages, "page")
    if math.isnan(found.per_week):
        return "Nothing could be judged: there is less than a day of history."
    weeks = digits(round(found.weeks, 2))
    how = "within" if found.per_week <= limit else "above"
    what = f"the budget of {digits(limit)}" if limit == found.budget else f"the limit of {digits(limit)}"
    return (f"{pages} in {weeks} {'week' if weeks == '1' else 'weeks'}: {digits(found.per_week)} a week, {how} {what} "
            "a week.")


def likely(found: Outcome) -> str:
    """What chance has to do with it; empty where there is nothing to explain."""
    if not found.pages or math.isnan(found.per_week):
        return ""
    chance = f"{digits(100 * found.chance)} %" if found.chance >= LEAST else f"less than {digits(100 * LEAST)} %"
    return (f"A fleet in which nothing happens, and that keeps its budget exactly, shows {found.pages} or more pages "
            f"in such a time with a chance of {chance}.")


def notices(found: Outcome) -> Iterator[str]:
    """What a reader has to know before believing the numbers."""
    young = [one.watch.name for one in found.watches if one.series and one.young]
    if young:
        yield (f"Less than {duration(REPLAY)} of history before the replay for {_listed(young)}. What is usual is "
               "still being learned there: little or nothing pages, and a calm result says little.")
    if 0 < found.weeks < 0.9 * (found.span.until - found.span.start) / WEEK:
        yield (f"Only {digits(found.weeks)} of {digits((found.span.until - found.span.start) / WEEK)} weeks could be "
               "judged: before that there is no history, or it was the first day of a series.")
    empty = [one.watch.name for one in found.watches if not one.series and not one.error]
    if empty:
        yield f"No data for these watches: {_listed(empty)}."
    for one in found.watches:
        if one.error:
            yield f"{one.watch.name} was not read, or not in full: {one.error}."
    if found.left_out:
        yield f"{count(found.left_out, 'series')} above the limits of their watches were left out."


def text(found: Outcome, limit: float, page: str) -> str:
    """For people, at a terminal."""
    zone = found.zone
    lines = [
        verdict(found, limit), likely(found), "",
        f"replayed    {local(found.span.start, zone)} to {local(found.span.until, zone)} ({zone.key}), "
        f"every {duration(found.span.step)}",
        f"judged      {count(found.series, 'series')} of {count(len(found.watches), 'watch')} in "
        f"{duration(found.seconds)}", "", *(f"note        {one}" for one in notices(found)), "", *_table(found), "",
    ]
    for number, one in enumerate(found.alerts, 1):
        lines += [f"{number:>3}. {local(one.at, zone)}  {one.severity}  {one.watch}  {lasted(one, found)}",
                  *(f"     {line(said, 400)}" for said in sentences(one)),
                  *([f"     within the marked incident {one.incident}"] if one.incident is not None else []), ""]
    for mark in found.incidents:
        told = found.found(mark)
        said = f"told of {duration(max(told[0].at - mark.since, 0.0))} after it began" if told else "not told of"
        lines.append(f"incident {mark.number}  {local(mark.since, zone)}: {said}")
    lines.append(f"pictures    {page}")
    return "\n".join(one for place, one in enumerate(lines) if one or lines[place - 1])


def facts(found: Outcome, limit: float, page: str) -> dict[str, Any]:
    """For programs: plain values."""
    return {
        "from": stamp(found.span.start), "until": stamp(found.span.until), "step_seconds": found.span.step,
        "budget_per_week": found.budget, "max_per_week": limit, "pages": found.pages,
        "weeks_judged": round(found.weeks, 4), "pages_per_week": _number(found.per_week),
        "within": bool(found.per_week <= limit), "chance": round(found.chance, 4), "series": found.series,
        "seconds": round(found.seconds, 2), "page": page, "notices": list(notices(found)),
        "watches": [_watched(one, found) for one in found.watches],
        "incidents": [{"id": one.number, "from": stamp(one.since), "to": stamp(one.until),
                       "alerts": len(found.found(one))} for one in found.incidents],
    }


def sentences(one: Alert) -> Iterator[str]:
    """What was told, and why."""
    said = one.texts
    yield said["summary"]
    why = ", ".join(said[name] for name in ("reason", "effect") if name in said)
    if why:
        yield f"{why[0].upper()}{why[1:]}."
    if "contributors" in said:
        yield f"Most of it: {said['contributors']}."


def lasted(one: Alert, found: Outcome) -> str:
    """How long it stood."""
    if one.until > found.span.until - 1.5 * found.span.step:
        return "stands at the end"
    return f"stood for {duration(one.until - one.at + found.span.step)}"


def _table(found: Outcome) -> Iterator[str]:
    width = max((len(one.watch.name) for one in found.watches), default=5)
    yield f"{'watch':<{width}}  {'pages':>5}  {'a week':>7}  {'series':>6}"
    for one in found.watches:
        if one.series:
            rate = digits(one.pages / one.weeks) if one.weeks else "-"
            yield f"{one.watch.name:<{width}}  {one.pages:>5}  {rate:>7}  {one.series:>6,}"


def _watched(one: Watched, found: Outcome) -> dict[str, Any]:
    return {
        "watch": one.watch.name, "pages": one.pages, "pages_per_week": _number(one.pages / one.weeks)
        if one.weeks else None, "series": one.series, "history_days": round(one.before / 86_400, 2),
        "error": one.error or None, "alerts": [_alert(alert, found) for alert in one.alerts],
    }


def _alert(one: Alert, found: Outcome) -> dict[str, Any]:
    return {
        "at": stamp(one.at), "until": stamp(one.until), "open": one.until > found.span.until - 1.5 * found.span.step,
        "watch": one.watch, "series": dict(one.series.labels), "value": _number(one.value),
        "expected": _number(one.expected), "lower": _number(one.lower), "upper": _number(one.upper),
        "severity": one.severity, "reason": one.texts.get("reason", ""), "summary": one.texts["summary"],
        "incident": one.incident, "also": sorted(f"{each.watch}{{{each.text}}}" for each in one.members
                                                 if each != one.series),
    }


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def count(number: int, what: str) -> str:
    """So many of them."""
    if what == "watch":
        return f"{number:,} {'watch' if number == 1 else 'watches'}"
    return f"{number:,} {what}{'' if number == 1 or what.endswith('s') else 's'}"


def _listed(names: list[str]) -> str:
    if len(names) > LISTED:
        return f"{', '.join(names[:LISTED])} and {len(names) - LISTED} more"
    return ", ".join(names)

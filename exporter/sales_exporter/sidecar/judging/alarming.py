"""From verdicts to pages: budget, business hours, causes, severities. Pure but for its memory, so that the past can be
replayed with it as the present is judged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sales_exporter.config import NORMAL
from sales_exporter.config import Sidecar as Settings
from sales_exporter.sidecar.fleet.budget import Alarms, Budget, pages_per_week
from sales_exporter.sidecar.fleet.calendar import Calendar, Hours
from sales_exporter.sidecar.fleet.causes import Alarming as Alarm
from sales_exporter.sidecar.fleet.causes import Cause, Causes, Fleet
from sales_exporter.sidecar.fleet.metrics import Judged, Standing
from sales_exporter.sidecar.fleet.severity import Class, points, severity
from sales_exporter.sidecar.judging.ratios import Ratios
from sales_exporter.sidecar.judging.shares import CHANNELS, Shares
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import NONE, Floats, Verdicts
from sales_exporter.sidecar.watches.watch import Watch

SIGNS: Mapping[str, int] = {"both": 0, "up": 1, "down": -1}


@dataclass(frozen=True, slots=True)
class Page:
    """A cause that alarms, with the numbers of its heaviest series.

    ``home``, the watch of its first series, and ``entity``, what it was about then, stay as long as the cause does: an
    alert whose labels change is another alert.
    """

    cause: Cause
    home: Watch
    entity: str
    watch: Watch
    series: SeriesId
    severity: Class
    value: float
    verdict: Judged
    channel: str
    effect: float
    contributors: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class Last:
    """The last step, by slot."""

    values: Floats
    verdicts: Verdicts
    alarms: Alarms


class Alarming:
    """Decides what pages. Slots are those of the history: they come at the end, and go in order."""

    def __init__(
        self, watches: Iterable[Watch], channels: Sequence[str], settings: Settings, calendar: Calendar
    ) -> None:
        self._watches = {watch.name: watch for watch in watches}
        self._channels, self._settings, self._calendar = (*channels, *CHANNELS), settings, calendar
        self._ratios = Ratios(self._watches, len(channels), Shares(calendar))
        self._per_week = pages_per_week(settings.false_alarm_budget)
        self._budget = Budget(self._per_week, settings.interval)
        self._causes = Causes()
        self._ids: tuple[SeriesId, ...] = ()
        self._groups: dict[str, int] = {}
        self._since: dict[SeriesId, float] = {}
        self._known: dict[tuple[SeriesId, float], Page] = {}
        self._hours = {name: Hours.of(watch.calendar.days, watch.calendar.minutes)
                       for name, watch in self._watches.items()}
        self._last: Last | None = None
        self._set_limits()

    def step(self, at: float, ids: tuple[SeriesId, ...], values: Floats, verdicts: Verdicts,
             cases: Floats | None = None) -> list[Page]:
        """What pages at this moment, the oldest cause first. ``cases`` are those behind ratios; NaN elsewhere."""
        self._follow(ids)
        verdicts = self._ratios.joined(at, values, verdicts, cases)
        alarms = self._budget.update(at, self._bounded(values, verdicts), self._weights)
        self._last = Last(values, verdicts, alarms)
        before, self._since = self._since, {}
        slots = np.flatnonzero(alarms.active).tolist()
        for slot in slots:
            self._since[ids[slot]] = before.get(ids[slot], at)
        active = [self._alarm(slot, verdicts) for slot in slots]
        causes = self._causes.update([one for one in active if self._may_page(one, at)], self._fleet)
        places = {ids[slot]: slot for slot in slots}
        pages = [self._page(cause, at, places, self._last) for cause in causes]
        self._known = {(page.cause.lead, page.cause.since): page for page in pages}
        return pages

    def learn(self, at: float, ids: tuple[SeriesId, ...], values: Floats, verdicts: Verdicts,
              cases: Floats | None = None) -> None:
        """Take in what the fleet showed at a moment of the past, telling nobody."""
        self._follow(ids)
        verdicts = self._ratios.joined(at, values, verdicts, cases)
        self._budget.update(at, self._bounded(values, verdicts), self._weights)

    def open(self) -> None:
        """Count pages from now on: what was learned paged nobody."""
        self._budget.open()

    def judged(self, most: int) -> list[Judged]:
        """Series of which something can be said, at the last step: those that alarm, then the heaviest; not above
        ``most`` of them.
        """
        if self._last is None:
            return []
        known = np.flatnonzero(~np.isnan(self._last.verdicts.expected))
        order = np.lexsort((-self._weights[known], ~self._last.alarms.active[known]))
        return [self._seen(slot, self._last) for slot in known[order[:most]].tolist()]

    def standing(self, at: float) -> Standing:
        """How the budget stands."""
        return Standing(self._per_week, self._budget.last_week(at), self._budget.total, self._budget.level)

    def state(self) -> Mapping[str, np.typing.NDArray[np.generic]]:
        """What the budget has learned; causes and severities are found again from what alarms."""
        names = sorted(self._groups, key=lambda name: self._groups[name])
        return {**self._budget.state(), **self._ratios.state(), "watches": np.array(names, dtype=str)}

    def restore(self, state: Mapping[str, np.typing.NDArray[np.generic]], ids: tuple[SeriesId, ...]) -> None:
        """Go on from such a state with these slots.

        Raises:
            ValueError: it is of other slots or another version.
        """
        budget = Budget(self._per_week, self._settings.interval).restore(state)
        if budget.size != len(ids) or "watches" not in state:
            raise ValueError("the state of the budget is of other series")
        self._ratios.restore(state, ids)
        self._budget = budget
        self._groups = {str(name): number for number, name in enumerate(state["watches"].tolist())}
        self._ids = ids
        self._set_limits()

    def _follow(self, ids: tuple[SeriesId, ...]) -> None:
        """Give the budget the slots of the history."""
        if ids is self._ids or ids == self._ids:
            return
        there = set(ids)
        kept = np.array([one in there for one in self._ids], bool)
        if not kept.all():
            self._budget.keep(kept)
            self._last = None
        self._ratios.follow(kept, ids)
        fresh = ids[int(kept.sum()):]
        for one in fresh:
            self._groups.setdefault(one.watch, len(self._groups))
        numbers = np.array([self._groups[one.watch] for one in fresh], np.int64)
        self._budget.admit(numbers, numbers)
        self._ids = ids
        self._set_limits()

    def _set_limits(self) -> None:
        """What the watches say of each slot, as arrays."""
        own = [self._watches.get(one.watch) for one in self._ids]
        self._weights = np.array([1.0 if one is None else one.weight for one in own])
        self._signs = np.array([0 if one is None else SIGNS[one.direction] for one in own])
        self._least = np.array([0.0 if one is None else one.min_effect for one in own])
        self._least_share = np.array([0.0 if one is None else one.min_effect_percent / 100 for one in own])
        self._fleet = Fleet((one, one.watch) for one in self._ids)

    def _bounded(self, values: Floats, verdicts: Verdicts) -> Verdicts:
        """Verdicts without what is too small to matter, or the good way."""
        if not values.size:
            return verdicts
        gone = np.abs(values - verdicts.expected)
        small = gone < np.maximum(self._least, self._least_share * np.abs(verdicts.expected))
        wrong = (self._signs != 0) & (np.sign(verdicts.effect) == -self._signs)
        return replace(verdicts, p=np.where((small | wrong) & ~np.isnan(gone), 1.0, verdicts.p))

    def _alarm(self, slot: int, verdicts: Verdicts) -> Alarm:
        series = self._ids[slot]
        watch = self._watches[series.watch]
        money = watch.money if isinstance(watch.money, float | int) else 1.0
        effect = float(verdicts.effect[slot])
        return Alarm(series, watch.category, self._since[series], 0.0 if math.isnan(effect) else effect, watch.weight,
                     float(money))

    def _may_page(self, alarm: Alarm, at: float) -> bool:
        return self._calendar.may_page(self._hours[alarm.series.watch], at)

    def _page(self, cause: Cause, at: float, places: Mapping[SeriesId, int], last: Last) -> Page:
        first, before = cause.members[0], self._known.get((cause.lead, cause.since))
        home = self._watches[cause.lead.watch]
        watch, slot = self._watches[first.series.watch], places[first.series]
        classes = self._settings.severity.classes
        limits = classes.get(watch.severity_class, classes[NORMAL])
        found = severity(points(first.effect, at - cause.since, watch.weight, limits),
                         before.severity if before is not None else None, limits, most=watch.max_severity)
        channel, seen = int(last.verdicts.channel[slot]), self._seen(slot, last)
        return Page(
            cause, home, before.entity if before is not None else _entity(cause, home), watch, first.series, found,
            seen.value, seen,
            "" if channel == NONE else self._channels[channel], first.effect,
            tuple(self._seen(places[one.series], last) for one in cause.top))

    def _seen(self, slot: int, last: Last) -> Judged:
        values, verdicts, alarms = last.values, last.verdicts, last.alarms
        return Judged(
            self._ids[slot], float(values[slot]), float(verdicts.expected[slot]), float(verdicts.lower[slot]),
            float(verdicts.upper[slot]), float(alarms.score[slot]), bool(alarms.active[slot]), float(alarms.p[slot]))


def _entity(cause: Cause, home: Watch) -> str:
    """What a cause is about: the labels that the watch names, as its members share them."""
    shared = dict(cause.shared) if len(cause.members) > 1 else dict(cause.lead.labels)
    names = home.by or tuple(shared)
    return ", ".join(f"{name}={shared[name]}" for name in names if shared.get(name))

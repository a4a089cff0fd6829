"""One knob over all series: at most so many false pages a week, whatever the p-values of the detectors are worth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sales_exporter.errors import ConfigError
from sales_exporter.sidecar.fleet.pool import DAY, WEEK, Flags, Pool, Slots
from sales_exporter.sidecar.verdicts import NONE, Floats, Verdicts

LEAST = float(np.log(1_000))
"""No budget is so large that a series pages which looks like this once in a thousand samples."""
EASE = float(np.log(100))
"""An alarm lasts while p is below a hundred times its threshold, so that a value dancing on it is one alarm."""
HOLD, LONGEST_HOLD = 900.0, 14_400.0
"""Seconds below that end an alarm; doubled with each alarm that follows within a day, up to the longest."""
UNSEEN = 3_600.0
"""Seconds without a sample that end an alarm, too: that samples are missing is a finding of its own."""
VERSION = 1
_WEEKS = {"day": 1 / 7, "week": 1.0, "month": 365.25 / 12 / 7}
_SAVED = {"since": np.nan, "last": np.nan, "seen": np.nan, "ended": -np.inf, "hold": HOLD, "peak": -np.inf}
"""Of each slot: onset of its alarm, last moments that kept it up and that had a sample, the end of its last alarm, the
calm that ends it, and its largest strength."""


def pages_per_week(text: str) -> float:
    """The budget of a text such as ``1 per week``.

    Raises:
        ConfigError: it is no such text, or nothing.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) per (day|week|month)", text)
    if match is None or float(match[1]) == 0:
        raise ConfigError("sidecar.false_alarm_budget: expected a number above 0 per day, week or month, such as "
                          "1 per week")
    return float(match[1]) / _WEEKS[match[2]]


@dataclass(frozen=True, slots=True)
class Alarms:
    """What the fleet makes of one tick, one row per slot."""

    active: Flags
    """Alarming now: since its onset, and until it has been calm for long enough."""
    onset: Flags
    """Began to, with this tick."""
    score: Floats
    """From 0 to 1, with 0.5 at the fleet's threshold; 0 where nothing can be said."""
    p: Floats
    """Adjusted: chance that the whole quiet fleet shows one as odd as this was at its worst within a day; 1 where calm.

    Never below one over the days that the fleet has been watched, and one more.
    """
    threshold: Floats
    """The p below which the slot begins to alarm."""


class Budget:
    """Decides which slots alarm, so that a quiet fleet does so ``per_week`` times a week.

    A slot's strength is -log p, plus the log of its weight over the mean weight, less its handicap, in a measure that
    makes kinds alike. The strongest of each day and group goes into a pool, whose tail says how often a quiet fleet
    goes beyond any level: that is the threshold. p that are too small by any steady factor, or too large, are so made
    up for: over all series by the pool, for a kind by its measure, for one series by the handicap. Slots of one group
    are one page; slots of one kind, such as those of a watch, are taken to be odd in like ways.

    ``step`` is the usual distance of two updates in seconds; a past may be replayed in larger steps. Not for use by two
    threads.

    Raises:
        ValueError: the budget or the step is not positive.
    """

    def __init__(self, per_week: float, step: float) -> None:
        if not per_week > 0 or not step > 0:
            raise ValueError("the budget and the step must be positive")
        self._per_week, self._step = per_week, step
        self._groups = np.zeros(0, np.int64)
        self._order, self._starts, self._group_of = _grouping(self._groups)
        self._fields = {name: np.zeros(0) for name in _SAVED}
        self._pool = Pool(step)
        self._pages: list[float] = []
        self._times: list[float] = []
        self._total = 0
        self._level = np.inf

    @property
    def size(self) -> int:
        """Slots in use."""
        return self._groups.size

    @property
    def level(self) -> float:
        """The strength, in the common measure, at which a slot begins to alarm."""
        return self._level

    @property
    def handicaps(self) -> Floats:
        """By slot: the strength that is taken off, because its days were stronger than others' too often."""
        return self._pool.handicaps

    @property
    def total(self) -> int:
        """Pages since the beginning."""
        return self._total

    def last_week(self, at: float) -> int:
        """Pages of the seven days before."""
        return sum(page > at - WEEK * DAY for page in self._pages)

    def open(self) -> None:
        """Count pages from now on: those of a past that was replayed were told to nobody."""
        self._pages, self._total = [], 0

    def admit(self, groups: Slots, kinds: Slots | None = None) -> None:
        """Add slots at the end, of these groups and kinds (of one kind by default): numbers that stay the same."""
        self._fields = {name: np.append(self._fields[name], np.full(groups.size, _SAVED[name])) for name in _SAVED}
        self._pool.admit(np.zeros_like(groups) if kinds is None else kinds)
        self._regroup(np.append(self._groups, groups))

    def keep(self, which: Flags) -> None:
        """Drop the slots that are not marked."""
        self._fields = {name: values[which] for name, values in self._fields.items()}
        self._pool.keep(which)
        self._regroup(self._groups[which])

    def update(self, at: float, verdicts: Verdicts, weights: Floats) -> Alarms:
        """Which slots alarm at this moment. Only what was known before decides; then it is taken in.

        Raises:
            ValueError: verdicts or weights have other slots, or a weight is not positive.
        """
        if verdicts.p.size != self.size or weights.size != self.size or np.any(weights <= 0):
            raise ValueError("there must be one verdict and one positive weight per slot")
        known = verdicts.channel != NONE
        raw = strengths(verdicts) + self._log_shares(weights) + self._coarser(at)
        if self._pool.roll(at, self._group_of) or not np.isfinite(self._level):
            self._level = max(self._pool.level_of(self._per_week, self._starts.size), LEAST)
        own = self._pool.measured(raw)
        active, onset = self._step_alarms(at, own, known)
        self._pool.take(at, raw, known)
        return Alarms(active, onset, self._score(own, known), self._adjusted(active),
                      np.exp(self._log_shares(weights) - self._pool.strengths(self._level)))

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Everything needed to go on."""
        scalars = np.array([VERSION, self._step, self._total])
        return {"budget": scalars, "groups": self._groups.copy(), "pages": np.array(self._pages),
                **{name: values.copy() for name, values in self._fields.items()}, **self._pool.state()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Go on from such a state. Another budget is no obstacle: the threshold is found anew.

        Raises:
            ValueError: it was written by another version or with another step.
        """
        try:
            version, step, total = state["budget"].tolist()
            fields = {name: np.array(state[name], float) for name in _SAVED}
            groups, pages = np.array(state["groups"], np.int64), state["pages"].tolist()
        except (KeyError, ValueError):
            raise ValueError("no state of a budget") from None
        if version != VERSION or step != self._step or any(f.size != groups.size for f in fields.values()):
            raise ValueError("a state of another version, step or size")
        self._pool.restore(state, groups.size)
        self._fields, self._pages, self._total = fields, pages, int(total)
        self._regroup(groups)
        return self

    def _regroup(self, groups: Slots) -> None:
        self._groups = groups
        self._order, self._starts, self._group_of = _grouping(groups)
        # More series share the same budget: the threshold is another one.
        self._level = np.inf

    def _any(self, flags: Flags) -> Flags:
        """By slot: whether any slot of its group is marked."""
        if not flags.size:
            return flags
        return np.logical_or.reduceat(flags[self._order], self._starts)[self._group_of]

    def _step_alarms(self, at: float, own: Floats, known: Flags) -> tuple[Flags, Flags]:
        field = self._fields
        field["seen"][known] = at
        high = known & (own > self._level)
        before = ~np.isnan(field["since"])
        paging = self._any(high | before)
        # Within a page, what is nearly as odd is a contributor.
        joins = paging & known & (own > self._level - EASE)
        onset = joins & ~before
        field["last"][joins] = at
        field["since"][onset] = at
        field["peak"][onset] = -np.inf
        np.maximum(field["peak"], own, out=field["peak"], where=known)
        fresh = self._any(high & ~before) & ~self._any(before)
        pages = int(np.count_nonzero(fresh[self._order][self._starts])) if self.size else 0
        self._total += pages
        self._pages = [page for page in self._pages if page > at - WEEK * DAY] + [at] * pages
        again = onset & (at - field["ended"] < DAY)
        field["hold"] = np.where(again, np.minimum(2 * field["hold"], LONGEST_HOLD), field["hold"])
        field["hold"][onset & ~again] = HOLD
        calm = known & (at - field["last"] >= field["hold"])
        over = before & (calm | (at - field["seen"] >= UNSEEN))
        field["since"][over] = np.nan
        field["ended"][over] = at
        return ~np.isnan(field["since"]), onset

    def _coarser(self, at: float) -> float:
        """What is added to strengths of updates further apart than usual, as those of a replayed past are.

        A p is that of one look; the fewer looks, the rarer an event of that p. One gap makes no difference.
        """
        self._times = [*self._times[-3:], at]
        apart = float(np.diff(self._times).min()) if len(self._times) == 4 else self._step
        return float(np.log(max(apart, self._step) / self._step))

    @staticmethod
    def _log_shares(weights: Floats) -> Floats:
        return np.log(weights / weights.mean()) if weights.size else weights

    def _score(self, own: Floats, known: Flags) -> Floats:
        strength = np.maximum(own, 0)
        return np.where(known, strength / (strength + self._level), 0.0)

    def _adjusted(self, active: Flags) -> Floats:
        found = np.ones(self.size)
        for slot in np.flatnonzero(active):
            found[slot] = self._pool.chance(float(self._fields["peak"][slot]), self._starts.size)
        return found


def strengths(verdicts: Verdicts) -> Floats:
    """How odd each slot looks, as -log p."""
    return np.asarray(-np.log(np.clip(verdicts.p, 1e-300, 1.0)))


def _grouping(groups: Slots) -> tuple[Slots, Slots, Slots]:
    """Order that brings slots of a group together, where each begins, and the group's place by slot."""
    _, place = np.unique(groups, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    return order.astype(np.int64), starts.astype(np.int64), place.astype(np.int64)

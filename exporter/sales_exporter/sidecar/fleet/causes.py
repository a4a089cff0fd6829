"""One alert per cause: what began to alarm at about the same time and belongs together, the heaviest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sales_exporter.sidecar.series import SeriesId

ENTITIES = ("tenant", "model", "campaign", "channel", "route", "agent_kind", "rep", "stage", "direction", "instance")
"""Labels that name something which can be the cause."""
WINDOW = 900.0
"""Seconds between two onsets of one cause, at most."""
RARE = 0.2
"""What at most this share of the fleet has in common ties alarms together; what more have, only when at least half of
those that have it alarm."""
TOP = 3
"""Contributors that are named."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Alarming:
    """A series that alarms now. ``money`` is what is at stake per unit of weight; 1 where nobody knows."""

    series: SeriesId
    family: str
    since: float
    effect: float
    weight: float = 1.0
    money: float = 1.0

    @property
    def stake(self) -> float:
        """What contributors are ranked by."""
        return abs(self.effect) * self.weight * self.money


@dataclass(frozen=True, slots=True)
class Cause:
    """Alarms of one cause. ``lead`` and ``since`` are those of its first alarm and stay as long as it does."""

    lead: SeriesId
    since: float
    members: tuple[Alarming, ...]
    """By stake, the heaviest first."""

    @property
    def top(self) -> tuple[Alarming, ...]:
        """The contributors to name."""
        return self.members[:TOP]

    @property
    def shared(self) -> tuple[Key, ...]:
        """Entity labels that all members have in common, in the order of ``ENTITIES``."""
        common = set.intersection(*(set(entities(one.series)) for one in self.members))
        return tuple(sorted(common, key=lambda key: ENTITIES.index(key[0])))


class Fleet:
    """How many watched series have something in common: what makes it telling that alarms have."""

    def __init__(self, watched: Iterable[tuple[SeriesId, str]]) -> None:
        """From every watched series and the family of its watch."""
        self._carriers: Counter[Key] = Counter()
        self.size = 0
        for series, family in watched:
            self.size += 1
            self._carriers.update(keys(series, family))

    def ties(self, alarms: Sequence[Alarming]) -> frozenset[Key]:
        """What ties these alarms together."""
        found = Counter(key for one in alarms for key in keys(one.series, one.family))
        return frozenset(
            key for key, count in found.items()
            if self._carriers[key] <= RARE * self.size or 2 * count >= self._carriers[key]
        )


class Causes:
    """Which alarm belongs to which cause, from tick to tick. An alarm keeps its cause until it ends."""

    def __init__(self) -> None:
        self._open: dict[SeriesId, tuple[SeriesId, float]] = {}

    def update(self, alarms: Sequence[Alarming], fleet: Fleet) -> list[Cause]:
        """The causes of everything that alarms now, the oldest first.

        An onset joins the oldest open cause that has a member of its watch, or one which began within the window and
        shares a tie; otherwise it opens a cause of its own.
        """
        alarming = {one.series: one for one in alarms}
        self._open = {series: cause for series, cause in self._open.items() if series in alarming}
        ties = fleet.ties(alarms)
        for one in sorted(alarms, key=lambda one: (one.since, one.series)):
            if one.series not in self._open:
                kin = [self._open[other] for other in self._open if _kin(one, alarming[other], ties)]
                own = one.series, one.since
                self._open[one.series] = min(kin, key=lambda cause: (cause[1], cause[0]), default=own)
        members: dict[tuple[SeriesId, float], list[Alarming]] = {}
        for series, cause in self._open.items():
            members.setdefault(cause, []).append(alarming[series])
        found = [Cause(lead, since, tuple(sorted(some, key=lambda one: (-one.stake, one.series))))
                 for (lead, since), some in members.items()]
        return sorted(found, key=lambda cause: (cause.since, cause.lead))

    def state(self) -> list[Any]:
        """Everything needed to go on, as plain values for JSON."""
        return [[_plain(series), _plain(lead), since] for series, (lead, since) in self._open.items()]

    def restore(self, state: list[Any]) -> Self:
        """Go on from such a state.

        Raises:
            ValueError: it is none.
        """
        try:
            self._open = {_series(one): (_series(lead), float(since)) for one, lead, since in state}
        except (TypeError, KeyError):
            raise ValueError("no state of causes") from None
        return self


def entities(series: SeriesId) -> tuple[Key, ...]:
    """The labels of a series that name something which can be the cause."""
    return tuple((name, value) for name, value in series.labels if name in ENTITIES)


def keys(series: SeriesId, family: str) -> tuple[Key, ...]:
    """Everything that may tie a series to others."""
    own = (("watch", series.watch), ("family", family)) if family else (("watch", series.watch),)
    return *own, *entities(series)


def _kin(one: Alarming, other: Alarming, ties: frozenset[Key]) -> bool:
    if one.series.watch == other.series.watch:
        # The budget pays one page for them: after an incident, means of hours are odd long after its first sample.
        return True
    near = abs(one.since - other.since) <= WINDOW
    return near and bool(ties & set(keys(one.series, one.family)) & set(keys(other.series, other.family)))


def _plain(series: SeriesId) -> dict[str, Any]:
    return {"watch": series.watch, "labels": [list(label) for label in series.labels]}


def _series(plain: Mapping[str, Any]) -> SeriesId:
    return SeriesId(str(plain["watch"]), tuple((str(name), str(value)) for name, value in plain["labels"]))

"""Credit of several touches: the revenue of each window divided among the channels that touched its deals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from sales_exporter.collectors.cardinality import NONE, OTHER, label
from sales_exporter.collectors.deals import Deals, Floats
from sales_exporter.collectors.returns import CASH, COHORT, Facts
from sales_exporter.collectors.windows import Windows
from sales_exporter.collectors.wins import SPENT, WON, Sums, Wins, cohort, compressed, held
from sales_exporter.ledger import deals as book
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cells import Cells
from sales_exporter.ledger.paths import channels, days
from sales_exporter.ledger.view import View
from sales_exporter.stats.attribution import MODELS, Credit, Journeys

T = TypeVar("T")
SHARED = ("linear", "position", "time_decay", "markov", "shapley")
"""Models that divide a deal among several channels, by the name of their label."""
TIMED = "time_decay"
MOST_CHANNELS = 60
"""Channels that are credited apart; what lies beyond is (other)."""


@dataclass(frozen=True, eq=False)
class Routes:
    """The paths that occur, with the channels by code: ``plain`` is the place of a path among those without ages."""

    labels: Sequence[str]
    plain: Ints
    paths: tuple[tuple[int, ...], ...]
    aged: tuple[tuple[int, ...], ...]
    days: tuple[tuple[float, ...], ...]

    @cached_property
    def members(self) -> Floats:
        """1 where a path (row) holds a channel (column)."""
        found = np.zeros((len(self.paths), len(self.labels)))
        for place, path in enumerate(self.paths):
            found[place, list(path)] = 1
        return found

    @classmethod
    def of(cls, view: View, present: Ints, keep: Callable[[str], str]) -> Routes:
        """Of paths by number; ``keep`` gives the label under which a channel is shown."""
        touches, lengths = view.names.paths.touches(present)
        numbers, place = np.unique(channels(touches), return_inverse=True)
        shown = {number: keep(label(view.names.text(number))) for number in numbers.tolist()}
        apart = set(sorted(set(shown.values()) - {OTHER})[:MOST_CHANNELS])
        shown = {number: name if name in apart else OTHER for number, name in shown.items()}
        labels = sorted(set(shown.values()))
        codes = np.array([labels.index(shown[number]) for number in numbers.tolist()], dtype=np.int64)
        aged = tuple(_cut(codes[place].tolist(), lengths))
        plain = {path: place for place, path in enumerate(dict.fromkeys(aged))}
        return cls(
            labels, np.array([plain[path] for path in aged], dtype=np.int64), tuple(plain), aged,
            tuple(_cut(days(touches, lengths).tolist(), lengths)))

    def journeys(self, won: Ints, lost: Ints, cents: Ints) -> Journeys:
        """Journeys by path without ages, from counts by path."""
        size = len(self.paths)
        sums = [np.bincount(self.plain, column, size).astype(np.int64).tolist() for column in (won, lost)]
        exact = np.zeros(size, dtype=np.int64)
        np.add.at(exact, self.plain, cents)
        return self._ways.counting(tuple(sums[0]), tuple(sums[1]), tuple(exact.tolist()))

    def timed(self, won: Ints, cents: Ints) -> Journeys:
        """Journeys by path with ages, of the won deals alone."""
        return self._dated_ways.counting(tuple(won.tolist()), (0,) * len(self.aged), tuple(cents.tolist()))

    # Each window has other counts of the same paths.
    @cached_property
    def _ways(self) -> Journeys:
        nothing = (0,) * len(self.paths)
        return Journeys(len(self.labels), self.paths, nothing, nothing, nothing)

    @cached_property
    def _dated_ways(self) -> Journeys:
        nothing = (0,) * len(self.aged)
        return Journeys(len(self.labels), self.aged, nothing, nothing, nothing, self.days)


def _cut(values: list[T], lengths: Ints) -> Iterator[tuple[T, ...]]:
    """Values one path after the other, by path."""
    ends = np.cumsum(lengths)
    for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True):
        yield tuple(values[start:end])


def shared(deals: Deals, wins: Wins, windows: Windows, keep: Callable[[str], str]) -> Facts:
    """Facts of the models that divide deals, by channel; campaigns have none.

    The journeys of a window are, by cash, the deals won or lost in it; by cohort, those of the leads created in it,
    won or not so far. The deals behind a channel's revenue are those that it touched. Its squares are as if each of
    these had brought it the same share of its amount.
    """
    lost = _Lost.of(deals, windows)
    _, present = compressed(np.concatenate([wins.path, lost.path]))
    routes = Routes.of(deals.view, present, keep)
    place, losses = np.searchsorted(present, wins.path), np.searchsorted(present, lost.path)
    sums: tuple[Sums, ...] = ({}, {}, {}, {})
    missed: Sums = {}
    for basis, bucket, others in ((CASH, wins.closed, lost.closed), (COHORT, wins.created, lost.created)):
        for number, window in enumerate(windows.names, 1):
            inside = bucket >= number
            totals = _Totals.of(place[inside], wins.cents[inside], losses[others >= number], len(present))
            for model, credit in totals.credits(routes):
                for code, column in enumerate(zip(*totals.behind(routes, credit), strict=True)):
                    if column[0]:
                        for kept, value in zip(sums, column, strict=True):
                            kept[routes.labels[code], NONE, window, model, basis] = float(value)
                if basis == CASH:
                    missed[window, model] = credit.unassigned / 100
    return Facts(
        ("channel", "campaign"), (Cells(SPENT, {}), Cells(SPENT, {})),
        tuple(Cells(WON, kept) for kept in sums), Cells(("window", "model"), missed))


@dataclass(frozen=True, slots=True, eq=False)
class _Lost:
    """Deals of known leads, no test leads, that are not won: their paths, and the windows as Wins has them.

    ``closed`` is 0 for a deal that is not lost.
    """

    path: Ints
    closed: Ints
    created: Ints

    @classmethod
    def of(cls, deals: Deals, windows: Windows) -> _Lost:
        records = deals.records
        there = (deals.result != book.WON) & (deals.result <= book.OTHER) & (records["status"] < book.TEST)
        known, created = cohort(records["created"], deals.now, windows)
        places = np.flatnonzero(there & known)
        lost = deals.result[places] == book.LOST
        return cls(
            records["path"][places].astype(np.int64), np.where(lost, held(deals.ended[places], windows), 0),
            created[places])


@dataclass(frozen=True, slots=True, eq=False)
class _Totals:
    """Deals of one window by path: won, lost and without a rate, revenue in cents and squares in money."""

    won: Ints
    lost: Ints
    unpriced: Ints
    cents: Ints
    squares: Floats

    @classmethod
    def of(cls, won: Ints, amounts: Floats, lost: Ints, size: int) -> _Totals:
        whole = np.nan_to_num(amounts).astype(np.int64)
        cents = np.zeros(size, dtype=np.int64)
        np.add.at(cents, won, whole)
        return cls(
            np.bincount(won, minlength=size), np.bincount(lost, minlength=size),
            np.bincount(won, np.isnan(amounts), size).astype(np.int64), cents,
            np.bincount(won, (whole / 100) ** 2, size).astype(np.float64))

    def credits(self, routes: Routes) -> Iterator[tuple[str, Credit]]:
        """The credit that each model gives. A path of refunds earns nothing: they stay unassigned."""
        earned = np.maximum(self.cents, 0)
        refunds = int(self.cents.sum() - earned.sum())
        plain, timed = routes.journeys(self.won, self.lost, earned), routes.timed(self.won, earned)
        for name in SHARED:
            credit = _credit(name, timed if name == TIMED else plain)
            yield name, credit._replace(unassigned=credit.unassigned + refunds)

    def behind(self, routes: Routes, credit: Credit) -> tuple[Floats, Floats, Floats, Floats]:
        """Deals, revenue, squares and deals without a rate of each channel."""
        size, members = len(routes.labels), routes.members
        deals, unpriced, revenue, squares = (
            np.bincount(routes.plain, column, len(routes.paths)) @ members
            for column in (self.won, self.unpriced, np.maximum(self.cents, 0) / 100, self.squares))
        earned = credit.cents / 100
        share = np.divide(earned, revenue, out=np.zeros(size), where=revenue > 0)
        return deals, earned, squares * share**2, unpriced


def _credit(model: str, journeys: Journeys) -> Credit:
    if not sum(journeys.cents):
        return Credit(np.zeros(journeys.channels, dtype=np.int64), 0, np.zeros(journeys.channels))
    return MODELS[model](journeys)



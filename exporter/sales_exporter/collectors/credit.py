"""Credit of several touches: the revenue of each window divided among the channels that touched its deals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sales_exporter.collectors.cardinality import NONE, OTHER, label
from sales_exporter.collectors.deals import Deals, Floats
from sales_exporter.collectors.returns import CASH, COHORT, Facts
from sales_exporter.collectors.wins import SPENT, WON, Sums, Wins, held, nested
from sales_exporter.ledger import deals as book
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cells import Cells
from sales_exporter.ledger.paths import channels, days
from sales_exporter.ledger.view import View
from sales_exporter.stats.attribution import MODELS, Credit, Journeys, decay, share_out

SHARED = ("linear", "position", "time_decay", "markov", "shapley")
"""Models that divide a deal among several channels, by the name of their label."""
TIMED = "time_decay"
MOST_CHANNELS = 60
"""Channels that are credited apart; what lies beyond is (other)."""


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """The paths that occur, with the channels by code. ``plain`` are those without ages, of which there are few.

    ``members`` is 1 where one of them (row) holds a channel (column). ``owner``, ``channel`` and ``weight``, by time
    decay, are of each touch of all paths; ``order`` has the paths by their plain one, which begin at ``starts``.
    """

    labels: Sequence[str]
    plain: Journeys
    members: Floats
    owner: Ints
    channel: Ints
    weight: Floats
    order: Ints
    starts: Ints

    @classmethod
    def of(cls, view: View, present: Ints, keep: Callable[[str], str]) -> Routes:
        """Of paths by number; ``keep`` gives the label under which a channel is shown."""
        touches, lengths = view.names.paths.touches(present)
        numbers, place = np.unique(channels(touches), return_inverse=True)
        shown = {number: keep(label(view.names.text(number))) for number in numbers.tolist()}
        apart = set(sorted(set(shown.values()) - {OTHER})[:MOST_CHANNELS])
        shown = {number: name if name in apart else OTHER for number, name in shown.items()}
        labels = sorted(set(shown.values()))
        codes = np.array([labels.index(shown[number]) for number in numbers.tolist()], dtype=np.int64)[place]
        plain, paths = _distinct(codes, lengths)
        members = np.zeros((len(paths), len(labels)))
        for row, path in enumerate(paths):
            members[row, list(path)] = 1
        owner = np.repeat(np.arange(len(lengths)), lengths)
        nothing = np.zeros(len(paths), dtype=np.int64)
        return cls(
            labels, Journeys(len(labels), paths, nothing, nothing, nothing), members, owner, codes,
            decay(owner, days(touches, lengths), len(lengths)), np.argsort(plain, kind="stable"),
            np.flatnonzero(np.diff(np.sort(plain), prepend=-1)))

    def joined(self, column: Floats | Ints) -> Floats:
        """A figure of each path and window, added up to paths without ages."""
        if not len(column):
            return column.astype(np.float64)
        return np.asarray(np.add.reduceat(column[self.order], self.starts, axis=0))

    def timed(self, cents: Ints) -> Floats:
        """Weights of the channels by time decay, for revenue by path."""
        found = np.bincount(self.channel, self.weight * cents[self.owner], len(self.labels))
        return found.astype(np.float64)


def _distinct(codes: Ints, lengths: Ints) -> tuple[Ints, tuple[tuple[int, ...], ...]]:
    """The place of each path among the distinct ones, and these in order of appearance."""
    width = int(lengths.max(initial=1))
    # Codes from 1 in rows of bytes: what is left of a row is zeros, which do not count for a text of numpy.
    rows = np.zeros((len(lengths), max(width, 1)), dtype=np.uint8)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = codes + 1
    texts: list[bytes] = rows.view(f"S{rows.shape[1]}").ravel().tolist()
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return (np.array([places[text] for text in texts], dtype=np.int64),
            tuple(tuple(code - 1 for code in text) for text in places))


def shared(deals: Deals, wins: Wins, keep: Callable[[str], str]) -> Facts:
    """Facts of the models that divide deals, by channel; campaigns have none.

    The journeys of a window are, by cash, the deals won or lost in it; by cohort, those of the leads created in it,
    won or not so far. The deals behind a channel's revenue are those that it touched. Its squares are as if each of
    these had brought it the same share of its amount.
    """
    lost, names = _lost(deals, wins), wins.windows.names
    present = np.union1d(wins.paths[0], np.concatenate([paths for paths, _ in lost.values()]))
    routes = Routes.of(deals.view, present, keep)
    sums: tuple[Sums, ...] = ({}, {}, {}, {})
    missed: Sums = {}
    for basis in (CASH, COHORT):
        totals = _Totals.of(wins, basis, lost[basis], present, routes)
        for at, window in enumerate(names):
            for model, credit in totals.credits(routes, at):
                for code, column in enumerate(zip(*totals.behind(credit, at), strict=True)):
                    if column[0]:
                        for kept, value in zip(sums, column, strict=True):
                            kept[routes.labels[code], NONE, window, model, basis] = float(value)
                if basis == CASH:
                    missed[window, model] = credit.unassigned / 100
    return Facts(
        ("channel", "campaign"), (Cells(SPENT, {}), Cells(SPENT, {})),
        tuple(Cells(WON, kept) for kept in sums), Cells(("window", "model"), missed))


def _lost(deals: Deals, wins: Wins) -> dict[str, tuple[Ints, Floats]]:
    """By basis: paths, ascending, and the deals of each and window that are not won; by cash, that are lost.

    Only deals of known leads, no test leads.
    """
    records, windows = deals.records, wins.windows
    born, result, wide = records["created"], deals.result, len(windows.names) + 1
    there = (result != book.WON) & (result <= book.OTHER) & (records["status"] < book.TEST)
    cohorts = there & (born != book.UNKNOWN) & (born < deals.now)
    first = records["path"].astype(np.int64) * wide
    found = {}
    for basis, chosen, at in ((CASH, cohorts & (result == book.LOST), deals.ended), (COHORT, cohorts, born)):
        # What no window holds drops out, and so does whatever is not chosen: quicker than to pick the others.
        cells = np.bincount(first + held(at, windows) * chosen, minlength=wide)
        table = nested(np.pad(cells, (0, -len(cells) % wide)), wide - 1)
        paths = np.flatnonzero(table.any(axis=1))
        found[basis] = paths, table[paths]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Totals:
    """Deals by window (column): ``earned`` (cents, never negative) by path, won and lost by path without ages, what
    refunds take away, and deals, revenue, squares and deals without a rate of those that each channel touched."""

    earned: Ints
    cents: Ints
    won: Ints
    lost: Ints
    refunds: Ints
    touched: tuple[Floats, Floats, Floats, Floats]

    @classmethod
    def of(cls, wins: Wins, basis: str, lost: tuple[Ints, Floats], present: Ints, routes: Routes) -> _Totals:
        """Of one basis, by the paths that are present."""
        def placed(paths: Ints, column: Floats) -> Floats:
            found = np.zeros((len(present), column.shape[1]))
            found[np.searchsorted(present, paths)] = column
            return found

        paths, brought = wins.paths
        deals, cents, squares, unpriced = (placed(paths, column) for column in (
            brought[basis].deals, brought[basis].cents, brought[basis].squares, brought[basis].unpriced))
        whole = cents.astype(np.int64)
        # A path of refunds earns nothing: they stay unassigned.
        earned = np.maximum(whole, 0)
        won, revenue = routes.joined(deals), routes.joined(earned)
        touched = [routes.members.T @ column for column in (
            won, revenue / 100, routes.joined(squares), routes.joined(unpriced))]
        return cls(
            earned, revenue.astype(np.int64), won.astype(np.int64),
            routes.joined(placed(*lost)).astype(np.int64), whole.sum(axis=0) - earned.sum(axis=0),
            (touched[0], touched[1], touched[2], touched[3]))

    def credits(self, routes: Routes, at: int) -> Iterator[tuple[str, Credit]]:
        """The credit that each model gives in a window."""
        plain = routes.plain.counting(self.won[:, at], self.lost[:, at], self.cents[:, at])
        for name in SHARED:
            credit = Credit(np.zeros(plain.channels, dtype=np.int64), 0, np.zeros(plain.channels))
            if plain.total and name == TIMED:
                credit = share_out(plain, routes.timed(self.earned[:, at]))
            elif plain.total:
                credit = MODELS[name](plain)
            yield name, credit._replace(unassigned=credit.unassigned + int(self.refunds[at]))

    def behind(self, credit: Credit, at: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Deals, revenue, squares and deals without a rate of each channel."""
        deals, revenue, squares, unpriced = (column[:, at] for column in self.touched)
        earned = credit.cents / 100
        share = np.divide(earned, revenue, out=np.zeros(len(revenue)), where=revenue > 0)
        return deals, earned, squares * share**2, unpriced

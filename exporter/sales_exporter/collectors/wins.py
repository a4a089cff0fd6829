"""Won deals and spend from the books, added up by place and window: what each channel and campaign cost and brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors.cardinality import NONE, label
from sales_exporter.collectors.deals import Deals, Floats, cents
from sales_exporter.collectors.money import Rates
from sales_exporter.collectors.returns import CASH, COHORT, FIRST, LEAD, Facts
from sales_exporter.collectors.windows import Windows
from sales_exporter.ledger import deals as book
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cells import Cells
from sales_exporter.ledger.paths import channels
from sales_exporter.ledger.view import View

SPENT = ("channel", "campaign", "window")
WON = (*SPENT, "model", "basis")
Place = tuple[str, str]
Sums = dict[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Deals, revenue in cents, squares in money and deals without a rate, by place (row) and window (column)."""

    deals: Floats
    cents: Floats
    squares: Floats
    unpriced: Floats

    @classmethod
    def of(cls, code: Ints, bucket: Ints, cents: Floats, size: int, windows: int) -> Columns:
        """Of deals with the code of their place, below ``size``, and how many windows hold each."""
        cell, missing = code * (windows + 1) + bucket, np.isnan(cents)
        amounts = np.where(missing, 0.0, cents)
        return cls(*(
            nested(np.bincount(which, weights, size * (windows + 1)), windows)
            for which, weights in ((cell, None), (cell, amounts), (cell, (amounts / 100) ** 2), (cell[missing], None))))

    def take(self, places: Ints) -> Columns:
        """Those of some places."""
        return Columns(self.deals[places], self.cents[places], self.squares[places], self.unpriced[places])

    def added(self, code: Ints, size: int) -> Columns:
        """Places added up to fewer, whose codes are given."""
        return Columns(*(
            np.column_stack([np.bincount(code, window, size).astype(np.float64) for window in column.T])
            for column in (self.deals, self.cents, self.squares, self.unpriced)))


def nested(cells: NDArray[Any], windows: int) -> Floats:
    """What lies in each window, from what is held by 0, 1 ... ``windows`` of them."""
    # Added up by bucket first: the windows are then sums of few rows.
    table = cells.astype(np.float64).reshape(-1, windows + 1)
    return np.asarray(table[:, :0:-1].cumsum(axis=1)[:, ::-1])


@dataclass(frozen=True, eq=False)
class Wins:
    """Won deals that are not of test leads, by column.

    ``closed`` and ``created`` tell how many windows, from the longest, hold the closing of the deal and the creation
    of its lead (0 for a deal without a lead); ``cents`` is NaN without a rate; ``path`` is 0 without a lead.
    """

    view: View
    windows: Windows
    closed: Ints
    created: Ints
    known: Ints
    channel: Ints
    campaign: Ints
    path: Ints
    cents: Floats

    @classmethod
    def of(cls, deals: Deals, rates: Rates, windows: Windows) -> Wins:
        """From the deals at a moment."""
        records = deals.records
        # The flag of a test lead makes another status of it.
        places = np.flatnonzero((records["status"] == book.WON) & (deals.ended < deals.now))
        channel, campaign, path = (records[name][places].astype(np.int64) for name in ("channel", "campaign", "path"))
        known, created = cohort(records["created"][places], deals.now, windows)
        return cls(
            deals.view, windows, held(deals.ended[places], windows), created, known, channel, campaign,
            np.where(known, path, 0), deals.values(places, rates))

    @cached_property
    def paths(self) -> tuple[Ints, dict[str, Columns]]:
        """The paths that the leads took, ascending, and by basis what each of them brought."""
        # Paths are numbered without gaps: there is nothing to be gained by numbering those that occur anew.
        present = np.flatnonzero(np.bincount(self.path))
        every = self._columns(self.path, int(self.path.max(initial=0)) + 1)
        return present, {basis: columns.take(present) for basis, columns in every.items()}

    def facts(self, models: Sequence[str]) -> Facts:
        """Facts of the models that give a deal to one channel; without spend."""
        sums: tuple[Sums, ...] = ({}, {}, {}, {})
        missed: Sums = {}
        for model in models:
            places, credited = self._own() if model == LEAD else self._touched(model)
            for basis, found in credited.items():
                columns = found.deals, found.cents / 100, found.squares, found.unpriced
                for place, at in zip(*(axis.tolist() for axis in np.nonzero(found.deals[1:])), strict=True):
                    key = (*places[place], self.windows.names[at], model, basis)
                    for kept, column in zip(sums, columns, strict=True):
                        kept[key] = kept.get(key, 0.0) + float(column[place + 1, at])
                if basis == CASH:
                    for at, window in enumerate(self.windows.names):
                        missed[window, model] = float(columns[1][0, at])
        return Facts(
            ("channel", "campaign"), (Cells(SPENT, {}), Cells(SPENT, {})),
            tuple(Cells(WON, kept) for kept in sums), Cells(("window", "model"), missed))

    def touching(self) -> list[str]:
        """The channels that touched any deal."""
        touches, _ = self.view.names.paths.touches(self.paths[0])
        return [self._label(number) for number in np.unique(channels(touches)).tolist()]

    def _columns(self, code: Ints, size: int) -> dict[str, Columns]:
        return {basis: Columns.of(code, bucket, self.cents, size, len(self.windows.names))
                for basis, bucket in ((CASH, self.closed), (COHORT, self.created))}

    def _own(self) -> tuple[list[Place], dict[str, Columns]]:
        """Places, and their figures from the second row on: the first one is of deals without a lead."""
        wide = int(self.campaign.max(initial=0)) + 1
        pair, pairs = compressed(self.channel * wide + self.campaign)
        names = [(self._label(p // wide), self._label(p % wide)) for p in pairs.tolist()]
        return names, self._columns(np.where(self.known, pair + 1, 0), len(names) + 1)

    def _touched(self, model: str) -> tuple[list[Place], dict[str, Columns]]:
        """The same by the first or the last touch; the first row is of deals without a touch."""
        paths, brought = self.paths
        touches, lengths = self.view.names.paths.touches(paths)
        some, behind = lengths > 0, np.cumsum(lengths)
        ends = channels(touches)[behind[some] - (lengths[some] if model == FIRST else 1)]
        numbers, code = np.unique(ends, return_inverse=True)
        place = np.zeros(len(paths), dtype=np.int64)
        place[some] = code + 1
        names = [(self._label(number), NONE) for number in numbers.tolist()]
        return names, {basis: columns.added(place, len(names) + 1) for basis, columns in brought.items()}

    def _label(self, number: int) -> str:
        return label(self.view.names.text(number))


def cohort(created: Ints, now: int, windows: Windows) -> tuple[Ints, Ints]:
    """Whether leads are known, and how many windows hold their creation (seconds)."""
    known = (created != book.UNKNOWN) & (created < now)
    return known, np.where(known, held(created, windows), 0)


def held(moments: NDArray[Any], windows: Windows) -> Ints:
    """How many windows, from the longest, hold moments in seconds."""
    return windows.holding(moments)


def compressed(codes: Ints) -> tuple[Ints, Ints]:
    """Codes as places among those that occur, and these, ascending."""
    most = int(codes.max(initial=0))
    if most > _DENSE:
        present, places = np.unique(codes, return_inverse=True)
        return places.astype(np.int64), present
    present = np.flatnonzero(np.bincount(codes))
    table = np.zeros(most + 1, dtype=np.int64)
    table[present] = np.arange(len(present))
    return table[codes], present


_DENSE = 8_000_000


def spent(view: View, rates: Rates, first_days: Sequence[int], end: int, windows: Windows) -> tuple[Cells, ...]:
    """Spend, and days of spend without a rate, of the days from each window's first to before ``end``."""
    records = view.book(book.SPEND)
    records = records.take(records["day"] < end)
    values = cents(view, records["cents"], records["currency"], rates.reporting, lambda currency, which: rates.dated(
        currency, records["day"][which].astype(np.int64)))
    code, pairs = compressed(records["channel"].astype(np.int64) << 16 | records["campaign"])
    names = [tuple(label(view.names.text(n)) for n in (p >> 16, p & 0xFFFF)) for p in pairs.tolist()]
    sums: tuple[Sums, Sums] = ({}, {})
    for window, first in zip(windows.names, first_days, strict=True):
        inside = records["day"] >= first
        there, amounts = code[inside], values[inside]
        n = np.bincount(there, minlength=len(names))
        columns = (np.bincount(there, np.nan_to_num(amounts / 100), len(names)),
                   np.bincount(there, np.isnan(amounts), len(names)))
        for place in np.flatnonzero(n).tolist():
            for kept, column in zip(sums, columns, strict=True):
                key = (*names[place], window)
                kept[key] = kept.get(key, 0.0) + float(column[place])
    return tuple(Cells(SPENT, kept) for kept in sums)

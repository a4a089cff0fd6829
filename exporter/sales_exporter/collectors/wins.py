"""Won deals and spend from the books, added up by place and window: what each channel and campaign cost and brought."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
class Wins:
    """Won deals that are not of test leads, by column.

    ``closed`` and ``created`` tell how many windows, from the longest, hold the closing of the deal and the creation
    of its lead (0 for a deal without a lead); ``cents`` is NaN without a rate; ``path`` is 0 without a lead.
    """

    view: View
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
            deals.view, held(deals.ended[places], windows), created, known, channel, campaign,
            np.where(known, path, 0), deals.values(places, rates))

    def facts(self, windows: Windows, models: Sequence[str]) -> Facts:
        """Facts of the models that give a deal to one channel; without spend."""
        sums: tuple[Sums, ...] = ({}, {}, {}, {})
        missed: Sums = {}
        for model in models:
            code, places = self._credited(model)
            for basis, bucket in ((CASH, self.closed), (COHORT, self.created)):
                for window, columns in self._windows(windows, bucket, code, len(places)):
                    for place in np.flatnonzero(columns[0][1:]).tolist():
                        key = (*places[place], window, model, basis)
                        for kept, column in zip(sums, columns, strict=True):
                            kept[key] = kept.get(key, 0.0) + float(column[place + 1])
                    if basis == CASH:
                        missed[window, model] = float(columns[1][0])
        return Facts(
            ("channel", "campaign"), (Cells(SPENT, {}), Cells(SPENT, {})),
            tuple(Cells(WON, kept) for kept in sums), Cells(("window", "model"), missed))

    def touching(self) -> list[str]:
        """The channels that touched any deal."""
        touches, _ = self.view.names.paths.touches(compressed(self.path)[1])
        return [self._label(number) for number in np.unique(channels(touches)).tolist()]

    def _credited(self, model: str) -> tuple[Ints, list[Place]]:
        """The place of each deal, counted from 1, and the places; 0 is none."""
        if model == LEAD:
            pair, pairs = compressed(self.channel << 16 | self.campaign)
            names = [(self._label(p >> 16), self._label(p & 0xFFFF)) for p in pairs.tolist()]
            return np.where(self.known, pair + 1, 0), names
        touched, paths = compressed(self.path)
        touches, lengths = self.view.names.paths.touches(paths)
        some, behind = lengths > 0, np.cumsum(lengths)
        ends = channels(touches)[behind[some] - (lengths[some] if model == FIRST else 1)]
        numbers, code = np.unique(ends, return_inverse=True)
        place = np.zeros(len(paths), dtype=np.int64)
        place[some] = code + 1
        return place[touched], [(self._label(number), NONE) for number in numbers.tolist()]

    def _label(self, number: int) -> str:
        return label(self.view.names.text(number))

    def _windows(self, windows: Windows, bucket: Ints, code: Ints, places: int) -> Iterator[tuple[str, list[Floats]]]:
        """Deals, revenue, squares and deals without a rate of each window by place."""
        # Added up by bucket first: the windows are then sums of few rows.
        size, wide = places + 1, len(windows.names) + 1
        cell = code * wide + bucket
        amounts = np.nan_to_num(self.cents / 100)
        columns = [
            np.bincount(cell, weights, size * wide).reshape(size, wide)
            for weights in (None, amounts, amounts**2, np.isnan(self.cents))
        ]
        for place, window in enumerate(windows.names, 1):
            yield window, [column[:, place:].sum(axis=1) for column in columns]


def cohort(created: Ints, now: int, windows: Windows) -> tuple[Ints, Ints]:
    """Whether leads are known, and how many windows hold their creation (seconds)."""
    known = (created != book.UNKNOWN) & (created < now)
    return known, np.where(known, held(created, windows), 0)


def held(moments: NDArray[Any], windows: Windows) -> Ints:
    """How many windows, from the longest, hold moments in seconds."""
    return windows.holding(moments.astype(np.float64))


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

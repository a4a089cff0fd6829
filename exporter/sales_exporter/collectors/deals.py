"""Deals as they stood at a moment: won, lost or open, what they are worth and how long they took.

The book knows only the present. The past is read from its dates: a deal that was closed at or after the moment was
open then, and one that was opened at or after it did not exist. Moments count in whole seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors.money import Rates
from sales_exporter.ledger import deals as book
from sales_exporter.ledger.book import Records
from sales_exporter.ledger.calendar import SECOND, Ints
from sales_exporter.ledger.view import View

WON, LOST, OPEN = "won", "lost", "open"
CLOSED = "deals closed in the window, before the moment of evaluation"
UNFINISHED = "open deals count as open, in window all, and in no ratio"
WINDOW = "half-open, by closed_at, from the full hour (UTC) that holds the moment of evaluation less its length"

Floats = NDArray[np.float64]
_NOT_YET = 255


@dataclass(frozen=True, slots=True, eq=False)
class Deals:
    """The deals of the book at ``now``; ``result`` is WON, LOST, OPEN or OTHER of the book's codes, or none of them
    where a deal does not exist yet."""

    view: View
    records: Records
    now: int
    result: NDArray[np.uint8]
    ended: NDArray[np.uint32]
    """When each deal was or will be closed, in epoch seconds; the book's NEVER without a date."""

    @classmethod
    def at(cls, view: View, now: float) -> Deals:
        """Of a view, at a moment (epoch seconds)."""
        records, moment = view.book(book.DEALS), math.floor(now)
        closed, status = records["closed"], records["status"] & ~np.uint8(book.TEST)
        result = np.where((closed < moment) & (status < book.OPEN), status, np.uint8(book.OTHER))
        undated = closed == book.NEVER
        result[((closed >= moment) & ~undated) | (undated & (status == book.OPEN))] = book.OPEN
        result[records["opened"] >= moment] = _NOT_YET
        return cls(view, records, moment, result, closed)

    def where(self, result: int) -> Ints:
        """Places of the deals with a result."""
        return np.flatnonzero(self.result == result)

    def take(self, which: NDArray[np.bool_]) -> Deals:
        """Those of a mask, in the same order."""
        return Deals(self.view, self.records.take(which), self.now, self.result[which], self.ended[which])

    def closed(self, places: Ints) -> Floats:
        """When deals were closed, in epoch seconds; -inf of one that was not, or not yet."""
        closed = self.ended[places]
        return np.where(closed < self.now, closed, -np.inf)

    def cycles(self, places: Ints) -> Floats:
        """Seconds from opening to closing, never negative; NaN where the opening is unknown."""
        opened, closed = self.records["opened"][places].astype(np.int64), self.ended[places].astype(np.int64)
        return np.where(opened == book.UNKNOWN, np.nan, np.maximum(closed - opened, 0))

    def values(self, places: Ints, rates: Rates) -> Floats:
        """Cents in the reporting currency, whole ones; NaN without a rate or an amount.

        Closed deals take the rate of the day on which they were closed, open ones the newest.
        """
        ended = self.ended[places]
        calendar, today = self.view.scheme.calendar, self.view.scheme.calendar.day(float(self.now))

        def factors(currency: str, which: Ints) -> Floats:
            closed = ended[which]
            dated = rates.dated(currency, calendar.days(closed.astype(np.int64) * SECOND))
            return np.where(closed < self.now, dated, rates.newest(currency, today))

        amounts, currency = self.records["cents"][places], self.records["currency"][places]
        return cents(self.view, amounts, currency, rates.reporting, factors)

    def currencies(self) -> list[str]:
        """The currencies that occur."""
        return currencies(self.view, self.records)


def currencies(view: View, records: Records) -> list[str]:
    """The currencies of records."""
    return [view.names.text(number) or "" for number in np.flatnonzero(np.bincount(records["currency"])).tolist()]


def cents(
    view: View, amounts: Ints, codes: Ints, reporting: str, factors: Callable[[str, Ints], Floats]
) -> Floats:
    """Cents in the reporting currency, rounded, of amounts and numbers of currencies; ``factors`` are the rates of a
    currency at places of these."""
    found = np.where(amounts == book.NO_AMOUNT, np.nan, amounts.astype(np.float64))
    for number in np.flatnonzero(np.bincount(codes)).tolist():
        currency = view.names.text(number) or ""
        if currency != reporting:
            mine = np.flatnonzero(codes == number)
            found[mine] = np.round(found[mine] * factors(currency, mine))
    return found

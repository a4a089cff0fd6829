"""Returns on spend and costs of a conversion, from cells of money, with the bounds that few deals allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sales_exporter.collectors.ratios import Ratio
from sales_exporter.collectors.windows import Windows
from sales_exporter.ledger.cells import Cells
from sales_exporter.model import Sample
from sales_exporter.stats.intervals import Floats, compound_poisson, poisson

CASH, COHORT = "cash", "cohort"
LEAD, LAST, FIRST = "lead", "last", "first"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one place (channel or campaign, in one window) spent and brought.

    ``squares`` is the sum of the squared amounts; ``unpriced`` and ``unpriced_spend`` count the deals and the
    days of spend that have no value for want of an exchange rate.
    """

    labels: Mapping[str, str]
    spend: float
    unpriced_spend: float
    deals: float
    revenue: float
    squares: float
    unpriced: float

    @property
    def known(self) -> bool:
        """Whether the revenue is a figure: no deal is none, but deals that all lack a rate are unknown."""
        return self.unpriced < self.deals or not self.deals


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of one place, its 95 % bounds and the number of deals behind it."""

    labels: Mapping[str, str]
    deals: float
    value: float
    lower: float
    upper: float

    def samples(self, metric: Ratio, *, less: float = 0.0, **more: str) -> Iterator[Sample]:
        """The three samples, ``less`` taken off each."""
        return metric(self.value - less, self.lower - less, self.upper - less, **self.labels, **more)


@dataclass(frozen=True, slots=True)
class Facts:
    """Cells by place and window.

    ``spent`` holds spend and days without a rate (empty cells where none is recorded); ``won`` holds deals,
    revenue, squares and deals without a rate, also by model and basis; ``unassigned`` is the cash that a model
    gives to no place, by window and model.
    """

    places: tuple[str, ...]
    spent: tuple[Cells, ...]
    won: tuple[Cells, ...]
    unassigned: Cells

    def relabel(self, column: str, rename: Callable[[str], str]) -> Facts:
        """The same facts with the channels or the campaigns renamed."""
        spent, won = (tuple(c.relabel(column, rename) for c in cells) for cells in (self.spent, self.won))
        return replace(self, spent=spent, won=won)

    def plus(self, more: Facts) -> Facts:
        """With the won deals and the unassigned revenue of other models."""
        won = tuple(
            Cells(mine.columns, {**mine.counts, **theirs.counts})
            for mine, theirs in zip(self.won, more.won, strict=True))
        missed = Cells(self.unassigned.columns, {**self.unassigned.counts, **more.unassigned.counts})
        return replace(self, won=won, unassigned=missed)

    def by(self, *places: str) -> Facts:
        """The same facts added up over the other places."""
        spent = tuple(cells.sum_by(*places, "window") for cells in self.spent)
        won = tuple(cells.sum_by(*places, "window", "model", "basis") for cells in self.won)
        return replace(self, places=places, spent=spent, won=won)

    def entries(self, windows: Windows, model: str, basis: str) -> list[Entry]:
        """Every place that ever spent or brought anything, in every window, in order of its name."""
        size, names = len(self.places), (*self.places, "window")
        places = sorted({key[:size] for cells in (self.spent[0], self.won[0]) for key in cells.counts})
        (spend, undated), (deals, revenue, squares, unpriced) = (
            [cells.counts for cells in kind] for kind in (self.spent, self.won))
        found = []
        for place in places:
            for window in windows.names:
                at = (*place, window)
                key = (*at, model, basis)
                found.append(Entry(
                    dict(zip(names, at, strict=True)), spend.get(at, 0.0), undated.get(at, 0.0), deals.get(key, 0.0),
                    revenue.get(key, 0.0), squares.get(key, 0.0), unpriced.get(key, 0.0)))
        return found

    def typical(self, windows: Windows) -> float:
        """The mean amount of a won deal, weighted by amount, in the longest window; 0 without any."""
        longest = {"model": LEAD, "basis": CASH, "window": windows.names[0]}
        revenue, squares = (cells.where(**longest).total() for cells in self.won[1:3])
        return squares / revenue if revenue > 0 else 0.0


def returns(entries: Iterable[Entry], typical: float) -> list[Estimate]:
    """Revenue / spend of each place with spend.

    Places are left out where an amount has no exchange rate, and where nothing defines bounds. One more deal
    is taken to bring the place's own squares / revenue (the mean amount, weighted by amount), or ``typical``
    where nothing was won yet.
    """
    known = [entry for entry in entries if _spent(entry) and not entry.unpriced and entry.revenue >= 0]
    revenue, squares = _column([e.revenue for e in known]), _column([e.squares for e in known])
    one_more = np.divide(squares, revenue, out=np.full(len(known), float(typical)), where=revenue > 0)
    bounds = compound_poisson(revenue, squares, one_more)
    return [
        Estimate(e.labels, e.deals, e.revenue / e.spend, lower / e.spend, upper / e.spend)
        for e, lower, upper in zip(known, bounds.lower.tolist(), bounds.upper.tolist(), strict=True)
        if not math.isnan(upper)
    ]


def costs(entries: Iterable[Entry]) -> list[Estimate]:
    """Spend / deals of each place that has both, all of it with a rate; the deals are uncertain, the spend is not."""
    known = [entry for entry in entries if _spent(entry) and entry.deals > 0]
    bounds = poisson([entry.deals for entry in known])
    return [
        Estimate(e.labels, e.deals, e.spend / e.deals, e.spend / more, e.spend / fewer)
        for e, fewer, more in zip(known, bounds.lower.tolist(), bounds.upper.tolist(), strict=True)
    ]


def best(found: Iterable[Estimate], figure: Callable[[Estimate], float], least: float) -> Estimate | None:
    """The one with the largest figure of those with ``least`` deals; ties go by name."""
    enough = [estimate for estimate in found if estimate.deals >= least]
    return min(enough, key=lambda e: (-figure(e), *e.labels.values()), default=None)


def _spent(entry: Entry) -> bool:
    return entry.spend > 0 and not entry.unpriced_spend


def _column(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)

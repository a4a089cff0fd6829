"""Reps: what each has won and lost, how sure that is, and a score whose parts are published."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sales_exporter.collectors import Collector, Context, Row, deals, money, standing
from sales_exporter.collectors.cardinality import NONE, OTHER, TopK, label
from sales_exporter.collectors.deals import LOST, OPEN, WON, Deals
from sales_exporter.collectors.ratios import ratio
from sales_exporter.collectors.windows import ALL, Windows
from sales_exporter.config import Business
from sales_exporter.ledger import deals as book
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cells import Cells
from sales_exporter.model import Definition, Sample, gauge
from sales_exporter.stats.intervals import wilson

SCORE_DAYS = 90
Component = Literal["win_ratio", "revenue", "cycle_time", "volume"]

_DEFINITION = Definition(
    unit="deals", entry=deals.CLOSED, order="the status in force", window=deals.WINDOW,
    attribution="the rep_id of the deal", unfinished=deals.UNFINISHED,
)
DEALS = gauge(
    "sales_rep_deals", "Deals won and lost by the rep in the window, by closing date; open ones, whatever their age, "
    "in window all.", "rep", "result", "window", definition=_DEFINITION,
)
WIN = ratio(
    "sales_rep_win_ratio", "Deals won of deals won or lost in the window. Raw: the share itself with Wilson bounds; a "
    "rep with few deals swings far. Shrunk: the share pulled towards the team as far as the deals are few, with "
    "credible bounds; absent with fewer than three reps.", "rep", "estimator", "window", definition=_DEFINITION,
)
_SCORE = Definition(
    unit="reps with a deal decided in the last 90 days", entry=deals.CLOSED, order="the status in force",
    window=f"90 days, {deals.WINDOW}", attribution="the rep_id of the deal", unfinished=deals.UNFINISHED,
)
STANDING = standing.metrics(_DEFINITION, _SCORE)
SCORE = gauge(
    "sales_rep_score", "Mean of the components that are defined for the rep, weighted by business.rep_score_weights, "
    "0 to 1, over the deals decided in the last 90 days.", "rep", definition=_SCORE,
)
COMPONENT = gauge(
    "sales_rep_score_component", "Parts of the score, 0 to 1. win_ratio: lower bound of the shrunk win ratio, of the "
    "raw one with fewer than three reps. The others are the share of the other reps that the rep outdoes, ties half: "
    "revenue by value won, volume by deals decided, cycle_time by the shorter median from opening to winning. A part "
    "without a basis is absent.",
    "rep", "component", definition=_SCORE,
)
INFO = gauge(
    "sales_rep_info", "1, with the rep's name and team. The only place of a name; with business.pseudonymous_reps the "
    "name is the id.", "rep", "name", "team",
)

NAMES = "SELECT rep_id, display_name, team FROM sales.reps"


class Reps(Collector):
    """Counts, ratios, ranks and score of the busiest reps; the rest is one rep named ``(other)``."""

    name = "reps"
    interval = 60.0
    metrics = (DEALS, *WIN.metrics, *STANDING.metrics, SCORE, COMPONENT, INFO)
    reads = ("deals",)
    folds = ("deals",)

    def __init__(self) -> None:
        self.top = TopK("rep", 1)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """From the book of deals, and one statement over the reps."""
        names = await ctx.db.fetch(NAMES) if "reps" in ctx.relations else []
        found = await asyncio.to_thread(Deals.at, ctx.ledger, ctx.now)
        rates = await money.rates(ctx, found.currencies())
        return [
            *await asyncio.to_thread(self._figures, found, rates, ctx.business),
            *info(names, self.top, pseudonymous=ctx.business.pseudonymous_reps),
        ]

    def _figures(self, found: Deals, rates: money.Rates, business: Business) -> list[Sample]:
        windows = Windows.hourly(found.now, business.windows)
        reps = numbered(found)
        cells, sizes = counted(found, reps, windows)
        self._choose(reps, sizes, business.rep_limit)
        recent = Recent.of(found, rates, reps, found.now)
        return [
            *ratios(cells.relabel("rep", self.top), windows),
            *standings(cells, windows, self._kept),
            *recent.samples(business.reporting_currency, self._kept),
            *scores(components(recent.records), business.rep_score_weights, self.top),
        ]

    def _choose(self, reps: Roster, sizes: Ints, limit: int) -> None:
        if self.top.limit != limit:
            self.top = TopK("rep", limit)
        self.top.rank(dict(zip(reps.names, sizes.tolist(), strict=True)))

    def _kept(self, rep: str) -> bool:
        return rep != NONE and self.top(rep) == rep


@dataclass(frozen=True, slots=True, eq=False)
class Roster:
    """Reps of deals: their labels, and the place in them of each deal's."""

    names: list[str]
    code: Ints


def numbered(found: Deals) -> Roster:
    """The reps of all deals."""
    numbers = found.records["rep"]
    present = np.flatnonzero(np.bincount(numbers))
    labels = [label(found.view.names.text(number)) for number in present.tolist()]
    names = sorted(set(labels))
    codes = np.zeros(int(present.max(initial=0)) + 1, dtype=np.int64)
    codes[present] = [bisect_left(names, text) for text in labels]
    return Roster(names, codes[numbers])


@dataclass(frozen=True, slots=True)
class Record:
    """What the score of one rep is made of.

    ``revenue`` is None when deals were won and none has a value, ``cycle`` (the median, in seconds) when no won
    deal has both dates.
    """

    won: int
    lost: int
    revenue: float | None
    cycle: float | None


def counted(found: Deals, reps: Roster, windows: Windows) -> tuple[Cells, Ints]:
    """Deals by rep, result and window, and all deals of each rep."""
    counts: Counter[tuple[str, ...]] = Counter()
    results = (WON, LOST, OPEN, OTHER)
    # What was not closed by now lies in no window that begins; what does not exist yet is one result more.
    bucket = windows.holding(np.where(found.ended < found.now, found.ended, np.uint32(0)))
    cell = (reps.code * (len(results) + 1) + np.minimum(found.result, len(results))) * _WINDOWS + bucket
    size = len(reps.names) * (len(results) + 1) * _WINDOWS
    table = np.bincount(cell, minlength=size).reshape(-1, len(results) + 1, _WINDOWS)[:, : len(results)]
    for code, result in enumerate(results):
        for rep, held in zip(*(axis.tolist() for axis in np.nonzero(table[:, code])), strict=True):
            # An open deal is a state and no event: its age does not place it in a window.
            for window in (ALL,) if result == OPEN else windows.containing(held):
                counts[reps.names[rep], result, window] += int(table[rep, code, held])
    return Cells(("rep", "result", "window"), counts), table.sum(axis=(1, 2))


_WINDOWS = 16
"""More than the buckets of any configuration."""


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """The reps that decided a deal in the last 90 days."""

    records: Mapping[str, Record]
    reps: list[str]
    sizes: standing.Logs
    cycles: standing.Logs

    @classmethod
    def of(cls, found: Deals, rates: money.Rates, reps: Roster, now: int) -> Recent:
        """From the deals at the moment."""
        (start,) = Windows.hourly(now, [f"{SCORE_DAYS}d"]).starts
        # What is won or lost has been closed.
        recent = found.ended >= start
        won, lost = (np.flatnonzero(recent & (found.result == result)) for result in (book.WON, book.LOST))
        size, by = len(reps.names), reps.code[won]
        values, cycles = found.values(won, rates), found.cycles(won)
        counts = [np.bincount(reps.code[places], minlength=size).tolist() for places in (won, lost)]
        priced = ~np.isnan(values)
        valued = np.bincount(by[priced], minlength=size)
        sums = np.bincount(by[priced], values[priced], size) / 100
        medians = _medians(by, cycles, size)
        records = {
            rep: Record(w, n, None if w and not valued[i] else float(sums[i]), medians.get(i))
            for i, (rep, w, n) in enumerate(zip(reps.names, *counts, strict=True)) if w + n and rep != NONE
        }
        timed = np.where(np.isnan(cycles), np.nan, np.maximum(cycles, standing.SHORTEST))
        known = np.isin(by, [i for i, rep in enumerate(reps.names) if rep != NONE])
        return cls(
            records, reps.names, standing.Logs.of(by[known], values[known] / 100, size),
            standing.Logs.of(by[known], timed[known], size))

    def samples(self, currency: str, keep: standing.Keep) -> Iterator[Sample]:
        """Who is above the team, and how large and how quick the deals of each are."""
        yield from standing.above(_decided(self.records), STANDING, keep)
        yield from standing.typical(self.reps, self.sizes, STANDING.value, keep, currency=currency)
        yield from standing.typical(self.reps, self.cycles, STANDING.cycle, keep)


def _medians(by: Ints, values: standing.Floats, size: int) -> dict[int, float]:
    """Medians of the values that are numbers."""
    known = ~np.isnan(values)
    by, values = by[known], values[known]
    order = np.argsort(by, kind="stable")
    ends = np.cumsum(np.bincount(by, minlength=size))
    parts = np.split(values[order], ends[:-1]) if size else []
    return {code: float(np.median(part)) for code, part in enumerate(parts) if len(part)}


def ratios(cells: Cells, windows: Windows) -> Iterator[Sample]:
    """Counts, win ratios and ranks by window; a ratio without decided deals is left out, its counts are not."""
    reps = sorted(cells.values("rep"))
    for window in windows.names:
        decided = [(rep, cells.get(rep, WON, window), cells.get(rep, LOST, window)) for rep in reps]
        for rep, won, lost in decided:
            yield DEALS(won, rep=rep, result=WON, window=window)
            yield DEALS(lost, rep=rep, result=LOST, window=window)
        yield from WIN.shares(
            ({"rep": rep, "estimator": standing.RAW, "window": window}, won, won + lost) for rep, won, lost in decided)
    for (rep, result, window), n in cells:
        if result not in {WON, LOST}:
            yield DEALS(n, rep=rep, result=result, window=window)


def standings(cells: Cells, windows: Windows, keep: standing.Keep) -> Iterator[Sample]:
    """Shrunk win ratios and ranks by window, among all reps, of those that are kept."""
    reps = sorted(set(cells.values("rep")) - {NONE})
    for window in windows.names:
        won, lost = (np.array([cells.get(rep, result, window) for rep in reps], np.int64) for result in (WON, LOST))
        some = won + lost > 0
        found = standing.Decided([reps[i] for i in np.flatnonzero(some)], won[some], (won + lost)[some])
        yield from standing.ratios(found, WIN, window, keep)
        yield from standing.places(found, STANDING, window, keep)


def components(records: Mapping[str, Record]) -> dict[str, dict[Component, float]]:
    """The components of each rep's score, each 0 to 1; what has no basis is left out."""
    found = _decided(records)
    shrunk = found.rates().bounds().lower
    # Too few reps tell nothing about a team to be pulled to.
    lower = np.where(np.isnan(shrunk), wilson(found.won, found.decided).lower, shrunk)
    parts: dict[Component, Mapping[str, float]] = {
        "win_ratio": dict(zip(records, lower.tolist(), strict=True)),
        "revenue": outdone({rep: r.revenue for rep, r in records.items() if r.revenue is not None}),
        "volume": outdone({rep: record.won + record.lost for rep, record in records.items()}),
        "cycle_time": outdone({rep: -r.cycle for rep, r in records.items() if r.cycle is not None}),
    }
    return {rep: {name: part[rep] for name, part in parts.items() if rep in part} for rep in records}


def _decided(records: Mapping[str, Record]) -> standing.Decided:
    return standing.Decided(
        list(records), np.array([r.won for r in records.values()], np.int64),
        np.array([r.won + r.lost for r in records.values()], np.int64))


def outdone(values: Mapping[str, float]) -> dict[str, float]:
    """Share of the others that each one exceeds, ties counted half; one half for somebody without others."""
    ranked, others = sorted(values.values()), len(values) - 1

    def share(value: float) -> float:
        # Both ends of the run of equal values; it holds the value itself, which is not one of the others.
        return (bisect_left(ranked, value) + bisect_right(ranked, value) - 1) / 2 / others if others else 0.5

    return {name: share(value) for name, value in values.items()}


def scores(
    parts: Mapping[str, Mapping[Component, float]], weights: Mapping[Component, float], top: TopK
) -> Iterator[Sample]:
    """Components and score of each kept rep; the weights of missing components go to the others in proportion."""
    for rep, known in parts.items():
        if top(rep) != rep:
            continue
        for component, value in known.items():
            yield COMPONENT(value, rep=rep, component=component)
        weight = sum(weights.get(component, 0.0) for component in known)
        if weight:
            yield SCORE(sum(weights.get(c, 0.0) * value for c, value in known.items()) / weight, rep=rep)


def info(rows: Iterable[Row], top: TopK, *, pseudonymous: bool) -> Iterator[Sample]:
    """Name and team of each kept rep."""
    for row in rows:
        rep = label(row["rep_id"])
        if top(rep) == rep:
            name = rep if pseudonymous else label(row["display_name"])
            yield INFO(1, rep=rep, name=name, team=label(row["team"]))

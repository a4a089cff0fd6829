"""Reps: what each has won and lost, how sure that is, and a score whose parts are published."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from sales_exporter.collectors import Collector, Context, Row, deals, money
from sales_exporter.collectors.cardinality import NONE, OTHER, TopK, label
from sales_exporter.collectors.deals import LOST, OPEN, WON
from sales_exporter.collectors.ratios import ratio
from sales_exporter.collectors.windows import ALL, Windows
from sales_exporter.ledger.cells import Cells
from sales_exporter.model import Definition, Sample, gauge
from sales_exporter.stats.intervals import wilson

SCORE_DAYS = 90
Component = Literal["win_ratio", "revenue", "cycle_time", "volume"]

_DEFINITION = Definition(
    unit="deals", entry=deals.CLOSED, order="the status in force", window="half-open, by closed_at",
    attribution="the rep_id of the deal", unfinished=deals.UNFINISHED,
)
DEALS = gauge(
    "sales_rep_deals", "Deals won and lost by the rep in the window, by closing date; open ones, whatever their age, "
    "in window all.", "rep", "result", "window", definition=_DEFINITION,
)
WIN = ratio(
    "sales_rep_win_ratio", "Deals won of deals won or lost in the window, with Wilson bounds. Raw: a rep with few "
    "deals swings far, look at the bounds.", "rep", "estimator", "window", definition=_DEFINITION,
)
RANK = gauge(
    "sales_rep_rank", "Place of the rep by the lower bound of the raw win ratio in the window, 1 is best; equal bounds "
    "share the better place. Reps without a decided deal have none.", "rep", "window", definition=_DEFINITION,
)
_SCORE = Definition(
    unit="reps with a deal decided in the last 90 days", entry=deals.CLOSED, order="the status in force",
    window="[as_of - 90 d, as_of) by closed_at", attribution="the rep_id of the deal", unfinished=deals.UNFINISHED,
)
SCORE = gauge(
    "sales_rep_score", "Mean of the components that are defined for the rep, weighted by business.rep_score_weights, "
    "0 to 1, over the deals decided in the last 90 days.", "rep", definition=_SCORE,
)
COMPONENT = gauge(
    "sales_rep_score_component", "Parts of the score, 0 to 1. win_ratio: lower bound of the raw win ratio. The others "
    "are the share of the other reps that the rep outdoes, ties half: revenue by value won, volume by deals decided, "
    "cycle_time by the shorter median from opening to winning. A part without a basis is absent.",
    "rep", "component", definition=_SCORE,
)
INFO = gauge(
    "sales_rep_info", "1, with the rep's name and team. The only place of a name; with business.pseudonymous_reps the "
    "name is the id.", "rep", "name", "team",
)

NAMES = "SELECT rep_id, display_name, team FROM sales.reps"


def facts_sql(relations: frozenset[str]) -> str:
    """Deals counted by rep, result and bucket; and, with result NULL, what the score is made of by rep."""
    recent = f"moment >= to_timestamp(%(now)s) - interval '{SCORE_DAYS} days'"
    return f"""
    SELECT rep_id, result, bucket, count(*) AS n,
           count(*) FILTER (WHERE result = 'won' AND {recent}) AS won,
           count(*) FILTER (WHERE result = 'lost' AND {recent}) AS lost,
           sum(value) FILTER (WHERE result = 'won' AND {recent}) AS revenue,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY cycle) FILTER (WHERE result = 'won' AND {recent}) AS cycle
      FROM ({deals.at_moment(relations)}) AS deal
     GROUP BY GROUPING SETS ((rep_id, result, bucket), (rep_id))"""  # noqa: S608  (constants of this package)


class Reps(Collector):
    """Counts, ratio, rank and score of the busiest reps; the rest is one rep named ``(other)``."""

    name = "reps"
    interval = 60.0
    metrics = (DEALS, *WIN.metrics, RANK, SCORE, COMPONENT, INFO)
    reads = ("deals",)

    def __init__(self) -> None:
        self.top = TopK("rep", 1)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """One statement over the deals and one over the reps."""
        windows = Windows.ending(ctx.now, ctx.business.windows)
        rows = await ctx.db.fetch(
            facts_sql(ctx.relations), now=ctx.now, starts=list(windows.starts), **money.parameters(ctx.business)
        )
        names = await ctx.db.fetch(NAMES) if "reps" in ctx.relations else []
        self._choose(rows, ctx.business.rep_limit)
        return [
            *ratios(counted(rows, windows).relabel("rep", self.top), windows),
            *scores(components(recent(rows)), ctx.business.rep_score_weights, self.top),
            *info(names, self.top, pseudonymous=ctx.business.pseudonymous_reps),
        ]

    def _choose(self, rows: Iterable[Row], limit: int) -> None:
        if self.top.limit != limit:
            self.top = TopK("rep", limit)
        weights: Counter[str] = Counter()
        for row in rows:
            weights[label(row["rep_id"])] += row["n"] if row["result"] is None else 0
        self.top.rank(weights)


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


def counted(rows: Iterable[Row], windows: Windows) -> Cells:
    """Deals by rep, result and window."""
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        result = row["result"]
        if result is None:
            continue
        # An open deal is a state and no event: its age does not place it in a window.
        within = (ALL,) if result == OPEN else windows.containing(row["bucket"])
        for window in within:
            counts[label(row["rep_id"]), result, window] += row["n"]
    return Cells(("rep", "result", "window"), counts)


def recent(rows: Iterable[Row]) -> dict[str, Record]:
    """Records of the reps that decided a deal in the last 90 days."""
    return {
        label(row["rep_id"]): Record(row["won"], row["lost"], _revenue(row), row["cycle"])
        for row in rows
        if row["result"] is None and row["rep_id"] and row["won"] + row["lost"]
    }


def _revenue(row: Row) -> float | None:
    if row["revenue"] is None:
        return None if row["won"] else 0.0
    return float(row["revenue"])


def ratios(cells: Cells, windows: Windows) -> Iterator[Sample]:
    """Counts, win ratios and ranks by window; a ratio without decided deals is left out, its counts are not."""
    reps = sorted(cells.values("rep"))
    for window in windows.names:
        decided = [(rep, cells.get(rep, WON, window), cells.get(rep, LOST, window)) for rep in reps]
        for rep, won, lost in decided:
            yield DEALS(won, rep=rep, result=WON, window=window)
            yield DEALS(lost, rep=rep, result=LOST, window=window)
        shares = [({"rep": rep, "estimator": "raw", "window": window}, won, won + lost) for rep, won, lost in decided]
        yield from WIN.shares(shares)
        yield from ranks(decided, window)
    for (rep, result, window), n in cells:
        if result not in {WON, LOST}:
            yield DEALS(n, rep=rep, result=result, window=window)


def ranks(decided: Iterable[tuple[str, float, float]], window: str) -> Iterator[Sample]:
    """Places from 1 by the lower bound of won / (won + lost); ties share the better place."""
    known = [(rep, won, won + lost) for rep, won, lost in decided if won + lost and rep not in {NONE, OTHER}]
    lower = wilson([won for _, won, _ in known], [n for _, _, n in known]).lower
    bounds = dict(zip((rep for rep, _, _ in known), lower.tolist(), strict=True))
    place = 1
    for _, tied in groupby(sorted(bounds, key=lambda rep: (-bounds[rep], rep)), key=bounds.__getitem__):
        names = list(tied)
        for rep in names:
            yield RANK(place, rep=rep, window=window)
        place += len(names)


def components(records: Mapping[str, Record]) -> dict[str, dict[Component, float]]:
    """The components of each rep's score, each 0 to 1; what has no basis is left out."""
    won, decided = [r.won for r in records.values()], [r.won + r.lost for r in records.values()]
    parts: dict[Component, Mapping[str, float]] = {
        "win_ratio": dict(zip(records, wilson(won, decided).lower.tolist(), strict=True)),
        "revenue": outdone({rep: r.revenue for rep, r in records.items() if r.revenue is not None}),
        "volume": outdone({rep: record.won + record.lost for rep, record in records.items()}),
        "cycle_time": outdone({rep: -r.cycle for rep, r in records.items() if r.cycle is not None}),
    }
    return {rep: {name: part[rep] for name, part in parts.items() if rep in part} for rep in records}


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

"""Key figures: revenue, deals, their value, the open pipeline, velocity and coverage of the target."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

import numpy as np

from sales_exporter.collectors import Collector, Context, Row, deals, money
from sales_exporter.collectors.cardinality import OTHER, label
from sales_exporter.collectors.deals import LOST, OPEN, WON, Deals, Floats
from sales_exporter.collectors.windows import ALL, DAY, Windows
from sales_exporter.ledger import deals as book
from sales_exporter.model import Definition, Sample, gauge

EVERYONE = "(all)"
"""Team of a target that is set for the whole company."""
REVENUE_TARGET, COST_TARGET = "revenue", "cost_per_conversion"
"""Metrics of targets: the one that the pipeline is held against, and what a won deal may cost a campaign."""
SHORTEST_FIRST = ("week", "month", "quarter", "year")

_CLOSED = Definition(
    unit="deals", entry=deals.CLOSED, order="the status in force", window=deals.WINDOW,
    unfinished=deals.UNFINISHED,
)
_OPEN = Definition(
    unit="deals", entry="opened before the moment of evaluation and not closed before it", window="none: a state",
    order="the stage in force: of a lead that moved on since, the last one before the moment",
    unfinished="these are the unfinished ones",
)
_PERIOD = Definition(
    unit="money", entry="targets whose period holds the reporting day", window="the running period",
    order="where periods overlap, the one that began last", unfinished="open deals at their full amount",
)
REVENUE = gauge(
    "sales_revenue_won", "Value of the deals won in the window, each at the exchange rate of its closing day; deals "
    "without a rate are left out and counted in sales_deals_without_rate.", "currency", "window", definition=_CLOSED,
)
DEALS = gauge(
    "sales_deals", "Deals won and lost in the window by closing date; open ones, whatever their age, in window all.",
    "result", "window", definition=_CLOSED,
)
WITHOUT_RATE = gauge(
    "sales_deals_without_rate", "Deals whose value is unknown in the reporting currency, because fx_rates has no rate: "
    "of the closing day when won, of the last 7 days while open.", "result", "window", definition=_CLOSED,
)
VALUE = gauge(
    "sales_deal_value", "Mean and median value of the deals won in the window, lost and open ones left out.",
    "currency", "stat", "window", definition=_CLOSED,
)
PIPELINE = gauge(
    "sales_pipeline_value", "Value of the open deals by stage, at the newest exchange rate of the last 7 days. Stage "
    "(other): outside the configured stages, or unknown at a moment of the past.",
    "stage", "currency", definition=_OPEN,
)
PIPELINE_DEALS = gauge(
    "sales_pipeline_deals", "Open deals by stage, with and without a known value.", "stage", definition=_OPEN,
)
VELOCITY = gauge(
    "sales_velocity_per_day", "Open deals x win ratio x mean value of a win / mean days from opening to winning; the "
    "last three over the deals decided in the window. Absent where one of them is undefined.",
    "currency", "window", definition=_CLOSED,
)
TARGET = gauge(
    "sales_target", "Target of the running period, in its metric's unit, money in the reporting currency at the newest "
    "exchange rate of the last 7 days; team (all) is the whole company.",
    "metric", "period", "team", definition=_PERIOD,
)
ATTAINED = gauge(
    "sales_target_attained", "Revenue won since the start of the running period, in the reporting currency.",
    "metric", "period", definition=_PERIOD,
)
COVERAGE = gauge(
    "sales_pipeline_coverage_ratio", "Value of all open deals / (revenue target - revenue won) of the running period. "
    "Two exact sums and no estimated share, so it may exceed 1 and has no bounds. Absent when the target is met.",
    "period", definition=_PERIOD,
)


_TODAY = "(to_timestamp(%(now)s) AT TIME ZONE %(zone)s)::date"


def targets_sql(relations: Set[str]) -> str:
    """Targets of the running periods; ``start`` is the period's first moment, amount NULL without a rate."""
    amount = money.value("t.amount", "t.currency", "newest")
    return f"""
    SELECT DISTINCT ON (metric, period_kind, coalesce(team, ''))
           metric, period_kind AS period, coalesce(team, '') AS team,
           CASE WHEN t.currency IS NULL THEN nullif(t.amount, 'NaN')::float8 ELSE {amount}::float8 END AS amount,
           extract(epoch FROM period_start::timestamp AT TIME ZONE %(zone)s)::float8 AS start
      FROM sales.targets AS t {money.newest_rates(relations, "newest", "t", _TODAY)}
     WHERE period_start <= {_TODAY}
       AND {_TODAY} < period_start + CASE period_kind WHEN 'week' THEN interval '7 days' WHEN 'month' THEN '1 month'
                                     WHEN 'quarter' THEN '3 months' WHEN 'year' THEN '1 year' END
     ORDER BY metric, period_kind, coalesce(team, ''), period_start DESC"""  # noqa: S608  (constants of this package)


class Key(Collector):
    """Running targets from the source, all else from the book of deals."""

    name = "key"
    interval = 60.0
    metrics = (REVENUE, DEALS, WITHOUT_RATE, VALUE, PIPELINE, PIPELINE_DEALS, VELOCITY, TARGET, ATTAINED, COVERAGE)
    reads = ("deals",)
    folds = ("deals",)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """Key figures at the moment of evaluation."""
        known = {"now": ctx.now, **money.parameters(ctx.business)}
        rows = await ctx.db.fetch(targets_sql(ctx.relations), **known) if "targets" in ctx.relations else []
        targets = Targets.of(rows)
        # Periods end at the moment like windows do, so one look at the deals answers for both.
        windows = Windows.hourly(ctx.now, ctx.business.windows)
        spans = Windows.beginning({**dict(zip(windows.names, windows.starts, strict=True)), **targets.starts})
        found = await asyncio.to_thread(Deals.at, ctx.ledger, ctx.now)
        rates = await money.rates(ctx, found.currencies())
        closed = await asyncio.to_thread(Closed.of, found, rates, spans)
        pipeline = await asyncio.to_thread(Pipeline.of, found, rates, ctx.business.of_kind(OPEN))
        currency = ctx.business.reporting_currency
        return [
            *pipeline.samples(currency),
            *(sample for window in windows.names for sample in closed.samples(window, currency)),
            *(sample for window in windows.names for sample in velocity(closed, pipeline.deals, window, currency)),
            *targets.samples(closed, pipeline.value),
        ]


@dataclass(frozen=True, slots=True)
class Sum:
    """Some deals: how many, how many of them valued, their value, the median value and the mean cycle in seconds."""

    n: int = 0
    valued: int = 0
    value: float = 0.0
    median: float | None = None
    cycle: float | None = None

    @classmethod
    def of(cls, cents: Floats, cycles: Floats | None = None) -> Sum:
        """Of values in cents and cycles in seconds, NaN where unknown."""
        known = cents[~np.isnan(cents)]
        timed = cycles[~np.isnan(cycles)] if cycles is not None else known[:0]
        return cls(
            len(cents), len(known), float(known.sum()) / 100, float(np.median(known)) / 100 if len(known) else None,
            float(timed.mean()) if len(timed) else None)


@dataclass(frozen=True, slots=True)
class Closed:
    """Deals that are not open any more, by result and window."""

    sums: Mapping[tuple[str, str], Sum]

    @classmethod
    def of(cls, deals: Deals, rates: money.Rates, windows: Windows) -> Closed:
        """From the deals at the moment."""
        sums: dict[tuple[str, str], Sum] = {}
        for result, code in ((LOST, book.LOST), (OTHER, book.OTHER)):
            moments = deals.closed(deals.where(code))
            for window, start in zip(windows.names, windows.starts, strict=True):
                sums[result, window] = Sum(int(np.count_nonzero(moments >= start)))
        # Only what is won has a value and a cycle in any figure.
        places = deals.where(book.WON)
        moments, values, cycles = deals.closed(places), deals.values(places, rates), deals.cycles(places)
        for window, start in zip(windows.names, windows.starts, strict=True):
            # Each window holds the next: the rest is never looked at again.
            inside = moments >= start
            if not inside.all():
                moments, values, cycles = moments[inside], values[inside], cycles[inside]
            sums[WON, window] = Sum.of(values, cycles)
        return cls(sums)

    def get(self, result: str, window: str) -> Sum:
        """The deals of one result and window, which may be none."""
        return self.sums.get((result, window), Sum())

    def samples(self, window: str, currency: str) -> Iterator[Sample]:
        """Counts, revenue and values of one window; a mean of no deals is left out, its count is not."""
        won, lost, other = (self.get(result, window) for result in (WON, LOST, OTHER))
        yield DEALS(won.n, result=WON, window=window)
        yield DEALS(lost.n, result=LOST, window=window)
        if other.n:
            yield DEALS(other.n, result=OTHER, window=window)
        # No deal is no revenue; deals of which none can be converted are no figure at all.
        if won.valued or not won.n:
            yield REVENUE(won.value, currency=currency, window=window)
        yield WITHOUT_RATE(won.n - won.valued, result=WON, window=window)
        if won.valued and won.median is not None:
            yield VALUE(won.value / won.valued, currency=currency, stat="mean", window=window)
            yield VALUE(won.median, currency=currency, stat="median", window=window)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Open deals by stage: each configured open stage, and ``(other)`` where there are more."""

    stages: Mapping[str, Sum]

    @classmethod
    def of(cls, deals: Deals, rates: money.Rates, stages: Iterable[str]) -> Pipeline:
        """From the deals at the moment; a stage that is not one of ``stages`` is ``(other)``."""
        places = deals.where(book.OPEN)
        values, codes = deals.values(places, rates), deals.records["stage"][places]
        names = deals.view.scheme.stages
        mine = {stage: codes == names.index(stage) for stage in stages}
        strange = ~np.logical_or.reduce([np.zeros(len(codes), dtype=bool), *mine.values()])
        if strange.any():
            mine[OTHER] = strange
        return cls({stage: Sum.of(values[which]) for stage, which in mine.items()})

    @property
    def deals(self) -> int:
        """All open deals."""
        return sum(stage.n for stage in self.stages.values())

    @property
    def value(self) -> float:
        """Value of all open deals that have one."""
        return sum(stage.value for stage in self.stages.values())

    def samples(self, currency: str) -> Iterator[Sample]:
        """Values and counts by stage, and the open deals in all."""
        for stage, found in self.stages.items():
            yield PIPELINE(found.value, stage=stage, currency=currency)
            yield PIPELINE_DEALS(found.n, stage=stage)
        yield DEALS(self.deals, result=OPEN, window=ALL)
        without = sum(stage.n - stage.valued for stage in self.stages.values())
        yield WITHOUT_RATE(without, result=OPEN, window=ALL)


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets of the running periods by (metric, period, team), and when the period of revenue targets began."""

    amounts: Mapping[tuple[str, str, str], float]
    starts: Mapping[str, float]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Targets:
        """From the rows of :func:`targets_sql`; a target without an exchange rate is left out."""
        known = [row for row in rows if row["amount"] is not None]
        amounts = {(label(r["metric"]), r["period"], r["team"] or EVERYONE): float(r["amount"]) for r in known}
        starts: dict[str, float] = {}
        for row in known:
            if row["metric"] == REVENUE_TARGET:
                starts[row["period"]] = max(row["start"], starts.get(row["period"], row["start"]))
        return cls(amounts, starts)

    def revenue(self, period: str) -> float:
        """The revenue target of a period: the company's own, else the sum of its teams'."""
        teams = {team: amount for (metric, kind, team), amount in self.amounts.items()
                 if metric == REVENUE_TARGET and kind == period}
        return teams.get(EVERYONE, sum(teams.values()))

    def company(self, metric: str) -> float | None:
        """The company's own target of the shortest running period that has one."""
        found = (self.amounts.get((metric, period, EVERYONE)) for period in SHORTEST_FIRST)
        return next((amount for amount in found if amount is not None), None)

    def samples(self, closed: Closed, pipeline: float) -> Iterator[Sample]:
        """Targets, what was attained, and how far the open pipeline covers the rest."""
        for (metric, period, team), amount in self.amounts.items():
            yield TARGET(amount, metric=metric, period=period, team=team)
        for period in self.starts:
            attained = closed.get(WON, period).value
            yield ATTAINED(attained, metric=REVENUE_TARGET, period=period)
            remaining = self.revenue(period) - attained
            if remaining > 0:
                yield COVERAGE(pipeline / remaining, period=period)


def velocity(closed: Closed, in_play: int, window: str, currency: str) -> Iterator[Sample]:
    """Money a day that the pipeline brings at the window's win ratio, mean value and mean cycle."""
    won, lost = closed.get(WON, window), closed.get(LOST, window)
    if won.valued and won.cycle:
        share, mean, days = won.n / (won.n + lost.n), won.value / won.valued, won.cycle / DAY
        yield VELOCITY(in_play * share * mean / days, currency=currency, window=window)

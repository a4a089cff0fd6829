"""Forecast: revenue of the running and the next period with its past hit rate, and the open pipeline as it will win."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from sales_exporter.collectors import Collector, Context, deals, money
from sales_exporter.collectors.deals import Deals, Floats
from sales_exporter.collectors.kept import Kept
from sales_exporter.collectors.ratios import estimate
from sales_exporter.collectors.stays import entries
from sales_exporter.ledger import deals as book
from sales_exporter.ledger import leads as visit
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.scheme import EDGES
from sales_exporter.ledger.view import View
from sales_exporter.model import Definition, Sample, gauge
from sales_exporter.stats.forecast import LEVELS, QUANTILES, Forecast, forecast
from sales_exporter.stats.runoff import aggregate
from sales_exporter.stats.stage_age import WinCurves, learn, weighted_pipeline

HOUR = 3600.0
LEARN_DAYS = 365
"""Visits that began in these days teach how stages end: a year, so that no season is missing."""
GROUPS = 12
"""Duration buckets that make one age group of the win probabilities: each group is 1.8 times as old as the last."""
LEAST_WINS = 10
"""Won deals below which nobody can say how much their values vary."""
FACTORS = {1: ("month", "next_month"), 3: ("quarter", "next_quarter")}
"""Months of a period, and the names of the running and of the next one."""

_REVENUE = Definition(
    unit="money", entry="deals won in the period, at the exchange rate of their closing day",
    order="the status in force", window="months and quarters of the reporting time zone: the running one and the next",
    unfinished="open deals win with the hazard of their age; deals not opened yet arrive at the recent rate",
)
REVENUE = gauge(
    "sales_forecast_revenue", "Revenue of the whole period: won so far and expected, by quantile. Never shown without "
    "at least 8 forecasts of the past to judge it by, and 10 won deals.", "period", "currency", "q",
    definition=_REVENUE,
)
EXPECTED = gauge(
    "sales_forecast_revenue_expected", "Mean of the forecast, what is won already included.", "period", "currency",
    definition=_REVENUE,
)
_BACKTEST = Definition(
    unit="forecasts made as of one day of each week of the last year, from what had happened by then",
    entry="periods of the same length at the same place", order="deals at their present values", window="the last year",
    unfinished="only periods that are over count",
)
COVERAGE = gauge(
    "sales_forecast_backtest_coverage_ratio", "Share of past forecasts whose band of this level held the outcome; near "
    "the level is good. Periods overlap, so it has no bounds; see sales_forecast_backtest_periods.", "period", "level",
    definition=_BACKTEST,
)
ERROR = gauge(
    "sales_forecast_backtest_error_ratio", "Errors of past forecasts over the revenue that came. wape: absolute; "
    "bias: with the sign, positive when too high.", "period", "stat", definition=_BACKTEST,
)
ORIGINS = gauge("sales_forecast_backtest_origins", "Past forecasts that were judged.", "period", definition=_BACKTEST)
PERIODS = gauge(
    "sales_forecast_backtest_periods", "How many of the judged periods fit side by side: the number of outcomes that "
    "do not share a day.", "period", definition=_BACKTEST,
)
WEIGHTED = estimate(
    "sales_pipeline_weighted_value", "Value of the open deals times their win probability, with the bounds of what "
    "they will bring. learned: by stage and time in it, from how the visits of the last year ended; a deal takes the "
    "age of a lead of its stage, since deals bear no time of entry.", "currency", "weights",
    definition=Definition(
        unit="money", entry="open deals in an open stage with a known value", order="the stage in force",
        window="a state", unfinished="these are the unfinished ones",
    ),
)


class Forecasts(Collector):
    """Computed anew each hour, and when the deals change by more than a tenth."""

    name = "forecast"
    interval = 60.0
    metrics = (REVENUE, EXPECTED, COVERAGE, ERROR, ORIGINS, PERIODS, *WEIGHTED.metrics)
    reads = ("deals", "leads", "stage_transitions")
    folds = ("deals", "leads")

    def __init__(self) -> None:
        self._kept: Kept[list[Sample]] = Kept()

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """From the book of deals and the visits of leads."""
        found = Deals.at(ctx.ledger, ctx.now)
        rates = await money.rates(ctx, found.currencies())

        def compute() -> list[Sample]:
            return [
                *revenue(found, rates, ctx.business.reporting_timezone),
                *weighted(ctx.ledger, found, rates, ctx.business.of_kind(deals.OPEN)),
            ]

        size = 1 if ctx.dear else len(found.records)
        return await self._kept.get((ctx.now // (ctx.dear or HOUR), rates.digest), size, compute)


def periods(now: float, zone: str) -> Iterator[tuple[str, float, float]]:
    """Name, start and end of the running and the next month and quarter, in epoch seconds."""
    place = ZoneInfo(zone)
    today = datetime.fromtimestamp(now, place).date()
    for months, names in FACTORS.items():
        first = today.replace(month=(today.month - 1) // months * months + 1, day=1)
        for number, name in enumerate(names):
            yield name, _start(first, number * months, place), _start(first, (number + 1) * months, place)


def _start(first: date, months: int, place: ZoneInfo) -> float:
    month = first.month - 1 + months
    return datetime(first.year + month // 12, month % 12 + 1, 1, tzinfo=place).timestamp()


def revenue(found: Deals, rates: money.Rates, zone: str) -> Iterator[Sample]:
    """Forecasts with their backtests; nothing where too little of the past is known."""
    places = np.flatnonzero(np.isin(found.result, (book.WON, book.LOST, book.OPEN)))
    values = found.values(places, rates) / 100
    # What is no revenue cannot be forecast as such: a credit note is a correction of the past.
    values[values < 0] = np.nan
    won = found.result[places] == book.WON
    if np.count_nonzero(won & np.isfinite(values)) < LEAST_WINS:
        return
    opened, closed = found.records["opened"][places].astype(np.float64), found.ended[places].astype(np.float64)
    opened[opened == book.UNKNOWN] = np.nan
    closed[closed >= found.now] = np.nan
    history = aggregate(opened, closed, won, values, found.now)
    for name, start, end in periods(found.now, zone):
        made = forecast(history, start, end)
        if made is not None:
            yield from told(made, name, rates.reporting)


def told(made: Forecast, period: str, currency: str) -> Iterator[Sample]:
    """One forecast with what its past says."""
    yield EXPECTED(made.expected, period=period, currency=currency)
    for q, value in zip(QUANTILES, made.quantiles, strict=True):
        yield REVENUE(value, period=period, currency=currency, q=f"{q:g}")
    past = made.backtest
    yield ORIGINS(past.origins, period=period)
    yield PERIODS(past.periods, period=period)
    for level, share in zip(LEVELS, past.coverage, strict=True):
        yield COVERAGE(share, period=period, level=f"{level:g}")
    for stat, error in (("wape", past.wape), ("bias", past.bias)):
        if not math.isnan(error):
            yield ERROR(error, period=period, stat=stat)


def weighted(ledger: View, found: Deals, rates: money.Rates, stages: Iterable[str]) -> Iterator[Sample]:
    """The open pipeline by learned win probabilities."""
    codes = [ledger.scheme.stages.index(name) for name in stages]
    places = found.where(book.OPEN)
    places = places[np.isin(found.records["stage"][places], codes)]
    values = found.values(places, rates) / 100
    known = np.isfinite(values) & (values >= 0)
    stage = found.records["stage"][places][known].astype(np.int64)
    if not len(stage):
        return
    result = weighted_pipeline(curves(ledger, found.now), stage, ages(ledger, stage, found.now), values[known])
    yield from WEIGHTED(*result, currency=rates.reporting, weights="learned")


def curves(ledger: View, now: float) -> WinCurves:
    """Win probability by stage and age, from the visits that began in the last year.

    A visit that ended counts as won with the probability that its next stage leads to a win in the end; those
    probabilities solve one linear equation for each stage (an absorbing Markov chain of the visits).
    """
    columns, counts = ledger.read(visit.STAYS, ledger.scheme.calendar.day(now - LEARN_DAYS * 86_400))
    size, groups = len(ledger.scheme.stages), -(-(len(EDGES) + 1) // GROUPS)
    cell = (columns["stage"] * groups + columns["bucket"] // GROUPS) * size + columns["to"]
    ends = np.bincount(cell, counts, size * groups * size).reshape(size, groups, size).astype(np.float64)
    chance = absorbed(ends.sum(axis=1), ledger.scheme.of_kind("won"))
    won, all_ = ends @ chance, ends.sum(axis=2)
    edges = np.concatenate([[0.0], EDGES[GROUPS - 1 :: GROUPS]])[:groups]
    # Visits that go on are at risk as long as they have lasted.
    waiting = entries(ledger, ledger.scheme.calendar.day(now - LEARN_DAYS * 86_400), now)
    cell = waiting.stage * groups + np.searchsorted(edges, waiting.ages, side="right") - 1
    lasting = np.bincount(cell, waiting.open, size * groups).reshape(size, groups).astype(np.float64)
    at_risk = np.cumsum((all_ + lasting)[:, ::-1], axis=1)[:, ::-1]
    # Rounding must not make more of them end than were there.
    won = np.minimum(won, all_)
    return learn(at_risk, won, all_ - won, edges)


def absorbed(moves: Floats, won: Iterable[int]) -> Floats:
    """Probability of ever reaching a won stage from each stage, by counted moves; 0 from where nothing leads on."""
    size = len(moves)
    wins = np.zeros(size)
    wins[list(won)] = 1.0
    total = moves.sum(axis=1, keepdims=True)
    step = np.divide(moves, total, out=np.zeros_like(moves), where=total > 0)
    # Won is where it ends: what comes after a win does not undo the revenue.
    step[list(won)] = 0.0
    # Stages that only lead to each other would make the equations singular; a little leaks out everywhere.
    return np.asarray(np.clip(np.linalg.solve(np.eye(size) - step * (1 - 1e-9), wins), 0, 1))


def ages(ledger: View, stage: Ints, now: float) -> Floats:
    """An age for each deal: those of the leads that wait in its stage, spread evenly over the deals of the stage."""
    waiting = entries(ledger, None, now)
    found = np.full(len(stage), np.nan)
    for code in np.unique(stage).tolist():
        mine, there = np.flatnonzero(stage == code), waiting.stage == code
        if there.any():
            order = np.argsort(waiting.ages[there])
            ends = np.cumsum(waiting.open[there][order])
            at = (np.arange(len(mine)) + 0.5) / len(mine) * ends[-1]
            found[mine] = waiting.ages[there][order][np.searchsorted(ends, at, side="left").clip(max=len(ends) - 1)]
    return found

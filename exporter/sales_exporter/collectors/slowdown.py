"""Slowdown: which stages hold leads longer than they did, tested once a day on complete days."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sales_exporter.collectors import Collector, Context
from sales_exporter.collectors.kept import Kept
from sales_exporter.collectors.ratios import estimate
from sales_exporter.collectors.stays import Days, Floats, first_day, stays, visits
from sales_exporter.ledger.leads import EXITS
from sales_exporter.ledger.scheme import EDGES
from sales_exporter.ledger.view import View
from sales_exporter.model import Definition, Sample, gauge
from sales_exporter.stats.intervals import LEVEL
from sales_exporter.stats.logrank import BEFORE_DAYS, RECENT_DAYS, RiskSets, holm, log_rank, period_risks
from sales_exporter.stats.special import ndtri

SLOWER = 0.01
"""Below this p-value on two days running a stage counts as slower: benchmarks/slowdown.py measures the rule."""
HISTORY_DAYS = RECENT_DAYS + BEFORE_DAYS + 731
"""Entries before these days are left out: a visit that is still open after two years tells nothing of this week."""

_TEST = Definition(
    unit="visits of an open stage, as sales_stage_duration_seconds has them",
    entry="all visits that went on at any time in a period, from the age that they had at its start",
    window=f"{RECENT_DAYS} reporting days up to the one before yesterday, against the {BEFORE_DAYS} days before them",
    unfinished="count as lasting longer than the age that they had at the end of the period, even if they ended since",
)
P_VALUE = gauge(
    "sales_stage_slowdown_p_value",
    f"Probability that ends would come as late as in the last {RECENT_DAYS} days if the stage were no slower than in "
    f"the {BEFORE_DAYS} days before: log-rank test weighted towards early ends, one-sided, by Holm for all open stages "
    "together. Computed at the first pass of each reporting day; absent without ends to compare.",
    "stage", definition=_TEST,
)
ACTIVE = gauge(
    "sales_stage_slowdown_active",
    f"1 when the p-value is below {SLOWER:g} today and was yesterday. Yesterday's test is made anew from the cells of "
    "today, with what ended since counted as open: durations are known to a bucket 5 % wide, so a visit that ended "
    "about then counts in part.",
    "stage", definition=_TEST,
)
ENDS = gauge(
    "sales_stage_slowdown_exits", "Visits that ended in the two periods that are compared: recent and before.",
    "stage", "period", definition=_TEST,
)
FACTOR = estimate(
    "sales_stage_slowdown_factor", "How many times rarer ends became at the ages at which they are due. With many "
    "visits a small factor can be beyond chance too. Bounds of one test by itself.", "stage", definition=_TEST,
)


class Slowdown(Collector):
    """One test for each open stage, kept for the day."""

    name = "slowdown"
    metrics = (P_VALUE, ACTIVE, ENDS, *FACTOR.metrics)
    reads = ("leads", "stage_transitions")
    folds = ("leads",)

    def __init__(self) -> None:
        self.found: Kept[Comparison] = Kept()

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """From the cells of visits."""
        key = (ctx.ledger.scheme.calendar.day(ctx.now), ctx.ledger.scheme)
        return list(samples(await self.found.get(key, visits(ctx.ledger), lambda: compared(ctx.ledger, ctx.now))))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Values by open stage; NaN where nothing can be compared.

    ``factor`` says how many times rarer ends became at the ages at which they are due, with its bounds.
    """

    stages: Sequence[str]
    p_value: Floats
    yesterday: Floats
    factor: Floats
    lower: Floats
    upper: Floats
    recent: Floats
    before: Floats

    @property
    def active(self) -> Floats:
        """1 where both days are below the level, else 0."""
        return np.where((self.p_value < SLOWER) & (self.yesterday < SLOWER), 1.0, 0.0)


def compared(ledger: View, now: float) -> Comparison:
    """Today's test and yesterday's for every open stage; made once for all who ask at a moment."""
    return ledger.once("slowdown", now, lambda: _compared(ledger, now))


def _compared(ledger: View, now: float) -> Comparison:
    codes = [code for code, kind in enumerate(ledger.scheme.kinds) if kind == "open"]
    names = [ledger.scheme.stages[code] for code in codes]
    first, today = first_day(ledger), ledger.scheme.calendar.day(now)
    if first is None:
        nothing, none = np.full(len(codes), np.nan), np.zeros(len(codes))
        return Comparison(names, nothing, nothing, nothing, nothing, nothing, none, none)
    days = Days.ending(ledger.scheme.calendar, now, max(first, today - HISTORY_DAYS))
    found = stays(ledger, days)
    finished, still = found.finished[codes], found.open[codes]
    late, early, *earlier = periods(finished, still, days.now)
    factor, lower, upper = slower(late, early)
    end = today - 1
    ends = [exits(ledger, codes, end - RECENT_DAYS, end),
            exits(ledger, codes, end - RECENT_DAYS - BEFORE_DAYS, end - RECENT_DAYS)]
    return Comparison(names, p_values(late, early), p_values(*earlier), factor, lower, upper, *ends)


def periods(finished: Floats, still: Floats, now: float) -> list[RiskSets]:
    """Risk sets of the days that are tested and of those before, as of today and then as of yesterday.

    The last complete day is left out, as :func:`sales_exporter.stats.logrank.slowdown` does.
    """
    ends = (math.floor(now) - 1, math.floor(now) - 2)
    return period_risks(finished, still, EDGES, [
        period for end in ends
        for period in ((end - RECENT_DAYS, end), (end - RECENT_DAYS - BEFORE_DAYS, end - RECENT_DAYS))], now)


def p_values(late: RiskSets, early: RiskSets) -> Floats:
    """One-sided, corrected for the number of stages."""
    return holm(log_rank(late.events, late.at_risk, early.events, early.at_risk, rho=1.0).p_slower)


def slower(late: RiskSets, early: RiskSets) -> tuple[Floats, Floats, Floats]:
    """How many times rarer ends are, as one step from the test that weighs early ends, with 95 % bounds.

    Source: R. Peto and others, "Design and analysis of randomized clinical trials requiring prolonged observation of
    each patient", British Journal of Cancer 35 (1977) 1-39, with the weights of the test.
    """
    ended, risk = late.events + early.events, late.at_risk + early.at_risk
    share = late.at_risk / np.where(risk > 0, risk, 1.0)
    variance = ended * share * (1 - share) * (risk - ended) / np.where(risk > 1, risk - 1, np.inf)
    lasting = np.multiply.accumulate(1 - ended / np.where(risk > 0, risk, 1.0), axis=-1)
    weight = np.concatenate((np.ones_like(lasting[..., :1]), np.maximum(lasting[..., :-1], 0)), axis=-1)
    missing = (weight * (ended * share - late.events)).sum(axis=-1)
    base, spread = (weight * variance).sum(axis=-1), (weight**2 * variance).sum(axis=-1)
    known = np.where(base > 0, base, np.nan)
    reach = float(ndtri((1 + LEVEL) / 2)) * np.sqrt(np.maximum(spread, 0)) / known
    value, lower, upper = (np.exp(np.clip(missing / known + side * reach, -50, 50)) for side in (0, -1, 1))
    return np.asarray(value), np.asarray(lower), np.asarray(upper)


def exits(ledger: View, codes: Sequence[int], since: int, until: int) -> Floats:
    """Visits of these stages that ended on the days."""
    columns, counts = ledger.read(EXITS, since, until)
    found = np.bincount(columns["stage"], weights=counts, minlength=len(ledger.scheme.stages))
    return np.asarray(found[list(codes)], dtype=np.float64)


def samples(found: Comparison) -> Iterator[Sample]:
    """Counts of every open stage, zeros too; the rest where it is defined."""
    for place, stage in enumerate(found.stages):
        yield ENDS(float(found.recent[place]), stage=stage, period="recent")
        yield ENDS(float(found.before[place]), stage=stage, period="before")
        if not math.isnan(found.p_value[place]):
            yield P_VALUE(float(found.p_value[place]), stage=stage)
            yield ACTIVE(float(found.active[place]), stage=stage)
            sizes = (float(part[place]) for part in (found.factor, found.lower, found.upper))
            yield from FACTOR(*sizes, stage=stage)

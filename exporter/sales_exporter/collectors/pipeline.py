"""Pipeline: how long leads stay in each stage, how many wait there, and where most of the time goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors import Collector, Context
from sales_exporter.collectors.ratios import estimate
from sales_exporter.collectors.stays import BUCKETS, counted_since, entries_since
from sales_exporter.collectors.windows import ALL, DAY, HOUR, Windows, length
from sales_exporter.ledger import leads as visit
from sales_exporter.ledger.calendar import SECOND, Ints
from sales_exporter.ledger.cube import Layout
from sales_exporter.ledger.view import View
from sales_exporter.model import Definition, Sample, gauge
from sales_exporter.stats.grouped import grouped_quantile

Floats = NDArray[np.float64]

QUANTILES = ("0.5", "0.9")
EXITED, KAPLAN_MEIER = "exited_only", "km"
RECENT_DAYS = 30

_VISIT = (
    "a lead enters the first stage when it is created, and a stage with each transition into it; a transition "
    "into the stage that it is in already starts nothing anew, and one at the very moment of creation into a later "
    "stage means that the lead never was in the first"
)
_ORDER = "transitions by occurred_at, then transition_id"
_EXITED = Definition(
    unit="finished visits of a stage", entry=_VISIT, order=_ORDER,
    window="from the start of a reporting day to the moment of evaluation, by the end of the visit",
    unfinished="left out",
)
_LASTING = Definition(
    unit="visits of a stage", entry=_VISIT, order=_ORDER,
    window="from the start of a reporting day to the moment of evaluation, by the beginning of the visit; exited_only: "
    "by its end",
    unfinished="km: last longer than their age, which is known to the hour; exited_only: left out, too short while "
    "long visits are still open",
)
DURATION = estimate(
    "sales_stage_duration_seconds",
    "Time between entering and leaving the stage. km: Kaplan-Meier, of visits that began in the window, finished or "
    "not; the time by which the share q has left, absent until so many have. exited_only: of visits that ended in the "
    "window, quantiles by linear interpolation, without bounds. Durations that share one of the buckets, 5 % wide, "
    "count as their mean; negative ones as 0. Counts: sales_stage_entries, sales_stage_exits.",
    "stage", "q", "estimator", "window", definition=_LASTING,
)
RESTRICTED = estimate(
    "sales_stage_duration_mean_restricted_seconds",
    "Mean time in the stage when longer visits count as the horizon, by Kaplan-Meier, of visits that began in the last "
    "two horizons. Absent while none is as old as the horizon. Count: sales_stage_entries with that window.",
    "stage", "horizon", definition=_LASTING,
)
ENTRIES = gauge(
    "sales_stage_entries", "Visits of the stage that began in the window: what its km durations are taken from. "
    "Twice each conversion horizon is a window as well.", "stage", "window", definition=_LASTING,
)
EXITS = gauge(
    "sales_stage_exits", "Visits of the stage that ended in the window: what its exited_only durations are taken from.",
    "stage", "window", definition=_EXITED,
)
_NOW = Definition(
    unit="leads", entry=_VISIT, order=_ORDER, window="state at the moment of evaluation", unfinished="what is counted",
)
OPEN = gauge("sales_stage_open", "Leads that are in the stage now.", "stage", definition=_NOW)
OLDEST = gauge(
    "sales_stage_oldest_open_seconds", "How long the lead that is in the stage the longest has been there, counted "
    "from the start of the hour of its entry.", "stage",
    definition=_NOW,
)
SHARE = gauge(
    "sales_stage_time_share_ratio",
    "Share of the stage in all the time that leads have spent in open stages so far, open visits included. A sum "
    "over all of them, not an estimate: it has no bounds.",
    "stage",
    definition=Definition(
        unit="seconds of leads", entry=_VISIT, order=_ORDER, window="all time",
        unfinished="open visits count up to the moment of evaluation",
    ),
)
BOTTLENECK = gauge(
    "sales_bottleneck_score",
    f"Expected waiting x volume, in leads held back: (seconds that leads spent in the stage in the last {RECENT_DAYS} "
    f"days / exits in them) x (entries in them / {RECENT_DAYS} days). Open visits count with the time so far. Absent "
    "without exits.",
    "stage",
    definition=Definition(
        unit="leads", entry=_VISIT, order=_ORDER, window=f"the last {RECENT_DAYS} days",
        unfinished="open visits count with their time in the window and as no exit",
    ),
)
CYCLE = gauge(
    "sales_cycle_time_seconds",
    "Time from the creation of a lead to its first won or first lost stage; quantiles by linear interpolation. Times "
    "that share one of the buckets, 5 % wide, count as their mean; negative ones as 0. Count: "
    "sales_funnel_leads with basis event, window all.",
    "q", "result",
    definition=Definition(
        unit="leads that reached a stage of the result", entry="creation of the lead",
        order="first transition into a stage of that kind by occurred_at", window="all time",
        unfinished="left out: open leads make the true time longer",
    ),
)


class Pipeline(Collector):
    """Durations of finished visits, open visits and their age, time share, bottleneck score and cycle time."""

    name = "pipeline"
    metrics = (*DURATION.metrics, *RESTRICTED.metrics, ENTRIES, EXITS, OPEN, OLDEST, SHARE, BOTTLENECK, CYCLE)
    reads = ("leads", "stage_transitions")
    folds = ("leads",)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """From the cells of visits."""
        windows = Windows.ending(ctx.now, ctx.business.windows)
        visits = Visits.of(ctx.ledger)
        open_stages = [ctx.business.stage_names.index(name) for name in ctx.business.of_kind("open")]
        return [
            *durations(ctx.ledger, visits, open_stages, windows),
            *lasting(ctx, visits, open_stages), *waiting(ctx.ledger, open_stages, ctx.now),
            *spent(ctx.ledger, open_stages, ctx.now), *cycle_times(ctx.ledger),
        ]


@dataclass(frozen=True, slots=True)
class Visits:
    """Mean duration in seconds of the finished visits of a stage in each bucket; NaN where there is none."""

    seconds: Floats

    @classmethod
    def of(cls, ledger: View) -> Visits:
        """From all finished visits."""
        n = _table(ledger, visit.STAYS)
        return cls(np.divide(_table(ledger, visit.STAY_TIME) / SECOND, n, out=np.full(n.shape, np.nan), where=n > 0))


def _table(ledger: View, layout: Layout) -> Floats:
    columns, counts = ledger.read(layout)
    return _summed((len(ledger.scheme.stages), BUCKETS), (columns["stage"], columns["bucket"]), counts)


def _summed(shape: tuple[int, int], places: tuple[Ints, Ints], values: Ints | Floats) -> Floats:
    """Values added up by row and column."""
    rows, columns = shape
    found = np.bincount(places[0] * columns + places[1], values, rows * columns)
    return np.asarray(found.reshape(shape))


def durations(ledger: View, visits: Visits, stages: Sequence[int], windows: Windows) -> Iterator[Sample]:
    """Exits of each stage by window, zeros too, and quantiles where there were any."""
    ended = counted_since(ledger, visit.EXITS, list(windows.days(ledger.scheme.calendar).values()))
    for window, table in zip(windows.names, ended, strict=True):
        for stage in stages:
            name, n = ledger.scheme.stages[stage], table[stage]
            yield EXITS(float(n.sum()), stage=name, window=window)
            if n.any():
                found = grouped_quantile(visits.seconds[stage][n > 0], n[n > 0], [float(q) for q in QUANTILES])
                for q, value in zip(QUANTILES, found.tolist(), strict=True):
                    yield DURATION.value(value, stage=name, q=q, estimator=EXITED, window=window)


def lasting(ctx: Context, visits: Visits, stages: Sequence[int]) -> Iterator[Sample]:
    """Entries by window, zeros too, and what their curves say: quantiles by window, restricted means by horizon."""
    business, names = ctx.business, ctx.ledger.scheme.stages
    doubled = {f"{2 * length(span)}d": span for span in business.conversion_horizons if span != ALL}
    windows = Windows.ending(ctx.now, dict.fromkeys((*business.windows, *doubled)))
    began = entries_since(ctx.ledger, list(windows.days(ctx.ledger.scheme.calendar).values()), ctx.now)
    for window, visited in zip(windows.names, began, strict=True):
        for stage in stages:
            yield ENTRIES(visited.total(stage), stage=names[stage], window=window)
            curve = visited.curve(stage, visits.seconds[stage])
            for q in QUANTILES if window in business.windows else ():
                found = curve.quantile(float(q))
                yield from DURATION(*found, stage=names[stage], q=q, estimator=KAPLAN_MEIER, window=window)
            if window in doubled:
                horizon = doubled[window]
                mean = curve.restricted_mean(length(horizon) * DAY)
                yield from RESTRICTED(*mean, stage=names[stage], horizon=horizon)


def waiting(ledger: View, stages: Sequence[int], now: float) -> Iterator[Sample]:
    """Leads that are in each stage now, zeros too, and the age of the oldest."""
    columns, counts = ledger.read(visit.OPEN)
    for stage in stages:
        name, mine = ledger.scheme.stages[stage], columns["stage"] == stage
        yield OPEN(float(counts[mine].sum()), stage=name)
        if mine.any():
            yield OLDEST(max(0.0, now - float(columns["hour"][mine].min()) * HOUR), stage=name)


def spent(ledger: View, stages: Sequence[int], now: float) -> Iterator[Sample]:
    """Time share and bottleneck score, from entries, exits and their times."""
    ever = flows(ledger, None, now)
    seconds = {stage: ever.seconds[stage] for stage in stages}
    total = sum(seconds.values())
    for stage in stages:
        if total > 0:
            yield SHARE(max(0.0, seconds[stage] / total), stage=ledger.scheme.stages[stage])
    for load in loads(ledger, stages, now):
        yield BOTTLENECK(load.score, stage=load.stage)


class Load(NamedTuple):
    """Bottleneck score of a stage and what it is made of."""

    stage: str
    score: float
    entries: float
    exits: float


def loads(ledger: View, stages: Sequence[int], now: float) -> Iterator[Load]:
    """Scores of the stages that had exits."""
    calendar = ledger.scheme.calendar
    since = calendar.start(calendar.day(now - RECENT_DAYS * DAY))
    columns, counts = ledger.read(visit.OPEN)
    still = np.bincount(columns["stage"], weights=counts, minlength=len(ledger.scheme.stages))
    recent = flows(ledger, since, now)
    for stage in stages:
        if recent.exits[stage]:
            # All who were there at any time since: who left, less who came in later than the start, and who is there.
            held = max(0.0, recent.seconds[stage] + still[stage] * (now - since))
            score = held / recent.exits[stage] * recent.entries[stage] / (now - since)
            yield Load(ledger.scheme.stages[stage], score, float(recent.entries[stage]), float(recent.exits[stage]))


@dataclass(frozen=True, slots=True)
class Flows:
    """Entries and exits by stage, and the sum of (exit - origin) less that of (entry - origin), in seconds.

    The origin is the start of the range, or the moment of evaluation for all time: over all time every entry without
    an exit counts from then to now.
    """

    entries: Floats
    exits: Floats
    seconds: Floats


def flows(ledger: View, since: float | None, now: float) -> Flows:
    """Flows from a start of a day to now."""
    calendar, size = ledger.scheme.calendar, len(ledger.scheme.stages)
    first = None if since is None else calendar.day(since)
    columns, counts = ledger.read(visit.FLOW, first)
    _, offsets = ledger.read(visit.FLOW_TIME, first)
    timed = _aligned(ledger, first, offsets)
    origin = now if since is None else since
    seconds = counts * (calendar.starts(columns["day"]) / SECOND - origin) + timed
    n = _summed((2, size), (columns["direction"], columns["stage"]), counts)
    signed = np.where(columns["direction"] == visit.OUT, seconds, -seconds)
    return Flows(n[visit.IN], n[visit.OUT], np.asarray(np.bincount(columns["stage"], signed, size)))


def _aligned(ledger: View, first: int | None, offsets: Ints) -> Floats:
    """Seconds of FLOW_TIME in the order of FLOW, which has cells where all offsets are 0 besides."""
    flow, timed = (ledger.tallies[layout.name].keys for layout in (visit.FLOW, visit.FLOW_TIME))
    low = 0 if first is None else visit.FLOW.least(first)
    keys = flow[flow >= low]
    found = np.zeros(len(keys))
    found[np.searchsorted(keys, timed[timed >= low])] = offsets / SECOND
    return found


def cycle_times(ledger: View) -> Iterator[Sample]:
    """Quantiles of the cycle by result; a result that nobody reached has none."""
    columns, counts = ledger.read(visit.CYCLES)
    times, microseconds = ledger.read(visit.CYCLE_TIME)
    for result, codes in (("won", (visit.WON,)), ("lost", (visit.LOST, visit.LOST_THEN_WON))):
        mine, ours = np.isin(columns["result"], codes), np.isin(times["result"], codes)
        n = np.bincount(columns["bucket"][mine], counts[mine], BUCKETS)
        total = np.bincount(times["bucket"][ours], microseconds[ours] / SECOND, BUCKETS)
        if n.any():
            found = grouped_quantile(total[n > 0] / n[n > 0], n[n > 0], [float(q) for q in QUANTILES])
            for q, value in zip(QUANTILES, found.tolist(), strict=True):
                yield CYCLE(value, q=q, result=result)

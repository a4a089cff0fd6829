"""Funnel: how many leads reach each stage, by channel and window, and which way they move."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

from sales_exporter.collectors import Collector, Context, Row
from sales_exporter.collectors.cardinality import NONE, OTHER, TopK, label
from sales_exporter.collectors.kept import Kept
from sales_exporter.collectors.projected import OWN_COURSE, Projected, projected
from sales_exporter.collectors.ratios import ratio
from sales_exporter.collectors.windows import HOUR, Windows
from sales_exporter.config import Business
from sales_exporter.ledger.cells import Cells, Key
from sales_exporter.ledger.leads import CAMPAIGN
from sales_exporter.ledger.leads import COHORT as CREATED
from sales_exporter.ledger.leads import EVENT as REACHED
from sales_exporter.ledger.leads import MOVES as MOVED
from sales_exporter.ledger.leads import OPEN as WAITING
from sales_exporter.ledger.view import View
from sales_exporter.model import Definition, Metric, Sample, counter, gauge
from sales_exporter.stats.projection import REFERENCE_DAYS

COHORT, EVENT, OBSERVED, PROJECTED = "cohort", "event", "observed", "projected"

_LEADS = Definition(
    unit="leads that exist and are no test leads",
    entry="created before the moment of evaluation; creation is the reach of the first stage",
    order="first transition into each stage by occurred_at; cohort: a lead that reached a later stage of the path "
    "counts in the earlier ones, passed or skipped: no step exceeds 1; event: own transitions only",
    window="from the start of an hour (UTC) to the moment of evaluation; cohort: by creation; event: by first reach",
    attribution="the lead's own channel as it is now",
    unfinished="leads that may still move count as not there yet: young cohorts read low",
)
LEADS = gauge(
    "sales_funnel_leads",
    "Leads by stage. cohort: created in the window, has reached the stage or a later one of the path so far; "
    "event: reached the stage for the first time in the window.",
    "stage", "channel", "window", "basis", definition=_LEADS,
)
STEP = ratio(
    "sales_funnel_step_ratio",
    "Leads of the cohort that reached the stage `to`, of those that reached `from`, with Wilson bounds: for "
    "neighbours on the path, and from its first stage to won. Counts: sales_funnel_leads with basis cohort.",
    "from", "to", "channel", "window", definition=_LEADS,
)
CONVERSION = ratio(
    "sales_funnel_conversion_ratio",
    "Observed: share of the leads created within the horizon that have been won so far, with Wilson bounds. It "
    "is below the final rate while leads are open. Counts: sales_funnel_leads, basis cohort, window = horizon. "
    "Projected: share that will have been won at the age of the horizon, if open leads go on as leads of their age did "
    f"in the last {REFERENCE_DAYS:g} days, with a 95 % prediction band; those of the channel itself from {OWN_COURSE} "
    "wins in these days, else of all channels. Computed at the first pass of each hour; the cohort is from the start "
    "of the reporting day; absent while no lead is as old as the horizon.",
    "channel", "horizon", "estimator", definition=_LEADS,
)
MATURITY = gauge(
    "sales_funnel_cohort_maturity_ratio",
    "Share of the outcomes (won and lost) by the age of the horizon that is expected to be known already, of the leads "
    "of all channels created in the window. An expectation, without bounds; below 0.8 read projected conversion.",
    "window", "horizon", definition=_LEADS,
)
CURRENT = gauge(
    "sales_funnel_current_leads", "Leads that are in the stage now.", "stage",
    definition=Definition(
        unit="leads that exist and are no test leads", entry="created before the moment of evaluation",
        order="last transition by occurred_at, then transition_id; without one, the first stage",
        window="state at the moment of evaluation", unfinished="counted where they are",
    ),
)
_MOVES = Definition(
    unit="transitions", entry="occurred before the moment of evaluation, both stages configured",
    order="each row once, from its own from_stage; a row without one starts at the first stage",
    window="all time", unfinished="not concerned",
)
MOVES = counter(
    "sales_funnel_stage_transitions_total",
    "Transitions between stages; from is (none) where the row names no stage.", "from", "to",
    definition=_MOVES,
)
REGRESSIONS = counter(
    "sales_funnel_regressions_total", "Transitions to an earlier stage of the path.", "from", "to",
    definition=_MOVES,
)
SKIPPED = counter(
    "sales_funnel_skipped_total", "Transitions that jumped over the stage to a later one of the path.",
    "stage", definition=_MOVES,
)


class Funnel(Collector):
    """Counts and step ratios by channel; ratios over all channels are for PromQL to divide."""

    name = "funnel"
    metrics = (LEADS, *STEP.metrics, *CONVERSION.metrics, MATURITY, CURRENT, MOVES, REGRESSIONS, SKIPPED)
    reads = ("leads", "stage_transitions")
    folds = ("leads",)

    def __init__(self) -> None:
        self.channels = TopK("channel", 1)
        self.projected: Kept[Projected] = Kept()

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """Counts of the present, from the cells of leads."""
        business = ctx.business
        windows = Windows.ending(ctx.now, (*business.windows, *business.conversion_horizons))
        found = counted(ctx.ledger, windows, ctx.now)
        self._choose(found.where(window=windows.names[0]), business)
        kept = found.relabel("channel", self.channels)
        moves = ctx.ledger.cells(MOVED, "origin", "stage")
        return [
            *reach(kept, windows, business), *projections(await self._projected(ctx, kept)),
            *current(ctx.ledger.cells(WAITING, "stage"), business),
            *moved(rows_of(moves, business), business),
        ]

    async def _projected(self, ctx: Context, kept: Cells) -> Projected:
        business, channels = ctx.business, sorted(kept.values("channel"))
        spans = (business.windows, business.conversion_horizons)
        key = (int(ctx.now // (ctx.dear or HOUR)), ctx.ledger.scheme, spans, tuple(channels))
        size = 1.0 if ctx.dear else float(ctx.ledger.read(CAMPAIGN)[1].sum())
        # In a thread, while a later pass might rank the channels anew.
        names = {name: self.channels(name) for name in map(label, ctx.ledger.names.texts)}
        return await self.projected.get(key, size, lambda: projected(
            ctx.ledger, ctx.now, *spans, lambda name: names.get(name, OTHER)))

    def _choose(self, leads: Cells, business: Business) -> None:
        if self.channels.limit != business.channel_limit:
            self.channels = TopK("channel", business.channel_limit)
        first = leads.where(basis=COHORT, stage=business.path[0])
        self.channels.rank({channel: n for (channel,), n in first.sum_by("channel")})


def counted(ledger: View, windows: Windows, now: float) -> Cells:
    """Leads by basis, window, channel and stage."""
    until = math.ceil(now / HOUR)
    counts: dict[Key, float] = {}
    for basis, layout in ((COHORT, CREATED), (EVENT, REACHED)):
        for window, hour in windows.hours().items():
            for (channel, stage), n in ledger.cells(layout, "channel", "stage", since=hour, until=until):
                counts[basis, window, label(channel), stage] = counts.get((basis, window, label(channel), stage), 0) + n
    return Cells(("basis", "window", "channel", "stage"), counts)


def rows_of(moves: Cells, business: Business) -> Iterator[Row]:
    """Transitions counted by the stage that each row comes from, None where it names none, and goes to."""
    for (origin, stage), n in moves:
        before = business.stage_names[int(origin) - 1] if origin != "0" else None
        yield {"from_stage": before, "to_stage": stage, "n": int(n)}


def reach(leads: Cells, windows: Windows, business: Business) -> Iterator[Sample]:
    """Counts (zeros too), step ratios and observed conversion of every channel."""
    channels = sorted(leads.values("channel"))
    for channel in channels:
        for window in windows.names:
            for stage in business.stage_names:
                for basis in (COHORT, EVENT):
                    n = leads.get(basis, window, channel, stage)
                    yield LEADS(n, stage=stage, channel=channel, window=window, basis=basis)
    yield from STEP.shares(
        ({"from": a, "to": b, "channel": channel, "window": window}, *_pair(leads, channel, window, a, b))
        for channel in channels for window in business.windows for a, b in steps(business)
    )
    first, won = business.path[0], _won(business)
    horizons = dict.fromkeys(business.conversion_horizons)
    yield from CONVERSION.shares(
        ({"channel": name, "horizon": span, "estimator": OBSERVED}, *_pair(leads, name, span, first, won))
        for name in channels for span in horizons
    )


def projections(found: Projected) -> Iterator[Sample]:
    """Projected conversion and maturity, where they are defined."""
    for (channel, horizon), estimate in found.conversion.items():
        yield from CONVERSION(*estimate, channel=channel, horizon=horizon, estimator=PROJECTED)
    for (window, horizon), share in found.maturity.items():
        if not math.isnan(share):
            yield MATURITY(share, window=window, horizon=horizon)


def steps(business: Business) -> tuple[tuple[str, str], ...]:
    """Neighbours on the path, and the whole way from its first stage to won."""
    path = business.path
    return tuple(dict.fromkeys([*pairwise(path), (path[0], _won(business))]))


def current(leads: Cells, business: Business) -> Iterator[Sample]:
    """Leads in each configured stage, zeros too."""
    for stage in business.stage_names:
        yield CURRENT(leads.get(stage), stage=stage)


def moved(rows: Iterable[Row], business: Business) -> Iterator[Sample]:
    """Transitions, regressions and skipped stages from counts by from_stage and to_stage."""
    names, places = frozenset(business.stage_names), {stage: at for at, stage in enumerate(business.path)}
    skipped = dict.fromkeys(business.path[1:-1], 0)
    for row in rows:
        before, after, n = row["from_stage"], row["to_stage"], row["n"]
        if after not in names or (before is not None and before not in names):
            continue
        yield _move(MOVES, n, before or NONE, after)
        start, end = places.get(before, -1) if before is not None else 0, places.get(after, -1)
        if 0 <= end < start:
            yield _move(REGRESSIONS, n, before, after)
        elif 0 <= start < end:
            for stage in business.path[start + 1 : end]:
                skipped[stage] += n
    for stage, n in skipped.items():
        yield SKIPPED(n, stage=stage)


def _move(metric: Metric, n: int, before: str, after: str) -> Sample:
    return metric(n, **{"from": before, "to": after})


def _pair(leads: Cells, channel: str, window: str, before: str, after: str) -> tuple[float, float]:
    return leads.get(COHORT, window, channel, after), leads.get(COHORT, window, channel, before)


def _won(business: Business) -> str:
    return business.of_kind("won")[0]

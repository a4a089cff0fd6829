"""Funnel: how many leads reach each stage, by channel and window, and which way they move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from sales_exporter.collectors import Collector, Context, Row
from sales_exporter.collectors.cardinality import NONE, TopK, label
from sales_exporter.collectors.ratios import ratio
from sales_exporter.collectors.windows import Windows
from sales_exporter.config import Business
from sales_exporter.ledger.cells import Cells
from sales_exporter.model import Definition, Metric, Sample, counter, gauge

COHORT, EVENT, OBSERVED = "cohort", "event", "observed"

_LEADS = Definition(
    unit="leads that exist and are no test leads",
    entry="created before the moment of evaluation; creation is the reach of the first stage",
    order="first transition into each stage by occurred_at; cohort: a lead that reached a later stage of the path "
    "counts in the earlier ones, passed or skipped: no step exceeds 1; event: own transitions only",
    window="half-open, ends at the moment of evaluation; cohort: by creation; event: by first reach",
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
    "is below the final rate while leads are open. Counts: sales_funnel_leads, basis cohort, window = horizon.",
    "channel", "horizon", "estimator", definition=_LEADS,
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

MOVES_SQL = """
    SELECT from_stage, to_stage, count(*) AS n
      FROM sales.stage_transitions JOIN sales.leads USING (lead_id)
     WHERE occurred_at < to_timestamp(%(now)s) AND created_at < to_timestamp(%(now)s) AND NOT is_test
  GROUP BY from_stage, to_stage
"""


def leads_sql(stages: int) -> str:
    """Leads by channel, bucket of creation, buckets of first reach (second stage on) and present stage.

    A bucket is the number of windows that hold the moment. The history is read twice, each time in an order
    that an index or a hash gives without sorting.
    """
    starts = "ARRAY(SELECT to_timestamp(s) FROM unnest(%(starts)s::float8[]) AS s)"
    firsts = ",\n".join(
        f"width_bucket(min(occurred_at) FILTER (WHERE to_stage = (%(stages)s::text[])[{place}]), {starts})"
        for place in range(2, stages + 1)
    )
    return f"""
    SELECT channel_id, width_bucket(created_at, {starts}) AS created, reached, last.to_stage AS current,
           count(*) AS n
      FROM sales.leads
      LEFT JOIN (SELECT lead_id, ARRAY[{firsts}] AS reached
                   FROM sales.stage_transitions
                  WHERE occurred_at < to_timestamp(%(now)s)
               GROUP BY lead_id) AS history USING (lead_id)
      LEFT JOIN (SELECT DISTINCT ON (lead_id) lead_id, to_stage
                   FROM sales.stage_transitions
                  WHERE occurred_at < to_timestamp(%(now)s) AND to_stage = ANY(%(stages)s)
               ORDER BY lead_id DESC, occurred_at DESC, transition_id DESC) AS last USING (lead_id)
     WHERE created_at < to_timestamp(%(now)s) AND NOT is_test
  GROUP BY channel_id, created, reached, current"""  # noqa: S608  (numbers alone are put in)


class Funnel(Collector):
    """Counts and step ratios by channel; ratios over all channels are for PromQL to divide."""

    name = "funnel"
    metrics = (LEADS, *STEP.metrics, *CONVERSION.metrics, CURRENT, MOVES, REGRESSIONS, SKIPPED)
    reads = ("leads", "stage_transitions")

    def __init__(self) -> None:
        self.channels = TopK("channel", 1)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """One statement over leads and their histories, one over the transitions."""
        business = ctx.business
        windows = Windows.ending(ctx.now, (*business.windows, *business.conversion_horizons))
        rows = await ctx.db.fetch(
            leads_sql(len(business.stages)),
            now=ctx.now, starts=list(windows.starts), stages=list(business.stage_names),
        )
        moves = await ctx.db.fetch(MOVES_SQL, now=ctx.now)
        facts = counted(rows, windows, business)
        self._choose(facts.leads.where(window=windows.names[0]), business)
        kept = facts.leads.relabel("channel", self.channels)
        return [*reach(kept, windows, business), *current(facts.current, business), *moved(moves, business)]

    def _choose(self, leads: Cells, business: Business) -> None:
        if self.channels.limit != business.channel_limit:
            self.channels = TopK("channel", business.channel_limit)
        first = leads.where(basis=COHORT, stage=business.path[0])
        self.channels.rank({channel: n for (channel,), n in first.sum_by("channel")})


@dataclass(frozen=True, slots=True)
class Facts:
    """Leads by basis, window, channel and stage, and leads by the stage they are in now."""

    leads: Cells
    current: Cells


def counted(rows: Iterable[Row], windows: Windows, business: Business) -> Facts:
    """Facts from the rows of :func:`leads_sql`."""
    names, path = business.stage_names, business.path
    buckets: dict[tuple[str, int, str, str], int] = {}
    present: dict[tuple[str, ...], float] = {}
    for row in rows:
        channel, n = label(row["channel_id"]), row["n"]
        reached = dict(zip(names, (row["created"], *(row["reached"] or ())), strict=False))
        here = (row["current"] or names[0],)
        present[here] = present.get(here, 0) + n
        furthest = max(place for place, stage in enumerate(path) if reached.get(stage) is not None)
        for stage, bucket in reached.items():
            if bucket is not None:
                event = (EVENT, bucket, channel, stage)
                buckets[event] = buckets.get(event, 0) + n
        lost = (stage for stage in business.of_kind("lost") if reached.get(stage) is not None)
        for stage in (*path[: furthest + 1], *lost):
            cohort = (COHORT, row["created"], channel, stage)
            buckets[cohort] = buckets.get(cohort, 0) + n
    spread: dict[tuple[str, ...], float] = {}
    for (basis, bucket, channel, stage), n in buckets.items():
        for window in windows.containing(bucket):
            key = (basis, window, channel, stage)
            spread[key] = spread.get(key, 0) + n
    return Facts(Cells(("basis", "window", "channel", "stage"), spread), Cells(("stage",), present))


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

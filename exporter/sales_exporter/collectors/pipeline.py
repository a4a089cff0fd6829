"""Pipeline: how long leads stay in each stage, how many wait there, and where most of the time goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sales_exporter.collectors import Collector, Context, Row
from sales_exporter.collectors.windows import DAY, Windows
from sales_exporter.config import Business
from sales_exporter.model import Definition, Sample, gauge

QUANTILES = ("0.5", "0.9")
EXITED = "exited_only"
RECENT_DAYS = 30

_VISIT = (
    "a lead enters the first stage when it is created, and a stage with each transition into it; a transition "
    "into the stage that it is in already starts nothing anew, and one at the very moment of creation into a later "
    "stage means that the lead never was in the first"
)
_ORDER = "transitions by occurred_at, then transition_id"
_EXITED = Definition(
    unit="finished visits of a stage", entry=_VISIT, order=_ORDER,
    window="half-open, ends at the moment of evaluation, by the end of the visit",
    unfinished="left out: too short while long visits are still open; compare sales_stage_oldest_open_seconds",
)
DURATION = gauge(
    "sales_stage_duration_seconds",
    "Time between entering and leaving the stage, of visits that ended in the window; quantiles by linear "
    "interpolation, negative times count as 0. Count: sales_stage_exits.",
    "stage", "q", "estimator", "window", definition=_EXITED,
)
EXITS = gauge(
    "sales_stage_exits", "Visits of the stage that ended in the window: what its durations are taken from.",
    "stage", "window", definition=_EXITED,
)
_NOW = Definition(
    unit="leads", entry=_VISIT, order=_ORDER, window="state at the moment of evaluation", unfinished="what is counted",
)
OPEN = gauge("sales_stage_open", "Leads that are in the stage now.", "stage", definition=_NOW)
OLDEST = gauge(
    "sales_stage_oldest_open_seconds", "How long the lead that is in the stage the longest has been there.", "stage",
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
    "Time from the creation of a lead to its first won or first lost stage; quantiles by linear interpolation, "
    "negative times count as 0. Count: sales_funnel_leads with basis event, window all.",
    "q", "result",
    definition=Definition(
        unit="leads that reached a stage of the result", entry="creation of the lead",
        order="first transition into a stage of that kind by occurred_at", window="all time",
        unfinished="left out: open leads make the true time longer",
    ),
)

CYCLES_SQL = """
    SELECT result, percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (
               ORDER BY greatest(date_part('epoch', reached - created_at), 0)) AS quantiles
      FROM (SELECT lead_id, CASE WHEN to_stage = ANY(%(won)s) THEN 'won' ELSE 'lost' END AS result,
                   min(occurred_at) AS reached
              FROM sales.stage_transitions
             WHERE occurred_at < to_timestamp(%(now)s) AND to_stage = ANY(%(won)s::text[] || %(lost)s::text[])
          GROUP BY lead_id, result) AS ends
      JOIN sales.leads USING (lead_id)
     WHERE created_at < to_timestamp(%(now)s) AND NOT is_test
  GROUP BY result
"""


def visits_sql(windows: int) -> str:
    """One row a stage: exits and quantiles by window, and open visits, with the time spent in both.

    The history is read once, in the order of the index on (lead_id, occurred_at, transition_id).
    """
    starts = "ARRAY(SELECT to_timestamp(s) FROM unnest(%(starts)s::float8[]) AS s)"
    recent = "to_timestamp(%(recent)s)"
    places = range(1, windows + 1)
    exits = ", ".join(f"count(*) FILTER (WHERE bucket >= {place})" for place in places)
    quantiles = ", ".join(
        "percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY seconds)"
        f" FILTER (WHERE bucket >= {place}) AS q{place}"
        for place in places
    )
    return f"""
    WITH steps AS (
        SELECT lead_id, created_at, to_stage, occurred_at, transition_id,
               coalesce(lag(to_stage) OVER history, %(first)s) AS stage,
               lag(to_stage) OVER history IS NULL AND occurred_at = created_at AS created_there
          FROM sales.stage_transitions JOIN sales.leads USING (lead_id)
         WHERE occurred_at < to_timestamp(%(now)s) AND to_stage = ANY(%(stages)s)
           AND created_at < to_timestamp(%(now)s) AND NOT is_test
        WINDOW history AS (PARTITION BY lead_id ORDER BY occurred_at, transition_id)
    ), visits AS (
        SELECT lead_id, stage, coalesce(lag(occurred_at) OVER history, created_at) AS entered, occurred_at AS left_at,
               to_stage, created_there, lead(lead_id) OVER history IS NULL AS last
          FROM steps WHERE stage <> to_stage
        WINDOW history AS (PARTITION BY lead_id ORDER BY occurred_at, transition_id)
    ), finished AS (
        SELECT stage, ARRAY[{exits}] AS exits, {quantiles}, sum(seconds) AS spent,
               sum(recent) AS recent, count(*) FILTER (WHERE entered >= {recent}) AS entries,
               count(recent) AS recent_exits
          FROM (SELECT stage, entered, {_seconds("left_at - entered")} AS seconds,
                       width_bucket(left_at, {starts}) AS bucket,
                       CASE WHEN left_at >= {recent} THEN {_seconds(f"left_at - greatest(entered, {recent})")}
                        END AS recent
                  FROM visits WHERE NOT created_there OFFSET 0) AS visit
      GROUP BY stage
    ), waiting AS (
        SELECT coalesce(to_stage, %(first)s) AS stage, coalesce(left_at, created_at) AS entered
          FROM sales.leads LEFT JOIN visits ON visits.lead_id = leads.lead_id AND last
         WHERE created_at < to_timestamp(%(now)s) AND NOT is_test
    ), unfinished AS (
        SELECT stage, count(*) AS open, date_part('epoch', min(entered)) AS oldest,
               sum({_seconds("to_timestamp(%(now)s) - entered")}) AS spent,
               sum({_seconds(f"to_timestamp(%(now)s) - greatest(entered, {recent})")}) AS recent,
               count(*) FILTER (WHERE entered >= {recent}) AS entries
          FROM waiting GROUP BY stage
    )
    SELECT stage, exits, {", ".join(f"q{place}" for place in places)}, recent_exits, open, oldest,
           coalesce(finished.spent, 0) + coalesce(unfinished.spent, 0) AS spent,
           coalesce(finished.recent, 0) + coalesce(unfinished.recent, 0) AS recent,
           coalesce(finished.entries, 0) + coalesce(unfinished.entries, 0) AS entries
      FROM finished FULL JOIN unfinished USING (stage)"""  # noqa: S608  (numbers alone are put in)


def _seconds(interval: str) -> str:
    return f"greatest(date_part('epoch', {interval}), 0)"


class Pipeline(Collector):
    """Durations of finished visits, open visits and their age, time share, bottleneck score and cycle time."""

    name = "pipeline"
    metrics = (DURATION, EXITS, OPEN, OLDEST, SHARE, BOTTLENECK, CYCLE)
    reads = ("leads", "stage_transitions")

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """One statement over the histories, one over their ends."""
        business = ctx.business
        windows = Windows.ending(ctx.now, business.windows)
        rows = await ctx.db.fetch(
            visits_sql(len(windows.names)),
            now=ctx.now, recent=ctx.now - RECENT_DAYS * DAY, starts=list(windows.starts),
            stages=list(business.stage_names), first=business.path[0],
        )
        cycles = await ctx.db.fetch(
            CYCLES_SQL, now=ctx.now, won=list(business.of_kind("won")), lost=list(business.of_kind("lost"))
        )
        return [*stages(rows, windows, business, ctx.now), *cycle_times(cycles)]


def stages(rows: Iterable[Row], windows: Windows, business: Business, now: float) -> Iterator[Sample]:
    """Samples of the open stages from the rows of :func:`visits_sql`."""
    known = {row["stage"]: row for row in rows}
    total = sum(row["spent"] for stage, row in known.items() if stage in business.of_kind("open"))
    for stage in business.of_kind("open"):
        row = known.get(stage, {})
        yield from durations(stage, row, windows)
        yield OPEN(row.get("open") or 0, stage=stage)
        if row.get("open"):
            yield OLDEST(max(0.0, now - row["oldest"]), stage=stage)
        if total:
            yield SHARE(row.get("spent", 0.0) / total, stage=stage)
        if row.get("recent_exits"):
            score = row["recent"] / row["recent_exits"] * row["entries"] / (RECENT_DAYS * DAY)
            yield BOTTLENECK(score, stage=stage)


def durations(stage: str, row: Row, windows: Windows) -> Iterator[Sample]:
    """Exits of one stage by window, zeros too, and quantiles where there were any."""
    exits: Sequence[int] = row.get("exits") or [0] * len(windows.names)
    for place, window in enumerate(windows.names):
        yield EXITS(exits[place], stage=stage, window=window)
        found: Sequence[float] = row.get(f"q{place + 1}") or ()
        for q, value in zip(QUANTILES, found, strict=False):
            yield DURATION(value, stage=stage, q=q, estimator=EXITED, window=window)


def cycle_times(rows: Iterable[Row]) -> Iterator[Sample]:
    """Quantiles of the cycle by result; a result that nobody reached has none."""
    for row in rows:
        for q, value in zip(QUANTILES, row["quantiles"], strict=True):
            yield CYCLE(value, q=q, result=row["result"])

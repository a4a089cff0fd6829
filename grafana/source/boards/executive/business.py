"""Where the money is made and where it waits: funnel, return by channel, stages and time to win."""

from __future__ import annotations

from grafana.source.panels import (
    BLUE,
    GREY,
    ORANGE,
    SKY,
    Figure,
    Line,
    Say,
    bars,
    lines,
    rows,
)
from grafana.source.promql import ratio, selector, total
from grafana.source.sdk import model, units
from grafana.source.shapes import Bar, diverging

MONEY = {"window": "$window", "currency": "$currency"}


def funnel() -> model.Panel:
    # Lost is no step of the way: only stages that a step leads from or to.
    path = f'{_as_stage(_steps_taken(), "from")} or {_as_stage(_steps_taken(), "to")}'
    reached = total("sales_funnel_leads", "stage", basis="cohort", window="$window")
    return bars(
        Say(9, "Funnel, $window",
            "Leads that entered in the window, by the stages that they have reached or passed so far. "
            "Young leads still move, so later stages grow.",
            "No leads in this window: fill sales.leads and sales.stage_transitions"),
        f"sort_desc({reached} and on (stage) ({path}))", "{{stage}}", units.LocaleFormat,
    )


def steps() -> model.Panel:
    reached = total("sales_funnel_leads", "stage", basis="cohort", window="$window")
    entered = f'{_steps_taken()} * on (from) group_left () sum by (from) ({_stage_as(reached, "from")})'
    passed = f'{_steps_taken()} * on (to) group_left () sum by (to) ({_stage_as(reached, "to")})'
    return rows(
        Say(10, "Step rates, $window",
            "Of the leads that entered in the window and reached a stage, the share that has reached the "
            "next one so far, and at the end of the way the won ones of all: sums over the channels, "
            "divided. The rates of steps with few leads jump about.",
            "No steps yet: fill sales.stage_transitions (lead_id, to_stage, occurred_at)"),
        {"from": "From", "to": "To"},
        Figure("Reached", entered, units.LocaleFormat, 0), Figure("Passed", passed, units.LocaleFormat, 0),
        Figure("Rate", ratio(passed, f"({entered})"), units.PercentUnit, 1), sort="Passed",
    )


def stage_value() -> model.Panel:
    return bars(
        Say(11, "Open pipeline by stage ($currency)",
            "Sum of the amounts of open deals in each stage, not weighted by their chances, largest first.",
            "No open deals: fill sales.deals (status open, stage, amount)"),
        f"sort_desc({total('sales_pipeline_value', 'stage', currency='$currency')})", "{{stage}}", units.Short,
        decimals=1,
    )


def trend() -> model.Panel:
    return lines(
        Say(12, "Revenue and spend, rolling $window ($currency)",
            "Each point is the whole window that ends there: revenue of deals closed as won, and spend.",
            "No history yet: it grows while Prometheus scrapes the exporter"),
        units.Short,
        Line("Revenue won", total("sales_revenue_won", **MONEY), BLUE),
        Line("Spend", total("sales_spend", **MONEY), ORANGE, dashed=True),
    )


def roi_by_channel() -> model.Panel:
    def by_channel(suffix: str) -> str:
        return f"max by (channel) ({selector(f'sales_roi_ratio{suffix}', window='$window', model='$attribution')})"

    return diverging(
        Say(13, "Return on spend by channel, $window",
            "(Revenue - spend) / spend of each channel ($attribution), with its 95 % interval. A channel "
            "pays when even its lower bound is above 0 and loses when its upper bound is below; between, "
            "the data cannot tell.",
            "Needs sales.spend and attributed revenue: fill sales.touches or leads.channel_id, and sales.deals"),
        "channel", units.PercentUnit,
        Bar("Return", by_channel(""), BLUE), Bar("95 % from", by_channel("_lower"), GREY),
        Bar("95 % to", by_channel("_upper"), SKY),
    )


def stages() -> model.Panel:
    def by_stage(name: str, **matchers: str) -> str:
        return f"max by (stage) ({selector(name, **matchers)})"

    median = by_stage("sales_stage_duration_seconds", q="0.5", estimator="km", window="$window")
    return rows(
        Say(14, "Where deals wait",
            "Open leads by stage: how many, the age of the oldest, the median stay of those that entered the "
            "stage in the window (those still inside count as lasting longer; empty until half have left), "
            "the share of all time spent there, and the bottleneck score, highest first.",
            "No stages yet: fill sales.stage_transitions (lead_id, to_stage, occurred_at)"),
        {"stage": "Stage"},
        Figure("Open", by_stage("sales_stage_open"), units.LocaleFormat, 0),
        Figure("Oldest", by_stage("sales_stage_oldest_open_seconds"), units.Seconds),
        Figure("Median stay", median, units.Seconds),
        Figure("Time share", by_stage("sales_stage_time_share_ratio"), units.PercentUnit, 0),
        Figure("Bottleneck", by_stage("sales_bottleneck_score"), units.Short, 2), sort="Bottleneck",
    )


def velocity() -> model.Panel:
    def cycle(q: str) -> str:
        return f"max({selector('sales_cycle_time_seconds', q=q, result='won')})"

    return lines(
        Say(15, "Time to win",
            "From the creation of a lead to its first won stage, over all leads won so far: half were won "
            "faster than the median, nine of ten faster than the upper line.",
            "No won leads yet: fill sales.stage_transitions (to_stage of kind won)"),
        units.Seconds, Line("Median", cycle("0.5"), BLUE),
        Line("90th percentile", cycle("0.9"), ORANGE, dashed=True),
    )


def _steps_taken() -> str:
    return f"group by (from, to) ({selector('sales_funnel_step_ratio', window='$window')})"


def _as_stage(series: str, name: str) -> str:
    return f'label_replace({series}, "stage", "$1", "{name}", "(.+)")'


def _stage_as(series: str, name: str) -> str:
    return f'label_replace({series}, "{name}", "$1", "stage", "(.+)")'

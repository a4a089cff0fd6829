"""Who and what does the work, which alerts fire, and whether the data can be trusted."""

from __future__ import annotations

from grafana.source.firing import opened
from grafana.source.panels import (
    BLUE,
    ORANGE,
    PINK,
    RED,
    TEXT,
    Figure,
    Line,
    Say,
    lines,
    rows,
    states,
    stats,
)
from grafana.source.promql import outcomes, ranked, selector, total
from grafana.source.sdk import model, units


def call_success() -> model.Panel:
    def success(kind: str, suffix: str = "") -> str:
        where = {"agent_kind": kind, "denominator": "judged", "window": "$window"}
        return f"max({selector(f'sales_call_success_ratio{suffix}', **where)})"

    return lines(
        Say(16, "Call success: AI and people, $window",
            "Successful calls divided by the calls that were judged, with 95 % intervals. Where the bands "
            "overlap, the difference may be chance. Who calls whom differs, so this compares results, not "
            "skill.",
            "No judged calls in this window: fill calls.success or sales.call_judgements"),
        units.PercentUnit,
        Line("AI", success("ai"), BLUE, lower=success("ai", "_lower"), upper=success("ai", "_upper")),
        Line("People", success("human"), ORANGE, lower=success("human", "_lower"),
             upper=success("human", "_upper")),
    )


def model_accuracy() -> model.Panel:
    return lines(
        Say(17, "Model accuracy and its baseline, rolling 30 d",
            "Share of right predictions among the outcomes that became final in the 30 days before, all "
            "models together, against always predicting the more frequent class. The distance is what the "
            "models are worth; when the lines meet, they are worth nothing.",
            "No mature labels yet: fill sales.model_predictions and sales.model_outcomes"),
        units.PercentUnit,
        Line("Accuracy", outcomes("sales_model_accuracy_ratio"), BLUE),
        Line("Majority class", outcomes("sales_model_baseline_accuracy_ratio"), PINK, dashed=True),
    )


def reps() -> model.Panel:
    names = f"max by (rep, name, team) ({selector('sales_rep_info')})"

    def named(expr: str) -> str:
        return f"({expr}) * on (rep) group_left (name, team) {names}"

    def wins(suffix: str) -> str:
        # There is no team to pull towards with fewer than three reps.
        shrunk, raw = (
            f"max by (rep) ({selector(f'sales_rep_win_ratio{suffix}', estimator=estimator, window='$window')})"
            for estimator in ("shrunk", "raw"))
        return named(f"{shrunk} or {raw}")

    return rows(
        Say(18, "Reps, $window",
            "Deals won of deals decided in the window, pulled towards the team as far as the deals are few, "
            "with 95 % bounds: when they overlap, the order says nothing. Sorted by the lower bound, so that "
            "a rep with few deals does not lead by luck. Score: of the last 90 days.",
            "No decided deals with a rep in this window: fill deals.rep_id and sales.reps"),
        {"name": "Rep", "team": "Team", "rep": "Id"},
        Figure("Decided", named(total("sales_rep_deals", "rep", result="~won|lost", window="$window")),
               units.LocaleFormat, 0),
        Figure("Win rate", wins(""), units.PercentUnit, 0),
        Figure("95 % from", wins("_lower"), units.PercentUnit, 0),
        Figure("95 % to", wins("_upper"), units.PercentUnit, 0),
        Figure("Score", named(f"max by (rep) ({selector('sales_rep_score')})"), units.Short, 2),
        sort="95 % from",
    )


def firing() -> model.Panel:
    here = 'alertname!="Watchdog",cluster=~"$cluster|",tenant=~"$tenant|"'
    firing = f'ALERTS{{alertstate="firing",{here}}}'
    age = f"(time() - ALERTS_FOR_STATE{{{here}}}) and ignoring (alertstate) {firing}"
    panel = rows(
        Say(19, "Firing alerts",
            "Every alert that fires now and for how long its condition has held, critical first.",
            "Nothing fires"),
        {"severity": "Severity", "alertname": "Alert", "team": "Team"},
        Figure("For", ranked(f"max by (severity, alertname, team) ({age})"), units.Seconds, 0, width=80),
        sort="Severity", descending=False, widths={"Severity": 80, "Team": 80},
    )
    return opened(panel)


def freshness() -> model.Panel:
    lag = f"max(max without (job, instance) ({selector('sales_source_lag_seconds')}))"
    oldest = f"time() - min({selector('sales_exporter_collector_last_success_timestamp_seconds')})"
    late = ((0, BLUE), (60, ORANGE), (300, RED))
    return stats(
        Say(20, "Data behind this page",
            "How far the data source lags, the age of the oldest result shown, and 1 when a moment of the "
            "past is replayed (--as-of), which is not stale by being old.",
            "The exporter is not scraped: see Status, Targets in Prometheus"),
        Figure("source lag", lag, units.Seconds, 0, late),
        Figure("oldest result", oldest, units.Seconds, 0, late),
        Figure("replay", f"max({selector('sales_replay')})", units.NoUnit, 0, ((0, TEXT), (1, ORANGE))),
    )


def collectors() -> model.Panel:
    worst = f"min by (collector) ({selector('sales_exporter_collector_success')})"
    return states(
        Say(21, "Collectors",
            "Whether the last pass of each collector succeeded. While one fails, its numbers above keep "
            "their last values until they expire, then vanish.",
            "The exporter is not scraped: see Status, Targets in Prometheus"),
        worst, "{{collector}}", good="succeeded", bad="failed",
    )

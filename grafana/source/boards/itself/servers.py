"""What stands beside the exporter: sidecar, intake, and the Prometheus that evaluates the rules."""

from __future__ import annotations

from grafana.source.firing import firing as alerts_on
from grafana.source.panels import BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, TEXT, Figure, Line, Say, lines, stats
from grafana.source.plots import Known, by_label
from grafana.source.promql import placed, selector
from grafana.source.sdk import model, units

STEP = "$__rate_interval"
SIDECAR = "The sidecar is not scraped: start it and let Prometheus scrape it (docs/sidecar.md)"
INTAKE = "Webhook intake is off, or no event has come yet (docs/intake.md)"
SERVER = "Prometheus does not scrape itself: name it in prometheus/targets/prometheus.yml"
OURS = "~exporter|source|ledger|intake|sidecar|monitoring"


def judging() -> model.Panel:
    return stats(
        Say(15, "Sidecar",
            "Time since the moment that the sidecar judged last, and how much of the past it has read (1: all).",
            SIDECAR),
        Figure("judged", f"max (time() - {placed('sales_sidecar_last_tick_timestamp_seconds')})", units.Seconds, 0,
               ((0, BLUE), (120, ORANGE), (300, RED))),
        Figure("past read", f"min ({placed('sales_sidecar_history_ratio')})", units.PercentUnit, 0,
               ((0, ORANGE), (1, TEXT))),
    )


def firing() -> model.Panel:
    return alerts_on(7, "the monitoring", "exporter, database, ledger, intake, sidecar and the servers", service=OURS,
                     alertname="!Watchdog")


def ticks() -> model.Panel:
    return lines(
        Say(26, "Length of ticks", "How long the last tick took, queries included, against the time between two.",
            SIDECAR),
        units.Seconds, Line("Tick", f"max ({placed('sales_sidecar_tick_duration_seconds')})", BLUE),
        Line("Interval", f"max ({placed('sales_sidecar_tick_interval_seconds')})", GREY, dashed=True), decimals=2,
    )


def queries() -> model.Panel:
    failed = f"sum by (watch, reason) (increase({placed('sales_sidecar_query_failures_total')}[{STEP}])) > 0"
    return by_label(
        Say(27, "Queries that failed",
            "Queries of watches that failed, by watch and reason; other watches are judged all the same.",
            "No query failed within the time range"),
        units.LocaleFormat, (failed, "{{watch}}: {{reason}}"), decimals=0, many=False,
    )


def watched() -> model.Panel:
    return by_label(
        Say(28, "Watched series",
            "Series that are judged, that are still learning, and that were refused because of a limit.",
            SIDECAR),
        units.LocaleFormat, (f"sum by (state) ({placed('sales_sidecar_series')})", "{{state}}"), decimals=0, many=False,
        known=(Known("judged", BLUE), Known("learning", SKY), Known("refused", ORANGE)),
    )


def events() -> model.Panel:
    come = f"sum by (result) (rate({selector('sales_intake_events_total')}[{STEP}]))"
    return by_label(
        Say(29, "Events",
            "Webhook events each second, by what became of them: accepted, duplicate, ignored, invalid, refused.",
            INTAKE),
        units.EventsPerSecond, (come, "{{result}}"), decimals=2, many=False,
        known=(Known("accepted", BLUE), Known("duplicate", SKY), Known("ignored", GREY), Known("invalid", ORANGE),
               Known("unauthorized|too_large", PINK), Known("throttled|full", RED),
               Known("too_large|full", dashed=True)),
    )


def spool() -> model.Panel:
    return lines(
        Say(30, "Events that wait",
            "Accepted events that wait for the database, and the number above which requests are refused.",
            INTAKE),
        units.LocaleFormat, Line("Wait", f"sum ({selector('sales_intake_spool_events')})", BLUE),
        Line("Limit", f"sum ({selector('sales_intake_spool_limit_events')})", GREY, dashed=True), decimals=0,
    )


def dead_letters() -> model.Panel:
    return lines(
        Say(31, "Dead letters",
            "Events that are kept because they could not be taken or written; `sales-exporter replay` tries them "
            "again. And the age of the oldest event that waits.", INTAKE),
        units.LocaleFormat, Line("Dead letters", f"sum ({selector('sales_intake_dead_letters')})", RED), decimals=0,
    )


def rule_groups() -> model.Panel:
    share = (f"max by (group) (label_replace({placed('prometheus_rule_group_last_duration_seconds')} / "
             f"{placed('prometheus_rule_group_interval_seconds')}, \"group\", \"$1\", \"rule_group\", \".*;(.*)\"))")
    return by_label(
        Say(32, "Load of the rules",
            "Length of the last evaluation of each group of rules as a share of its interval: at 100 % evaluations "
            "are skipped.",
            SERVER),
        units.PercentUnit, (share, "{{group}}"), decimals=1,
    )


def rule_lag() -> model.Panel:
    late = f"max (time() - ({placed('prometheus_rule_group_last_evaluation_timestamp_seconds')} > 0))"
    failed = f"sum (increase({placed('prometheus_rule_evaluation_failures_total')}[{STEP}]))"
    return lines(
        Say(33, "Rules behind time",
            "Time since the evaluation of the group that is furthest behind, and evaluations that failed between two "
            "points.",
            SERVER),
        units.Seconds, Line("Behind", late, BLUE), Line("Failed evaluations", failed, RED, dashed=True), decimals=0,
    )


def head() -> model.Panel:
    return lines(
        Say(34, "Series in Prometheus",
            "Series in the head of the database, and alerts that wait to be sent to Alertmanager.", SERVER),
        units.LocaleFormat, Line("Series", f"max ({placed('prometheus_tsdb_head_series')})", BLUE),
        Line("Alerts that wait", f"max ({placed('prometheus_notifications_queue_length')})", GREEN, dashed=True),
        decimals=0,
    )

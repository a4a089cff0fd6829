"""Who acts: which alerts somebody has, which nobody has, how long that takes, and the way to each alert's page."""

from __future__ import annotations

from grafana.source.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    Figure,
    Line,
    Say,
    lines,
    linked,
    rows,
    stats,
    worded,
)
from grafana.source.promql import SEVERITIES, placed, ranked
from grafana.source.sdk import model, units

DESK = "No alert desk: the sidecar is not scraped (docs/desk.md)"
NONE = f"0 * max ({placed('sales_desk_info')})"
"""Zero while there is a desk: no desk is not no alerts."""


def _open(state: str) -> str:
    held = f"max by (severity, team) ({placed('sales_alert_active', state=state, team='~$team')})"
    return f"sum ({held}) or {NONE}"


def _took(q: float, name: str) -> str:
    buckets = f"sum by (le) (increase({placed(f'{name}_bucket')}[$__range]))"
    return f"histogram_quantile({q}, {buckets}) >= 0"


def nobody() -> model.Panel:
    return stats(
        Say(15, "Nobody has them",
            "Alerts of the chosen teams, pushed ones too, that nobody has acknowledged, snoozed or closed on the alert "
            "desk. Each of them escalates as prometheus/escalation.yml says.", DESK),
        Figure("nobody", _open("firing"), units.LocaleFormat, 0, ((0, BLUE), (1, ORANGE))),
        Figure("acknowledged", _open("acknowledged"), units.LocaleFormat, 0),
        Figure("snoozed", _open("snoozed"), units.LocaleFormat, 0),
    )


def to_acknowledge() -> model.Panel:
    name = "sales_alert_time_to_ack_seconds"
    return stats(
        Say(16, "Until somebody has it",
            "From the moment that the desk saw an alert until somebody acknowledged it, of those that were "
            "acknowledged within the time range: half of them p50 or less, 9 of 10 p90 or less.",
            "Nobody acknowledged an alert: none within the time range, or there is no alert desk"),
        Figure("p50", _took(0.5, name), units.Seconds, 0), Figure("p90", _took(0.9, name), units.Seconds, 0),
    )


def to_resolve() -> model.Panel:
    name = "sales_alert_time_to_resolve_seconds"
    return stats(
        Say(17, "Until it is over",
            "From the moment that the desk saw an alert until it was over or closed by hand, of those that ended "
            "within the time range: half of them p50 or less, 9 of 10 p90 or less.",
            "No alert ended: none within the time range, or there is no alert desk"),
        Figure("p50", _took(0.5, name), units.Seconds, 0), Figure("p90", _took(0.9, name), units.Seconds, 0),
    )


def escalated() -> model.Panel:
    return stats(
        Say(18, "Escalated",
            "Steps of the escalation policy that were taken within the time range, since nobody acknowledged in time.",
            DESK),
        Figure("steps", f"sum (increase({placed('sales_alert_escalations_total')}[$__range]))", units.LocaleFormat, 0,
               ((0, BLUE), (1, ORANGE), (10, RED))),
    )


def listed() -> model.Panel:
    by = "severity, alertname, service, entity, team, state, fingerprint"
    began = f"max by ({by}) ({placed('sales_alert_started_timestamp_seconds', team='~$team')})"
    panel = rows(
        Say(19, "On the alert desk",
            "Each alert that is not over, those of rules and those that the sidecar pushed, with what somebody has "
            "done about it. Its page has the value in its expected range, the history, and the buttons to acknowledge, "
            "snooze, assign and resolve.",
            "No alert is open, or there is no alert desk (docs/desk.md)"),
        {"severity": "Severity", "alertname": "Alert", "service": "About", "entity": "Which", "team": "Team",
         "state": "State", "fingerprint": "Page"},
        Figure("For", ranked(f"time() - {began}"), units.Seconds, 1, width=100), sort="Severity", descending=False,
        widths={"Severity": 90, "Alert": 290, "Team": 110, "State": 125, "Page": 70},
    )
    opened = linked(worded(panel, "Severity", SEVERITIES), "Page", "Open on the alert desk",
                    "${desk}/alerts/${__value.raw}")
    return worded(opened, "Page", "open")


def over_time() -> model.Panel:
    return lines(
        Say(20, "Who has them, over time",
            "Open alerts of the chosen teams at each moment, by what somebody had done about them.", DESK),
        units.LocaleFormat, Line("Nobody", _open("firing"), ORANGE), Line("Acknowledged", _open("acknowledged"), GREEN),
        Line("Snoozed", _open("snoozed"), GREY, dashed=True), decimals=0,
    )

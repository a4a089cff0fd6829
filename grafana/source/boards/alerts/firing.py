"""What fires: how much, since when, for whom, and what fires too often or too long."""

from __future__ import annotations

from grafana.source.firing import opened
from grafana.source.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    SKY,
    TEXT,
    Figure,
    Line,
    Say,
    lines,
    rows,
    stats,
)
from grafana.source.plots import Known, by_label
from grafana.source.promql import ALIVE, alerts, ranked, since
from grafana.source.sdk import model, units

ANY = "critical|warning|info"
REAL = {"alertname": "!Watchdog", "team": "~$team"}
LOAD = "The Watchdog alert does not fire: the alert rules are not loaded or not evaluated"
TEAMS = (Known("platform", BLUE), Known("sales-ops", ORANGE), Known("ml", GREEN), Known("exec", PINK))
"""Those of the shipped rules."""
STARTS = alerts(ANY, **REAL).replace("ALERTS", "ALERTS_FOR_STATE").replace('alertstate="firing",', "")


def critical() -> model.Panel:
    return _count(1, "Critical", "critical", "Somebody gets up for these.", ((0, BLUE), (1, RED)))


def warning() -> model.Panel:
    return _count(2, "Warning", "warning", "Somebody looks at these today.", ((0, BLUE), (1, ORANGE)))


def info() -> model.Panel:
    return _count(3, "Info", "info", "These are worth knowing; they wake nobody.", ((0, TEXT), (1, SKY)))


def _count(number: int, title: str, severity: str, what: str, steps: tuple[tuple[float, str], ...]) -> model.Panel:
    now = f"count({alerts(severity, **REAL)}) or {ALIVE}"
    before = f"count({alerts(severity, **REAL)} offset 24h) or {ALIVE}"
    return stats(
        Say(number, title,
            f"Alerts of this severity and of the chosen teams that fire now, and how many fired a day ago. {what} "
            "Pending and resolved ones do not count, silenced ones do.", LOAD),
        Figure("firing", now, units.LocaleFormat, 0, steps), Figure("a day ago", before, units.LocaleFormat, 0),
    )


def oldest() -> model.Panel:
    longest = f"max ({since('critical|warning', **REAL)})"
    return stats(
        Say(4, "Longest firing",
            "How long the condition of the critical or warning alert that has fired the longest has held: what "
            "everybody has got used to.",
            "No alert fires: none that is critical or a warning, so none has an age"),
        Figure("holds for", longest, units.Seconds, 0),
    )


def watchdog() -> model.Panel:
    alive = 'ALERTS{alertstate="firing",alertname="Watchdog"}'
    return stats(
        Say(6, "Rules evaluated",
            "The Watchdog alert always fires. While it does, rules are evaluated, and no alert means that nothing is "
            "wrong. The heartbeat outside tells when it stops.", LOAD),
        Figure("watchdogs", f"count({alive})", units.LocaleFormat, 0, ((0, RED), (1, BLUE))),
    )


def listed() -> model.Panel:
    by = "severity, alertname, team, service, category"
    held = ranked(f"max by ({by}) ({since(ANY, **REAL)})")
    panel = rows(
        Say(7, "Firing now",
            "Each alert that fires, with how many series it fires for and for how long its condition has held, "
            "critical ones first. A click opens the rule, which has its runbook.",
            "Nothing fires"),
        {"severity": "Severity", "alertname": "Alert", "team": "Team", "service": "About", "category": "Category"},
        Figure("Series", ranked(f"count by ({by}) ({alerts(ANY, **REAL)})"), units.LocaleFormat, 0, width=80),
        Figure("For", held, units.Seconds, 1, width=100), sort="Severity", descending=False,
        widths={"Severity": 90, "Alert": 290},
    )
    return opened(panel)


def by_severity() -> model.Panel:
    def firing(severity: str) -> str:
        return f"count({alerts(severity, **REAL)}) or {ALIVE}"

    return lines(
        Say(8, "Firing by severity",
            "Alerts of the chosen teams that fired at each moment. Empty where no rule was evaluated.", LOAD),
        units.LocaleFormat, Line("Critical", firing("critical"), RED), Line("Warning", firing("warning"), ORANGE),
        Line("Info", firing("info"), GREY), decimals=0,
    )


def by_team() -> model.Panel:
    return by_label(
        Say(9, "Firing by team", "Critical and warning alerts that fired at each moment, by who has to do something.",
            "No critical or warning alert fired within the time range"),
        units.LocaleFormat, (f"count by (team) ({alerts('critical|warning', **REAL)})", "{{team}}"), decimals=0,
        known=TEAMS,
    )


def flapping() -> model.Panel:
    began = f"sum by (alertname, team) (changes({STARTS}[$__range]))"
    return rows(
        Say(10, "What comes and goes",
            "How often the condition of an alert began to hold anew within the time range, the ten that did so most. "
            "An alert that comes and goes teaches people to look away: change its threshold, or let it keep firing "
            "for longer.",
            "No alert began anew within the time range"),
        {"alertname": "Alert", "team": "Team"},
        Figure("Began anew", f"topk(10, {began} > 0)", units.LocaleFormat, 0, width=110), sort="Began anew",
    )


def longest() -> model.Panel:
    fired = alerts(ANY, **REAL)
    minutes = f"sum by (alertname, severity) (count_over_time({fired}[$__range:1m]))"
    return rows(
        Say(11, "What fires most of the time",
            "How long an alert fired within the time range, all its series added up, the ten that fired most. What "
            "always fires is no alert: mend it, or move it to info.",
            "Nothing fired within the time range"),
        {"severity": "Severity", "alertname": "Alert"},
        Figure("Fired for", f"topk(10, 60 * {minutes})", units.Seconds, 0, width=110), sort="Fired for",
    )

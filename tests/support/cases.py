"""Alerts as a company has them, for tests of what people see."""

from __future__ import annotations

from typing import Any

from sales_exporter.sidecar.desk.model import Case, Event, Reach
from sales_exporter.sidecar.outbox.identity import fingerprint

NOW = 1_795_000_000.0
"""Wednesday, 18 November 2026, 11:06:40 UTC."""


def case(alertname: str = "SalesAnomaly", severity: str = "critical", *, minutes: float = 12,
         annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None, **more: Any) -> Case:
    """One open alert that began some minutes before ``NOW``."""
    every = {"alertname": alertname, "severity": severity, "team": "sales-ops", "category": "business",
             "cluster": "demo", "tenant": "default", **(labels or {})}
    given = annotations or {"summary": f"{alertname} fires."}
    return Case(**{
        "fingerprint": fingerprint(every), "labels": every, "annotations": given, "starts_at": NOW - 60 * minutes,
        "receivers": ("sales-ops",), "instances": ("127.0.0.1:9093",), "version": 1, **more})


ANOMALY = case(
    labels={"watch": "leads", "entity": "channel=email", "service": "funnel"}, minutes=42, pushed=True,
    next_step_at=NOW + 480, annotations={
        "summary": "New leads an hour (channel=email): 3, expected 18 to 31.",
        "description": "New leads an hour (channel=email) is lower than expected since 2026-11-18 10:24 UTC: 3 instead "
                       "of 24.2 (-88 %).",
        "value": "3", "expected": "18 to 31", "effect": "-6.4 usual deviations", "stake": "1,270 EUR an hour",
        "contributors": "campaign=spring: 0 instead of 14.1; campaign=brand: 3 instead of 10.1",
        "reason": "a jump of the level", "last_week": "26 at this time a week ago",
        "confidence": "99.8 % (1 - adjusted p: the chance that in a day nothing of all that is watched looks as odd by "
                      "chance)",
        "data_quality": "100 % of the last day's samples, 28 days of history",
        "recommendation": "Look whether the form of the spring campaign still arrives.",
        "runbook_url": "alert_rules/runbooks/SalesAnomaly.md", "dashboard_url": "/d/sales-funnel"})
DOWN = case("SalesSourceDown", labels={"team": "platform", "category": "availability", "service": "source",
                                       "source": "postgres"}, minutes=3, next_step_at=NOW + 720, annotations={
    "summary": "The database does not answer the exporter.",
    "description": "All looks at PostgreSQL have failed since over a minute. Numbers freeze, then expire.",
    "runbook_url": "alert_rules/runbooks/SalesSourceDown.md",
    "dashboard_url": "/d/sales-exporter?var-cluster=demo&var-tenant=default"},
    generator_url="http://127.0.0.1:9090/graph?g0.expr=sales_source_up+%3D%3D+0&g0.tab=1")
TAKEN = case("SalesCallAnswerRatioLow", "warning", labels={"service": "calls", "agent_kind": "ai"}, minutes=95,
             state="acknowledged", acknowledged_by="mara", acknowledged_at=NOW - 3_000, owner="mara",
             comment="carrier has an incident, waiting for their update", annotations={
                 "summary": "Fewer than 60 % of the calls of AI agents are answered (51 %, 95 %: 46 to 56).",
                 "runbook_url": "alert_rules/runbooks/SalesCallAnswerRatioLow.md"})
SNOOZED = case("SalesModelDrift", "warning", labels={"team": "ml", "category": "model", "service": "models",
                                                     "entity": "lead_score 2026-10", "watch": "model_drift"},
               minutes=2_900, state="snoozed", until=NOW + 16_000, pushed=True, owner="jonas",
               comment="training is on its way", annotations={
                   "summary": "lead_score 2026-10 is right in 71 % of decided leads, 82 % before."})
MUTED = case("SalesRepWorkload", "warning", labels={"service": "reps", "rep": "r-17"}, minutes=200, silenced=True,
             annotations={"summary": "r-17 has 3.1 times as many open deals as the median rep."})
ASSIGNED = case("SalesSpendMissing", "warning", labels={"service": "roi", "channel": "search"}, minutes=310,
                owner="lena", step=1, annotations={
                    "summary": "Leads come from search, but no spend has been booked for 3 days."})
CLOSED = case("HostFilesystemFilling", "info", labels={"team": "platform", "category": "capacity", "service": "host",
                                                       "mountpoint": "/var/lib/postgresql"}, minutes=4_000,
              state="resolved", annotations={"summary": "/var/lib/postgresql is full in 19 days at this pace."})
OVER = case("SalesAnomaly", "warning", labels={"watch": "calls", "entity": "direction=outbound", "service": "calls"},
            minutes=600, ends_at=NOW - 18_000, state="resolved", annotations={
                "summary": "Calls an hour (direction=outbound): 0, expected 20 to 44."})
WELL = Reach(("127.0.0.1:9093",), (), True)
"""The Alertmanager answers and alerts of rules arrive."""
OPEN = (DOWN, ANOMALY, ASSIGNED, TAKEN, SNOOZED, MUTED, CLOSED)
"""All that are not over, worst first."""


def events(about: Case) -> list[Event]:
    """What happened to an alert, the newest first."""
    told = [
        (40, "commented", "mara", "page", "same as last month: the form's webhook"),
        (300, "acknowledged", "mara", "link", "looking"),
        (900, "escalated", "policy", "policy", "not acknowledged for 15 min: critical, to platform"),
        (1_500, "notified", "alertmanager", "webhook", "sales-ops"),
        (1_560, "changed", "", "desk", "warning to critical"),
        (2_520, "fired", "", "desk", ""),
    ]
    return [Event(NOW - ago, about.fingerprint, kind, by, via, why, about.labels, about.starts_at, 900 - place)  # type: ignore[arg-type]
            for place, (ago, kind, by, via, why) in enumerate(told)]

"""The alerts of one service that fire, as a table."""

from __future__ import annotations

from grafana.source.panels import Figure, Say, linked, rows
from grafana.source.promql import alerts
from grafana.source.sdk import model, units


def firing(number: int, about: str, service: str) -> model.Panel:
    """What fires of a service (a label of alerts, which may begin with an operator); ``about`` ends the title."""
    now = alerts("critical|warning|info", service=service)
    age = now.replace("ALERTS", "ALERTS_FOR_STATE").replace('alertstate="firing",', "")
    panel = rows(
        Say(number, f"Firing alerts on {about}",
            f"Alerts on {about} that fire now, and for how long their condition has held. A click opens the rule.",
            "Nothing fires"),
        {"severity": "Severity", "alertname": "Alert"},
        Figure("For", f"max by (severity, alertname) ((time() - {age}) and ignoring (alertstate) {now})",
               units.Seconds, 0, width=75),
        sort="Severity", descending=False, widths={"Severity": 75},
    )
    return linked(panel, "Alert", "Open the alert rule", "/alerting/list?search=${__value.text}")

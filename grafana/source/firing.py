"""The alerts on something that fire, as a table."""

from __future__ import annotations

from grafana.source.panels import Figure, Say, linked, rows
from grafana.source.promql import since
from grafana.source.sdk import model, units


def firing(number: int, about: str, among: str = "", **matchers: str) -> model.Panel:
    """What fires with such labels, whose values may begin with an operator.

    ``about`` ends the title; ``among`` says what that is, where it is more than one thing.
    """
    panel = rows(
        Say(number, f"Firing alerts on {about}",
            f"Alerts on {among or about} that fire now, and for how long their condition has held. "
            "A click opens the rule.",
            "Nothing fires"),
        {"severity": "Severity", "alertname": "Alert"},
        Figure("For", f"max by (severity, alertname) ({since('critical|warning|info', **matchers)})", units.Seconds, 0,
               width=75),
        sort="Severity", descending=False, widths={"Severity": 75},
    )
    return linked(panel, "Alert", "Open the alert rule", "/alerting/list?search=${__value.text}")

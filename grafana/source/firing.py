"""The alerts on something that fire, as a table."""

from __future__ import annotations

from grafana.source.panels import Figure, Say, linked, rows, worded
from grafana.source.promql import SEVERITIES, ranked, since
from grafana.source.sdk import model, units


def firing(number: int, about: str, among: str = "", **matchers: str) -> model.Panel:
    """What fires with such labels, whose values may begin with an operator.

    ``about`` ends the title; ``among`` says what that is, where it is more than one thing.
    """
    held = since("critical|warning|info", **matchers)
    panel = rows(
        Say(number, f"Firing alerts on {about}",
            f"Alerts on {among or about} that fire now, and for how long their condition has held, "
            "critical ones first. A click opens the rule.",
            "Nothing fires"),
        {"severity": "Severity", "alertname": "Alert"},
        Figure("For", ranked(f"max by (severity, alertname) ({held})"), units.Seconds, 0, width=75),
        sort="Severity", descending=False, widths={"Severity": 75},
    )
    return opened(panel)


def opened(panel: model.Panel) -> model.Panel:
    """A table of alerts by ``ranked`` severity, with its words and with a way from each alert to its rule."""
    return linked(worded(panel, "Severity", SEVERITIES), "Alert", "Open the alert rule",
                  "/alerting/list?search=${__value.text}")

"""Calls as the applications see them, before they are in the database: a row that is closed at first."""

from __future__ import annotations

from grafana.source.board import Folded
from grafana.source.boards.calls.asked import ENDED, PEOPLE, UNDER_WAY
from grafana.source.panels import BLUE, ORANGE, Line, Say, lines
from grafana.source.plots import Known, by_label
from grafana.source.promql import placed
from grafana.source.sdk import model, units

NO_RECORDER = "No application records calls: use the call recorder (docs/instrumentation.md)"
STEP = "$__rate_interval"


def folded() -> Folded:
    """The closed row. Instances of applications do different work, so they add up."""
    return Folded(101, "In the applications, live", [
        (7, [(8, active()), (8, ended()), (8, judgements())]),
        (7, [(12, response()), (12, lengths())]),
    ])


def active() -> model.Panel:
    return by_label(
        Say(30, "Calls under way",
            "Calls that go on now, of those that are recorded as they go on, by direction and who calls.", NO_RECORDER),
        units.LocaleFormat, (f"sum by (direction, agent_kind) ({placed('sales_app_calls_active')})",
                             "{{direction}} {{agent_kind}}"), decimals=0, many=False, known=UNDER_WAY)


def ended() -> model.Panel:
    rate = f"sum by (agent_kind, outcome) (rate({placed('sales_app_calls_total')}[{STEP}]))"
    return by_label(
        Say(31, "Calls ended a minute",
            "Calls per minute that ended, as the applications saw them, by who called and how it went. A webhook that "
            "comes twice counts twice here and is one row in the database.", NO_RECORDER),
        units.CountsPerMinute, (f"60 * {rate}", "{{agent_kind}} {{outcome}}"), interval="1m", many=False,
        known=ENDED)


def judgements() -> model.Panel:
    rate = f"sum by (success) (rate({placed('sales_app_call_judgements_total')}[{STEP}]))"
    return by_label(
        Say(32, "Judgements a minute",
            "Judgements of calls that the applications recorded, per minute, by whether they say success.",
            "No application records judgements: use the call recorder (docs/instrumentation.md)"),
        units.CountsPerMinute, (f"60 * {rate}", "success: {{success}}"), interval="1m", many=False,
        known=(Known("success: true", BLUE), Known("success: false", ORANGE)))


def response() -> model.Panel:
    return _p95(33, "First response, p95, live", "Time until the agent's first words",
                "sales_app_call_first_response_seconds")


def lengths() -> model.Panel:
    return _p95(34, "Length of calls, p95, live", "Time from the start of a call to its end, answered or not",
                "sales_app_call_duration_seconds")


def _p95(number: int, title: str, what: str, name: str) -> model.Panel:
    def of(kind: str) -> str:
        buckets = placed(f"{name}_bucket", agent_kind=kind)
        return f"histogram_quantile(0.95, sum by (le) (rate({buckets}[{STEP}]))) >= 0"

    return lines(
        Say(number, title,
            f"{what}, by who called, as the applications measure it: 19 of 20 calls took this or less.", NO_RECORDER),
        units.Seconds, *(Line(word, of(kind), colour) for word, kind, colour in PEOPLE), interval="5m")

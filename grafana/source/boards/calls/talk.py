"""How quickly the agent speaks, and how long people talk to it."""

from __future__ import annotations

from grafana.source.boards.calls.asked import PEOPLE, QUARTER
from grafana.source.panels import Line, Say, lines
from grafana.source.plots import POINTS, buckets
from grafana.source.promql import counted, quantile
from grafana.source.sdk import model, units

RESPONSE, TALK = "sales_call_first_response_seconds", "sales_call_duration_seconds"
NO_RESPONSE = "No first response recorded: fill calls.first_response_seconds"
NO_TALK = "No answered calls in this time range: fill calls.talk_seconds, or answered_at and ended_at"


def _quantiles(name: str, upper: float) -> list[Line]:
    return [line for title, kind, colour in PEOPLE for line in (
        Line(f"{title} p{round(100 * upper)}", quantile(upper, name, agent_kind=kind), colour),
        Line(f"{title} p50", quantile(0.5, name, agent_kind=kind), colour, dashed=True))]


def response() -> model.Panel:
    return lines(
        Say(15, "First response",
            "Time until the agent's first words, of the calls of each step of the plot (six hours at least): 19 of 20 "
            "took p95 or less, half of them p50. The alert begins when p95 of the AI is above 2 s for 15 minutes.",
            NO_RESPONSE),
        units.Seconds, *_quantiles(RESPONSE, 0.95), points=POINTS, interval=QUARTER)


def responses() -> model.Panel:
    return buckets(
        Say(16, "First response of the AI, distribution",
            "How many calls of AI agents took how long until the first words, by the buckets of the histogram: darker "
            "is more. A second band higher up is a second cause, which no quantile shows.", NO_RESPONSE),
        counted(f"{RESPONSE}_bucket", "le", agent_kind="ai"), units.Seconds, interval=QUARTER)


def lengths() -> model.Panel:
    return lines(
        Say(17, "Talk time",
            "Time from the answer to the end of answered calls of each step of the plot (six hours at least): nine of "
            "ten lasted p90 or less, half of them p50. Short calls of the AI are often calls that people end.",
            NO_TALK),
        units.Seconds, *_quantiles(TALK, 0.9), points=POINTS, interval=QUARTER)


def talked() -> model.Panel:
    return buckets(
        Say(19, "Talk time, distribution",
            "How many answered calls of both kinds lasted how long, by the buckets of the histogram: darker is more.",
            NO_TALK),
        counted(f"{TALK}_bucket", "le"), units.Seconds, interval=QUARTER)

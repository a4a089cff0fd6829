"""PromQL on calls that more than one panel asks."""

from __future__ import annotations

from grafana.source.panels import BLUE, GREY, ORANGE, PINK, RED, SKY, Line
from grafana.source.plots import Known
from grafana.source.promql import selector, total

WINDOW = {"window": "$window"}
HOUR = "1h"
"""Shortest step of what comes from counters: a small team makes few calls in less."""
QUARTER = "6h"
"""Shortest step of shares and quantiles of calls, which need more of them."""
RANGE = "$__range"
PEOPLE = (("AI", "ai", BLUE), ("People", "human", ORANGE))
"""Name, value of the label, and colour of either kind of agent, the same on every panel."""
AGENTS = {value: title for title, value, _ in PEOPLE}
"""Words for the kinds of agent in tables."""
OUTCOMES = (
    ("Answered", "answered", BLUE), ("Voicemail", "voicemail", SKY), ("No answer", "no_answer", GREY),
    ("Busy", "busy", ORANGE), ("Hung up before", "abandoned", PINK), ("Failed", "failed", RED),
)
"""Words for the outcomes of the data contract, and their colours."""
ENDED = (*(Known(f".+ {value}", colour) for _, value, colour in OUTCOMES), Known("human .+", dashed=True))
"""Lines that are named by agent and outcome: the colour is the outcome, people are dashed."""
UNDER_WAY = (*(Known(f".+ {value}", colour) for _, value, colour in PEOPLE), Known("inbound .+", dashed=True))
"""Lines that are named by direction and agent: the colour is the agent, calls that come in are dashed."""
NO_CALLS = "No calls in this window: fill sales.calls (direction, agent_kind, started_at, ended_at, outcome)"


def attempts(*by: str, offset: str = "", **matchers: str) -> str:
    """Calls of the window."""
    return total("sales_call_attempts", *by, offset=offset, **WINDOW, **matchers)


def outbound(offset: str = "", **matchers: str) -> str:
    """Outbound calls of the window."""
    return attempts(offset=offset, direction="outbound", **matchers)


def results(*by: str, offset: str = "", **matchers: str) -> str:
    """Calls of the window by their judgement."""
    return total("sales_call_results", *by, offset=offset, **WINDOW, **matchers)


def judged(*by: str, offset: str = "", **matchers: str) -> str:
    """Calls of the window that somebody or something judged."""
    return results(*by, offset=offset, result="~success|no_success", **matchers)


def with_bounds(name: str, **matchers: str) -> list[Line]:
    """A ratio of the AI and of people over time, each with its band."""
    def of(kind: str, suffix: str) -> str:
        return f"max({selector(f'{name}{suffix}', agent_kind=kind, **WINDOW, **matchers)})"

    return [Line(title, of(kind, ""), colour, lower=of(kind, "_lower"), upper=of(kind, "_upper"))
            for title, kind, colour in PEOPLE]

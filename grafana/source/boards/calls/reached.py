"""How calls end: by outcome, by who calls, and by what success is divided by."""

from __future__ import annotations

from grafana.source.boards.calls.asked import (
    AGENTS,
    HOUR,
    NO_CALLS,
    OUTCOMES,
    PEOPLE,
    QUARTER,
    WINDOW,
    attempts,
    judged,
    results,
    with_bounds,
)
from grafana.source.panels import GREEN, Figure, Line, Say, lines, rows, worded
from grafana.source.promql import counted, hourly, ratio, selector
from grafana.source.sdk import model, units
from grafana.source.shapes import donut


def outcomes() -> model.Panel:
    return donut(
        Say(9, "Outcomes, $window",
            "All calls of the window by how they ended. Hung up before: by the other side, before anybody spoke "
            "(abandoned). Failed: the line or the system broke.",
            NO_CALLS),
        f"sort_desc({attempts('outcome')} > 0)", "{{outcome}}", units.LocaleFormat,
        {value: colour for _, value, colour in OUTCOMES} | {r"\(other\)": GREEN},
        words={value: title for title, value, _ in OUTCOMES},
    )


def over_time() -> model.Panel:
    return lines(
        Say(10, "Calls an hour by outcome",
            "Calls that ended, as an hourly rate of each step of the plot (an hour at least), by how they ended.",
            NO_CALLS),
        units.LocaleFormat,
        *(Line(title, hourly("sales_calls_total", outcome=value), colour) for title, value, colour in OUTCOMES),
        stacked=True, interval=HOUR)


def answer() -> model.Panel:
    return lines(
        Say(11, "Connect rate: AI and people, $window",
            "Answered outbound calls divided by all outbound calls, with 95 % intervals; each point is the whole "
            "window that ends there. Where the bands overlap, the difference may be chance. Who is called by whom "
            "differs, so this compares results, not skill.",
            "No outbound calls in this window: fill sales.calls (direction, agent_kind, outcome)"),
        units.PercentUnit, *with_bounds("sales_call_answer_ratio", direction="outbound"))


def success() -> model.Panel:
    return lines(
        Say(12, "Success of judged calls: AI and people, $window",
            "Calls judged a success divided by the judged ones, with 95 % intervals; each point is the whole window "
            "that ends there. Where the bands overlap, the difference may be chance.",
            "No judged calls in this window: fill calls.success or sales.call_judgements"),
        units.PercentUnit, *with_bounds("sales_call_success_ratio", denominator="judged"))


def directions() -> model.Panel:
    by = ("direction", "agent_kind")

    def share(suffix: str) -> str:
        return f"max by (direction, agent_kind) ({selector(f'sales_call_answer_ratio{suffix}', **WINDOW)})"

    panel = rows(
        Say(13, "Answered, by direction and agent, $window",
            "Calls of the window, and the share of them that was answered with its 95 % interval, by who called whom "
            "and by the kind of agent that began the call.",
            NO_CALLS),
        {"direction": "Direction", "agent_kind": "Agent"},
        Figure("Calls", attempts(*by), units.LocaleFormat, 0, width=75),
        Figure("Answered", attempts(*by, outcome="answered"), units.LocaleFormat, 0, width=85),
        Figure("Share", share(""), units.PercentUnit, 1, width=75),
        Figure("From", share("_lower"), units.PercentUnit, 1, width=75),
        Figure("To", share("_upper"), units.PercentUnit, 1, width=75), sort="Calls")
    return worded(panel, "Agent", AGENTS)


def denominators() -> model.Panel:
    def share(suffix: str) -> str:
        return f"max by (agent_kind, denominator) ({selector(f'sales_call_success_ratio{suffix}', **WINDOW)})"

    def named(expr: str, denominator: str) -> str:
        return f'label_replace({expr}, "denominator", "{denominator}", "", "")'

    calls = " or ".join([
        named(results("agent_kind"), "attempted"), named(results("agent_kind", answered="true"), "answered"),
        named(judged("agent_kind"), "judged")])
    panel = rows(
        Say(14, "Success by what it is divided by, $window",
            "The same successes divided by all calls (attempted), by the answered ones, or by those that were judged, "
            "with 95 % intervals. A call that is not judged yet counts as no success of the first two, so they read "
            "low while judgements are missing.",
            "No calls in this window: fill sales.calls, and calls.success or sales.call_judgements"),
        {"agent_kind": "Agent", "denominator": "Divided by"},
        Figure("Calls", calls, units.LocaleFormat, 0, width=75),
        Figure("Success", share(""), units.PercentUnit, 1, width=90),
        Figure("From", share("_lower"), units.PercentUnit, 1, width=75),
        Figure("To", share("_upper"), units.PercentUnit, 1, width=75),
        sort="Success")
    return worded(panel, "Agent", AGENTS)


def failing() -> model.Panel:
    def share(kind: str) -> str:
        calls = counted("sales_calls_total", agent_kind=kind)
        return ratio(counted("sales_calls_total", agent_kind=kind, outcome="failed"), calls)

    return lines(
        Say(18, "Failed calls by agent",
            "Calls with the outcome failed divided by all calls that ended in each step of the plot (six hours "
            "at least). Of a few calls, one makes a peak. The alert begins at 10 % of an hour with 30 calls.",
            NO_CALLS),
        units.PercentUnit, *(Line(title, share(kind), colour) for title, kind, colour in PEOPLE), interval=QUARTER)

"""The first two rows: do calls reach people, do they succeed, what does it cost, and what stands in the way."""

from __future__ import annotations

from grafana.source.boards.calls import asked
from grafana.source.boards.calls.asked import NO_CALLS, RANGE, WINDOW, judged, outbound, results
from grafana.source.panels import BLUE, ORANGE, POINTS, RED, TEXT, Figure, Say, stats
from grafana.source.promql import counted, growth, points, quantile, ratio, reach, total
from grafana.source.sdk import model, units

WEEK, AGAINST, PLUS_MINUS = "7d", "vs 7 d ago", "± 95 %"
UP_IS_GOOD = ((-1e9, RED), (0.0, BLUE))
FAILING = ((0.0, BLUE), (0.1, ORANGE), (0.5, RED))
"""Where the alert SalesCallsFailing begins, and where it is critical."""
SLOW = ((0.0, BLUE), (2.0, ORANGE))
"""Where the alert SalesCallFirstResponseSlow begins."""
ENOUGH = 30
"""Calls in an hour below which a share says nothing; as in the alerts."""


def attempts() -> model.Panel:
    return stats(
        Say(1, "Calls, $window",
            "Calls that ended and began in the window, in both directions, by people and AI, answered or not. The "
            "change compares it with the same window a week earlier.",
            NO_CALLS),
        Figure("calls", asked.attempts(), units.LocaleFormat, 0),
        Figure(AGAINST, growth(asked.attempts(), asked.attempts(offset=WEEK)), units.PercentUnit),
        Figure("answered", asked.attempts(outcome="answered"), units.LocaleFormat, 0),
    )


def answered() -> model.Panel:
    def share(offset: str = "") -> str:
        return ratio(outbound(offset, outcome="answered"), outbound(offset))

    return stats(
        Say(2, "Connect rate, $window",
            "Outbound calls of the window that were answered, divided by all outbound calls, and half the width of its "
            "95 % interval. Voicemail is not an answer. The change compares the same window a week earlier.",
            "No outbound calls in this window: fill sales.calls (direction, started_at, outcome)"),
        Figure("answered", share(), units.PercentUnit, 1),
        Figure(PLUS_MINUS, reach(outbound(outcome="answered"), outbound()), POINTS, 1),
        Figure(AGAINST, points(share(), share(WEEK)), POINTS, 1, UP_IS_GOOD),
    )


def success() -> model.Panel:
    def share(offset: str = "") -> str:
        return ratio(results(offset=offset, result="success"), judged(offset=offset))

    return stats(
        Say(3, "Success, $window",
            "Calls judged a success, divided by the calls that were judged at all, and half the width of "
            "its 95 % interval. Of the answered or of all calls it is lower: see the table below.",
            "No judged calls in this window: fill calls.success or sales.call_judgements"),
        Figure("of judged", share(), units.PercentUnit, 1),
        Figure(PLUS_MINUS, reach(results(result="success"), judged()), POINTS, 1),
        Figure(AGAINST, points(share(), share(WEEK)), POINTS, 1, UP_IS_GOOD),
    )


def price() -> model.Panel:
    def each(offset: str = "", **matchers: str) -> str:
        cost = total("sales_call_cost", currency="$currency", offset=offset, **WINDOW, **matchers)
        return ratio(cost, total("sales_call_costed", result="success", offset=offset, **WINDOW, **matchers))

    down_is_good = ((-1e9, BLUE), (1e-9, RED))
    return stats(
        Say(4, "Cost per success ($currency)",
            "Cost of all calls of the window whose cost is known, failed ones too, divided by the successes among "
            "them. The change is of both together, against the same window a week earlier.",
            "No cost of a success: fill calls.cost, calls.currency and calls.success"),
        Figure("AI", each(agent_kind="ai"), units.Short, 2), Figure("people", each(agent_kind="human"), units.Short, 2),
        Figure(AGAINST, growth(each(), each(WEEK)), units.PercentUnit, 1, down_is_good),
    )


def first_response() -> model.Panel:
    def within(q: float, kind: str) -> str:
        return quantile(q, "sales_call_first_response_seconds", over=RANGE, agent_kind=kind)

    return stats(
        Say(5, "First response",
            "Time until the agent's first words, of calls of the shown time range that have one recorded: 19 of 20 "
            "took p95 or less, half of them p50. Interpolated within a bucket, and never above 30 s, the last bound. "
            "From 2 s orange, as the alert.",
            "No first response recorded: fill calls.first_response_seconds"),
        Figure("AI p95", within(0.95, "ai"), units.Seconds, 1, SLOW),
        Figure("AI p50", within(0.5, "ai"), units.Seconds, 1),
        Figure("people p95", within(0.95, "human"), units.Seconds, 1),
    )


def failed() -> model.Panel:
    broken = f"({asked.attempts(outcome='failed')} or 0 * {asked.attempts()})"
    hour = counted("sales_calls_total", over="1h")
    last = f"{ratio(counted('sales_calls_total', over='1h', outcome='failed'), hour)} and {hour} >= {ENOUGH}"
    return stats(
        Say(6, "Failed calls",
            "Calls that the line or the system broke (outcome failed), divided by all calls: of $window, and of the "
            "last hour if it had 30 calls. From 10 % orange, from 50 % red, as the alert, which looks at each "
            "direction and kind of agent by itself.",
            NO_CALLS),
        Figure("in the window", ratio(broken, asked.attempts()), units.PercentUnit, 1, FAILING),
        Figure("calls", broken, units.LocaleFormat, 0, ((0.0, TEXT),)),
        Figure("last hour", last, units.PercentUnit, 1, FAILING),
    )


def transferred() -> model.Panel:
    def share(**matchers: str) -> str:
        return ratio(total("sales_call_transfers", **WINDOW, **matchers), results(answered="true", **matchers))

    return stats(
        Say(7, "Transferred, $window",
            "Answered calls that were passed on to somebody else, divided by all answered calls: of both, of the AI "
            "and of people. For an AI agent, how often it needs a person.",
            NO_CALLS),
        Figure("of answered", share(), units.PercentUnit, 1),
        Figure("AI", share(agent_kind="ai"), units.PercentUnit, 1),
        Figure("people", share(agent_kind="human"), units.PercentUnit, 1),
    )


def not_judged() -> model.Panel:
    open_ = results(answered="true", result="unjudged")
    return stats(
        Say(8, "Not judged, $window",
            "Answered calls of the window of which nobody has said whether they were a success, divided by all "
            "answered calls. As long as it is high, success of the judged says little about the others.",
            NO_CALLS),
        Figure("of answered", ratio(open_, results(answered="true")), units.PercentUnit, 1),
        Figure("calls", open_, units.LocaleFormat, 0, ((0.0, TEXT),)),
    )

"""What calls cost, and what is missing in the numbers."""

from __future__ import annotations

from grafana.source.board import Folded
from grafana.source.boards.calls.asked import AGENTS, NO_CALLS, PEOPLE, WINDOW, judged, results, with_bounds
from grafana.source.panels import ORANGE, TEXT, Figure, Line, Say, lines, rows, worded
from grafana.source.promql import ratio, total
from grafana.source.sdk import model, units

NO_COST = "No call of this window has a cost: fill calls.cost and calls.currency"


def per_success() -> model.Panel:
    return lines(
        Say(21, "Cost per success, $window ($currency)",
            "Cost of the calls of the window divided by the successes among them, with 95 % intervals: the cost is "
            "known, how many succeed is what is uncertain. Each point is the whole window that ends there.",
            "No cost of a success: fill calls.cost, calls.currency and calls.success"),
        units.Short, *with_bounds("sales_call_cost_per_success", currency="$currency"), decimals=2)


def spent() -> model.Panel:
    return lines(
        Say(22, "Cost of calls, rolling $window ($currency)",
            "Cost of all calls of the window that ends at each point, at the exchange rate of the day each began on. "
            "What has no rate is left out: see the last row.",
            NO_COST),
        units.Short, *(Line(title, total("sales_call_cost", currency="$currency", agent_kind=kind, **WINDOW), colour)
                       for title, kind, colour in PEOPLE), stacked=True)


def unjudged() -> model.Panel:
    def share(kind: str) -> str:
        return ratio(results(answered="true", result="unjudged", agent_kind=kind),
                     results(answered="true", agent_kind=kind))

    return lines(
        Say(23, "Not judged, of answered, $window",
            "Share of the answered calls that nobody has judged yet, by agent; each point is the whole window that "
            "ends there. When it climbs, judgements no longer arrive.",
            NO_CALLS),
        units.PercentUnit, *(Line(title, share(kind), colour) for title, kind, colour in PEOPLE))


def missing() -> Folded:
    """A closed row: what is in the ratios and costs, and what is not."""
    return Folded(102, "What the numbers are made of", [(6, [(24, coverage())])])


def coverage() -> model.Panel:
    by = "agent_kind"
    unpriced = total("sales_calls_without_rate", by, **WINDOW)
    panel = rows(
        Say(40, "Calls behind the numbers, $window",
            "By agent: all calls, the answered ones, those that were judged, the successes, the calls with a known "
            "cost and those without an exchange rate of their day, which are in no cost.",
            NO_CALLS),
        {by: "Agent"},
        Figure("Calls", results(by), units.LocaleFormat, 0),
        Figure("Answered", results(by, answered="true"), units.LocaleFormat, 0),
        Figure("Judged", judged(by), units.LocaleFormat, 0),
        Figure("Successes", results(by, result="success"), units.LocaleFormat, 0),
        Figure("Transferred", total("sales_call_transfers", by, **WINDOW), units.LocaleFormat, 0),
        Figure("With cost", total("sales_call_costed", by, **WINDOW), units.LocaleFormat, 0),
        Figure("Without rate", unpriced, units.LocaleFormat, 0, ((0.0, TEXT), (1.0, ORANGE))), sort="Calls")
    return worded(panel, "Agent", AGENTS)

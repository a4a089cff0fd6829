"""Teams, and AI agents against people, as far as the data tell them apart."""

from __future__ import annotations

from grafana.source.boards.reps.asked import EMPTY, by_team, deals, decided, open_deals
from grafana.source.bounds import wilson
from grafana.source.panels import BLUE, ORANGE, Figure, Line, Say, lines, rows, worded
from grafana.source.promql import ratio, selector, total
from grafana.source.sdk import model, units

JUDGED = {"denominator": "judged", "window": "$window"}


def figures() -> model.Panel:
    won, all_of_them = by_team(deals("rep", result="won")), by_team(decided("rep"))
    low, high = wilson(won, all_of_them)
    return rows(
        Say(11, "Teams, $window",
            "Deals of the window by the team of their rep: decided, the share won with its 95 % interval (Wilson), "
            "and open deals. Put AI agents into a team of their own (reps.team), and this compares them with people. "
            "Teams get other deals: it compares results, not skill.",
            EMPTY),
        {"team": "Team"},
        Figure("Reps", f"count by (team) (group by (rep, team) ({selector('sales_rep_info')}))", units.LocaleFormat, 0),
        Figure("Decided", all_of_them, units.LocaleFormat, 0),
        Figure("Win rate", ratio(won, all_of_them), units.PercentUnit),
        Figure("95 % from", low, units.PercentUnit), Figure("95 % to", high, units.PercentUnit),
        Figure("Open", by_team(open_deals("rep")), units.LocaleFormat, 0), sort="Decided")


def calls() -> model.Panel:
    def judged(suffix: str = "") -> str:
        return f"max by (agent_kind) ({selector(f'sales_call_success_ratio{suffix}', **JUDGED)})"

    attempts = total("sales_call_attempts", "agent_kind", window="$window")
    panel = rows(
        Say(12, "Calls, AI and people, $window",
            "Calls of the window by who began them, their share of all calls, and the share of the judged ones that "
            "were a success with its 95 % bounds. Calls do not say which rep they are of.",
            "No calls in this window: fill sales.calls (agent_kind, started_at, outcome)"),
        {"agent_kind": "By"},
        Figure("Calls", attempts, units.LocaleFormat, 0),
        Figure("Share", f"{attempts} / on () group_left () sum({attempts})", units.PercentUnit, 0),
        Figure("Success", judged(), units.PercentUnit), Figure("95 % from", judged("_lower"), units.PercentUnit),
        Figure("95 % to", judged("_upper"), units.PercentUnit), sort="Calls")
    return worded(panel, "By", {"ai": "AI", "human": "People"})


def call_success() -> model.Panel:
    def success(kind: str, suffix: str = "") -> str:
        return f"max({selector(f'sales_call_success_ratio{suffix}', agent_kind=kind, **JUDGED)})"

    return lines(
        Say(14, "Call success over time, $window",
            "Calls judged a success of all that were judged in the window before each point, by AI and by people, "
            "with 95 % bands. Where the bands overlap, the difference may be chance.",
            "No judged calls in this window: fill calls.success or sales.call_judgements"),
        units.PercentUnit,
        Line("AI", success("ai"), BLUE, lower=success("ai", "_lower"), upper=success("ai", "_upper")),
        Line("People", success("human"), ORANGE, lower=success("human", "_lower"), upper=success("human", "_upper")))

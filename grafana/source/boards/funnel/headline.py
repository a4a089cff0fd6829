"""The first two rows: do enough leads come, do enough of them win, and is anything in the way."""

from __future__ import annotations

from grafana.source import advice
from grafana.source.boards.funnel.asked import (
    ALL_CHANNELS,
    DAY,
    EMPTY,
    WEEK,
    by_stage,
    conversion,
    created,
    entered,
    moves,
    won,
)
from grafana.source.bounds import wilson
from grafana.source.panels import BLUE, ORANGE, RED, Figure, Say, stats
from grafana.source.promql import growth, ratio, selector, total
from grafana.source.sdk import model, units

AGAINST = "vs 7 d ago"
UP_IS_GOOD = ((-1e9, RED), (0, BLUE))
CODES = ("bottleneck_stage", "slowing_stage", "leaking_step", "stale_open_deals", "response_too_slow")


def new_leads() -> model.Panel:
    return stats(
        Say(1, "New leads, last 24 h",
            "Leads created in the last 24 hours in the channels chosen, against the same 24 hours a week earlier, so "
            "that a Sunday meets a Sunday, and all of the window. Leads that were deleted since are missing in both.",
            "Needs a day of history: fill sales.leads, keep the window 'all' and let Prometheus scrape"),
        Figure("leads", created(), units.LocaleFormat, 0),
        Figure(AGAINST, growth(created(), created(days_ago=7)), units.PercentUnit, 0, UP_IS_GOOD),
        Figure("in the window", entered(), units.LocaleFormat, 0),
    )


def won_so_far() -> model.Panel:
    low, high = wilson(won(), entered())
    return stats(
        Say(2, "Won so far, $window",
            "Of the leads created in the window, the share that has been won by now, with its 95 % interval "
            "(Wilson). It reads low while leads are young: the panel beside it says what will come.",
            EMPTY),
        Figure("won", ratio(won(), entered()), units.PercentUnit, 1),
        Figure("95 % from", low, units.PercentUnit, 1), Figure("to", high, units.PercentUnit, 1),
    )


def projected() -> model.Panel:
    return stats(
        Say(3, "Will be won within $horizon",
            "Of the leads created within the horizon, the share that will have been won at that age if open leads go "
            "on as leads of their age did in the last 60 days. Over several channels the bounds are the means of "
            "theirs, which is rather too wide than too narrow.",
            "No leads older than the horizon: fill sales.leads and sales.stage_transitions"),
        Figure("projected", conversion("projected"), units.PercentUnit, 1),
        Figure("95 % from", conversion("projected", "_lower"), units.PercentUnit, 1),
        Figure("to", conversion("projected", "_upper"), units.PercentUnit, 1),
    )


def time_to_win() -> model.Panel:
    def cycle(q: str) -> str:
        return f"max({selector('sales_cycle_time_seconds', q=q, result='won')})"

    return stats(
        Say(4, "Time to win",
            "From the creation of a lead to its first won stage, over all leads won so far: half were won within the "
            f"median, nine of ten within the other. {ALL_CHANNELS}",
            "No won leads yet: fill sales.stage_transitions (to_stage of kind won)"),
        Figure("median", cycle("0.5"), units.Seconds), Figure("nine of ten", cycle("0.9"), units.Seconds),
    )


def open_leads() -> model.Panel:
    here, before = total("sales_stage_open"), total("sales_stage_open", offset=WEEK)
    return stats(
        Say(5, "Open leads",
            "Leads that are in an open stage now, neither won nor lost, against a week ago. More of them is neither "
            f"good nor bad by itself. {ALL_CHANNELS}",
            "No open leads: fill sales.stage_transitions (lead_id, to_stage, occurred_at)"),
        Figure("open", here, units.LocaleFormat, 0), Figure(AGAINST, growth(here, before), units.PercentUnit),
    )


def bottleneck() -> model.Panel:
    return stats(
        Say(6, "Tightest stage",
            "The stage that holds most leads back, and how many: the time that leads spent there in 30 days per lead "
            "that left, times the leads that enter in that time. By Little's law those are the leads that wait "
            f"there. {ALL_CHANNELS}",
            "Nothing left a stage in 30 days: fill sales.stage_transitions"),
        Figure("{{stage}}", f"topk(1, {by_stage('sales_bottleneck_score')})", units.LocaleFormat, 0),
    )


def slower() -> model.Panel:
    active = by_stage("sales_stage_slowdown_active")
    return stats(
        Say(7, "Stages that got slower",
            "Stages that leads leave later than in the 84 days before, tested on complete days on two days running "
            f"(p below 0.01, Holm over all stages), as the alert; and the smallest p of today. {ALL_CHANNELS}",
            "Needs two weeks of moves: complete days on which leads leave their stages"),
        Figure("slower", f"sum({active})", units.LocaleFormat, 0, ((0, BLUE), (1, ORANGE))),
        Figure("smallest p", f"min({by_stage('sales_stage_slowdown_p_value')})", units.NoUnit, 3),
    )


def back() -> model.Panel:
    all_moves = moves("sales_funnel_stage_transitions_total", DAY)
    return stats(
        Say(8, "Moved back, 24 h",
            "Of the moves between stages in the last 24 hours, the share that went to an earlier stage. From 20 % "
            f"orange, as the alert, which needs 50 moves. {ALL_CHANNELS}",
            "No moves in 24 hours: fill sales.stage_transitions (from_stage, to_stage)"),
        Figure("moved back", ratio(f"({moves('sales_funnel_regressions_total', DAY)} or 0 * {all_moves})", all_moves),
               units.PercentUnit, 1, ((0, BLUE), (0.2, ORANGE))),
        Figure("moves", all_moves, units.LocaleFormat, 0),
    )


def recommendations() -> model.Panel:
    return advice.recommendations(
        Say(23, "What to look at in the funnel",
            "Stages and steps that rules on the data name, with the expected gain in its unit and the evidence: how "
            "many events it rests on, the estimate and its 95 % bounds. A row goes when the evidence does. "
            "docs/statistics.md says when each rule speaks.",
            "No rule on the funnel has enough evidence: none speaks below 30 events"),
        CODES)

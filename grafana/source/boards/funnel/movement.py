"""Which way leads move: every pair of stages, and the moves that no plan foresees."""

from __future__ import annotations

from grafana.source.boards.funnel.asked import ALL_CHANNELS, moves, per_day
from grafana.source.panels import BLUE, ORANGE, SKY, Figure, Line, Say, lines, rows
from grafana.source.sdk import model, units

EMPTY = "No move in this time range: fill sales.stage_transitions (from_stage, to_stage)"


def matrix() -> model.Panel:
    return rows(
        Say(32, "Moves between stages",
            "Moves from each stage to each other within the time range at the top of the page; (none) where the row "
            f"names no stage that it comes from. {ALL_CHANNELS}",
            EMPTY),
        {"from": "From", "to": "To"},
        Figure("Moves", f"{moves('sales_funnel_stage_transitions_total', '$__range', 'from', 'to')} > 0.5",
               units.LocaleFormat, 0), sort="Moves")


def astray() -> model.Panel:
    return lines(
        Say(33, "Moves per day",
            "Moves between stages per day in the day before each point (in the step of the axis, if longer), those "
            "to an earlier stage, and the stages that were jumped over. Many of the latter two mean that the stages "
            f"are not lived. {ALL_CHANNELS}",
            EMPTY),
        units.LocaleFormat, Line("All moves", per_day("sales_funnel_stage_transitions_total"), SKY),
        Line("Back", per_day("sales_funnel_regressions_total"), ORANGE),
        Line("Jumped over", per_day("sales_funnel_skipped_total"), BLUE, dashed=True), decimals=0, interval="1d")

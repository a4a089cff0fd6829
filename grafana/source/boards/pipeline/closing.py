"""How deals end: won or lost, how large, and how long it takes."""

from __future__ import annotations

from grafana.source.boards.pipeline.asked import MONEY, NO_DECIDED, decided
from grafana.source.bounds import wilson
from grafana.source.panels import BLUE, ORANGE, PINK, Line, Say, lines
from grafana.source.promql import ratio, selector
from grafana.source.sdk import model, units


def results() -> model.Panel:
    return lines(
        Say(17, "Deals by result, rolling $window",
            "Deals closed as won and as lost in the window that ends at each point.", NO_DECIDED),
        units.LocaleFormat, Line("Won", decided(result="won"), BLUE),
        Line("Lost", decided(result="lost"), ORANGE, dashed=True), decimals=0)


def win_rate() -> model.Panel:
    low, high = wilson(decided(result="won"), decided())
    return lines(
        Say(18, "Win rate, rolling $window",
            "Won deals divided by those decided in the window that ends at each point, with its 95 % interval.",
            NO_DECIDED),
        units.PercentUnit, Line("Won of decided", ratio(decided(result="won"), decided()), BLUE, lower=low, upper=high))


def speed() -> model.Panel:
    def in_money(name: str, **matchers: str) -> str:
        return f"max({selector(name, window='$window', **MONEY, **matchers)})"

    return lines(
        Say(19, "Velocity and deal value ($currency)",
            "Revenue a day at the pace of the window (see Velocity above), and mean and median amount of the deals won "
            "in it.",
            NO_DECIDED),
        units.Short, Line("Velocity a day", in_money("sales_velocity_per_day"), BLUE),
        Line("Mean deal", in_money("sales_deal_value", stat="mean"), ORANGE),
        Line("Median deal", in_money("sales_deal_value", stat="median"), PINK, dashed=True))


def cycle() -> model.Panel:
    def time(q: str, result: str) -> str:
        return f"max({selector('sales_cycle_time_seconds', q=q, result=result)})"

    return lines(
        Say(21, "Time to win or lose",
            "From the creation of a lead to its first won or first lost stage, over all so far: half were faster than "
            "the median, nine of ten faster than the 90th percentile.",
            "No won or lost leads yet: fill sales.stage_transitions (to_stage of kind won or lost)"),
        units.Seconds, Line("Won, median", time("0.5", "won"), BLUE),
        Line("Won, 90th percentile", time("0.9", "won"), BLUE, dashed=True),
        Line("Lost, median", time("0.5", "lost"), ORANGE))

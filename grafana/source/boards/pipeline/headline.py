"""The first two rows: what is open, what it is worth, whether it is enough, and how well and fast deals are won."""

from __future__ import annotations

from grafana.source.boards.pipeline import asked
from grafana.source.boards.pipeline.asked import (
    MONEY,
    NO_DEALS,
    NO_DECIDED,
    NO_FORECAST,
    NO_TARGETS,
    TARGETS,
    decided,
)
from grafana.source.panels import BLUE, ORANGE, POINTS, RED, Figure, Say, stats
from grafana.source.promql import growth, points, ratio, reach, selector, total
from grafana.source.sdk import model, units

WEEK, AGAINST = "7d", "vs 7 d ago"
UP_IS_GOOD = ((-1e9, RED), (0.0, BLUE))
TIMES = "suffix: x"
"""Unit of a multiple, as people say it of coverage."""
COVERED = ((0.0, ORANGE), (1.0, BLUE))
"""Below 1 the alert SalesPipelineCoverageLow begins: even winning everything would not do."""


def value() -> model.Panel:
    return stats(
        Say(1, "Open pipeline ($currency)",
            "Sum of the amounts of all open deals, not weighted by their chances, in the reporting currency at the "
            "newest rate. The change compares it with a week earlier; at -30 % the alert SalesPipelineValueDropped "
            "begins.",
            NO_DEALS),
        Figure("open", asked.value(), units.Short, 2),
        Figure(AGAINST, growth(asked.value(), asked.value(offset=WEEK)), units.PercentUnit, 1, UP_IS_GOOD),
        Figure("deals", total("sales_pipeline_deals"), units.LocaleFormat, 0),
    )


def weighted() -> model.Panel:
    return stats(
        Say(2, "Weighted value ($currency)",
            "Open deals, each times its chance to be won, which is learned by stage and time in it from how the visits "
            "of the last year ended; with the 95 % bounds of what they will bring.",
            "No chances yet: they are learned from a year of visits; fill sales.deals and sales.stage_transitions"),
        Figure("expected", asked.weighted(), units.Short, 2), Figure("from", asked.weighted("_lower"), units.Short, 2),
        Figure("to", asked.weighted("_upper"), units.Short, 2),
    )


def coverage() -> model.Panel:
    def of(period: str) -> str:
        return f"max({selector('sales_pipeline_coverage_ratio', period=period)})"

    return stats(
        Say(3, "Coverage of the target",
            "Value of all open deals divided by what is missing to the revenue target of the running month and "
            "quarter. 1x: every open deal must be won. Below it orange, as the alert. Empty when the target is met.",
            f"Target met, or none: {TARGETS}"),
        Figure("month", of("month"), TIMES, 1, COVERED), Figure("quarter", of("quarter"), TIMES, 1, COVERED),
    )


def attained() -> model.Panel:
    def share(period: str) -> str:
        return ratio(f"sum({asked.attained(period)})", f"sum({asked.target(period)})")

    # Not the time of the query: a replay shows another day.
    today = f"max({selector('sales_as_of_timestamp_seconds')})"
    return stats(
        Say(4, "Target attained",
            "Revenue won since the running month and quarter began, divided by the target of the whole period, and how "
            "much of the month is over (UTC). Above it, the month is ahead of an even pace.",
            NO_TARGETS),
        Figure("month", share("month"), units.PercentUnit, 0),
        Figure("quarter", share("quarter"), units.PercentUnit, 0),
        Figure("month over", f"(day_of_month({today}) - 1 + hour({today}) / 24) / days_in_month({today})",
               units.PercentUnit, 0),
    )


def month() -> model.Panel:
    return stats(
        Say(5, "Forecast, this month ($currency)",
            "Revenue of the whole running month as it is expected to come, what is won already included, with the band "
            "that holds it in 80 of 100 cases. How such forecasts did is in the table below.",
            NO_FORECAST),
        Figure("expected", asked.forecast("month"), units.Short, 2),
        Figure("80 % from", asked.forecast("month", q="0.1"), units.Short, 2),
        Figure("80 % to", asked.forecast("month", q="0.9"), units.Short, 2),
    )


def win_rate() -> model.Panel:
    def share(offset: str = "") -> str:
        return ratio(decided(result="won", offset=offset), decided(offset=offset))

    return stats(
        Say(6, "Win rate, $window",
            "Won deals divided by the deals that were decided (won or lost) in the window, and half the width of its "
            "95 % interval; open deals are in neither. The change compares the same window a week earlier.",
            NO_DECIDED),
        Figure("won", share(), units.PercentUnit, 1),
        Figure("± 95 %", reach(decided(result="won"), decided()), POINTS, 1),
        Figure(AGAINST, points(share(), share(WEEK)), POINTS, 1, UP_IS_GOOD),
    )


def velocity() -> model.Panel:
    def a_day(offset: str = "") -> str:
        return f"max({selector('sales_velocity_per_day', window='$window', offset=offset, **MONEY)})"

    return stats(
        Say(7, "Velocity, $window ($currency)",
            "Revenue a day that the pipeline brings at its present pace: open deals x win rate x mean value of a won "
            "deal / mean days from opening to winning, the last three over the deals decided in the window.",
            NO_DECIDED),
        Figure("a day", a_day(), units.Short, 2),
        Figure(AGAINST, growth(a_day(), a_day(WEEK)), units.PercentUnit, 1, UP_IS_GOOD),
    )


def deal_value() -> model.Panel:
    def won(stat: str) -> str:
        return f"max({selector('sales_deal_value', stat=stat, window='$window', **MONEY)})"

    return stats(
        Say(8, "Value of a won deal, $window ($currency)",
            "Mean and median amount of the deals won in the window, and how many they are. A mean far above the median "
            "is a few large deals.",
            NO_DECIDED),
        Figure("median", won("median"), units.Short, 2), Figure("mean", won("mean"), units.Short, 2),
        Figure("deals", decided(result="won"), units.LocaleFormat, 0),
    )

"""What will come: values over time, targets, the forecast and its record, and what to look at first."""

from __future__ import annotations

from grafana.source.advice import recommendations as table_of_advice
from grafana.source.boards.pipeline import asked
from grafana.source.boards.pipeline.asked import NO_DEALS, NO_FORECAST, NO_TARGETS
from grafana.source.boards.pipeline.asked import forecast as revenue
from grafana.source.boards.pipeline.headline import COVERED, TIMES
from grafana.source.panels import BLUE, ORANGE, TEXT, Figure, Line, Say, lines, rows
from grafana.source.promql import ratio, selector
from grafana.source.sdk import model, units

CODES = ("bottleneck_stage", "slowing_stage", "leaking_step", "stale_open_deals")
"""Recommendations on stages and deals; those on channels, models and calls are on other dashboards."""
TOO_NARROW = 0.6
"""Below which share the alert SalesForecastBandsTooNarrow begins."""


def values() -> model.Panel:
    return lines(
        Say(11, "Open and weighted value ($currency)",
            "Sum of the amounts of open deals, and the same with each deal times its learned chance to be won, with "
            "the 95 % bounds of what they will bring.",
            NO_DEALS),
        units.Short, Line("Open", asked.value(), ORANGE, dashed=True),
        Line("Weighted", asked.weighted(), BLUE, lower=asked.weighted("_lower"), upper=asked.weighted("_upper")))


def targets() -> model.Panel:
    target, won = asked.target(), asked.attained()
    coverage = f"max by (period) ({selector('sales_pipeline_coverage_ratio')})"
    return rows(
        Say(12, "Revenue targets ($currency)",
            "Running periods: the target of the company (or of all its teams), revenue won since the period began, "
            "what is missing, the forecast of the whole period where there is one, and the open deals as a multiple of "
            "what is missing (coverage; empty when nothing is).",
            NO_TARGETS),
        {"period": "Period"},
        Figure("Target", target, units.Short, 1, width=80), Figure("Won", won, units.Short, 1, width=80),
        Figure("Attained", ratio(won, target), units.PercentUnit, 0, width=80),
        Figure("Missing", f"clamp_min({target} - {won}, 0)", units.Short, 1, width=80),
        Figure("Forecast", f"{revenue()} and on (period) {target}", units.Short, 1, width=85),
        Figure("Coverage", coverage, TIMES, 1, COVERED, width=85), sort="Target", descending=False)


def forecast() -> model.Panel:
    return lines(
        Say(13, "Revenue forecast, this month ($currency)",
            "Expected revenue of the whole running month, what is won already included, with its 95 % band, as it was "
            "forecast at each moment, against the target. The band narrows towards the end of the month.",
            NO_FORECAST),
        units.Short,
        Line("Expected", revenue("month"), BLUE, lower=revenue("month", q="0.025"), upper=revenue("month", q="0.975")),
        Line("Target", asked.target("month"), ORANGE, dashed=True))


def record() -> model.Panel:
    def judged(name: str, **matchers: str) -> str:
        return f"max by (period) ({selector(f'sales_forecast_backtest_{name}', **matchers)})"

    return rows(
        Say(14, "Forecasts and their record ($currency)",
            "Each period with its 80 % band, and how such forecasts did over the last year: how often the band held "
            "what came (80 % is right; below 60 % orange, as the alert), the mean error and the bias (positive: too "
            "high) as shares of revenue, and from how many periods that share no day. Below about ten the record says "
            "little.",
            NO_FORECAST),
        {"period": "Period"},
        Figure("Expected", revenue(), units.Short, 1, width=85),
        Figure("From", revenue(q="0.1"), units.Short, 1, width=75),
        Figure("To", revenue(q="0.9"), units.Short, 1, width=75),
        Figure("Held", judged("coverage_ratio", level="0.8"), units.PercentUnit, 0,
               ((0.0, ORANGE), (TOO_NARROW, TEXT)), width=60),
        Figure("Error", judged("error_ratio", stat="wape"), units.PercentUnit, 0, width=65),
        Figure("Bias", judged("error_ratio", stat="bias"), units.PercentUnit, 0, width=60),
        Figure("Periods", judged("periods"), units.Short, 1, width=75), sort="Period", descending=False)


def recommendations() -> model.Panel:
    return table_of_advice(
        Say(22, "What to look at in the pipeline",
            "What rules on stages and deals say should be looked at, with the expected gain in its unit and the "
            "evidence: how many events it rests on, the estimate and its 95 % bounds. A row goes when the evidence "
            "does. docs/statistics.md says what each code means and when it speaks.",
            "Nothing stands out: no stage holds back, slows or leaks, and no deals are stale, with 30 events or more"),
        CODES)

"""What will come of what is open: conversion and revenue with their bands, and what to look at first."""

from __future__ import annotations

from grafana.source import advice
from grafana.source.panels import BLUE, Figure, Line, Say, lines, rows
from grafana.source.promql import selector, total
from grafana.source.sdk import model, units


def conversion() -> model.Panel:
    def share(estimator: str, suffix: str = "") -> str:
        where = {"estimator": estimator, "horizon": "$horizon"}
        return f"max by (channel) ({selector(f'sales_funnel_conversion_ratio{suffix}', **where)})"

    # The first stage holds every lead of the cohort, and no stage holds more.
    leads = f"max by (channel) ({total('sales_funnel_leads', 'channel', 'stage', basis='cohort', window='$horizon')})"
    return rows(
        Say(22, "Conversion within $horizon, so far and projected",
            "Leads that were created within the horizon. 'So far': the share won by now, which reads low "
            "while leads are young. 'Projected': the share that will have been won at the age of the "
            "horizon if open leads go on as leads of their age did in the last 60 days, with its 95 % band.",
            "Needs leads older than the horizon: fill sales.leads and sales.stage_transitions"),
        {"channel": "Channel"},
        Figure("Leads", leads, units.LocaleFormat, 0),
        Figure("So far", share("observed"), units.PercentUnit, 1),
        Figure("Projected", share("projected"), units.PercentUnit, 1),
        Figure("95 % from", share("projected", "_lower"), units.PercentUnit, 1),
        Figure("95 % to", share("projected", "_upper"), units.PercentUnit, 1), sort="Leads",
    )


def recommendations() -> model.Panel:
    return advice.recommendations(
        Say(23, "What to look at",
            "What rules on the data say should be looked at, with the expected gain in its unit and the "
            "evidence: how many events it rests on, the estimate and its 95 % bounds. A row goes when the "
            "evidence does. docs/statistics.md says what each code means and when it speaks.",
            "No rule has enough evidence: none speaks below 30 events"))


def forecast() -> model.Panel:
    def revenue(name: str, **matchers: str) -> str:
        return f"max({selector(name, period='month', currency='$currency', **matchers)})"

    return lines(
        Say(24, "Revenue forecast, this month ($currency)",
            "Expected revenue of the whole running month, what is won already included, with its 95 % band: "
            "as it was forecast at each moment. The band narrows towards the end of the month.",
            "Needs four months of deals: ten won ones, and eight past forecasts to judge it by"),
        units.Short,
        Line("Expected", revenue("sales_forecast_revenue_expected"), BLUE,
             lower=revenue("sales_forecast_revenue", q="0.025"), upper=revenue("sales_forecast_revenue", q="0.975")),
    )


def hit_rate() -> model.Panel:
    def by_period(name: str, **matchers: str) -> str:
        return f"max by (period) ({selector(name, **matchers)})"

    def quantile(q: str) -> str:
        return by_period("sales_forecast_revenue", currency="$currency", q=q)

    return rows(
        Say(25, "Forecasts and their record ($currency)",
            "Revenue of each period with its 80 % band, and how such forecasts did over the last year: how "
            "often the 80 % band held what came (80 % is right), the mean error as a share of revenue, and "
            "from how many periods that share no day. Below about ten the record says little.",
            "Needs four months of deals: ten won ones, and eight past forecasts to judge it by"),
        {"period": "Period"},
        Figure("Expected", by_period("sales_forecast_revenue_expected", currency="$currency"), units.Short, 1),
        Figure("80 % from", quantile("0.1"), units.Short, 1), Figure("80 % to", quantile("0.9"), units.Short, 1),
        Figure("Band held", by_period("sales_forecast_backtest_coverage_ratio", level="0.8"), units.PercentUnit, 0),
        Figure("Error", by_period("sales_forecast_backtest_error_ratio", stat="wape"), units.PercentUnit, 0),
        Figure("Periods", by_period("sales_forecast_backtest_periods"), units.Short, 1), sort="Period",
        descending=False,
    )

"""What comes next: insights in words, forecasts with what came of them, and when a capacity runs out."""

from __future__ import annotations

from grafana.source.boards.anomalies.asked import told
from grafana.source.panels import BLUE, ORANGE, SKY, Figure, Line, Say, lines, rows
from grafana.source.promql import selector
from grafana.source.sdk import model, units

WATCH = {"watch": "$forecast"}


def insights() -> model.Panel:
    info = f"max by (rank, category, text) ({selector('sales_insight_info')})"
    return rows(
        Say(12, "What the numbers say",
            "Anomalies and trends of the business in words; rank 1 has the most money at stake. A trend has to hold "
            "against chance (Mann-Kendall, corrected for autocorrelation).",
            "Nothing to say: no anomaly and no trend of the business holds against chance"),
        {"rank": "Rank", "category": "About", "text": "What"},
        Figure("Stands", info, units.NoUnit, 0), sort="Rank", descending=False, hidden=("Value",),
        widths={"Rank": 70, "About": 130},
    )


def forecast() -> model.Panel:
    def made_before(q: str) -> str:
        return f"avg ({selector('sales_forecast', offset='$horizon', horizon='$horizon', q=q, **WATCH)})"

    return lines(
        Say(21, "$forecast: forecast and what came",
            "The forecast that was made for each moment the chosen time before, with its 90 % band, and what came "
            "then; the mean of all series of the watch.",
            "No forecast that is old enough: the sidecar makes them once it knows a week of a series"),
        units.Short,
        Line("Came", f"avg ({selector('sales_anomaly_level', **WATCH)})", BLUE),
        Line("Forecast", made_before("0.5"), ORANGE, dashed=True, lower=made_before("0.05"),
             upper=made_before("0.95"), level=90),
        decimals=2,
    )


def exhaustion() -> model.Panel:
    def left(q: str) -> str:
        when = f"max by (resource, series) ({selector('sales_capacity_exhaustion_timestamp_seconds', q=q)})"
        return told(f"({when} < +Inf) - time()")

    return rows(
        Say(22, "When capacity runs out",
            "Time until a resource first reaches its limit: the median, and the times before which it happens in one "
            "of twenty and in nineteen of twenty futures. What has no crossing within the horizon is not listed.",
            "No crossing is foreseen"),
        {"resource": "Resource", "what": "Of"},
        Figure("Soonest", left("0.05"), units.Seconds, 0, width=100),
        Figure("Median", left("0.5"), units.Seconds, 0, width=100),
        Figure("Latest", left("0.95"), units.Seconds, 0, width=100), sort="Median", descending=False,
        hidden=("series",),
    )


def errors() -> model.Panel:
    error = told(f"max by (watch, series) ({selector('sales_forecast_error_ratio')})")
    return rows(
        Say(23, "How good forecasts were",
            "Mean absolute error of past forecasts over that of repeating the day before. Below 1 the forecast is the "
            "better one.",
            "No forecast could be judged yet"),
        {"watch": "Watch", "what": "Of"}, Figure("Error", error, units.NoUnit, 2, ((0, BLUE), (1, SKY)), width=90),
        sort="Error", descending=False, hidden=("series",),
    )

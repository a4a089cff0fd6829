"""Forecasts, dates and trends as samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sales_exporter.model import Metric, Sample, gauge
from sales_exporter.sidecar.forecasts.bands import QUANTILES
from sales_exporter.sidecar.forecasts.capacity import Capacity
from sales_exporter.sidecar.forecasts.forecaster import Forecast
from sales_exporter.sidecar.forecasts.trends import Trend
from sales_exporter.sidecar.series import SeriesId

FORECAST = gauge(
    "sales_forecast",
    "Value of a watched series a horizon from now, by quantile: 0.05 and 0.95 bound a 90 % prediction interval.",
    "watch", "series", "horizon", "q",
)
ERROR = gauge(
    "sales_forecast_error_ratio",
    "Mean absolute error of past forecasts of a series over that of repeating the day before; below 1 is better.",
    "watch", "series",
)
EXHAUSTION = gauge(
    "sales_capacity_exhaustion_timestamp_seconds",
    "When a series will first reach its limit, by quantile; +Inf when no crossing is foreseen within the horizon.",
    "resource", "series", "q",
)
PER_DAY = gauge("sales_trend_per_day", "Theil-Sen slope of a watched series' daily means.", "watch", "series")
PER_DAY_LOWER = gauge("sales_trend_per_day_lower", "Lower 95 % bound of the slope.", "watch", "series")
PER_DAY_UPPER = gauge("sales_trend_per_day_upper", "Upper 95 % bound of the slope.", "watch", "series")
P_VALUE = gauge(
    "sales_trend_p_value", "Mann-Kendall test of no trend, corrected for dependence between days; two-sided.",
    "watch", "series",
)
METRICS: tuple[Metric, ...] = (FORECAST, ERROR, EXHAUSTION, PER_DAY, PER_DAY_LOWER, PER_DAY_UPPER, P_VALUE)

_DAY = 86_400
_Q = tuple(f"{q:g}" for q in QUANTILES)


def forecasts(series: Sequence[SeriesId], forecast: Forecast, horizons: Mapping[str, int]) -> Iterator[Sample]:
    """Quantiles at the leads, from 1, of named horizons such as ``24h``; series without a forecast are left out.

    Raises:
        ValueError: a horizon is beyond the leads that were forecast.
    """
    leads = forecast.quantiles.shape[1]
    if any(not 1 <= lead <= leads for lead in horizons.values()):
        raise ValueError(f"horizons must be from 1 to {leads} steps")
    for row, one in enumerate(series):
        label = one.text
        for horizon, lead in horizons.items():
            for q, value in zip(_Q, forecast.quantiles[row, lead - 1].tolist(), strict=True):
                if not math.isnan(value):
                    yield FORECAST(value, watch=one.watch, series=label, horizon=horizon, q=q)
        if math.isfinite(forecast.error[row]):
            yield ERROR(float(forecast.error[row]), watch=one.watch, series=label)


def exhaustions(series: Sequence[SeriesId], resource: str, found: Capacity, now: float) -> Iterator[Sample]:
    """When each series reaches its limit, in epoch seconds; ``now`` is the end of the history."""
    for row, one in enumerate(series):
        for q, days in zip(_Q, found.days[row].tolist(), strict=True):
            if not math.isnan(days):
                yield EXHAUSTION(now + days * _DAY, resource=resource, series=one.text, q=q)


def trend_samples(found: Iterable[Trend]) -> Iterator[Sample]:
    """Slope, its bounds and the test of each trend."""
    for trend in found:
        where = {"watch": trend.series.watch, "series": trend.series.text}
        yield PER_DAY(trend.per_day, **where)
        yield PER_DAY_LOWER(trend.lower, **where)
        yield PER_DAY_UPPER(trend.upper, **where)
        yield P_VALUE(trend.p, **where)

"""Facts to samples."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.forecasts.capacity import Capacity
from sales_exporter.sidecar.forecasts.forecaster import Forecast
from sales_exporter.sidecar.forecasts.samples import (
    ERROR,
    EXHAUSTION,
    FORECAST,
    P_VALUE,
    PER_DAY,
    PER_DAY_LOWER,
    PER_DAY_UPPER,
    exhaustions,
    forecasts,
    trend_samples,
)
from sales_exporter.sidecar.forecasts.trends import Trend
from sales_exporter.sidecar.series import SeriesId

EMAIL = SeriesId.of("leads", {"channel": "email", "agent": "a"})
PLAIN = SeriesId.of("leads", {})
NOW = 1_700_000_000.0


def found(quantiles: np.ndarray, error: float = 0.7) -> Forecast:
    return Forecast(quantiles[None], np.full((1, 6), 1 / 6), np.array([error]))


def test_labels_are_written_as_in_a_selector() -> None:
    assert EMAIL.text == 'agent="a",channel="email"'
    assert SeriesId.of("x", {"path": 'a\\"b"\n'}).text == 'path="a\\\\\\"b\\"\\n"'
    assert PLAIN.text == ""


def test_long_labels_stay_apart() -> None:
    one, other = (SeriesId.of("x", {"path": "a" * 200 + end}).text for end in "bc")
    assert one != other
    assert len(one) == len(other) == 128


def test_each_quantile_of_a_horizon_is_a_sample() -> None:
    quantiles = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]])
    samples = list(forecasts([EMAIL], found(quantiles), {"2h": 2}))
    where = {"watch": "leads", "series": 'agent="a",channel="email"'}
    assert samples == [
        FORECAST(value, horizon="2h", q=q, **where)
        for q, value in (("0.05", 6), ("0.1", 7), ("0.5", 8), ("0.9", 9), ("0.95", 10))
    ] + [ERROR(0.7, **where)]


def test_a_series_without_a_forecast_is_left_out() -> None:
    assert list(forecasts([EMAIL], found(np.full((2, 5), np.nan), np.nan), {"1h": 1})) == []


@pytest.mark.parametrize("lead", [0, 3])
def test_a_horizon_that_was_not_forecast_is_refused(lead: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 2 steps"):
        list(forecasts([EMAIL], found(np.ones((2, 5))), {"x": lead}))


def test_dates_are_in_epoch_seconds_and_never_is_infinite() -> None:
    capacity = Capacity(np.array([[0.5, 1.0, 2.0, 4.0, np.inf]]), np.array([1.0]))
    assert list(exhaustions([PLAIN], "disk", capacity, NOW)) == [
        EXHAUSTION(at, resource="disk", series="", q=q)
        for q, at in (("0.05", NOW + 43_200), ("0.1", NOW + 86_400), ("0.5", NOW + 172_800), ("0.9", NOW + 345_600),
                      ("0.95", np.inf))
    ]


def test_no_answer_is_no_date() -> None:
    assert list(exhaustions([PLAIN], "disk", Capacity(np.full((1, 5), np.nan), np.array([np.nan])), NOW)) == []


def test_a_trend_is_its_slope_bounds_and_test() -> None:
    trend = Trend(PLAIN, per_day=2.0, lower=1.0, upper=3.0, p=0.01, days=28, known=27, level=50.0, change=1.08)
    where = {"watch": "leads", "series": ""}
    assert list(trend_samples([trend])) == [
        PER_DAY(2.0, **where), PER_DAY_LOWER(1.0, **where), PER_DAY_UPPER(3.0, **where), P_VALUE(0.01, **where),
    ]

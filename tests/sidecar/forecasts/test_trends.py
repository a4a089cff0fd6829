"""Trends of daily means."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.forecasts.trends import daily_trends
from sales_exporter.sidecar.series import SeriesId

EMAIL = SeriesId.of("leads", {"channel": "email"})
HOURS = np.arange(28 * 24.0)


def test_a_rise_is_told_per_day_and_over_the_window() -> None:
    (found,) = daily_trends([EMAIL], 100 + HOURS[None] / 24, 24)
    assert (found.series, found.days, found.known) == (EMAIL, 28, 28)
    assert found.per_day == pytest.approx(1.0)
    assert found.lower <= found.per_day <= found.upper
    assert found.change == pytest.approx(27 / 114, rel=0.01)
    assert found.p < 0.001


def test_days_known_by_less_than_half_do_not_count() -> None:
    history = 100 + HOURS[None] / 24
    history[0, 24:37] = np.nan
    (found,) = daily_trends([EMAIL], history, 24)
    assert found.known == 27


def test_a_series_that_nothing_can_be_said_about_is_left_out() -> None:
    assert list(daily_trends([EMAIL], np.full((1, 672), np.nan), 24)) == []


def test_a_level_of_zero_has_no_share() -> None:
    (found,) = daily_trends([EMAIL], np.zeros((1, 672)), 24)
    assert np.isnan(found.change)
    assert found.p == 1.0


def test_histories_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one history"):
        list(daily_trends([], HOURS[None], 24))

"""Usual sizes and conformal quantiles of past errors."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.forecasts.bands import spread, usual


def test_errors_of_a_time_of_day_are_shrunk_to_the_mean_by_four() -> None:
    errors = np.zeros((1, 4, 1, 2))
    errors[0, :, 0, 1] = 2.0
    # Mean 1; (4 · 0 + 4 · 1) / 8 and (4 · 2 + 4 · 1) / 8.
    assert usual(errors).ravel().tolist() == [0.5, 1.5]


def test_a_series_without_errors_can_be_divided_by() -> None:
    assert usual(np.zeros((1, 3, 1, 2))).ravel().tolist() == [1.0, 1.0]
    assert usual(np.full((1, 3, 1, 2), np.nan)).ravel().tolist() == [1.0, 1.0]


def test_few_origins_widen_the_quantiles() -> None:
    # Nineteen origins with errors -9 to 9: 0.05 is taken at 0.5 - 0.45 · 20/19 = 0.0263 of 0 to 18.
    errors = np.arange(-9.0, 10.0)[None, :, None]
    found = spread(errors)[0, 0]
    assert found[0] == pytest.approx(-9 + 18 * (0.5 - 0.45 * 20 / 19))
    assert found[2] == 0.0


def test_neighbouring_leads_lend_their_errors() -> None:
    errors = np.zeros((1, 20, 7))
    errors[0, :, 6] = 1.0
    assert (spread(errors)[0, :, 4] > 0).tolist() == [False, False, False, False, True, True, True]


def test_a_single_origin_lends_the_errors_of_all_leads() -> None:
    errors = np.zeros((1, 1, 7))
    errors[0, 0, 6] = 1.0
    assert (spread(errors)[0, :, 4] > 0).all()


def test_missing_errors_do_not_count() -> None:
    errors = np.array([1.0, np.nan, 3.0, np.nan])[None, :, None]
    assert spread(errors)[0, 0, 2] == 2.0


def test_without_errors_there_are_no_bands() -> None:
    assert np.isnan(spread(np.full((1, 3, 2), np.nan))).all()

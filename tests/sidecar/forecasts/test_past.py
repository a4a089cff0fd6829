"""Whole days that end now, and the origins in them."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.forecasts.past import Past, day_kinds

MONDAY = 1_704_067_200.0
"""1 January 2024, midnight UTC."""


def test_kinds_count_from_monday() -> None:
    assert day_kinds(MONDAY, 43_200, 14).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def test_kinds_follow_the_zone() -> None:
    assert day_kinds(MONDAY, 3_600, 2, offset=-3_600).tolist() == [6, 0]


def test_days_end_now_and_the_rest_is_left_out() -> None:
    past = Past.of(np.arange(10.0)[None], np.zeros(14, np.int64), day=4, leads=4)
    assert past.values.tolist() == [[[2, 3, 4, 5], [6, 7, 8, 9]]]


def test_the_last_origin_is_now_and_nothing_is_known_after_it() -> None:
    past = Past.of(np.arange(12.0)[None], np.zeros(14, np.int64), day=2, leads=2)
    assert past.origins.tolist() == [3, 4, 5, 6]
    assert past.came()[0, :, 0, 0].tolist()[:3] == [6, 8, 10]
    assert np.isnan(past.came()[0, 3]).all()

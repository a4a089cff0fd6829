"""Fewer points keep the ends, the extremes and the gaps of a series."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.api.decimation import Floats, Method, kept

NAN = float("nan")
METHODS: tuple[Method, ...] = ("lttb", "minmax")
series = st.lists(st.one_of(st.just(NAN), st.floats(-1e6, 1e6, width=32)), max_size=300).map(np.array)
limits = st.integers(8, 200)


def gaps(values: Floats, least: int) -> list[tuple[int, int]]:
    """First and last place of every gap of so many moments at least, between two samples."""
    there = np.flatnonzero(~np.isnan(values))
    return [(int(before) + 1, int(after) - 1) for before, after in pairwise(there)
            if after - before > least]


@pytest.mark.parametrize("method", METHODS)
@given(values=series, limit=limits)
def test_never_more_than_the_limit_in_order_and_each_once(method: Method, values: Floats, limit: int) -> None:
    places = kept(values, limit, method)
    assert len(places) <= limit
    assert np.all(np.diff(places) > 0)


@pytest.mark.parametrize("method", METHODS)
@given(values=series, limit=limits)
def test_the_first_and_the_last_sample_stay(method: Method, values: Floats, limit: int) -> None:
    there = np.flatnonzero(~np.isnan(values))
    places = kept(values, limit, method)
    assert places[[0, -1]].tolist() == there[[0, -1]].tolist() if there.size else not places.size


@given(values=series, limit=limits)
def test_minimum_and_maximum_keep_the_extremes(values: Floats, limit: int) -> None:
    places = kept(values, limit, "minmax")
    if places.size:
        assert np.nanmin(values[places]) == np.nanmin(values)
        assert np.nanmax(values[places]) == np.nanmax(values)


@pytest.mark.parametrize("method", METHODS)
@given(values=series, limit=limits)
def test_a_gap_as_long_as_two_buckets_stays_a_gap(method: Method, values: Floats, limit: int) -> None:
    places = kept(values, limit, method)
    # Two thirds of the limit go to samples of a series that has gaps.
    bucket = len(values) // ((limit - 2) // 3) + 1
    for first, last in gaps(values, 2 * bucket):
        assert any(first <= place <= last for place in places)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_short_enough_stays_as_it_is(method: Method) -> None:
    assert kept(np.array([NAN, 1.0, NAN, 3.0, NAN]), 8, method).tolist() == [1, 2, 3]


def test_the_largest_triangle_keeps_a_single_peak() -> None:
    values = np.zeros(1_000)
    values[637] = 5.0
    assert 637 in kept(values, 20, "lttb")


def test_a_day_at_ten_seconds_becomes_two_thousand_points() -> None:
    values = np.sin(np.arange(8_640) / 300)
    assert len(kept(values, 2_000, "lttb")) == 2_000
    assert 1_900 <= len(kept(values, 2_000, "minmax")) <= 2_000

"""A ratio is three gauges from two counts, or nothing at all."""

from __future__ import annotations

import math

import pytest

from sales_exporter.collectors.ratios import ratio

SHARE = ratio("sales_test_ratio", "A share.", "rep")


def test_a_ratio_is_three_gauges() -> None:
    assert [metric.name for metric in SHARE.metrics] == [
        "sales_test_ratio", "sales_test_ratio_lower", "sales_test_ratio_upper",
    ]
    assert {metric.labels for metric in SHARE.metrics} == {("rep",)}


def test_shares_have_wilson_bounds() -> None:
    value, lower, upper = SHARE.shares([({"rep": "a"}, 3, 10)])
    assert value == SHARE.value(0.3, rep="a")
    assert lower.value == pytest.approx(0.107791, abs=1e-6)
    assert upper.value == pytest.approx(0.603222, abs=1e-6)


def test_a_share_of_nothing_is_left_out_and_its_neighbours_stay() -> None:
    found = list(SHARE.shares([({"rep": "a"}, 0, 0), ({"rep": "b"}, 1, 1)]))
    assert [sample.labels for sample in found] == [("b",)] * 3


def test_an_undefined_estimate_has_no_sample() -> None:
    assert list(SHARE(math.nan, math.nan, math.nan, rep="a")) == []

"""Drift that is expected before labels come."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.drift.early import BLIND, Early, early, early_words
from sales_exporter.sidecar.drift.report import DriftReport, Loss


def _early(lower: float, value: float, upper: float, floor: float = np.nan, active: bool = False) -> Early:
    """Of a model whose settled decisions were right in 90 of 100 cases; 2 points do not count."""
    nothing = Loss(*[np.array([np.nan])] * 4)
    report = DriftReport(0.0, np.zeros((1, 2)), 100.0, np.zeros((1, 2), dtype=bool),
                         np.zeros((1, 2)), (nothing, nothing),
                         np.array([100.0]), np.array([90.0]), np.array([100.0]))
    return early(([lower], [value], [upper]), [floor], report, 0.02, np.array([active]))


def test_it_is_expected_when_even_the_upper_bound_lies_below_the_floor() -> None:
    assert _early(0.74, 0.77, 0.79, floor=0.8).active.tolist() == [True]
    assert _early(0.74, 0.77, 0.81, floor=0.8).active.tolist() == [False]


def test_without_a_floor_the_usual_accuracy_less_what_does_not_count_is_asked() -> None:
    assert _early(0.84, 0.86, 0.87).active.tolist() == [True]
    assert _early(0.84, 0.86, 0.885).active.tolist() == [False]


def test_it_is_over_when_the_estimate_is_back() -> None:
    assert _early(0.74, 0.79, 0.84, floor=0.8, active=True).active.tolist() == [True]
    assert _early(0.75, 0.80, 0.85, floor=0.8, active=True).active.tolist() == [False]


def test_without_an_estimate_nothing_is_expected() -> None:
    assert _early(np.nan, np.nan, np.nan, floor=0.8, active=True).active.tolist() == [False]


def test_words_say_what_an_estimate_cannot_see() -> None:
    said = early_words(_early(0.74, 0.77, 0.79, floor=0.8), 0, "reply", "3")
    assert said.startswith("reply 3 is expected to decide right in 77.0% (74.0% to 79.0%) of the cases")
    assert said.endswith(BLIND)

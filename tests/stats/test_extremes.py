"""Tails fitted to the largest values."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.stats.extremes import LARGEST_SHAPE, PRIOR_SHAPE, Tail, fit, survival, value_at


def pareto(shape, scale, count, seed=1):
    """Ascending excesses of a generalised Pareto law, above a threshold of 10."""
    uniform = np.random.default_rng(seed).uniform(size=count)
    return np.sort(10 + scale * (uniform ** -shape - 1) / shape)[:, None]


@pytest.mark.parametrize("shape", [0.1, 0.3])
def test_a_large_sample_gives_back_its_law(shape):
    tail = fit(pareto(shape, 2.0, 20_000), 0.0)
    assert tail.shape[0] == pytest.approx(shape, abs=0.03)
    assert tail.scale[0] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(("shape", "held"), [(-0.5, 0.0), (0.95, LARGEST_SHAPE)])
def test_the_shape_is_held_in_its_range(shape, held):
    assert fit(pareto(shape, 2.0, 20_000), 0.0).shape[0] == pytest.approx(held, abs=0.01)


def test_the_threshold_is_the_smallest_peak_and_missing_peaks_do_not_count():
    tail = fit(np.array([[-np.inf], [3.0], [4.0], [6.0]]), 0.1)
    assert (tail.threshold[0], tail.peaks[0]) == (3.0, 3)


def test_missing_peaks_leave_the_fit_of_the_others():
    left, right = fit(np.array([[-np.inf], [3.0], [4.0], [6.0]]), 0.1), fit(np.array([[3.0], [4.0], [6.0]]), 0.1)
    assert left.scale[0] == pytest.approx(right.scale[0])
    assert left.shape[0] == pytest.approx(right.shape[0])


def test_without_peaks_nothing_is_below_the_threshold():
    tail = fit(np.full((4, 1), -np.inf), 0.1)
    assert tail.threshold[0] == -np.inf
    assert tail.peaks[0] == 0


def test_equal_peaks_have_the_least_scale():
    assert fit(np.full((6, 1), 5.0), 0.3).scale[0] == 0.3


def test_a_given_shape_is_kept():
    assert fit(pareto(0.1, 2.0, 50), 0.0, np.array([0.4])).shape[0] == 0.4


def test_few_peaks_say_little_of_the_shape():
    assert fit(np.array([[1.0], [2.0], [9.0]]), 0.1).shape[0] == pytest.approx(PRIOR_SHAPE, abs=0.09)


TAIL = Tail(np.array([10.0]), np.array([2.0]), np.array([0.5]), np.array([16.0]))


@pytest.mark.parametrize(("value", "share"), [(9.0, 1.0), (10.0, 1.0), (14.0, 0.25)])
def test_survival_falls_from_1_at_the_threshold(value, share):
    assert survival(TAIL, np.array([value]))[0] == pytest.approx(share)


def test_value_at_inverts_survival():
    assert value_at(TAIL, np.array([0.25]))[0] == pytest.approx(14.0)

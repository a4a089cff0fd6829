"""How much days differ beyond chance."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.drift.dispersion import ASSUMED, DAY, Dispersion


def _of(shares: list[float], size: float = 100, a_day: int = 1) -> Dispersion:
    """One stream; each day in so many parts."""
    found = Dispersion(1)
    for day, share in enumerate(shares, 100):
        for part in range(a_day):
            at = (day + part / a_day) * DAY
            found.take(at, np.array([share * size / a_day]), np.array([size / a_day]))
    return found


def test_one_difference_of_days_by_hand() -> None:
    # 0.9 and 0.7 of 100: a squared difference of 0.04 against 0.8 * 0.2 * 2 / 100. The last day is not over.
    found = _of([0.9, 0.7, 0.7])
    excess = (0.04 / 0.0032 + ASSUMED) / (1 + ASSUMED) - np.sqrt(3 / (1 + ASSUMED))
    assert found.pairs.tolist() == [1]
    assert found.factor == pytest.approx([excess])


def test_equal_days_have_no_excess() -> None:
    assert _of([0.9] * 30).factor.tolist() == [1]


def test_parts_of_a_day_are_one_share() -> None:
    assert _of([0.9, 0.7] * 5, a_day=4).factor == pytest.approx(_of([0.9, 0.7] * 5).factor)


def test_one_drop_of_the_level_hardly_counts_and_days_that_differ_do() -> None:
    dropped, differing = _of([0.9] * 30 + [0.8] * 30), _of([0.9, 0.8] * 30)
    assert dropped.factor[0] < 1.1
    assert differing.factor[0] > 3


def test_days_on_which_all_are_right_tell_nothing() -> None:
    assert _of([1.0] * 10).pairs.tolist() == [0]


def test_a_day_without_decisions_is_left_out() -> None:
    found = Dispersion(1)
    for day, total in ((1, 100.0), (2, 0.0), (3, 100.0), (4, 100.0)):
        found.take(day * DAY, np.array([total * (0.9 if day == 1 else 0.7)]), np.array([total]))
    assert found.factor.tolist() == _of([0.9, 0.7, 0.7]).factor.tolist()


def test_independent_decisions_have_no_excess_in_the_mean() -> None:
    rng = np.random.default_rng(3)
    found = Dispersion(500)
    for day in range(61):
        found.take(day * DAY, rng.binomial(100, 0.9, 500).astype(float), np.full(500, 100.0))
    assert np.mean(found.factor) < 1.05

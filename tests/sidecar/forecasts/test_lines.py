"""Lines through levels, and their errors in the past."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.forecasts.lines import best_line

DAYS = np.arange(28.0)


def test_a_straight_level_is_its_own_line_and_never_wrong() -> None:
    line = best_line((5 + 2 * DAYS)[None])
    assert (line.level[0], line.slope[0]) == pytest.approx((5 + 2 * 27, 2.0))
    assert line.size[0] == pytest.approx(0, abs=1e-6)
    assert not line.settled[0]


def test_noise_about_a_mean_is_settled() -> None:
    line = best_line(np.random.default_rng(1).standard_normal((40, 28)))
    assert line.settled.mean() > 0.8
    assert np.all(line.slope[line.settled] == 0)


def test_errors_of_a_random_walk_grow_like_the_root_of_days() -> None:
    line = best_line(np.random.default_rng(2).standard_normal((200, 28)).cumsum(axis=1))
    assert np.median(line.power[~line.settled]) == pytest.approx(0.5, abs=0.2)


def test_a_turn_is_followed_by_the_line_that_forgets_fast() -> None:
    line = best_line(np.maximum(DAYS - 18, 0)[None] * 3)
    assert line.slope[0] == pytest.approx(3.0, abs=0.3)


def test_missing_days_are_left_out() -> None:
    level = 5 + 2 * DAYS
    level[[3, 4, 12, 27]] = np.nan
    assert best_line(level[None]).level[0] == pytest.approx(5 + 2 * 27)

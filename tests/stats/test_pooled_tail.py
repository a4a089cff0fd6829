"""The pooled tail on samples whose truth is known, and what incidents among them may do to it."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.stats.pooled_tail import fit

BLOCKS = 4_000.0


def exponential(count: int, scale: float, seed: int) -> np.ndarray:
    """Maxima beyond 5 whose excess is exponential."""
    return 5 + np.random.default_rng(seed).exponential(scale, count)


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_a_level_beyond_all_data_is_passed_about_as_often_as_said(scale: float) -> None:
    levels = [fit(exponential(400, scale, seed), BLOCKS, 5.0, 0.1).level_of(0.5 / BLOCKS) for seed in range(20)]
    really = np.mean([400 * np.exp(-(level - 5) / scale) for level in levels])
    assert 0.5 / 2 < really < 0.5 * 2


def test_share_and_level_are_each_others_inverse() -> None:
    tail = fit(exponential(200, 1.0, 1), BLOCKS, 5.0, 0.1)
    assert tail.beyond(tail.level_of(0.001)) == pytest.approx(0.001, rel=0.05)


def test_the_level_where_the_tail_begins_is_passed_by_the_share_counted() -> None:
    tail = fit(exponential(200, 1.0, 1), BLOCKS, 5.0, 0.1)
    assert tail.beyond(5.0) == pytest.approx(201 / (BLOCKS + 10), rel=0.01)
    assert tail.beyond(3.0) == tail.beyond(5.0)


def test_a_level_is_never_below_the_tails_own() -> None:
    assert fit(exponential(200, 1.0, 1), BLOCKS, 5.0, 0.1).level_of(0.9) == pytest.approx(5.0)


def test_nothing_is_passed_by_no_share() -> None:
    assert fit(exponential(200, 1.0, 1), BLOCKS, 5.0, 0.1).level_of(0.0) == np.inf


def test_without_data_the_level_is_higher_than_right_p_would_need() -> None:
    level = fit(np.zeros(0), 0.0, 5.0, 0.1).level_of(0.1 / 100)
    assert 5 + np.log(100) < level < 5 + 2 * np.log(100)


def test_more_data_of_right_p_bring_the_level_down() -> None:
    few = fit(np.zeros(0), 0.0, 5.0, 0.1)
    many = fit(exponential(400, 1.0, 3), BLOCKS, 5.0, 0.1)
    assert many.level_of(1e-4) < few.level_of(1e-4)


def test_incidents_among_the_strongest_move_the_level_little() -> None:
    quiet = exponential(400, 1.0, 4)
    level = fit(quiet, BLOCKS, 5.0, 0.1).level_of(5 / BLOCKS)
    spoilt = fit(np.append(quiet, np.full(20, 60.0)), BLOCKS, 5.0, 0.1).level_of(5 / BLOCKS)
    assert level < spoilt < level + 3


def test_how_strong_incidents_are_does_not_matter() -> None:
    quiet = exponential(400, 1.0, 4)
    first, second = (fit(np.append(quiet, np.full(20, at)), BLOCKS, 5.0, 0.1).level_of(5 / BLOCKS)
                     for at in (30.0, 300.0))
    assert first == pytest.approx(second)


def test_a_count_of_passes_that_contradicts_the_fit_moves_it() -> None:
    maxima = np.sort(exponential(400, 1.0, 5))
    bent = np.where(np.arange(400) >= 360, 5 + (maxima - 5) * 1.6, maxima)
    assert fit(bent, BLOCKS, 5.0, 0.1).beyond(10.5) > 1.5 * fit(maxima, BLOCKS, 5.0, 0.1).beyond(10.5)


@pytest.mark.parametrize(("blocks", "usual"), [(3.0, 0.1), (100.0, 0.0), (100.0, 1.5)])
def test_impossible_counts_are_refused(blocks: float, usual: float) -> None:
    with pytest.raises(ValueError, match="every block has one maximum"):
        fit(exponential(4, 1.0, 1), blocks, 5.0, usual)

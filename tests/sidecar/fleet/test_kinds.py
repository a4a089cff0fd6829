"""Kinds with lighter and heavier tails are brought to one measure."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.fleet.kinds import PLAIN, compare

KINDS = np.repeat([3, 8], 5)


def pooled(heavy: float, seed: int = 1, size: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Maxima of kind 3 with scale 1 and of kind 8 with another."""
    rng = np.random.default_rng(seed)
    maxima = 5 + np.concatenate([rng.exponential(1.0, size), rng.exponential(heavy, size)])
    return maxima, np.repeat([3, 8], size)


def test_kinds_that_are_alike_stay_as_they_are() -> None:
    measure = compare(*pooled(1.0), KINDS, 400)
    assert measure.of(np.array([12.0, 12.0]), np.array([3, 8])) == pytest.approx([12, 12], abs=1)


def test_a_heavier_kind_no_longer_sets_the_level_for_all() -> None:
    measure = compare(*pooled(2.0), KINDS, 400)
    maxima, kinds = pooled(2.0, seed=2, size=20_000)
    shares = []
    for values in (maxima, measure.of(maxima, kinds)):
        beyond = kinds[values > np.sort(values)[-200]]
        shares.append(np.mean(beyond == 3))
    assert shares[0] < 0.02
    assert shares[1] > 0.1


def test_incidents_stretch_a_kind_no_more_however_strong() -> None:
    maxima, kinds = pooled(1.0)
    found = [compare(np.append(maxima, np.full(20, at)), np.append(kinds, np.full(20, 8)), KINDS, 400)
             for at in (50.0, 500.0)]
    assert found[0].stretch == pytest.approx(found[1].stretch)
    assert found[0].stretch[1] > 0.6


def test_strengths_and_measure_are_each_others_inverse() -> None:
    measure = compare(*pooled(2.5), KINDS, 400)
    for value in (2.0, 9.0, 30.0):
        strength = measure.strength(value, np.array([3, 8, 5]))
        assert measure.of(strength, np.array([3, 8, 5])) == pytest.approx([value] * 3)


def test_an_unknown_kind_is_as_it_is() -> None:
    measure = compare(*pooled(2.5), KINDS, 400)
    assert measure.of(np.array([20.0]), np.array([99])).tolist() == [20.0]


def test_too_few_maxima_compare_nothing() -> None:
    assert compare(*pooled(2.5, size=20), KINDS, 400) is PLAIN
    assert PLAIN.of(np.array([7.0]), np.array([3])).tolist() == PLAIN.strength(7.0, np.array([3])).tolist() == [7.0]

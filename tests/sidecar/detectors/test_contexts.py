"""Which samples follow the last as none did before."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.detectors.contexts import STEP, Contexts
from sales_exporter.sidecar.detectors.novelty import Novelty
from sales_exporter.sidecar.detectors.pace import Pace


def news(levels, missing=()):
    """Whether each sample, by the level in whose middle it lies, is new; those that are ``missing`` were not seen."""
    contexts, pace = Contexts(1), Pace(1)
    found = []
    for number, level in enumerate(levels):
        seen = np.array([np.nan if number in missing else 1.0])
        tick = pace.tick(np.asarray(60.0 * number), seen)
        found.append(bool(contexts.new(tick, np.array([STEP * (level + 0.5)]))[0]))
    return found


@pytest.mark.parametrize(("levels", "found"), [
    pytest.param([0, 0, 0], [True, False, False], id="the same again is not"),
    pytest.param([0, 2, 0, 2], [True, True, True, False], id="a step once taken is not"),
    pytest.param([0, 2, 0, 2, 2], [True, True, True, False, True], id="a known level after another is"),
    pytest.param([0, 90, 0, 99], [True, True, True, False], id="far is far"),
])
def test_a_sample_is_new_when_none_like_it_followed_such_a_one(levels, found):
    assert news(levels) == found


def test_a_sample_that_is_missing_is_passed_over():
    assert news([0, 0, -3, 0], missing=[2]) == [True, False, False, False]


@pytest.mark.slow
def test_a_new_sequence_is_a_near_miss_and_is_said_to_be_no_rarer():
    number = np.arange(21 * 96)
    spike = np.where(number % 13 == 3, 12.0, 0.0)
    values = 50 + spike + np.random.default_rng(1).standard_normal(number.size)
    times = 1_704_067_200.0 + 900.0 * number
    detector = Novelty(size=1)
    detector.learn(times, values[None])
    *_, once, twice = (detector.update(times[-1] + 900.0 * (1 + late), np.array([value]))
                       for late, value in enumerate((50.0, 50.0, 62.0, 62.0)))
    assert once.score[0] == 0
    assert 0.4 < twice.score[0] < 0.5
    assert twice.p[0] > 5e-4

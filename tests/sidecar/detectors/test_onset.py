"""Which rows are the start of an event."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.detectors.onset import Onset
from sales_exporter.sidecar.detectors.pace import Pace

DAY = 86_400.0


def onsets(rarities, days, alarm=1.0, samples=0.0):
    """Which of these moments are onsets, with a margin of 1 and a half-life of 2 days."""
    onset, pace = Onset(margin=1.0, half_life=2.0, alarm=alarm, size=1, samples=samples), Pace(1)
    found = []
    for rarity, day in zip(rarities, days, strict=True):
        tick = pace.tick(np.asarray(day * DAY), np.ones(1))
        found.append(bool(onset.passes(tick, np.array([rarity]))[0]))
    return found


@pytest.mark.parametrize(("rarities", "days", "found"), [
    pytest.param([3.0, 3.0], [1, 1.1], [True, False], id="the same again is not"),
    pytest.param([3.0, 3.9], [1, 1.001], [True, False], id="little odder is not"),
    pytest.param([3.0, 4.1], [1, 1.1], [True, True], id="clearly odder is"),
    pytest.param([3.0, 2.1], [1, 3], [True, True], id="after two days half of it is"),
    pytest.param([3.0, 1.9], [1, 3], [True, False], id="after two days less is not"),
])
def test_an_onset_beats_what_was_before(rarities, days, found):
    assert onsets(rarities, days) == found


def test_what_is_no_alarm_holds_none_back():
    assert onsets([2.5, 3.0], [1, 1.001], alarm=3.0) == [True, True]


def test_what_is_no_alarm_holds_another_such_back():
    assert onsets([2.0, 2.9], [1, 1.001], alarm=3.0) == [True, False]


def test_rare_samples_keep_what_follows_back_for_longer():
    assert onsets([3.0, 2.1, 2.1], [1, 3, 5]) == [True, True, True]
    assert onsets([3.0, 2.1, 2.1], [1, 3, 5], samples=2.0) == [True, False, True]

"""How long the record stood that a channel beats."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.detectors.pace import Pace
from sales_exporter.sidecar.detectors.tails import LEAST_SHARE, Tails

MONDAY, DAY, STEP = 1_704_067_200.0, 86_400.0, 900.0
PER_DAY = round(DAY / STEP)
CHANNELS = 2
FLEETING = np.array([True, False])


class Watched:
    """Two channels of one series that see the same."""

    def __init__(self):
        self.pace = Pace(1)
        self.tails = Tails(np.zeros(CHANNELS, bool), FLEETING, 1_000.0, 0.2, 0.03, 1)
        self.at = MONDAY

    def see(self, values, step=STEP):
        """How long what each value beats had stood, (moments, channels)."""
        found = []
        for value in values:
            tick = self.pace.tick(np.asarray(self.at), np.array([value], np.float32))
            views = np.full((CHANNELS, 1), value, np.float32)
            found.append(self.tails.stood(tick, views)[:, 0])
            self.tails.learn(tick, views, np.full(1, 0.1, np.float32))
            self.at += step
        return np.array(found)


def noise(days, seed=1):
    """Between 0 and 1."""
    return np.random.default_rng(seed).uniform(size=round(days * PER_DAY))


def with_peaks(days, peaks):
    """The same with some values at some days."""
    values = noise(days)
    for at, height in peaks.items():
        values[round(at * PER_DAY)] = height
    return values


@pytest.fixture
def watched():
    return Watched()


def test_a_record_counts_by_its_share_of_the_time_watched(watched):
    watched.see(with_peaks(10, {2: 5.0}))
    np.testing.assert_allclose(watched.see([4.0])[0], np.log10(0.8 / LEAST_SHARE), atol=0.02)


def test_what_was_never_seen_counts_as_all_of_the_time(watched):
    watched.see(noise(10))
    np.testing.assert_allclose(watched.see([6.0])[0], np.log10(1 / LEAST_SHARE), atol=1e-6)


def test_a_record_of_yesterday_is_none(watched):
    watched.see(with_peaks(10, {1: 5.0, 9: 4.5}))
    assert watched.see([4.0]).max() == 0


def test_a_narrow_lead_beats_nothing(watched):
    watched.see(with_peaks(10, {1: 5.0, 9: 4.0}))
    assert watched.see([4.1]).max() == 0
    assert watched.see([4.5]).min() > 0


def test_one_event_beats_a_record_once(watched):
    watched.see(with_peaks(10, {1: 5.0}))
    found = watched.see([6.0, 6.0, 5.5, 6.1])
    assert found[0].min() > 0
    assert found[1:].max() == 0


def test_usual_values_beat_nothing(watched):
    watched.see(noise(10))
    assert watched.see(noise(1, seed=2)).max() == 0


def test_nothing_stood_in_the_first_day(watched):
    watched.see(noise(0.9))
    assert watched.see([6.0]).max() == 0


def test_finer_samples_begin_anew_what_single_ones_show(watched):
    watched.see(noise(10))
    watched.see(noise(0.5, seed=2), step=60.0)
    fleeting, lasting = watched.see([6.0], step=60.0)[0]
    assert fleeting == 0
    assert lasting > 0

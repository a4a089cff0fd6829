"""What every detector keeps to. Add yours to ``DETECTORS``."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.detectors.novelty import Novelty
from sales_exporter.sidecar.verdicts import NONE

pytestmark = pytest.mark.slow
DETECTORS = [pytest.param(Novelty, id="novelty")]
FIELDS = ("score", "p", "expected", "lower", "upper", "effect", "channel")
START, STEP = 1_704_067_200.0, 1_800.0


def days(count, series=3, seed=1):
    """Moments and values of some quiet series with a rhythm, (n, moments)."""
    times = START + STEP * np.arange(count * 48)
    noise = np.random.default_rng(seed).standard_normal((series, times.size))
    return times, 50 + 10 * np.sin(times / 86_400 * 2 * np.pi) + noise


def judged(detector, times, values):
    return [detector.update(at, column) for at, column in zip(times, values.T, strict=True)]


def same(left, right, rtol=0.0):
    for name in FIELDS:
        np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=rtol, err_msg=name)


@pytest.fixture(params=DETECTORS)
def make(request):
    def made(size=3):
        detector = request.param()
        detector.admit(size)
        return detector
    return made


def test_equal_samples_give_equal_verdicts(make):
    times, values = days(3)
    for left, right in zip(judged(make(), times, values), judged(make(), times, values), strict=True):
        same(left, right)


def test_verdicts_have_one_row_a_slot_and_stay_in_their_ranges(make):
    times, values = days(3)
    for one in judged(make(), times, values):
        assert all(getattr(one, name).shape == (3,) for name in FIELDS)
        assert np.all((one.score >= 0) & (one.score <= 1) & (one.p > 0) & (one.p <= 1))


def test_a_new_series_is_not_judged(make):
    one = make().update(START, np.array([1.0, np.nan, -5.0]))
    assert (one.score.tolist(), one.p.tolist(), one.channel.tolist()) == ([0] * 3, [1] * 3, [NONE] * 3)
    assert np.isnan([one.expected, one.lower, one.upper, one.effect]).all()


def test_state_carries_on_where_it_was_saved(make):
    times, values = days(4)
    whole = make()
    judged(whole, times[:150], values[:, :150])
    resumed = make(0).restore(dict(whole.state()))
    assert resumed.size == 3
    left, right = judged(whole, times[150:], values[:, 150:]), judged(resumed, times[150:], values[:, 150:])
    for one, other in zip(left, right, strict=True):
        same(one, other)


def test_a_saved_state_does_not_change_later(make):
    times, values = days(2)
    detector = make()
    judged(detector, times[:60], values[:, :60])
    saved = detector.state()
    before = {name: array.copy() for name, array in saved.items()}
    judged(detector, times[60:], values[:, 60:])
    for name, array in saved.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_foreign_state_is_refused(make):
    with pytest.raises(ValueError, match="state"):
        make().restore({"something": np.zeros(3)})


def test_a_missing_sample_is_not_judged_and_changes_nothing(make):
    times, values = days(4)
    holed = np.insert(values, 125, np.nan, axis=1)
    holed_times = np.insert(times, 125, times[124] + STEP / 2)
    whole, other = judged(make(), times, values), judged(make(), holed_times, holed)
    assert other[125].score.tolist() == [0, 0, 0]
    assert other[125].channel.tolist() == [NONE] * 3
    same(whole[-1], other[-1])


def test_what_is_not_finite_is_missing(make):
    times, values = days(2)
    infinite, missing = values.copy(), values.copy()
    infinite[0, 70], missing[0, 70] = np.inf, np.nan
    same(judged(make(), times, infinite)[-1], judged(make(), times, missing)[-1])


def test_huge_values_are_survived(make):
    times, values = days(2)
    values[0, 60], values[1, 60] = 1e300, -1e300
    assert np.isfinite(judged(make(), times, values)[-1].p).all()


def test_time_that_goes_back_repeats_the_last_verdicts(make):
    times, values = days(2)
    detector = make()
    last = judged(detector, times, values)[-1]
    before = detector.state()
    same(last, detector.update(times[-1], values[:, 0]))
    same(last, detector.update(times[0], values[:, 0]))
    for name, array in detector.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_verdicts_hang_on_nothing_that_comes_later(make):
    times, values = days(4)
    other = values.copy()
    other[:, 150:] = 1_000.0
    same(judged(make(), times, values)[149], judged(make(), times, other)[149])


def test_a_series_is_judged_alike_whatever_is_beside_it(make):
    times, values = days(4)
    alone = judged(make(1), times, values[1:2])[-1]
    together = judged(make(), times, values)[-1]
    np.testing.assert_allclose(alone.expected, together.expected[1:2], rtol=1e-6)
    np.testing.assert_allclose(alone.p, together.p[1:2], rtol=1e-4)


def test_dropped_slots_leave_the_others_as_they_were(make):
    times, values = days(4)
    detector = make()
    judged(detector, times[:-1], values[:, :-1])
    detector.keep(np.array([True, False, True]))
    assert detector.size == 2
    left = detector.update(times[-1], values[[0, 2], -1])
    right = judged(make(), times, values)[-1]
    np.testing.assert_array_equal(left.p, right.p[[0, 2]])
    np.testing.assert_array_equal(left.expected, right.expected[[0, 2]])


def test_admitted_slots_come_at_the_end_and_begin_empty(make):
    times, values = days(4)
    detector = make(2)
    judged(detector, times[:-1], values[:2, :-1])
    detector.admit(1)
    one = detector.update(times[-1], values[:, -1])
    assert one.channel[2] == NONE
    np.testing.assert_array_equal(one.expected[:2], judged(make(2), times, values[:2])[-1].expected)


def test_a_learned_past_leaves_what_updates_leave(make):
    times, values = days(6)
    values[1, 50:60] = np.nan
    learned, updated = make(), make()
    learned.learn(times[:-1], values[:, :-1])
    judged(updated, times[:-1], values[:, :-1])
    left, right = learned.update(times[-1], values[:, -1]), updated.update(times[-1], values[:, -1])
    np.testing.assert_allclose(left.expected, right.expected, rtol=1e-6)
    np.testing.assert_allclose(left.p, right.p, rtol=1e-3)


@pytest.mark.parametrize("value", [0.0, 7.0, -1e-9, 1e12])
def test_a_constant_series_is_quiet(make, value):
    times, values = days(10)
    assert max(one.score.max() for one in judged(make(), times, np.full_like(values, value))) < 0.5


def test_a_gap_is_no_news(make):
    times, values = days(12)
    kept = np.r_[0:400, 500:576]
    detector = make()
    after = judged(detector, times[kept], values[:, kept])[400:]
    assert max(one.score.max() for one in after) < 0.5


def test_all_slots_may_be_missing_and_none_may_exist(make):
    one = make().update(START, np.full(3, np.nan))
    assert one.score.tolist() == [0, 0, 0]
    assert make(0).update(START, np.empty(0)).score.shape == (0,)

"""What the detector finds, what it leaves alone, and what it says of it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from sales_exporter.sidecar.detectors.novelty import Novelty, Tuning

pytestmark = pytest.mark.slow
MONDAY, HOUR, DAY = 1_704_067_200.0, 3_600.0, 86_400.0
STEP = 900.0


def moments(days, step=STEP):
    return MONDAY + step * np.arange(round(days * DAY / step))


def quiet(times, series=4, seed=1):
    """A daily rhythm with noise, and less at weekends."""
    free = ((times - MONDAY) // DAY) % 7 >= 5
    level = (50 + 10 * np.sin(times / DAY * 2 * np.pi)) * np.where(free, 0.5, 1)
    return level + np.random.default_rng(seed).standard_normal((series, times.size))


def judged(values, times, detector=None):
    detector = detector or Novelty(size=len(values))
    found = [detector.update(at, column) for at, column in zip(times, values.T, strict=True)]
    return {name: np.stack([getattr(one, name) for one in found]) for name in ("score", "p", "channel", "effect",
                                                                              "expected", "lower", "upper")}


@pytest.fixture(scope="module")
def past():
    """A detector that has learned three weeks."""
    times = moments(21)
    detector = Novelty(size=4)
    detector.learn(times, quiet(times))
    return detector


@pytest.fixture
def learned(past):
    return Novelty().restore(past.state())


def after(hours, change, learned):
    """Verdicts on the hours from Monday noon on, changed by ``change(values)`` from then on."""
    times = MONDAY + 21 * DAY + STEP * np.arange(round((12 + hours) * HOUR / STEP))
    values = quiet(times, seed=2)
    noon = round(12 * HOUR / STEP)
    values[:, noon:] = change(values[:, noon:])
    verdicts = judged(values, times, learned)
    return {name: array[noon:] for name, array in verdicts.items()}, verdicts["score"][:noon]


@pytest.mark.parametrize("change", [
    pytest.param(lambda values: values * 3, id="spike"),
    pytest.param(lambda values: values * 0, id="stall"),
    pytest.param(lambda values: values + 15, id="step"),
    pytest.param(lambda values: np.repeat(values[:, :1], values.shape[1], axis=1), id="frozen"),
])
def test_what_never_was_is_found(learned, change):
    found, before = after(8, change, learned)
    assert before.max() < 0.5
    assert np.all(found["score"].max(axis=0) >= 0.5)


def test_old_records_beaten_come_near_an_alarm_and_are_none(learned):
    found, before = after(1, lambda values: values + 3, learned)
    highest = found["score"].max(axis=0)
    assert np.all((highest > before.max()) & (highest < 0.5))


def test_a_quiet_day_is_left_alone(learned):
    found, _ = after(12, lambda values: values, learned)
    assert found["score"].max() < 0.5


def test_one_event_is_one_onset(learned):
    found, _ = after(6, lambda values: values * 3, learned)
    assert np.all((found["score"] >= 0.5).sum(axis=0) <= 3)
    assert np.all(found["score"][-4:] < 0.5)


def test_the_rarity_stays_told_while_an_event_lasts(learned):
    found, _ = after(2, lambda values: values * 3, learned)
    assert np.all(found["p"][1:] < 1e-4)


def test_the_verdict_names_the_channel_the_range_and_the_effect(learned):
    found, _ = after(1, lambda values: values * 3, learned)
    names = {Novelty.channels[index] for index in found["channel"][0]}
    assert all("high" in name or "rise" in name or "jump" in name for name in names)
    assert np.all((found["lower"][0] < found["expected"][0]) & (found["expected"][0] < found["upper"][0]))
    assert np.all(found["effect"][0] > 5)
    np.testing.assert_allclose(found["expected"][0], 50, atol=8)


def test_nothing_is_judged_in_the_first_day_and_the_first_weekend():
    times = moments(7)
    values = quiet(times)
    values[:, 40] = values[:, 5 * 96 + 40] = values[:, 6 * 96 + 40] = 1_000.0
    scores = judged(values, times)["score"]
    assert scores[:96].max() == 0
    assert scores[5 * 96:].max() == 0


def test_a_holiday_runs_as_a_weekend():
    times = moments(22, HOUR)
    values = quiet(times)
    holiday = slice(21 * 24, 22 * 24)
    values[:, holiday] = values[:, 20 * 24:21 * 24]
    plain = judged(values, times)["expected"][holiday]
    known = judged(values, times, Novelty(Tuning(holidays=(date(2024, 1, 22),)), 4))["expected"][holiday]
    assert np.abs(known - values[:, holiday].T).mean() < np.abs(plain - values[:, holiday].T).mean() / 2


def test_local_time_divides_the_days():
    times = moments(2)
    values = quiet(times)
    east = judged(values, times, Novelty(Tuning(utc_offset=6 * HOUR), 4))
    utc = judged(values, times + 6 * HOUR)
    np.testing.assert_allclose(east["expected"], utc["expected"], rtol=1e-6)


def test_one_low_sample_such_as_a_restart_leaves_is_no_news():
    times = moments(8.4, 300.0)
    values = quiet(times)
    values[:, 2_400] *= 0.5
    detector = Novelty(size=4)
    detector.learn(times[:2_390], values[:, :2_390])
    assert judged(values[:, 2_390:], times[2_390:], detector)["score"].max() < 0.5


def test_a_change_too_small_to_matter_is_no_news():
    times = moments(10)
    values = 100 + 0.01 * np.random.default_rng(1).standard_normal((2, times.size))
    values[:, 900:] += 0.3
    assert judged(values, times)["score"].max() < 0.5


def test_after_a_gap_nothing_echoes():
    times = moments(22, HOUR)
    values = quiet(times)
    values[:, 14 * 24 + 10:14 * 24 + 15] = np.nan
    scores = judged(values, times)["score"]
    assert scores[14 * 24 + 10:14 * 24 + 15].max() == 0
    assert max(scores[day * 24 + 9:day * 24 + 18].max() for day in (14, 15, 21)) < 0.5


def test_the_level_adapts_to_a_lasting_shift(learned):
    times = MONDAY + 21 * DAY + STEP * np.arange(14 * 96)
    values = quiet(times, seed=2) + 15
    learned.learn(times[:-96], values[:, :-96])
    expected = judged(values[:, -96:], times[-96:], learned)["expected"]
    np.testing.assert_allclose(expected.mean(), quiet(times[-96:]).mean() + 15, atol=4)


def test_past_incidents_do_not_hide_the_next(learned):
    found, _ = after(2, lambda values: values * 3, learned)
    calm = MONDAY + 21 * DAY + 14 * HOUR + STEP * np.arange(4 * 96 - 8)
    learned.learn(calm, quiet(calm, seed=3))
    times = calm[-1] + STEP * np.arange(1, 13)
    again = judged(quiet(times, seed=4) * 3, times, learned)
    assert np.all(found["score"].max(axis=0) >= 0.5)
    assert np.all(again["score"].max(axis=0) >= 0.5)


def test_minutes_after_a_past_of_quarter_hours_are_no_news(learned):
    times = MONDAY + 21 * DAY + 60.0 * np.arange(1, 12 * 60)
    values = quiet(times) + 3 * np.random.default_rng(5).standard_normal((4, times.size))
    assert judged(values, times, learned)["score"].max() < 0.5


def test_a_state_with_other_parameters_is_refused(past):
    with pytest.raises(ValueError, match="other parameters"):
        Novelty(Tuning(alarms_per_week=1.0)).restore(past.state())


def test_a_state_of_another_version_is_refused(past):
    with pytest.raises(ValueError, match="version"):
        Novelty().restore({**past.state(), "version": np.array(0)})


def test_a_damaged_state_is_refused(past):
    state = dict(past.state())
    state["tails.scale"] = state["tails.scale"][:-1]
    with pytest.raises(ValueError, match="scale"):
        Novelty().restore(state)


def test_series_may_run_out_of_step():
    times, values = moments(3), quiet(moments(3))
    own = Novelty(size=2)
    shifted = [own.update(np.array([at, at + 300]), np.array([one, one]))
               for at, one in zip(times, values[0], strict=True)]
    alone = judged(values[:1], times)
    np.testing.assert_allclose(shifted[-1].expected[0], alone["expected"][-1, 0], rtol=1e-5)
    np.testing.assert_allclose([one.score[0] for one in shifted], alone["score"][:, 0], rtol=1e-3)

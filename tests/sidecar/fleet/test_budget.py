"""The budget of false pages: what is stated is what a quiet fleet shows, and an alarm is one page."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.errors import ConfigError
from sales_exporter.sidecar.fleet.budget import HOLD, LEAST, UNSEEN, Budget, pages_per_week
from tests.sidecar.fleet.streams import DAY, STEP, WEEK, pages, quiet, steady, tick, verdicts

ODD = 1e-30
"""Beyond every threshold of these tests."""


@pytest.mark.parametrize(("text", "expected"), [
    ("1 per week", 1.0), ("0.2 per week", 0.2), ("2 per day", 14.0), ("1 per month", 7 * 12 / 365.25),
])
def test_a_budget_is_read_as_pages_a_week(text: str, expected: float) -> None:
    assert pages_per_week(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["0 per week", "0.0 per day", "1 per year", "-1 per week", "one per week", "1"])
def test_what_is_no_budget_says_what_is_expected(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a number above 0 per day, week or month"):
        pages_per_week(text)


def test_pages_of_what_was_replayed_are_not_counted() -> None:
    budget = steady(1)
    tick(budget, 0.0, ODD)
    before = budget.total, budget.last_week(0.0)
    budget.open()
    assert (before, budget.total, budget.last_week(0.0)) == ((1, 1), 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
def test_a_quiet_fleet_pages_as_often_as_stated_whatever_its_p_are_worth(factor: float) -> None:
    budget = Budget(3.0, STEP)
    budget.admit(np.arange(300))
    found = pages(budget, quiet(300, seed=5, factor=factor))
    assert 0.5 * 36 <= found <= 1.5 * 36


@pytest.mark.slow
def test_incidents_three_times_as_often_as_the_budget_raise_the_threshold_by_little() -> None:
    levels = []
    for incidents in (0, 3):
        p = quiet(300, seed=6)[: int(8 * WEEK / STEP)]
        for week in range(8):
            for number in range(incidents):
                begin = int((week * WEEK + (2 * number + 0.5) * DAY) / STEP)
                p[begin : begin + 3, 7 * week + number] = ODD
        budget = Budget(1.0, STEP)
        budget.admit(np.arange(300))
        pages(budget, p)
        levels.append(budget.level)
    assert levels[0] < levels[1] < levels[0] + 3.5


def test_without_a_past_the_threshold_lies_beyond_what_right_p_would_need() -> None:
    budget = steady(10)
    alarms = tick(budget, 0, *[0.5] * 10)
    assert alarms.threshold.tolist() == pytest.approx([np.exp(-budget.level)] * 10)
    assert budget.level > np.log(10 * 7 * 1_440)


def test_a_smaller_budget_has_a_higher_threshold() -> None:
    levels = []
    for per_week in (0.2, 1.0, 5.0):
        budget = steady(10, per_week)
        tick(budget, 0, *[0.5] * 10)
        levels.append(budget.level)
    assert levels[0] > levels[1] > levels[2]


def test_no_budget_is_so_large_that_what_is_usual_pages() -> None:
    budget = steady(1, per_week=1e6, step=STEP)
    tick(budget, 0, 0.5)
    assert budget.level == LEAST


def test_a_heavier_series_has_a_larger_share() -> None:
    budget = steady(2)
    found = budget.update(0, verdicts([0.5, 0.5]), np.array([3.0, 1.0])).threshold
    assert found[0] == pytest.approx(3 * found[1])


def test_what_is_beyond_the_threshold_alarms_at_once() -> None:
    alarms = tick(steady(3), 0, 0.5, ODD, 0.5)
    assert alarms.active.tolist() == alarms.onset.tolist() == [False, True, False]


def test_the_score_is_a_half_at_the_threshold() -> None:
    budget = steady(2)
    tick(budget, 0, 0.5, 0.5)
    assert tick(budget, 60, np.exp(-budget.level), 1.0).score.tolist() == pytest.approx([0.5, 0.0])


def test_an_unknown_slot_scores_nothing_and_does_not_alarm() -> None:
    alarms = tick(steady(2), 0, np.nan, ODD)
    assert alarms.score[0] == 0
    assert alarms.active.tolist() == [False, True]


def test_an_alarm_is_an_onset_once() -> None:
    budget = steady(1)
    assert [tick(budget, at, ODD).onset[0] for at in (0, 60, 120)] == [True, False, False]
    assert budget.total == 1


def test_an_alarm_lasts_until_it_has_been_calm() -> None:
    budget = steady(1)
    tick(budget, 0, ODD)
    assert tick(budget, HOLD - 1, 0.5).active[0]
    assert not tick(budget, HOLD, 0.5).active[0]


def test_an_alarm_whose_samples_stop_ends_later() -> None:
    budget = steady(1)
    tick(budget, 0, ODD)
    assert tick(budget, UNSEEN - 1, np.nan).active[0]
    assert not tick(budget, UNSEEN, np.nan).active[0]


def test_a_value_a_little_below_the_threshold_keeps_an_alarm_but_begins_none() -> None:
    budget = steady(1)
    tick(budget, 0, 0.5)
    near = float(np.exp(-budget.level + 2))
    assert not tick(budget, 60, near).active[0]
    tick(budget, 120, ODD)
    assert tick(budget, 120 + 2 * HOLD, near).active[0]


@pytest.mark.slow
def test_r30_a_value_dancing_on_its_threshold_is_pushed_once_in_ten_crossings() -> None:
    budget = steady(1)
    tick(budget, 0, 0.5)
    # Twenty minutes beyond and twenty minutes usual: longer than the first hold, so that only a growing one helps.
    for crossing in range(40):
        for minute in range(40):
            tick(budget, 60 + 60 * (40 * crossing + minute), ODD if minute < 20 else 0.5)
    assert budget.total <= 4


@pytest.mark.slow
def test_a_past_in_larger_steps_fills_the_pool_as_one_in_small_steps_does() -> None:
    levels = []
    for looks in (96, 12):
        budget, rng = steady(400, step=900.0), np.random.default_rng(4)
        for number in range(20 * looks):
            budget.update(number * DAY / looks, verdicts(rng.uniform(size=400)), np.ones(400))
        budget.update(20 * DAY, verdicts([0.5] * 400), np.ones(400))
        levels.append(budget.level)
    # As they are, the eight times fewer looks would be 2.1 lower.
    assert levels[1] == pytest.approx(levels[0], abs=1.2)


def test_a_gap_between_updates_makes_nothing_odder() -> None:
    budget = steady(1)
    for at in (0, 60, 120, 180):
        tick(budget, at, 0.5)
    near = float(np.exp(-budget.level + 2))
    assert not tick(budget, 180 + 5 * DAY, near).active[0]


def test_a_series_that_begins_late_in_the_day_has_no_day_yet() -> None:
    budget = steady(2, step=STEP)
    for hour in range(24):
        tick(budget, hour * STEP, 0.5, 1e-4 if hour > 12 else np.nan)
    tick(budget, DAY, ODD, ODD)
    assert budget.state()["pool_blocks"][0] == 1


def test_slots_of_one_group_are_one_page() -> None:
    budget = steady(3, groups=[7, 7, 9])
    tick(budget, 0, ODD, ODD, 0.5)
    assert budget.total == 1
    tick(budget, 60, ODD, ODD, ODD)
    assert budget.total == 2


def test_within_a_page_what_is_nearly_as_odd_joins() -> None:
    budget = steady(3, groups=[7, 7, 9])
    tick(budget, 0, 0.5, 0.5, 0.5)
    near = float(np.exp(-budget.level + 2))
    assert tick(budget, 60, ODD, near, near).active.tolist() == [True, True, False]


def test_confidence_is_not_larger_than_the_days_watched_support() -> None:
    budget = steady(2, step=STEP)
    for hour in range(10 * 24):
        tick(budget, hour * STEP, 0.5, 0.5)
    assert tick(budget, 10 * DAY, ODD, 0.5).p.tolist() == pytest.approx([1 / 11, 1.0])


def test_pages_of_the_last_week_are_counted() -> None:
    budget = steady(1)
    tick(budget, 0, ODD)
    assert budget.last_week(DAY) == 1
    assert budget.last_week(8 * DAY) == 0


@pytest.mark.slow
def test_a_series_that_is_odd_too_often_pays_for_it() -> None:
    budget = steady(30, step=STEP)
    rng = np.random.default_rng(1)
    for hour in range(40 * 24):
        p = rng.uniform(size=30)
        if hour // 24 % 3 == 0:
            p[4] **= 3
        tick(budget, hour * STEP, *p)
    assert budget.handicaps[4] > 1
    assert np.delete(budget.handicaps, 4).max() < 1


def test_slots_that_stay_keep_their_alarms() -> None:
    budget = steady(3)
    tick(budget, 0, 0.5, 0.5, ODD)
    budget.keep(np.array([True, False, True]))
    alarms = tick(budget, 60, 0.5, 0.5)
    assert budget.size == 2
    assert alarms.active.tolist() == [False, True]


@pytest.mark.parametrize(("p", "weights"), [([0.5], [1.0, 1.0]), ([0.5, 0.5], [1.0]), ([0.5, 0.5], [1.0, 0.0])])
def test_verdicts_and_weights_fit_the_slots(p: list[float], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="one verdict and one positive weight"):
        steady(2).update(0, verdicts(p), np.array(weights))


def test_a_budget_without_slots_is_quiet() -> None:
    alarms = Budget(1.0, 60.0).update(0, verdicts([]), np.zeros(0))
    assert alarms.active.size == alarms.threshold.size == 0


@pytest.mark.parametrize(("per_week", "step"), [(0.0, 60.0), (1.0, 0.0)])
def test_a_budget_needs_a_rate_and_a_step(per_week: float, step: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Budget(per_week, step)


@pytest.mark.slow
def test_a_restored_budget_goes_on_as_the_first_would() -> None:
    first, rng = steady(5, groups=[1, 1, 2, 3, 4], step=STEP), np.random.default_rng(3)
    for hour in range(30 * 24):
        tick(first, hour * STEP, *rng.uniform(size=5) ** 3)
    second = Budget(1.0, STEP).restore(first.state())
    for hour in range(30 * 24, 60 * 24):
        p = rng.uniform(size=5) ** 3
        one, other = tick(first, hour * STEP, *p), tick(second, hour * STEP, *p)
        assert np.array_equal(one.active, other.active)
        assert np.array_equal(one.p, other.p)
    assert (first.level, first.total) == (second.level, second.total)


def test_a_state_of_another_step_or_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="another version, step or size"):
        Budget(1.0, 60.0).restore(steady(5, step=STEP).state())
    with pytest.raises(ValueError, match="no state of a budget"):
        Budget(1.0, 60.0).restore({})
    with pytest.raises(ValueError, match="no state of a pool"):
        Budget(1.0, 60.0).restore({k: v for k, v in steady(2).state().items() if k != "pool_owner"})


def test_another_budget_takes_the_past_over() -> None:
    first = steady(5, per_week=0.1, step=STEP)
    tick(first, 0, *[0.5] * 5)
    second = Budget(1.0, STEP).restore(first.state())
    tick(second, STEP, *[0.5] * 5)
    assert second.level < first.level

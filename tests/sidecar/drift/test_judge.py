"""The judge of drift on streams of exact counts."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.drift.judge import ModelDrift
from sales_exporter.sidecar.drift.report import DriftReport
from sales_exporter.sidecar.verdicts import Floats

DAY = 86_400.0
START = 1_700_000_000.0


def _judge(*floors: float, segments: int = 1, budget: float = 1e9) -> ModelDrift:
    judge = ModelDrift(alpha=0.01, budget=budget, maturity=7 * DAY, segments=segments)
    judge.admit(floors)
    return judge


def _days(judge: ModelDrift, shares: list[float], size: float = 500, first: int = 0) -> list[DriftReport]:
    """A report for each day; exactly these shares of the day's decisions are right, in every stream."""
    found = []
    right = np.nan_to_num(judge.state()["right"])
    total = np.nan_to_num(judge.state()["total"])
    for day, share in enumerate(shares, first):
        right, total = right + share * size, total + size
        found.append(judge.update(START + day * DAY, right, total))
    return found


def test_steady_accuracy_is_no_drift() -> None:
    found = _days(_judge(0.9), [0.9] * 60)
    assert not found[-1].active.any()
    assert found[-1].e.max() < 2


def test_a_drop_is_seen_against_the_floor_and_against_the_past() -> None:
    found = _days(_judge(0.9), [0.9] * 20 + [0.8] * 3)
    assert found[19].active.tolist() == [[False, False]]
    assert found[-1].active.tolist() == [[True, True]]


def test_without_a_stated_floor_there_is_no_evidence_against_one() -> None:
    found = _days(_judge(np.nan), [0.9] * 20 + [0.8] * 5)
    assert found[-1].e[0, 0] == 0
    assert found[-1].active.tolist() == [[False, True]]


def test_above_its_floor_a_model_that_got_worse_drifts_from_its_past_alone() -> None:
    found = _days(_judge(0.75), [0.9] * 20 + [0.8] * 5)
    assert found[-1].active.tolist() == [[False, True]]


def test_the_loss_is_that_from_before_the_drop_to_after_it() -> None:
    loss = _days(_judge(np.nan), [0.9] * 20 + [0.8] * 5)[-1].loss
    lower, upper = loss.bounds
    assert loss.size[0] == pytest.approx(0.1, abs=0.01)
    assert lower[0] < 0.1 < upper[0]
    assert upper[0] - lower[0] < 0.05
    assert loss.since[0] == pytest.approx(START + 19 * DAY, abs=0.5 * DAY)


def test_the_past_before_the_first_reading_is_the_reference() -> None:
    judge = _judge(np.nan)
    judge.update(START, [9_000.0], [10_000.0])
    found = _days(judge, [0.85] * 12 + [0.7] * 2, first=1)
    assert found[-1].active.tolist() == [[False, True]]
    # Mostly the 10,000 before: 0.9 of them, and 0.85 of 6,000.
    assert found[-1].loss.before[0] == pytest.approx(0.881, abs=0.003)


def test_before_it_is_known_how_much_days_differ_there_is_no_baseline() -> None:
    assert _days(_judge(np.nan), [0.9] * 5 + [0.7] * 5)[-1].e[0, 1] == 0


def test_where_days_differ_anyway_one_more_low_day_is_no_drift() -> None:
    steady, uneven = [0.9] * 30, [0.94, 0.86] * 15
    assert _days(_judge(np.nan), [*steady, 0.83])[-1].e[0, 1] > 100
    assert _days(_judge(np.nan), [*uneven, 0.83])[-1].e[0, 1] < 10


def test_too_few_labels_are_no_reference() -> None:
    assert _days(_judge(np.nan), [0.8] * 19, size=5)[-1].e[0, 1] == 0
    assert _days(_judge(np.nan), [0.8] * 22, size=5)[-1].e[0, 1] > 0


def test_drift_is_over_a_maturity_period_after_its_evidence_is_gone() -> None:
    found = _days(_judge(np.nan), [0.9] * 20 + [0.8] * 5 + [0.9] * 40)
    active = np.array([bool(report.active[0, 1]) for report in found])
    low = np.array([report.e[0, 1] < 0.1 * report.limit for report in found])
    ended = int(np.flatnonzero(active)[-1]) + 1
    assert active[22:ended].all()
    assert found[ended - 1].began[0, 1] == START + np.flatnonzero(active)[0] * DAY
    assert low[ended - 6 : ended + 1].all()
    assert not low[ended - 7]


def test_a_gap_is_no_drift_and_what_comes_behind_it_counts() -> None:
    judge = _judge(0.9)
    _days(judge, [0.9] * 20)
    assert not judge.update(START + 25 * DAY, [np.nan], [np.nan]).active.any()
    assert _days(judge, [0.8] * 3, first=26)[-1].active.all()


def test_a_segment_that_gets_worse_is_seen_though_the_whole_hardly_moves() -> None:
    judge = _judge(np.nan, segments=2)
    right, total = np.zeros((1, 2)), np.zeros((1, 2))
    for day in range(40):
        few = 0.9 if day < 20 else 0.6
        right += np.array([few * 25, 0.9 * 975])
        total += np.array([25.0, 975.0])
        report = judge.update(START + day * DAY, right, total)
    assert report.active[0, 1]


def test_the_budget_of_all_models_raises_the_limit_of_each() -> None:
    assert _judge(*[0.9] * 200, budget=1.0).limit == 400
    assert _judge(0.9, budget=1.0).limit == 100


def test_time_that_goes_back_changes_nothing() -> None:
    judge = _judge(0.9)
    last = _days(judge, [0.9] * 5)[-1]
    again = judge.update(START, [0.0], [100_000.0])
    assert again.e.tolist() == last.e.tolist()
    assert again.at == last.at


def test_streams_do_not_depend_on_their_neighbours() -> None:
    alone, together = _judge(0.9), _judge(0.9, 0.5)
    for day in range(1, 30):
        one = alone.update(START + day * DAY, [day * 440.0], [day * 500.0])
        both = together.update(START + day * DAY, [day * 440.0, day * 10.0], [day * 500.0, day * 20.0])
    assert one.e[0].tolist() == both.e[0].tolist()


def test_dropped_streams_leave_the_others_as_they_were() -> None:
    judge, alone = _judge(0.9, 0.8), _judge(0.8)
    judge.update(START, [90.0, 80.0], [100.0, 100.0])
    alone.update(START, [80.0], [100.0])
    judge.keep(np.array([False, True]))
    left, same = (one.update(START + DAY, [150.0], [200.0]) for one in (judge, alone))
    assert left.e.tolist() == same.e.tolist()


def test_a_restored_judge_goes_on_as_if_nothing_had_happened() -> None:
    one, other = _judge(0.9, np.nan), _judge()
    _days(one, [0.9] * 20)
    other.restore(one.state())
    for mine, theirs in zip(_days(one, [0.8] * 5, first=20), _days(other, [0.8] * 5, first=20), strict=True):
        assert mine.e.tolist() == theirs.e.tolist()
        assert mine.active.tolist() == theirs.active.tolist()


def test_a_state_with_other_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="other parameters"):
        ModelDrift(alpha=0.05, budget=1e9, maturity=7 * DAY).restore(_judge(0.9).state())


def test_volume_is_what_settles_in_a_month() -> None:
    volumes: list[Floats] = [report.volume for report in _days(_judge(np.nan), [0.9] * 60)]
    assert np.isnan(volumes[0]).all()
    assert volumes[-1][0] == pytest.approx(15_000, rel=0.05)

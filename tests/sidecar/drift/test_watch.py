"""The watch on models, from the rows of queries to findings."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.config import DriftSettings
from sales_exporter.sidecar.drift.watch import DriftWatch, Findings, Row, readings

DAY = 86_400.0
START = 1_700_000_000.0


def _rows(version: str, right: float, wrong: float, model: str = "lead-score") -> list[Row]:
    """Decisions against; a fixed number of those for it."""
    def row(predicted: str, actual: str, value: float) -> Row:
        return {"model": model, "version": version, "predicted": predicted, "actual": actual}, value
    return [row("negative", "negative", right), row("negative", "positive", wrong),
            row("positive", "positive", 30), row("positive", "negative", 10)]


def _run(watch: DriftWatch, shares: list[float], first: int = 0) -> Findings:
    """500 decisions a day, of which these shares are right; 90 % before."""
    past = 0.9 * 500 * first
    for day, share in enumerate(shares, first):
        past += share * 500
        found = watch.update(START + day * DAY, _rows("1", past, (day + 1) * 500 - past))
    return found


def test_right_decisions_are_those_that_came_true_by_decision() -> None:
    found = readings(_rows("1", 90, 5))
    assert found["lead-score", "1"].tolist() == [[30, 90], [40, 95]]


def test_rows_of_something_else_are_left_out() -> None:
    assert readings([({"model": "m", "version": "1"}, 3.0)]) == {}


def test_a_model_that_got_worse_is_found_and_said() -> None:
    found = _run(DriftWatch(DriftSettings()), [0.9] * 20 + [0.75] * 4)
    (finding,) = found.standing()
    assert (finding.model, finding.version) == ("lead-score", "1")
    # The days' decisions are known at their ends.
    assert finding.drifts == finding.retrain == START + 20 * DAY
    assert finding.lost == pytest.approx(0.14, abs=0.02)
    assert "the accuracy that it had is 89.9%" in finding.words.summary
    assert finding.words.recommendation.startswith("Train it anew")


def test_a_floor_of_the_version_goes_before_that_of_its_model() -> None:
    watch = DriftWatch(DriftSettings(floors={"lead-score": 0.5, "lead-score/1": 0.95}))
    found = _run(watch, [0.9] * 20)
    (finding,) = found.standing()
    assert "the accuracy that is asked of it is 95.0%" in finding.words.summary


def test_advice_outlasts_drift_by_a_maturity_period() -> None:
    watch = DriftWatch(DriftSettings())
    found = [_run(watch, [0.9] * 20 + [0.75] * 4)]
    wrong = 500 * 24 - (0.9 * 500 * 20 + 0.75 * 500 * 4)
    for day in range(24, 60):
        wrong += 0.1 * 500
        found.append(watch.update(START + day * DAY, _rows("1", 500 * (day + 1) - wrong, wrong)))
    said = [[(finding.drifts, finding.retrain) for finding in one.standing()] for one in found]
    began = START + 20 * DAY
    assert said[0] == [(began, began)]
    assert [(None, began)] in said
    assert said[-1] == []


def test_a_new_version_has_a_reference_of_its_own() -> None:
    watch = DriftWatch(DriftSettings())
    _run(watch, [0.95] * 20)
    for day in range(20, 30):
        size = 500.0 * (day - 19)
        found = watch.update(START + day * DAY, _rows("2", 0.8 * size, 0.2 * size))
    assert found.names == (("lead-score", "1"), ("lead-score", "2"))
    assert list(found.standing()) == []


def test_a_version_that_is_gone_for_a_month_is_forgotten() -> None:
    watch = DriftWatch(DriftSettings())
    watch.update(START, _rows("1", 90, 10))
    assert len(watch.update(START + 29 * DAY, []).names) == 1
    assert watch.update(START + 30 * DAY, []).names == ()


def test_estimates_alone_are_told_apart() -> None:
    watch = DriftWatch(DriftSettings(floors={"lead-score": 0.8}))
    one = {"model": "lead-score", "version": "1"}
    found = watch.update(START, _rows("1", 90, 10), ([(one, 0.7)], [(one, 0.72)], [(one, 0.74)]))
    assert list(found.standing()) == []
    ((name, said),) = found.expecting()
    assert name == ("lead-score", "1")
    assert "cannot see concept drift" in said


def test_a_restored_watch_goes_on() -> None:
    watch = DriftWatch(DriftSettings())
    _run(watch, [0.9] * 20)
    other = DriftWatch(DriftSettings()).restore(watch.state())
    mine, theirs = (_run(one, [0.8] * 3, first=20) for one in (watch, other))
    assert mine.names == theirs.names
    assert mine.report.e.tolist() == theirs.report.e.tolist()
    assert [sample.value for sample in mine.samples()] == [sample.value for sample in theirs.samples()]


def test_a_floor_that_was_changed_meanwhile_is_asked_after_a_restart() -> None:
    watch = DriftWatch(DriftSettings(floors={"lead-score": 0.95}))
    assert _run(watch, [0.9] * 20).report.e[0, 0] > 100
    other = DriftWatch(DriftSettings(floors={"lead-score": 0.6})).restore(watch.state())
    assert _run(other, [0.9] * 3, first=20).report.e[0, 0] < 1


def test_a_foreign_state_is_refused() -> None:
    with pytest.raises(ValueError, match="no state of a watch"):
        DriftWatch(DriftSettings()).restore({"models": np.zeros(0)})


def test_nothing_read_is_nothing_found() -> None:
    found = DriftWatch(DriftSettings()).update(START, [])
    assert (list(found.standing()), list(found.expecting()), found.names) == ([], [], ())

"""Advice on training: what a loss is worth against what training costs."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.config import DriftSettings
from sales_exporter.sidecar.drift.advice import NO_REASON, Adviser, break_even
from sales_exporter.sidecar.drift.report import DriftReport, Loss

DAY = 86_400.0


def _report(at: float = 0.0, floor: bool = False, baseline: bool = True, lost: float = 0.05) -> DriftReport:
    """One stream with 10,000 decisions a month that fell from 0.90, known to a point."""
    def one(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([value])
    loss = Loss(one(0.9), one(0.9 - lost), one(0.01), one(0.0))
    return DriftReport(
        at, np.array([[500.0, 2_000.0]]), 100.0, np.array([[floor, baseline]]),
        np.zeros((1, 2)), (loss, loss), one(10_000.0),
        one(900.0), one(1_000.0))


def _adviser(**settings: float) -> Adviser:
    adviser = Adviser(DriftSettings(**settings))
    adviser.admit(1)
    return adviser


def test_break_even_is_cost_over_what_all_decisions_of_the_time_are_worth() -> None:
    # 3 months of 10,000 decisions, each worth 2: 60,000 for one.
    settings = DriftSettings(retraining_cost=3_000, decision_value=2, payback_days=90, least_loss=0.01)
    assert break_even(np.array([10_000.0]), settings) == pytest.approx([0.05])


def test_below_the_least_loss_no_training_breaks_even() -> None:
    settings = DriftSettings(retraining_cost=1, decision_value=2, least_loss=0.02)
    assert break_even(np.array([10_000.0]), settings).tolist() == [0.02]
    assert break_even(np.array([0.0]), settings).tolist() == [np.inf]


def test_without_a_stated_value_the_least_loss_decides() -> None:
    assert break_even(np.array([10_000.0, np.nan]), DriftSettings(least_loss=0.03)).tolist() == [0.03, 0.03]


def test_training_is_recommended_when_it_pays_with_the_stated_confidence() -> None:
    costly, cheap = (_adviser(decision_value=1.0, retraining_cost=cost) for cost in (1_200.0, 1_000.0))
    # Break-even at 4 and 3.33 points, with 5 lost and a deviation of 1: 84 % and 95 %.
    assert costly.advise(_report()).confidence == pytest.approx([0.841], abs=0.001)
    assert costly.advise(_report()).recommended.tolist() == [False]
    assert cheap.advise(_report()).recommended.tolist() == [True]


def test_gain_is_what_was_lost_of_a_months_decisions() -> None:
    advice = _adviser(decision_value=3.0).advise(_report())
    assert advice.gain == pytest.approx([500])
    assert advice.value == pytest.approx([1_500])


@pytest.mark.parametrize(("floor", "baseline", "reason"), [
    (True, False, 0), (False, True, 1), (True, True, 1), (False, False, NO_REASON)])
def test_the_reason_is_what_drifts(floor: bool, baseline: bool, reason: int) -> None:
    assert _adviser().advise(_report(floor=floor, baseline=baseline)).reason.tolist() == [reason]


def test_a_recommendation_stays_for_one_maturity_period() -> None:
    adviser = _adviser(maturity_days=7.0)
    adviser.advise(_report(DAY - 7 * DAY))
    assert adviser.advise(_report(0.0)).since.tolist() == [-6 * DAY]
    assert adviser.advise(_report(6.9 * DAY, baseline=False)).recommended.tolist() == [True]
    assert adviser.advise(_report(7.0 * DAY, baseline=False)).recommended.tolist() == [False]


def test_a_restored_adviser_still_recommends() -> None:
    one, other = _adviser(), Adviser(DriftSettings())
    one.advise(_report())
    assert other.restore(one.state()).advise(_report(DAY, baseline=False)).recommended.tolist() == [True]


def test_a_foreign_state_is_refused() -> None:
    with pytest.raises(ValueError, match="no state of advice"):
        _adviser().restore({"reason": np.zeros(1)})

"""Drift as metrics and in words."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.model import Sample
from sales_exporter.sidecar.drift.advice import NO_REASON, Advice
from sales_exporter.sidecar.drift.early import Early
from sales_exporter.sidecar.drift.published import METRICS, samples
from sales_exporter.sidecar.drift.report import DriftReport, Loss
from sales_exporter.sidecar.drift.words import words

DRIFTS, QUIET = ("lead-score", "2"), ("reply", "1")


def _report() -> DriftReport:
    """Of two models: the first fell from its past, the second does not drift and has no floor."""
    floor = Loss(*(np.array(pair) for pair in ([0.8, np.nan], [0.84, np.nan], [0.01, np.nan], [0.0, np.nan])))
    past = Loss(*(np.array(pair) for pair in ([0.9, 0.7], [0.85, 0.69], [0.01, 0.1], [1_700_000_000.0, 0.0])))
    return DriftReport(
        1_700_086_400.0, np.array([[0.5, 2_000.0], [0.0, 0.1]]), 100.0, np.array([[False, True], [False, False]]),
        np.zeros((2, 2)), (floor, past), np.array([10_000.0, 50.0]), np.array([900.0, 40.0]), np.array([1_000.0, 50.0]))


def _advice(reason: int = 1) -> Advice:
    return Advice(np.array([reason, NO_REASON]), np.zeros(2), np.array([500.0, 0.0]), np.array([1_500.0, np.nan]),
                  np.array([0.97, 0.3]))


def _expected() -> Early:
    """The first model's pending decisions are expected to miss the floor; nothing is known of the second's."""
    value = np.array([0.77, np.nan])
    return Early(value, value - 0.02, value + 0.02, np.array([0.8, 0.68]), np.array([True, False]))


def _published() -> dict[tuple[str, ...], object]:
    found: list[Sample] = list(samples(_report(), _advice(), _expected(), [DRIFTS, QUIET], [0.8, np.nan]))
    assert {sample.metric for sample in found} == set(METRICS)
    return {(sample.metric.name.removeprefix("sales_"), *sample.labels): sample.value for sample in found}


def test_evidence_is_published_for_every_kind_that_is_looked_at() -> None:
    found = _published()
    assert found["drift_e_value", *DRIFTS, "baseline"] == 2_000
    assert found["drift_e_value", *DRIFTS, "floor"] == 0.5
    assert found["drift_active", *DRIFTS, "baseline"] == 1
    assert found["drift_active", *QUIET, "baseline"] == 0
    assert ("drift_active", *QUIET, "floor") not in found
    assert found["drift_e_value_limit",] == 100


def test_what_is_only_expected_is_a_kind_of_its_own() -> None:
    found = _published()
    assert found["drift_active", *DRIFTS, "estimate"] == 1
    assert ("drift_active", *QUIET, "estimate") not in found
    assert ("drift_e_value", *DRIFTS, "estimate") not in found


def test_an_effect_is_published_with_bounds_while_a_model_drifts() -> None:
    found = _published()
    lower, value, upper = (found[f"drift_effect_ratio{end}", *DRIFTS] for end in ("_lower", "", "_upper"))
    assert value == pytest.approx(-0.05)
    assert lower == pytest.approx(-0.0696, abs=1e-4)
    assert upper == pytest.approx(-0.0304, abs=1e-4)
    assert ("drift_effect_ratio", *QUIET) not in found


def test_training_is_recommended_with_its_reason_and_gain() -> None:
    found = _published()
    assert found["retraining_recommended", *DRIFTS, "baseline"] == 1
    assert found["retraining_recommended", *DRIFTS, "floor"] == 0
    assert found["retraining_gain_decisions", *DRIFTS] == 500
    assert found["retraining_confidence_ratio", *DRIFTS] == 0.97
    assert found["retraining_confidence_ratio", *QUIET] == 0
    assert ("retraining_gain_decisions", *QUIET) not in found


def test_words_have_the_numbers() -> None:
    said = words(_report(), _advice(), 0, *DRIFTS)
    assert said.summary == "lead-score 2 decides right in 85.0% of all cases; the accuracy that it had is 90.0%."
    assert said.since == "about 2023-11-14 22:13 UTC"
    assert said.effect == "-5.0 points of accuracy (-7.0 to -3.0)"
    assert said.reason.startswith("baseline: e-value 2e+03, limit 100, from 1000 settled decisions.")
    assert said.recommendation == ("Train it anew: expected to bring 500 more right decisions a month, worth 1,500 in "
                                   "the reporting currency. That it pays has a probability of 97%.")


def test_words_say_when_training_is_not_sure_to_pay() -> None:
    said = words(_report(), _advice(NO_REASON), 0, *DRIFTS)
    assert said.recommendation.startswith("No training yet: that it pays has a probability of 97%.")

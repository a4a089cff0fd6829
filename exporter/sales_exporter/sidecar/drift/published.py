"""Metrics of drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sales_exporter.model import Sample, gauge
from sales_exporter.sidecar.drift.advice import Advice
from sales_exporter.sidecar.drift.early import ESTIMATE, Early
from sales_exporter.sidecar.drift.report import FLOOR, KINDS, DriftReport

E_VALUE = gauge(
    "sales_drift_e_value", "Evidence that the model's accuracy dropped, against its stated floor or against what it "
    "used to be. In the mean not above the months watched while nothing drifts; absent for a floor that is not stated. "
    "The baseline's is 0 until eleven days with labels show how much days differ anyway.",
    "model", "version", "kind",
)
LIMIT = gauge("sales_drift_e_value_limit", "E-value from which on there is drift, by the stated rate of false alarms.")
ACTIVE = gauge(
    "sales_drift_active", "1 while the model drifts: from the limit on, until the e-value has been below a tenth of it "
    "for one maturity period. Of the kind estimate: labels are pending, and scores alone let expect that.",
    "model", "version", "kind",
)
EFFECT = gauge(
    "sales_drift_effect_ratio", "Accuracy since the drift began less accuracy before it (or the floor, if only that is "
    "missed); absent while the model does not drift.", "model", "version",
)
EFFECT_LOWER = gauge("sales_drift_effect_ratio_lower", "Lower 95 % bound of the same.", "model", "version")
EFFECT_UPPER = gauge("sales_drift_effect_ratio_upper", "Upper 95 % bound of the same.", "model", "version")
RECOMMENDED = gauge(
    "sales_retraining_recommended", "1 while training the model anew is expected to pay, by the reason: what it lost "
    "of the accuracy that is asked of it, or that it had. Stays for one maturity period at least.",
    "model", "version", "reason",
)
GAIN = gauge(
    "sales_retraining_gain_decisions", "Right decisions more a month if the model were as good as before; absent while "
    "it does not drift.", "model", "version",
)
CONFIDENCE = gauge(
    "sales_retraining_confidence_ratio", "Probability that training pays for itself in the stated time; 0 while the "
    "model does not drift.", "model", "version",
)
METRICS = (E_VALUE, LIMIT, ACTIVE, EFFECT, EFFECT_LOWER, EFFECT_UPPER, RECOMMENDED, GAIN, CONFIDENCE)


def samples(
    report: DriftReport, advice: Advice, expected: Early, models: Sequence[tuple[str, str]], floors: Sequence[float]
) -> Iterator[Sample]:
    """Of streams with these names and versions, and the floors that they have (NaN: none)."""
    yield LIMIT(report.limit)
    for row, (model, version) in enumerate(models):
        labels = {"model": model, "version": version}
        for column, kind in enumerate(KINDS):
            if kind != FLOOR or not np.isnan(floors[row]):
                yield E_VALUE(report.e[row, column], kind=kind, **labels)
                yield ACTIVE(report.active[row, column], kind=kind, **labels)
                yield RECOMMENDED(advice.reason[row] == column, reason=kind, **labels)
        if not np.isnan(expected.expected[row]):
            yield ACTIVE(expected.active[row], kind=ESTIMATE, **labels)
        drifts = bool(report.active[row].any())
        yield CONFIDENCE(advice.confidence[row] if drifts else 0.0, **labels)
        if drifts:
            yield from _effect(report, advice, row, labels)


def _effect(report: DriftReport, advice: Advice, row: int, labels: dict[str, str]) -> Iterator[Sample]:
    loss = report.loss
    lower, upper = loss.bounds
    if np.isfinite(loss.size[row]):
        yield EFFECT(-loss.size[row], **labels)
        yield EFFECT_LOWER(-upper[row], **labels)
        yield EFFECT_UPPER(-lower[row], **labels)
    if np.isfinite(advice.gain[row]):
        yield GAIN(advice.gain[row], **labels)

"""Whether models hold: how far scores moved, the evidence that accuracy dropped, and what new decisions promise."""

from __future__ import annotations

from grafana.source.boards.models.asked import (
    NO_SIDECAR,
    VERSION,
    found,
    said,
)
from grafana.source.boards.models.headline import KOLMOGOROV, PSI
from grafana.source.panels import BLUE, ORANGE, POINTS, TEXT, Figure, Say, rows
from grafana.source.plots import by_label
from grafana.source.promql import placed, points
from grafana.source.sdk import model, units

TOO_FEW = "Needs 100 predictions of the last 7 days and of a version's first 30 days: fill sales.model_predictions"


def psi() -> model.Panel:
    return by_label(
        Say(16, "Scores moved: PSI",
            "Population stability index of the scores of the last 7 days against the version's first 30 days, over "
            "deciles of the latter. Above the dashed line the alert SalesModelScoreDrift begins. It says that scores "
            "moved, not that the model is wrong.",
            TOO_FEW),
        units.Short, (said("sales_model_score_psi"), VERSION), decimals=2, many=False, limit=f"vector({PSI})")


def kolmogorov() -> model.Panel:
    return by_label(
        Say(17, "Scores moved: KS",
            "Largest distance of the distribution functions of the scores of the last 7 days and of the first 30 days "
            "(Kolmogorov-Smirnov). Above the dashed line, and with p below 0.001, the alert SalesModelScoresMoved "
            "begins.",
            TOO_FEW),
        units.Short, (said("sales_model_score_ks_statistic"), VERSION), decimals=2, many=False,
        limit=f"vector({KOLMOGOROV})")


def evidence() -> model.Panel:
    return by_label(
        Say(18, "Evidence of drift",
            "E-value of the sidecar's test that accuracy dropped, by version and by what it is held against: its own "
            "past (baseline) or the floor that you stated. Labels of whole days only. From the dashed limit on there "
            "is drift; the limit keeps the false alarms to the stated rate however often one looks. The axis is "
            "logarithmic, and 0, no evidence at all, is not on it.",
            NO_SIDECAR),
        units.Short, (f"{found('sales_drift_e_value', 'kind')} > 0", f"{VERSION}, {{{{kind}}}}"), decimals=1,
        many=False, limit=f"max({placed('sales_drift_e_value_limit')})", log=True)


def verdicts() -> model.Panel:
    def whole(expr: str) -> str:
        return f"max by (model, version) ({expr})"

    return rows(
        Say(19, "Drift and retraining",
            "By version: 1 while it drifts on labels; the accuracy since the drift began less that before it, with 95 "
            "% bounds, empty while it does not drift; 1 when training anew is advised, how sure that it pays, and the "
            "right decisions more a month that it gains.",
            NO_SIDECAR),
        {"model": "Model", "version": "Version"},
        Figure("Drifts", whole(found("sales_drift_active", kind="!estimate")), units.NoUnit, 0,
               ((0.0, TEXT), (1.0, ORANGE)), width=65),
        Figure("Effect", f"100 * {found('sales_drift_effect_ratio')}", POINTS, 1, width=77),
        Figure("From", f"100 * {found('sales_drift_effect_ratio_lower')}", POINTS, 1, width=77),
        Figure("To", f"100 * {found('sales_drift_effect_ratio_upper')}", POINTS, 1, width=77),
        Figure("Train", whole(found("sales_retraining_recommended")), units.NoUnit, 0,
               ((0.0, TEXT), (1.0, ORANGE)), width=60),
        Figure("Pays", found("sales_retraining_confidence_ratio"), units.PercentUnit, 0, width=60),
        Figure("Gain", found("sales_retraining_gain_decisions"), units.LocaleFormat, 0, width=60), sort="Drifts")


def estimated() -> model.Panel:
    estimate, baseline = said("sales_model_estimated_accuracy_ratio"), said("sales_model_baseline_accuracy_ratio")
    return rows(
        Say(20, "Expected accuracy, without labels",
            "What the decisions of the last 7 whole days are expected to turn out to have, from scores calibrated on "
            "mature labels, with 95 % bounds from the errors of such estimates in past weeks; 'error' is their mean. "
            "'Over baseline' below 0 with the upper bound too is what the alert SalesModelEstimatedBelowBaseline "
            "waits for.",
            "Needs mature labels: they calibrate the scores; fill sales.model_predictions and sales.model_outcomes"),
        {"model": "Model", "version": "Version"},
        Figure("Expected", estimate, units.PercentUnit, 1, width=90),
        Figure("From", said("sales_model_estimated_accuracy_ratio_lower"), units.PercentUnit, 1, width=75),
        Figure("To", said("sales_model_estimated_accuracy_ratio_upper"), units.PercentUnit, 1, width=75),
        Figure("Error", said("sales_model_estimated_accuracy_error_ratio"), units.PercentUnit, 1, width=75),
        Figure("Over baseline", points(estimate, baseline), POINTS, 1, ((-1e9, ORANGE), (0.0, BLUE)), width=115),
        sort="Expected", descending=False)


def distance() -> model.Panel:
    return by_label(
        Say(21, "Scores moved: mean distance",
            "How far scores moved in the mean (Wasserstein distance), from 0 to 1, by version. An effect to look at: "
            "0.05 means that scores lie five points from where they were. No alert waits for it.",
            TOO_FEW),
        units.Short, (said("sales_model_score_distance"), VERSION), decimals=3, many=False)

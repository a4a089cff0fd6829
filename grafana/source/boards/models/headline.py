"""The first two rows: eight numbers over the chosen models, the worst version where a mean would hide it."""

from __future__ import annotations

from grafana.source.boards.models.asked import (
    BY,
    CHOSEN,
    LEAST,
    NO_LABELS,
    NO_SIDECAR,
    decided,
    enough,
    found,
    labels,
    mean,
    right,
    said,
)
from grafana.source.panels import BLUE, ORANGE, POINTS, Figure, Say, stats
from grafana.source.promql import counted, growth, placed, points, ratio, reach
from grafana.source.sdk import model, units

WEEK, AGAINST = "7d", "vs 7 d ago"
PSI, KOLMOGOROV, OFF = 0.25, 0.2, 10
"""Where the alerts SalesModelScoreDrift, SalesModelScoresMoved and SalesModelMiscalibrated begin."""


def accuracy() -> model.Panel:
    baseline = mean("sales_model_baseline_accuracy_ratio")
    return stats(
        Say(1, "Accuracy, 30 d",
            "Right decisions of all whose label became mature in the last 30 days, the chosen models together, with "
            "half the width of the 95 % interval. 'over baseline' is what that is above always naming the larger class "
            "of each version; at or below 0 the models are worth nothing, however high the accuracy.",
            NO_LABELS),
        Figure("accuracy", ratio(right(), decided()), units.PercentUnit, 1),
        Figure("over baseline", points(ratio(right(), decided()), baseline), POINTS, 1, ((-1e9, ORANGE), (1e-9, BLUE))),
        Figure("± 95 %", reach(right(), decided()), POINTS, 1),
    )


def ranking() -> model.Panel:
    return stats(
        Say(2, "AUC, lowest",
            "How well scores rank: the chance that one that came true was scored above one that did not, of the "
            f"version where it is lowest, with its 95 % interval. Only versions with more than {LEAST} mature labels. "
            "Orange when the lower bound is not above 0.5, a coin, as the alert.",
            NO_LABELS),
        Figure("AUC", f"min({enough(said('sales_model_auc_ratio'))})", units.Short, 3),
        Figure("from", f"min({enough(said('sales_model_auc_ratio_lower'))})", units.Short, 3,
               ((0.0, ORANGE), (0.5, BLUE))),
        Figure("to", f"min({enough(said('sales_model_auc_ratio_upper'))})", units.Short, 3),
    )


def calibration() -> model.Panel:
    off = f"100 * abs({said('sales_model_mean_score_ratio')} - {said('sales_model_base_rate_ratio')})"
    return stats(
        Say(3, "Calibration, worst",
            "Distance of the mean score from the share that came true, of the version where it is largest, and its "
            f"calibration error over ten bins of scores. Only versions with more than {LEAST} mature labels. From "
            f"{OFF} points orange, as the alert.",
            NO_LABELS),
        Figure("off", f"max({enough(off)})", POINTS, 1, ((0.0, BLUE), (OFF, ORANGE))),
        Figure("error", f"max({enough(said('sales_model_calibration_error_ratio'))})", units.PercentUnit, 1),
    )


def drifting() -> model.Panel:
    evidence = f"max({found('sales_drift_e_value', 'kind')})"
    limit = f"max({placed('sales_drift_e_value_limit')})"
    return stats(
        Say(4, "Drift",
            "Versions whose accuracy dropped by the sidecar's test on labels, and the strongest evidence divided by "
            "its limit: from 1 on there is drift. PSI is the largest stability index of scores: how far they moved; "
            f"from {PSI} orange, as the alert. Moved scores alone do not mean that a model is wrong.",
            NO_SIDECAR),
        Figure("versions", f"sum({found('sales_drift_active', kind='!estimate')})", units.LocaleFormat, 0,
               ((0.0, BLUE), (1.0, ORANGE))),
        Figure("times limit", f"{evidence} / {limit}", units.Short, 1, ((0.0, BLUE), (1.0, ORANGE))),
        Figure("PSI", f"max({enough(said('sales_model_score_psi'))})", units.Short, 2,
               ((0.0, BLUE), (PSI, ORANGE))),
    )


def known() -> model.Panel:
    return stats(
        Say(5, "Labels, 30 d",
            "Predictions whose label became mature in the last 30 days, which is what all figures of quality rest on, "
            "and predictions of any age whose label is not known yet. Versions: those with enough mature labels "
            f"(more than {LEAST}) for the alerts to judge them.",
            NO_LABELS),
        Figure("mature", labels(), units.LocaleFormat, 0),
        Figure("pending", labels(state="pending"), units.LocaleFormat, 0),
        Figure("versions", f"count({labels(*BY)} > {LEAST})", units.LocaleFormat, 0),
    )


def predictions() -> model.Panel:
    def day(offset: str = "") -> str:
        return counted("sales_model_predictions_total", over="1d", offset=offset, **CHOSEN)

    return stats(
        Say(6, "Predictions, 1 d",
            "Predictions in the database that the chosen models made in the last 24 hours, and the change against "
            "the same 24 hours a week earlier.",
            "No predictions in a day: fill sales.model_predictions, or use the recorder (docs/instrumentation.md)"),
        Figure("made", day(), units.LocaleFormat, 0),
        Figure(AGAINST, growth(day(), day(WEEK)), units.PercentUnit),
    )


def expected() -> model.Panel:
    return stats(
        Say(7, "Expected accuracy, 7 d",
            "What the decisions of the last 7 whole days are expected to turn out to have, before their labels "
            "arrive, from calibrated scores: the version where it is lowest, with its 95 % bounds. It is blind to a "
            "change of what scores mean until labels show it.",
            "Needs mature labels: they calibrate the scores; fill sales.model_predictions and sales.model_outcomes"),
        Figure("lowest", f"min({enough(said('sales_model_estimated_accuracy_ratio'))})", units.PercentUnit, 1),
        Figure("from", f"min({enough(said('sales_model_estimated_accuracy_ratio_lower'))})", units.PercentUnit, 1),
        Figure("to", f"min({enough(said('sales_model_estimated_accuracy_ratio_upper'))})", units.PercentUnit, 1),
    )


def retraining() -> model.Panel:
    paying = f"max({found('sales_retraining_confidence_ratio')})"
    return stats(
        Say(8, "Retraining",
            "Versions of which the sidecar expects that training anew pays, the highest probability that it does "
            "within the stated time, and the right decisions more a month that it would bring (0 while nothing "
            "drifts).",
            NO_SIDECAR),
        Figure("advised", f"sum({found('sales_retraining_recommended')})", units.LocaleFormat, 0,
               ((0.0, BLUE), (1.0, ORANGE))),
        Figure("pays with", paying, units.PercentUnit, 0),
        Figure("gain a month", f"sum({found('sales_retraining_gain_decisions')}) or 0 * {paying}",
               units.LocaleFormat, 0),
    )

"""Quality on mature labels: versions side by side, over time, and what their decisions came to."""

from __future__ import annotations

from grafana.source import plots
from grafana.source.boards.models.asked import (
    BY,
    CHOSEN,
    NO_LABELS,
    VERSION,
    decided,
    labels,
    mean,
    right,
    said,
)
from grafana.source.bounds import wilson
from grafana.source.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    POINTS,
    SKY,
    TEXT,
    Figure,
    Line,
    Say,
    lines,
    linked,
    rows,
)
from grafana.source.plots import by_label
from grafana.source.promql import hourly, points, ratio
from grafana.source.sdk import model, units
from grafana.source.shapes import ranges

MATURE = ("Of the predictions whose label became mature in the 30 days before. A label is mature when its horizon has "
          "passed or a final outcome came.")


def versions() -> model.Panel:
    def ratio_of(title: str, name: str, width: int) -> Figure:
        return Figure(title, said(f"sales_model_{name}_ratio"), units.PercentUnit, 1, width=width)

    over = points(said("sales_model_accuracy_ratio"), said("sales_model_baseline_accuracy_ratio"))
    panel = rows(
        Say(9, "Versions compared, 30 d",
            f"{MATURE} Accuracy means nothing without its baseline, always naming the larger class: 'over baseline' is "
            "the difference in points. AUC: the chance that one that came true was scored above one that did not. "
            "Brier: mean squared distance of score and label, 0 is perfect. Calibration: mean distance of score and "
            "share that came true over ten bins. PSI: how far the scores of the last week are from the first month's.",
            NO_LABELS),
        {"model": "Model", "version": "Version"},
        Figure("Labels", labels(*BY), units.LocaleFormat, 0, width=75),
        Figure("Pending", labels(*BY, state="pending"), units.LocaleFormat, 0, width=80),
        ratio_of("Accuracy", "accuracy", 90),
        Figure("Over baseline", over, POINTS, 1, ((-1e9, ORANGE), (1e-9, TEXT)), width=115),
        ratio_of("Precision", "precision", 90), ratio_of("Recall", "recall", 80), ratio_of("F1", "f1", 70),
        Figure("AUC", said("sales_model_auc_ratio"), units.Short, 3, width=75),
        Figure("Brier", said("sales_model_brier_score"), units.Short, 3, width=75),
        ratio_of("Calibration", "calibration_error", 100),
        Figure("PSI", said("sales_model_score_psi"), units.Short, 2, ((0.0, TEXT), (0.25, ORANGE)), width=70),
        sort="Labels")
    alone = "/d/sales-models?var-cluster=$cluster&var-tenant=$tenant&${__url_time_range}"
    linked(panel, "Model", "Only this model", f"{alone}&var-model=${{__value.text}}")
    return linked(panel, "Version", "Only this version", f"{alone}&var-version=${{__value.text}}")


def accuracy() -> model.Panel:
    low, high = wilson(right(), decided())
    baseline = mean("sales_model_baseline_accuracy_ratio")
    return lines(
        Say(10, "Accuracy and its baseline, rolling 30 d",
            f"{MATURE} All chosen models and versions together, with the 95 % interval (Wilson), against always naming "
            "the larger class of each version. Choose one version above to see it alone.",
            NO_LABELS),
        units.PercentUnit,
        Line("Accuracy", ratio(right(), decided()), BLUE, lower=low, upper=high),
        Line("Larger class", baseline, PINK, dashed=True), points=plots.POINTS)


def intervals() -> model.Panel:
    def named(suffix: str) -> str:
        return f'label_join({said(f"sales_model_accuracy_ratio{suffix}")}, "which", " ", "model", "version")'

    def of(suffix: str) -> str:
        return f"sum by (which) ({named(suffix)})"

    return ranges(
        Say(11, "Accuracy by version, 95 % interval",
            f"{MATURE} From the lower bound to the accuracy in one colour, from there to the upper bound in the next. "
            "Where two spans overlap, the versions cannot be told apart. The figures are in the table above.",
            NO_LABELS),
        "which", units.PercentUnit, Line("lower bound", of("_lower"), GREY), Line("up to the accuracy", of(""), BLUE),
        Line("up to the upper bound", of("_upper"), SKY), sort="lower bound")


def precision() -> model.Panel:
    true = decided(predicted="positive", actual="positive")
    chosen, happened = decided(predicted="positive"), decided(actual="positive")
    return lines(
        Say(12, "Precision and recall",
            f"{MATURE} Precision: of the positive decisions, the share that came true. Recall: of what came true, the "
            "share that was found. F1: their harmonic mean. All chosen models and versions together.",
            NO_LABELS),
        units.PercentUnit, Line("Precision", ratio(true, chosen), BLUE), Line("Recall", ratio(true, happened), ORANGE),
        Line("F1", f"2 * {ratio(true, f'({chosen} + {happened})')}", GREEN, dashed=True),
        points=plots.POINTS)


def decisions() -> model.Panel:
    def came(actual: str) -> str:
        return decided("predicted", actual=actual)

    return rows(
        Say(13, "Decisions and what came true",
            f"{MATURE} Rows: what was decided. Columns: how many came true and how many did not, and the share that "
            "was right. Of all chosen models and versions together.",
            NO_LABELS),
        {"predicted": "Decided"},
        Figure("Came true", came("positive"), units.LocaleFormat, 0),
        Figure("Did not", came("negative"), units.LocaleFormat, 0),
        Figure("Right", ratio(f'({decided("predicted", predicted="positive", actual="positive")} or '
                              f'{decided("predicted", predicted="negative", actual="negative")})',
                              decided("predicted")), units.PercentUnit, 1),
        sort="Decided")


def scored() -> model.Panel:
    came = decided(actual="positive")
    low, high = wilson(came, decided())
    return lines(
        Say(14, "Mean score and what came true",
            f"{MATURE} The mean score against the share that came true with its 95 % interval, of all chosen models "
            "and versions. Scores are probabilities when the two lines are close at all times.",
            NO_LABELS),
        units.PercentUnit, Line("Mean score", mean("sales_model_mean_score_ratio"), BLUE),
        Line("Came true", ratio(came, decided()), ORANGE, lower=low, upper=high), points=plots.POINTS)


def calibrated() -> model.Panel:
    off = f"abs({said('sales_model_mean_score_ratio')} - {said('sales_model_base_rate_ratio')})"
    return by_label(
        Say(15, "Distance of score and truth",
            f"{MATURE} Distance of the mean score from the share that came true, by version, in points. Above the "
            "dashed line the alert SalesModelMiscalibrated begins.",
            NO_LABELS),
        POINTS, (f"100 * {off}", VERSION), many=False, limit="vector(10)")


def volume() -> model.Panel:
    return by_label(
        Say(23, "Predictions an hour",
            "Predictions in the database, as an hourly rate of each step of the plot (an hour at least), by model and "
            "version. A new version takes over where the old one ends.",
            "No predictions in this time range: fill sales.model_predictions"),
        units.LocaleFormat, (hourly("sales_model_predictions_total", *BY, **CHOSEN), VERSION), interval="1h",
        many=False)


def pending() -> model.Panel:
    return by_label(
        Say(24, "Labels that are pending",
            "Predictions whose label is not known yet, by model and version. It climbs when outcomes no longer arrive, "
            "or when more is predicted than before.",
            "No predictions yet: fill sales.model_predictions"),
        units.LocaleFormat, (labels(*BY, state="pending"), VERSION), decimals=0, many=False)

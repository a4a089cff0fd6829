"""Models: how good each version's scores turned out, on labels that have matured, and whether its scores have moved."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from sales_exporter.collectors import Collector, Context
from sales_exporter.collectors.cardinality import OTHER, TopK
from sales_exporter.collectors.ratios import Ratio, ratio
from sales_exporter.collectors.shifts import METRICS as SHIFTS
from sales_exporter.collectors.shifts import Shifts, moved
from sales_exporter.collectors.versions import Version, Weeks, predictions, versions
from sales_exporter.model import Definition, Metric, Sample, counter, gauge
from sales_exporter.stats.classification import (
    Confusion,
    auc,
    calibration_error,
    kolmogorov_smirnov,
    population_stability_index,
)
from sales_exporter.stats.estimated_accuracy import UNDEFINED, EstimatedAccuracy, estimated_accuracy
from sales_exporter.stats.intervals import LEVEL
from sales_exporter.stats.special import stdtrit

LEAST_FOR_DRIFT = 100
"""Predictions that each side of the score PSI needs: below, its noise looks like movement."""

_MATURE = Definition(
    unit="predictions with a score from 0 to 1",
    entry="the label is mature: before the full hour (UTC) that the moment of evaluation lies in, the horizon has "
    "passed (no outcome by then is a 0), or a final outcome came before that",
    order="the latest outcome of the subject from the prediction to the moment of evaluation",
    window="labels that matured in the 30 days before that hour", unfinished="pending labels count in no ratio",
)
_ALL = Definition(
    unit="predictions", entry="predicted before the moment of evaluation", order="each once", window="all time",
    unfinished="labels are not needed",
)
_SCORES = Definition(
    unit="predictions with a score from 0 to 1", entry="predicted before the moment of evaluation", order="each once",
    window="from the reporting day that holds as_of - 7 d to as_of, against the version's first 30 reporting days, as "
    "far as they are before that",
    unfinished="labels are not needed",
)
_ESTIMATED = Definition(
    unit="predictions with a score from 0 to 1", entry="predicted in the last 7 whole reporting days",
    order="labels by the latest outcome, of whole weeks of predictions that are all mature",
    window="the last 13 mature weeks to learn from, mature weeks of the last 53 for the error",
    unfinished="absent once the labels of the 7 days are mature, and below 4 past estimates from 200 labels each",
)
_SETTLED = Definition(
    unit="predictions with a score from 0 to 1",
    entry="their whole reporting day is over, and the labels of all predictions of the version on it are mature before "
    "the reporting day of evaluation",
    order="the latest outcome of the subject from the prediction to the moment of evaluation", window="all time",
    unfinished="a day of which one label is pending counts not at all: labels that come early are no fair sample",
)
_BY = ("model", "version")


def _mature(name: str, text: str) -> Metric:
    return gauge(name, text, *_BY, definition=_MATURE)


def _share(name: str, text: str) -> Ratio:
    return ratio(name, text, *_BY, definition=_MATURE)


PREDICTIONS = counter("sales_model_predictions_total", "Predictions made.", *_BY, definition=_ALL)
LABELS = gauge(
    "sales_model_labels", "Mature: labels that matured in the last 30 days, the n of all ratios of the version. "
    "Pending: predictions whose label is not known yet, of any age.", *_BY, "state", definition=_MATURE,
)
DECISIONS = gauge(
    "sales_model_decisions", "Mature predictions by decision (positive: score at or above the threshold, 0.5 if none "
    "was recorded) and by what came true: what accuracy, precision and recall are made of.",
    *_BY, "predicted", "actual", definition=_MATURE,
)
SETTLED = gauge(
    "sales_model_settled_decisions", "Running total of decisions of days that are settled, by decision and by what "
    "came true. Its differences are fair samples of the accuracy, whatever the age at which labels come. An outcome "
    "that is corrected can lower it, so it is no counter: take delta or the difference to an offset, not increase.",
    *_BY, "predicted", "actual", definition=_SETTLED,
)
ACCURACY = _share("sales_model_accuracy_ratio", "Right decisions of all. Means nothing without its baseline.")
BASELINE = _share(
    "sales_model_baseline_accuracy_ratio", "Accuracy of always deciding for the larger class of the same labels.",
)
PRECISION = _share("sales_model_precision_ratio", "Positive decisions that came true; absent without one.")
RECALL = _share("sales_model_recall_ratio", "Found of what came true; absent when nothing did.")
F1 = _share("sales_model_f1_ratio", "Harmonic mean of precision and recall; bounds by Wilson on TP / (TP + FP + FN).")
AUC = _share(
    "sales_model_auc_ratio", "Probability that a positive is scored above a negative, ties half; scores that agree to "
    "1/10000 are ties. DeLong bounds on the logit scale. Absent while either class is missing.",
)
BRIER = _mature("sales_model_brier_score", "Mean squared distance of the score from the label; 0 is perfect.")
CALIBRATION = _mature(
    "sales_model_calibration_error_ratio", "Mean distance of the mean score from the share that came true over 10 bins "
    "of equal width, the last closed, weighted by size. Never negative, so few labels alone raise it; no bounds.",
)
MEAN_SCORE = _mature(
    "sales_model_mean_score_ratio", "Mean score of the mature predictions. Scores are known exactly, so it has no "
    "bounds; compare with sales_model_base_rate_ratio.",
)
BASE_RATE = _share("sales_model_base_rate_ratio", "Share of the mature labels that are positive.")
PSI = gauge(
    "sales_model_score_psi", "Population stability index of the scores of the last 7 days against the version's "
    "first 30 days, over deciles of the latter. Absent below 100 predictions on either side.", *_BY, definition=_SCORES,
)
KS = gauge(
    "sales_model_score_ks_statistic", "Largest distance of the distribution functions of the scores of the last 7 days "
    "and of the version's first 30 days (Kolmogorov-Smirnov), from 1,000 bins. Absent where the score PSI is.", *_BY,
    definition=_SCORES,
)
KS_P = gauge(
    "sales_model_score_ks_p_value", "Probability of a distance at least as large if nothing had moved. With many "
    "predictions small for differences that do not matter: look at the statistic.", *_BY, definition=_SCORES,
)
SCORES = gauge(
    "sales_model_scores", "Predictions on either side of the score PSI: reference and current.", *_BY, "part",
    definition=_SCORES,
)
ESTIMATED = ratio(
    "sales_model_estimated_accuracy_ratio", "Accuracy that the decisions of the last 7 whole days are expected to turn "
    "out to have, before their labels arrive, from scores calibrated on mature labels. Blind to a change of what "
    "scores mean until labels show it. Bounds from the errors of the same estimate in past weeks; absent without them.",
    *_BY, definition=_ESTIMATED,
)
ESTIMATE_ERROR = gauge(
    "sales_model_estimated_accuracy_error_ratio", "Mean absolute difference between the estimates made in this way for "
    "past weeks and the accuracy that came out.", *_BY, definition=_ESTIMATED,
)


class Models(Collector):
    """Scores and labels of each version, counted in bins."""

    name = "models"
    interval = 60.0
    metrics = (
        PREDICTIONS, LABELS, DECISIONS, SETTLED, *ACCURACY.metrics, *BASELINE.metrics, *PRECISION.metrics,
        *RECALL.metrics, *F1.metrics, *AUC.metrics, BRIER, CALIBRATION, MEAN_SCORE, *BASE_RATE.metrics, PSI, KS, KS_P,
        SCORES, *SHIFTS, *ESTIMATED.metrics, ESTIMATE_ERROR,
    )
    reads = ("model_predictions", "model_outcomes")
    folds = ("predictions",)

    def __init__(self) -> None:
        self.top = TopK("model", 1)
        self._shifts = Shifts()
        self._estimates: dict[str, tuple[bytes, EstimatedAccuracy]] = {}

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """Quality of the busiest versions; the others share the counts of ``(other)``."""
        totals = predictions(ctx.ledger)
        self._choose(totals, ctx.business.model_limit)
        kept = [key for key in totals if self.top(key) == key]
        found = await asyncio.to_thread(versions, ctx.ledger, kept, totals, ctx.now)
        apart = found[: len(kept)]
        estimates = await asyncio.to_thread(self._estimated, apart)
        shifts = await asyncio.to_thread(self._shifts.of, apart)
        return [
            *chain.from_iterable(quality(version) for version in apart),
            *chain.from_iterable(outlook(version, estimates[version.key]) for version in apart),
            *chain.from_iterable(moved(version, shifts[version.key]) for version in apart),
            *folded(found[len(kept) :]),
        ]

    def _choose(self, totals: Mapping[str, int], limit: int) -> None:
        if self.top.limit != limit:
            self.top = TopK("model", limit)
        self.top.rank(totals)

    def _estimated(self, kept: Iterable[Version]) -> dict[str, EstimatedAccuracy]:
        """Weeks change once a day and with late labels, and each estimate takes a hundred calibrations: keep it."""
        known, self._estimates = self._estimates, {}
        for version in kept:
            if version.weeks is not None:
                before, digest = known.get(version.key), version.weeks.digest
                same = before is not None and before[0] == digest
                found = before[1] if before is not None and same else estimated(version.weeks)
                self._estimates[version.key] = (digest, found)
        return {key: found for key, (_, found) in self._estimates.items()}


def quality(version: Version) -> Iterator[Sample]:
    """All samples of one version; what its labels cannot define is left out, the counts are not."""
    labels, decisions = version.labels, version.decisions
    yield from counts(labels, version.predictions, decisions, version.pending)
    yield from by_decision(SETTLED, version.settled, labels)
    for metric, estimate in (
        (ACCURACY, decisions.accuracy), (BASELINE, decisions.baseline), (PRECISION, decisions.precision),
        (RECALL, decisions.recall), (F1, decisions.f1), (BASE_RATE, decisions.base_rate),
        (AUC, auc(version.positives, version.negatives)),
    ):
        yield from metric(*estimate, **labels)
    if decisions.total:
        yield BRIER(version.squares / decisions.total, **labels)
        yield MEAN_SCORE(float(version.scores.sum()) / decisions.total, **labels)
        yield CALIBRATION(calibration_error(version.positives, version.negatives, version.scores), **labels)
    yield from drift(version)


def drift(version: Version) -> Iterator[Sample]:
    """Score PSI and Kolmogorov-Smirnov test, with the sizes of their two sides."""
    sizes = {"reference": version.reference.sum(), "current": version.current.sum()}
    for part, size in sizes.items():
        yield SCORES(float(size), part=part, **version.labels)
    if min(sizes.values()) >= LEAST_FOR_DRIFT:
        yield PSI(population_stability_index(version.reference, version.current), **version.labels)
        test = kolmogorov_smirnov(version.reference, version.current)
        yield KS(test.statistic, **version.labels)
        yield KS_P(test.p_value, **version.labels)


def outlook(version: Version, found: EstimatedAccuracy) -> Iterator[Sample]:
    """Estimated accuracy of the last week, with its record; nothing while the record is too short."""
    if found.periods:
        yield from ESTIMATED(*with_bounds(found), **version.labels)
        yield ESTIMATE_ERROR(found.error, **version.labels)


def estimated(weeks: Weeks) -> EstimatedAccuracy:
    """From the weeks whose labels are mature, for the last week; undefined when its labels are all mature too."""
    if weeks.mature == 0:
        return UNDEFINED
    past, last = weeks.past, weeks.last
    return estimated_accuracy(past[0], past[1], past[2], last[0], last[1], weeks.mature)


def with_bounds(found: EstimatedAccuracy) -> tuple[float, float, float]:
    """Estimate with bounds from its own record.

    Normal errors around 0 with this mean size have a deviation of error * sqrt(pi / 2); as it is known from few weeks
    only, Student's t with as many degrees of freedom takes the place of the normal quantile.
    """
    reach = float(stdtrit(found.periods, (1 + LEVEL) / 2)) * found.error * math.sqrt(math.pi / 2)
    return found.value, max(0.0, found.value - reach), min(1.0, found.value + reach)


def counts(labels: dict[str, str], predictions: int, decisions: Confusion, pending: int) -> Iterator[Sample]:
    """Predictions, labels and decisions, zeros too."""
    yield PREDICTIONS(predictions, **labels)
    yield LABELS(decisions.total, state="mature", **labels)
    yield LABELS(pending, state="pending", **labels)
    yield from by_decision(DECISIONS, decisions, labels)


def by_decision(metric: Metric, decisions: Confusion, labels: dict[str, str]) -> Iterator[Sample]:
    """Counts by decision and label, zeros too."""
    yield metric(decisions.true_positive, predicted="positive", actual="positive", **labels)
    yield metric(decisions.false_positive, predicted="positive", actual="negative", **labels)
    yield metric(decisions.false_negative, predicted="negative", actual="positive", **labels)
    yield metric(decisions.true_negative, predicted="negative", actual="negative", **labels)


def folded(rest: Sequence[Version]) -> Iterator[Sample]:
    """Counts of the versions beyond the limit, added up; a quality of different models together means nothing."""
    if rest:
        total = sum((version.decisions for version in rest), Confusion(0, 0, 0, 0))
        yield from counts(
            {"model": OTHER, "version": OTHER}, sum(v.predictions for v in rest), total, sum(v.pending for v in rest)
        )

"""Models: how good each version's scores turned out, on labels that have matured, and whether its scores have moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from sales_exporter.collectors import Collector, Context, Row
from sales_exporter.collectors.cardinality import OTHER, TopK, label
from sales_exporter.collectors.ratios import Ratio, ratio
from sales_exporter.model import Definition, Metric, Sample, counter, gauge
from sales_exporter.stats.classification import (
    Confusion,
    Floats,
    auc,
    calibration_error,
    population_stability_index,
)

LABEL_DAYS, CURRENT_DAYS, REFERENCE_DAYS = 30, 7, 30
BINS = 10_000
"""Bins of equal width over 0..1 that scores are counted in; scores of one bin are ties to the AUC."""
PSI_BINS = 1_000
"""The same for the score PSI, which joins them to deciles."""
LEAST_FOR_PSI = 100
"""Predictions that each side of the score PSI needs: below, its noise looks like movement."""

_MATURE = Definition(
    unit="predictions with a score from 0 to 1",
    entry="the label is mature: the horizon has passed (no outcome by then is a 0), or a final outcome came before",
    order="the latest outcome of the subject from the prediction to the moment of evaluation",
    window="labels that matured in the last 30 days", unfinished="pending labels count in no ratio",
)
_ALL = Definition(
    unit="predictions", entry="predicted before the moment of evaluation", order="each once", window="all time",
    unfinished="labels are not needed",
)
_SCORES = Definition(
    unit="predictions with a score from 0 to 1", entry="predicted before the moment of evaluation", order="each once",
    window="[as_of - 7 d, as_of) against the version's first 30 days, as far as they are before that",
    unfinished="labels are not needed",
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
SCORES = gauge(
    "sales_model_scores", "Predictions on either side of the score PSI: reference and current.", *_BY, "part",
    definition=_SCORES,
)

_PAST = "predicted_at < to_timestamp(%(now)s)"
_SANE = "score BETWEEN 0 AND 1"
_RECENT = f"to_timestamp(%(now)s) - interval '{LABEL_DAYS} days'"
_CURRENT = f"predicted_at >= to_timestamp(%(now)s) - interval '{CURRENT_DAYS} days'"
SCORES_SQL = f"""
    WITH version AS (
        SELECT model, version, count(*) AS n,
               least(min(predicted_at) + interval '{REFERENCE_DAYS} days',
                     to_timestamp(%(now)s) - interval '{CURRENT_DAYS} days') AS settled
          FROM sales.model_predictions WHERE {_PAST} GROUP BY model, version),
    binned AS (
        SELECT model, version, least(floor(score * {PSI_BINS}), {PSI_BINS - 1})::int AS bin,
               count(*) FILTER (WHERE predicted_at < settled)::int AS reference,
               count(*) FILTER (WHERE {_CURRENT})::int AS current
          FROM sales.model_predictions JOIN version USING (model, version)
         WHERE {_PAST} AND {_SANE} AND (predicted_at < settled OR {_CURRENT})
         GROUP BY model, version, bin)
    SELECT model, version, n, array_agg(bin) AS bins, array_agg(reference) AS reference, array_agg(current) AS current
      FROM version LEFT JOIN binned USING (model, version)
     GROUP BY model, version, n"""  # noqa: S608  (constants of this module)

# A horizon that is no length of time, or longer than a life, is never over; and it must not overflow.
# A label whose horizon ended before the window matured before it too, so those need no look at their outcome.
LABELS_SQL = f"""
    WITH prediction AS (
        SELECT *, CASE WHEN horizon_seconds BETWEEN 0 AND 3e9 THEN predicted_at + horizon_seconds * interval '1 second'
                       ELSE 'infinity' END AS due
          FROM sales.model_predictions WHERE {_PAST} AND {_SANE}),
    labelled AS MATERIALIZED (
        SELECT model, version, score, least(floor(score * {BINS}), {BINS - 1})::int AS bin,
               score >= coalesce(threshold, 0.5) AS decided, coalesce(label = 1, false) AS came_true,
               CASE WHEN is_final AND observed_at < due THEN observed_at
                    WHEN due <= to_timestamp(%(now)s) THEN due END AS matured
          FROM prediction AS p
          LEFT JOIN LATERAL (
               SELECT label, is_final, observed_at
                 FROM sales.model_outcomes AS o
                WHERE o.subject_kind = p.subject_kind AND o.subject_id = p.subject_id
                  AND o.observed_at >= p.predicted_at AND o.observed_at < to_timestamp(%(now)s)
                ORDER BY o.observed_at DESC LIMIT 1) AS outcome ON true
         WHERE due >= {_RECENT}),
    binned AS (
        SELECT model, version, CASE WHEN matured >= {_RECENT} THEN bin END AS bin,
               count(*) FILTER (WHERE matured IS NULL) AS pending,
               count(*) FILTER (WHERE came_true)::int AS positives,
               count(*) FILTER (WHERE NOT came_true)::int AS negatives,
               count(*) FILTER (WHERE came_true AND decided) AS true_positive,
               count(*) FILTER (WHERE NOT came_true AND decided) AS false_positive,
               sum(score) AS scores, sum((score - came_true::int) ^ 2) AS squares
          FROM labelled GROUP BY 1, 2, 3)
    SELECT model, version, coalesce(sum(pending), 0)::bigint AS pending,
           coalesce(sum(true_positive) FILTER (WHERE bin IS NOT NULL), 0)::bigint AS true_positive,
           coalesce(sum(false_positive) FILTER (WHERE bin IS NOT NULL), 0)::bigint AS false_positive,
           coalesce(sum(squares) FILTER (WHERE bin IS NOT NULL), 0) AS squares,
           array_agg(bin) FILTER (WHERE bin IS NOT NULL) AS bins,
           array_agg(positives) FILTER (WHERE bin IS NOT NULL) AS positives,
           array_agg(negatives) FILTER (WHERE bin IS NOT NULL) AS negatives,
           array_agg(scores) FILTER (WHERE bin IS NOT NULL) AS scores
      FROM binned GROUP BY model, version"""  # noqa: S608  (constants of this module)


class Models(Collector):
    """One statement for the scores of each version, one for its labels, both counted in bins."""

    name = "models"
    interval = 60.0
    metrics = (
        PREDICTIONS, LABELS, DECISIONS, *ACCURACY.metrics, *BASELINE.metrics, *PRECISION.metrics, *RECALL.metrics,
        *F1.metrics, *AUC.metrics, BRIER, CALIBRATION, MEAN_SCORE, *BASE_RATE.metrics, PSI, SCORES,
    )
    reads = ("model_predictions", "model_outcomes")

    def __init__(self) -> None:
        self.top = TopK("model", 1)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """Quality of the busiest versions; the others share the counts of ``(other)``."""
        scores = await ctx.db.fetch(SCORES_SQL, now=ctx.now)
        versions = joined(scores, await ctx.db.fetch(LABELS_SQL, now=ctx.now))
        self._choose(versions, ctx.business.model_limit)
        kept = [version for version in versions if self.top(version.key) == version.key]
        rest = [version for version in versions if version not in kept]
        return [*chain.from_iterable(quality(version) for version in kept), *folded(rest)]

    def _choose(self, versions: Iterable[Version], limit: int) -> None:
        if self.top.limit != limit:
            self.top = TopK("model", limit)
        self.top.rank({version.key: version.predictions for version in versions})


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version of a model: decisions on mature labels, and counts by bin of ascending score.

    ``positives``, ``negatives`` and ``scores`` (sums) are of mature labels in ``BINS`` bins, ``squares`` the sum of
    their squared distances from the score; ``reference`` and ``current`` are of ``PSI_BINS`` bins.
    """

    model: str
    version: str
    predictions: int
    reference: Floats
    current: Floats
    pending: int = 0
    decisions: Confusion = Confusion(0, 0, 0, 0)  # noqa: RUF009  (frozen)
    squares: float = 0.0
    positives: Floats = field(default_factory=lambda: np.zeros(BINS))
    negatives: Floats = field(default_factory=lambda: np.zeros(BINS))
    scores: Floats = field(default_factory=lambda: np.zeros(BINS))

    @property
    def key(self) -> str:
        """The two labels in one; a NUL cannot occur in a text of PostgreSQL."""
        return f"{self.model}\0{self.version}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its samples."""
        return {"model": self.model, "version": self.version}


def joined(scores: Iterable[Row], labels: Iterable[Row]) -> list[Version]:
    """Versions from the rows of both statements; a version without recent labels has none of them."""
    known = {(row["model"], row["version"]): row for row in labels}
    return [
        Version(
            label(row["model"]), label(row["version"]), row["n"], dense(row, "reference", PSI_BINS),
            dense(row, "current", PSI_BINS), **_labelled(known.get((row["model"], row["version"]))),
        )
        for row in scores
    ]


def _labelled(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {}
    positives, negatives = dense(row, "positives", BINS), dense(row, "negatives", BINS)
    hits, alarms = row["true_positive"], row["false_positive"]
    return {
        "pending": row["pending"], "squares": row["squares"], "scores": dense(row, "scores", BINS),
        "positives": positives, "negatives": negatives,
        "decisions": Confusion(hits, alarms, int(positives.sum()) - hits, int(negatives.sum()) - alarms),
    }


def dense(row: Row, column: str, size: int) -> Floats:
    """A histogram of ``size`` bins from two arrays of a row: the bins that are not empty, and a measure of them."""
    values = np.zeros(size)
    if row["bins"] is not None and row["bins"][0] is not None:
        values[np.asarray(row["bins"], dtype=np.intp)] = row[column]
    return values


def quality(version: Version) -> Iterator[Sample]:
    """All samples of one version; what its labels cannot define is left out, the counts are not."""
    labels, decisions = version.labels, version.decisions
    yield from counts(labels, version.predictions, decisions, version.pending)
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
    """Score PSI with the sizes of its two sides."""
    sizes = {"reference": version.reference.sum(), "current": version.current.sum()}
    for part, size in sizes.items():
        yield SCORES(float(size), part=part, **version.labels)
    if min(sizes.values()) >= LEAST_FOR_PSI:
        yield PSI(population_stability_index(version.reference, version.current), **version.labels)


def counts(labels: dict[str, str], predictions: int, decisions: Confusion, pending: int) -> Iterator[Sample]:
    """Predictions, labels and decisions, zeros too."""
    yield PREDICTIONS(predictions, **labels)
    yield LABELS(decisions.total, state="mature", **labels)
    yield LABELS(pending, state="pending", **labels)
    yield DECISIONS(decisions.true_positive, predicted="positive", actual="positive", **labels)
    yield DECISIONS(decisions.false_positive, predicted="positive", actual="negative", **labels)
    yield DECISIONS(decisions.false_negative, predicted="negative", actual="positive", **labels)
    yield DECISIONS(decisions.true_negative, predicted="negative", actual="negative", **labels)


def folded(rest: Sequence[Version]) -> Iterator[Sample]:
    """Counts of the versions beyond the limit, added up; a quality of different models together means nothing."""
    if rest:
        total = sum((version.decisions for version in rest), Confusion(0, 0, 0, 0))
        yield from counts(
            {"model": OTHER, "version": OTHER}, sum(v.predictions for v in rest), total, sum(v.pending for v in rest)
        )

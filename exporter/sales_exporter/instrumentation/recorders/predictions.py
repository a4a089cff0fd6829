"""Predictions of models and what became of them: metrics at once, rows for model_predictions and model_outcomes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.recorders import values
from sales_exporter.instrumentation.recorders.base import Base
from sales_exporter.instrumentation.recorders.relations import OUTCOMES, PREDICTIONS
from sales_exporter.instrumentation.recorders.writer import Writer
from sales_exporter.instrumentation.store import Cell
from sales_exporter.model import counter, histogram

HORIZON_SECONDS: Final = 30 * 86400.0
SCORES: Final = tuple(place / 20 for place in range(1, 21))

# sales_app_: the exporter publishes the same facts from the database as sales_model_*, and sums must not double.
PREDICTED = counter(
    "sales_app_predictions_total", "Predictions that this application made. The exporter counts those in the database "
    "as sales_model_predictions_total.", "model", "version")
SCORE = histogram(
    "sales_app_prediction_score", "Scores of the predictions that this application made, probabilities in 20 even "
    "buckets.", "model", "version", bounds=SCORES)
OUTCOME = counter(
    "sales_app_outcomes_total", "Outcomes that this application recorded: label 1 happened, 0 did not.", "label")


class Predictions(Base):
    """The model recorder."""

    def __init__(self, meter: Meter, writer: Writer | None, clock: Callable[[], float]) -> None:
        super().__init__(meter, writer, clock)
        self._predicted = meter.family(PREDICTED, "model", "version")
        self._score = meter.family(SCORE, "model", "version")
        self._outcome = meter.family(OUTCOME)
        self._kept: dict[tuple[str, str], tuple[Cell, Cell]] = {}

    def record_prediction(
        self, model: str, version: str, subject: object, score: float, *, threshold: float | None = None,
        horizon_seconds: float = HORIZON_SECONDS, subject_kind: str = "lead",
        predicted_at: datetime | float | None = None, prediction_id: object = None,
    ) -> str:
        """Record that a version of a model gave a subject (its id) a score; returns the prediction's id.

        ``score`` and ``threshold`` are probabilities. ``horizon_seconds``: no outcome until then means 0.
        ``subject_kind``: lead, deal or call. ``predicted_at``: a datetime with zone or seconds since 1970; now by
        default. A prediction_id that was recorded before is no new row. Never raises: what is not fit for the columns
        is counted as dropped, reason invalid, and the id is then empty.
        """
        try:
            now = self._clock() if predicted_at is None else 0.0
            at = values.moment(now if predicted_at is None else predicted_at)
            key = (values.text(model), values.text(version))
            found = values.number(score)
            identity = (values.fresh_id(now or self._clock()) if prediction_id is None else values.text(prediction_id))
            row = (identity, *key, values.text(subject_kind), values.text(subject), at,
                   values.number(horizon_seconds), found, values.number_or_none(threshold))
            count, scores = self._kept.get(key) or self._cells(key)
            count[0] += 1
            place = bisect_left(SCORES, found)
            scores[place] += 1
            # What is no probability must not spoil the sum; its row lands as it is, and the exporter counts it.
            scores[21] += min(max(found, 0.0), 1.0)
            self._put(PREDICTIONS, row)
            return identity
        except Exception as error:
            self._refuse(PREDICTIONS, "record_prediction", error)
            return ""

    def record_outcome(
        self, subject: object, label: int, *, subject_kind: str = "lead",
        observed_at: datetime | float | None = None, is_final: bool = True,
    ) -> None:
        """Record what became of a subject: 1 it happened, 0 it did not. The latest outcome of a subject counts.

        Two outcomes of one subject at the same microsecond are one row. Never raises, as ``record_prediction``.
        """
        try:
            at = values.moment(self._clock() if observed_at is None else observed_at)
            happened = int(values.flag(label))
            row = (values.text(subject_kind), values.text(subject), at, happened, values.flag(is_final))
            self._outcome.cell(str(happened))[0] += 1
            self._put(OUTCOMES, row)
        except Exception as error:
            self._refuse(OUTCOMES, "record_outcome", error)

    def _cells(self, key: tuple[str, str]) -> tuple[Cell, Cell]:
        own = self._score.has(*key)
        found = self._predicted.cell(*key), self._score.cell(*key)
        if own:
            self._kept[key] = found
        return found

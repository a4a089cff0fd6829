"""The dashboard of the models: do they earn their place, do their scores mean what they say, and do they hold."""

from __future__ import annotations

from grafana.source.board import board, labels_of
from grafana.source.boards.models import drift, headline, live, quality
from grafana.source.firing import firing
from grafana.source.promql import selector
from grafana.source.sdk import model

FOLDER = "ML"


def build() -> model.Dashboard:
    """The dashboard ``sales-models``."""
    return board(
        "sales-models", "Models",
        "Scoring models against what came true, by model and version: quality on mature labels only, calibration, "
        "drift with its evidence, and what is expected before labels arrive. Intervals are 95 %.",
        [
            (4, [(6, headline.accuracy()), (6, headline.ranking()), (6, headline.calibration()),
                 (6, headline.drifting())]),
            (4, [(6, headline.known()), (6, headline.predictions()), (6, headline.expected()),
                 (6, headline.retraining())]),
            (7, [(24, quality.versions())]),
            (8, [(12, quality.accuracy()), (12, quality.intervals())]),
            (7, [(8, quality.precision()), (8, quality.decisions()), (8, quality.scored())]),
            (8, [(8, quality.calibrated()), (8, drift.psi()), (8, drift.kolmogorov())]),
            (8, [(8, drift.evidence()), (16, drift.verdicts())]),
            (7, [(14, drift.estimated()), (10, drift.distance())]),
            (7, [(8, quality.volume()), (8, quality.pending()), (8, firing(25, "models", service="models"))]),
            *live.folded(),
        ],
        [
            labels_of("model", "Model", selector("sales_model_labels"), several=True),
            labels_of("version", "Version", selector("sales_model_labels", model="~$model"), several=True),
        ],
        near={"sales-home": "Executive", "sales-api": "API"}, tags=["models"],
    )

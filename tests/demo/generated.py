"""What the generator's tests read out of its tables."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from sales_exporter.demo.generator import Preset, Tables, Truth
from sales_exporter.demo.generator.columns import Floats, Ints, Moment
from sales_exporter.demo.generator.preset import DAY

MATURE = 120 * DAY
"""After this time a lead has ended: the longest way takes four waits of a few days."""


def seconds(tables: Tables, relation: str, column: str) -> Floats:
    moments = tables[relation][column]
    assert isinstance(moments, Moment)
    return moments.seconds


def codes(tables: Tables, relation: str, column: str) -> Ints:
    return np.asarray(tables[relation][column].values, np.int64)


def epoch(text: str | None) -> float:
    assert text is not None
    return datetime.fromisoformat(text).timestamp()


def won(tables: Tables) -> np.ndarray:
    """Which leads are ever won."""
    found = np.zeros(len(tables["leads"]), np.bool_)
    found[codes(tables, "stage_transitions", "lead_id")[codes(tables, "stage_transitions", "to_stage") == 4]] = True
    return found


def auc(score: Floats, label: np.ndarray) -> float:
    ranks = np.empty(len(score))
    ranks[np.argsort(score)] = np.arange(1, len(score) + 1)
    positive = int(label.sum())
    return float((ranks[label].sum() - positive * (positive + 1) / 2) / (positive * (len(score) - positive)))


def waits(tables: Tables, preset: Preset, stage: int) -> tuple[Floats, Floats]:
    """Entry and length of the finished stays in a stage of leads that have surely ended."""
    lead = codes(tables, "stage_transitions", "lead_id")
    order = np.lexsort((codes(tables, "stage_transitions", "transition_id"),
                        seconds(tables, "stage_transitions", "occurred_at"), lead))
    when = seconds(tables, "stage_transitions", "occurred_at")[order]
    reached = codes(tables, "stage_transitions", "to_stage")[order]
    stays = (lead[order][1:] == lead[order][:-1]) & (reached[:-1] == stage)
    stays &= when[:-1] < preset.end - MATURE
    return when[:-1][stays], np.diff(when)[stays]


def matured(tables: Tables, preset: Preset, model: int) -> tuple[Floats, Floats, np.ndarray]:
    """Time, score and final label of a model's predictions whose horizon has passed; 0 scores leads, 1 scores calls."""
    predicted = seconds(tables, "model_predictions", "predicted_at")
    horizon = tables["model_predictions"]["horizon_seconds"].values
    use = (codes(tables, "model_predictions", "model") == model) & (predicted + horizon < preset.end)
    subject = codes(tables, "model_predictions", "subject_id")[use]
    mine = codes(tables, "model_outcomes", "subject_kind") == model
    label = np.zeros(max(int(subject.max()), int(codes(tables, "model_outcomes", "subject_id")[mine].max())) + 1, bool)
    # Outcomes are in the order of their observation, so the last assignment is the latest.
    label[codes(tables, "model_outcomes", "subject_id")[mine]] = codes(tables, "model_outcomes", "label")[mine] == 1
    return predicted[use], np.asarray(tables["model_predictions"]["score"].values[use], float), label[subject]


def window(truth: Truth, kind: str) -> tuple[str, float, float]:
    told = next(one for one in truth.incidents if one.kind == kind)
    return told.subject, epoch(told.start), epoch(told.end)

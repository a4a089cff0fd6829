"""What predictions contribute to the cells: pure, from arrays of predictions and outcomes to tallies.

The moment at which a label matures is known in advance unless a final outcome comes before, so a prediction counts
from its first day at the hour of that moment: who looks at an hour takes earlier hours as mature and the rest as
pending, and no prediction has to be counted anew because time went by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import SECOND, Calendar, Ints
from sales_exporter.ledger.cube import Layout, Tally

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PREDICTIONS = Layout("predictions", ("day", "version"))
"""All predictions by the day on which they were made; those below have a score from 0 to 1."""
SCORES = Layout("scores", ("day", "version", "came:flag", "decided:flag", "bin"), (("bin", 10),))
"""Predictions by the day on which they were made, label (as it will be when mature, by what is known), decision and
``SCORE_BINS`` bins of the score."""
MATURITY = Layout("maturity", ("day", "version", "matured:day"))
"""The same by the day on which the label matures; without those whose horizon is never over."""
LABELS = Layout("labels", ("hour", "version", "came:flag", "decided:flag", "bin"), (("hour", 672), ("bin", 1 << 14)))
"""Predictions by the hour in which the label matures, label, decision and ``LABEL_BINS`` bins of the score."""
LABEL_SCORES = Layout("label_scores", ("hour", "version", "bin"), (("hour", 672), ("bin", 1 << 14)))
"""Billionths of their scores, added up, in ten bins."""
LABEL_SQUARES = Layout("label_squares", ("hour", "version"), (("hour", 672),))
"""Billionths of the squared distances of their scores from their labels, added up."""
LAYOUTS = (PREDICTIONS, SCORES, MATURITY, LABELS, LABEL_SCORES, LABEL_SQUARES)

LABEL_BINS, SCORE_BINS, TENTHS = 10_000, 1_000, 10
BILLION = 1_000_000_000
LONGEST_HORIZON = 3e9
"""Seconds. A horizon that is longer than a life, or no length of time, is never over."""
NEVER = np.iinfo(np.int64).max
SEPARATOR = "\0"
"""Between model and version in the name of a version; it cannot occur in a text of PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions; ``subject`` is an index, ``at`` in microseconds, ``version`` the number of a name."""

    subject: Ints
    version: Ints
    at: Ints
    horizon: Floats
    score: Floats
    threshold: Floats

    def where(self, chosen: Flags) -> Predictions:
        """Those of the mask."""
        return Predictions(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes in order of subject and observed_at."""

    subject: Ints
    at: Ints
    positive: Flags
    final: Flags

    def where(self, chosen: Flags) -> Outcomes:
        """Those of the mask."""
        return Outcomes(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def contributions(
    calendar: Calendar, predictions: Predictions, outcomes: Outcomes, cutoff: int
) -> dict[str, Tally]:
    """Tallies by name of the cube, of what was predicted and observed before the cutoff (microseconds)."""
    made = predictions.where(predictions.at < cutoff)
    sane = made.where((made.score >= 0) & (made.score <= 1))
    came, matured = labelled(sane, outcomes, cutoff)
    day, hour, version, decided = (
        calendar.days(sane.at), calendar.hours(matured), sane.version, sane.score >= sane.threshold)
    known = matured != NEVER
    fine = _bins(sane.score, LABEL_BINS)
    scores = LABEL_SCORES.pack(hour=hour, version=version, bin=fine // (LABEL_BINS // TENTHS))
    return {
        PREDICTIONS.name: Tally.of(PREDICTIONS.pack(day=calendar.days(made.at), version=made.version)),
        SCORES.name: Tally.of(SCORES.pack(
            day=day, version=version, came=came, decided=decided, bin=_bins(sane.score, SCORE_BINS))),
        MATURITY.name: Tally.of(MATURITY.pack(
            day=day[known], version=version[known], matured=calendar.days(matured[known]))),
        LABELS.name: Tally.of(LABELS.pack(hour=hour, version=version, came=came, decided=decided, bin=fine)),
        LABEL_SCORES.name: Tally.of(scores, _billionths(sane.score)),
        LABEL_SQUARES.name: Tally.of(
            LABEL_SQUARES.pack(hour=hour, version=version), _billionths((sane.score - came) ** 2)),
    }


def labelled(predictions: Predictions, outcomes: Outcomes, cutoff: int) -> tuple[Flags, Ints]:
    """Label of each prediction and the moment at which it matures (microseconds, NEVER).

    The outcome of a prediction is the latest of its subject that was observed from the prediction to the cutoff. A
    final one before the horizon is over matures the label at once.
    """
    real = (predictions.horizon >= 0) & (predictions.horizon <= LONGEST_HORIZON)
    length = np.rint(np.where(real, predictions.horizon, 0) * SECOND).astype(np.int64)
    due = np.where(real, predictions.at + length, NEVER)
    observed = np.flatnonzero(outcomes.at < cutoff)
    if not len(observed):
        return np.zeros(len(due), dtype=bool), due
    # The last row of each subject is its latest: if that one is older than the prediction, all are.
    last = np.searchsorted(outcomes.subject[observed], predictions.subject, side="right") - 1
    row = observed[np.maximum(last, 0)]
    own = (last >= 0) & (outcomes.subject[row] == predictions.subject) & (outcomes.at[row] >= predictions.at)
    at = outcomes.at[row]
    return own & outcomes.positive[row], np.where(own & outcomes.final[row] & (at < due), at, due)


def _bins(score: Floats, bins: int) -> Ints:
    """Bins of equal width; a score of 1 lies in the last."""
    return np.minimum(np.floor(score * bins), bins - 1).astype(np.int64)


def _billionths(values: Floats) -> Ints:
    return np.rint(values * BILLION).astype(np.int64)

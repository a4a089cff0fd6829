"""What a detector says of each series at one moment: the vocabulary between judging and alerting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int8]

NONE = -1
"""Channel of a series that nothing can be said about yet."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One row per slot of the detector. Where nothing can be said: score 0, p 1, the rest NaN, channel ``NONE``."""

    score: Floats
    """From 0 to 1; 0.5 is the threshold of the stated rate of false alarms, after the onset gate.

    Below it the score is only an order.
    """
    p: Floats
    """Over all channels: how often a quiet series looks at least this odd; never below what its past supports."""
    expected: Floats
    lower: Floats
    """Of the conformal interval of a single sample, as is ``upper``."""
    upper: Floats
    effect: Floats
    """Distance from what was expected in units of the series' usual deviation, with its sign."""
    channel: Ints
    """Index into the detector's ``channels``: which view of the series was the oddest."""

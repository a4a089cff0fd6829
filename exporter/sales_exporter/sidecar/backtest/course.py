"""How a series went, at the resolution of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.series import SeriesId

Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Course:
    """One series in columns of equal width: the span of its values, and of the expected range; NaN where none is."""

    series: SeriesId
    start: float
    width: float
    low: Single
    high: Single
    expected: Single
    lower: Single
    upper: Single

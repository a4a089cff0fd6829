"""Level and damped trend: how the latest deviations from a profile go on.

One regression per lead time on the mean deviations of the last hours, day and days. A deviation that does not last gets
a coefficient near zero, one that stays keeps its size, and one that grows from the long mean to the short one is
carried on as far as it was carried on in the past: damping is learned, not assumed.
"""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.forecasts.bands import usual
from sales_exporter.sidecar.forecasts.past import Floats, Past, ratio

SPANS = (1 / 12, 1.0, 4.0)
"""Days over which deviations are averaged."""
RIDGE = 5.0
"""Observations' worth of belief that a deviation does not last."""
_CLIP = 5.0
"""Usual deviations beyond which one is an outlier, and counts as this many."""


def carried(past: Past, expected: Floats) -> Floats:
    """What to add to a profile's forecasts (series, origins, days ahead, steps of a day)."""
    deviations = past.came() - expected
    scale = usual(np.abs(deviations[:, :, :1]))
    scaled = np.clip(deviations[:, :-1] / scale, -_CLIP, _CLIP)
    series, length, day = len(expected), (past.origins.size - 1) * past.day, past.day
    seen = scaled[:, :, 0].reshape(series, length)
    means = np.stack([_mean(seen, max(round(span * day), 1)) for span in SPANS], axis=1)
    means = np.nan_to_num(means)
    square = means @ means.transpose(0, 2, 1)
    belief = RIDGE * np.trace(square, axis1=1, axis2=2) / length + 1e-9
    square += belief[:, None, None] * np.eye(len(SPANS))
    products = np.zeros((series, len(SPANS), past.ahead * day))
    for ahead in range(past.ahead):
        later = np.nan_to_num(scaled[:, :, ahead]).reshape(series, length)
        for lead in range(1, day + 1):
            if (ahead + 1) * day < length:
                # From hour t, lead steps and whole days on; those days are in the place of ``later`` already.
                products[:, :, ahead * day + lead - 1] = (means[:, :, :-lead] @ later[:, lead:, None])[:, :, 0]
    coefficients = np.linalg.solve(square, products)
    latest = np.zeros((series, past.origins.size, len(SPANS)))
    latest[:, 1:] = means[:, :, day - 1 :: day].transpose(0, 2, 1)
    return (latest @ coefficients).reshape(expected.shape) * scale


def _mean(values: Floats, span: int) -> Floats:
    """Mean of the known values among the last ``span`` (series, steps)."""
    known = ~np.isnan(values)
    sums, counts = (
        np.pad(np.cumsum(some, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
        for some in (np.where(known, values, 0.0), known)
    )
    end = np.arange(1, values.shape[1] + 1)
    begin = np.maximum(end - span, 0)
    return ratio(sums[:, end] - sums[:, begin], counts[:, end] - counts[:, begin])

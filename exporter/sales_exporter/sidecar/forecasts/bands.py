"""Bands from how forecasts of the past turned out, lead time by lead time."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.forecasts.past import Floats, ratio

QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)
NEIGHBOURS = 2
"""Lead times on either side whose errors are taken in, at least."""
ENOUGH = 60
"""Errors behind the quantiles of a lead time, at least: the fewer origins, the more lead times lend theirs."""
_ASSUMED = 4.0
"""Errors as large as the series' mean one that are put to those of each time of day."""


def usual(errors: Floats) -> Floats:
    """Usual size of absolute errors (series, origins, ahead, steps of a day) by time of day: (series, 1, 1, steps).

    Never 0, so that it can be divided by; 1 where nothing is known.
    """
    known = ~np.isnan(errors)
    sums, counts = np.where(known, errors, 0.0).sum(axis=(1, 2)), known.sum(axis=(1, 2))
    mean = np.nan_to_num(ratio(sums.sum(axis=1), counts.sum(axis=1).astype(np.float64)), nan=1.0)[:, None]
    size = (sums + _ASSUMED * mean) / (counts + _ASSUMED)
    return np.asarray(np.where(size > 0, size, 1.0)[:, None, None])


def spread(errors: Floats) -> Floats:
    """Quantiles of the errors (series, origins, leads) by lead time (series, leads, QUANTILES).

    Split conformal: with k origins the quantile q is taken at 1/2 + (q - 1/2) (k + 1) / k of the errors, those of
    neighbouring lead times together. Source: J. Lei and others, "Distribution-free predictive inference for
    regression", Journal of the American Statistical Association 113 (2018) 1094-1111. NaN where nothing is known.
    """
    series, origins, leads = errors.shape
    near = min(max(NEIGHBOURS, -(-ENOUGH // (2 * origins))), leads)
    widened = np.full((series, origins, leads + 2 * near), np.nan)
    widened[:, :, near : near + leads] = errors
    windows = np.lib.stride_tricks.sliding_window_view(widened, 2 * near + 1, axis=2)
    pooled = np.sort(windows.transpose(0, 2, 1, 3).reshape(series, leads, -1), axis=2)
    known = (~np.isnan(pooled)).sum(axis=2, keepdims=True)
    own = np.maximum((~np.isnan(errors)).sum(axis=1), 1)[:, :, None]
    level = np.clip(0.5 + (np.array(QUANTILES) - 0.5) * (1 + 1 / own), 0.0, 1.0)
    place = level * np.maximum(known - 1, 0)
    whole = place.astype(np.int64)
    after = np.minimum(whole + 1, np.maximum(known - 1, 0))
    lower, upper = (np.take_along_axis(pooled, at, axis=2) for at in (whole, after))
    return np.asarray(lower + (upper - lower) * (place - whole))

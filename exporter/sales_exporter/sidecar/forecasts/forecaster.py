"""Forecasts of many series at once, with bands that say how such forecasts turned out before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_exporter.sidecar.forecasts.bands import QUANTILES, spread, usual
from sales_exporter.sidecar.forecasts.cycles import cycles
from sales_exporter.sidecar.forecasts.levels import carried
from sales_exporter.sidecar.forecasts.outliers import calmed
from sales_exporter.sidecar.forecasts.past import LEAST_DAYS, Floats, Kinds, Past, ratio
from sales_exporter.sidecar.forecasts.profiles import BY_CLASS, BY_WEEKDAY, EVERY_DAY, profile, repeated

PROFILES = ((BY_CLASS, 20.0), (EVERY_DAY, 10.0), (BY_WEEKDAY, 60.0))
"""How days are told apart, and in how many days the past loses half its weight."""
EXPERTS = ("day type", "every day", "weekday", "yesterday", "last week", "cycle")
SHARPNESS = 8.0
"""An expert whose past error is twice the best one's has 2 to this power less weight, next to none."""
_LEAST_WEIGHT = 0.02
_CLIP = 8.0
"""Usual errors beyond which one says no more about an expert."""
_BATCH = 256
"""Series at a time: about 60 MB for a month of hours."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``quantiles`` (series, leads, QUANTILES), ``weights`` (series, EXPERTS) and ``error`` (series).

    The error is the mean absolute error of past forecasts over that of repeating the day before: below 1 is better.
    NaN where the past allows no forecast.
    """

    quantiles: Floats
    weights: Floats
    error: Floats


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Forecasts ``leads`` steps ahead, ``day`` steps to the day.

    Three profiles, each with level and damped trend, the seasonal naive forecasts of a day and a week, and cycles of
    another length are tried from each day of the past, with nothing but what was known then. Their mean, weighted by
    how well they did, is the forecast; where one of them wins clearly, it is that one. Errors of the mean at each
    lead time, in units of what is usual at that time of day, make median and bands. A band of 0.05 to 0.95 is meant
    to hold nine of ten outcomes, as long as the series goes on as it did.

    Raises:
        ValueError: leads or day are not positive.
    """

    day: int
    leads: int

    def __post_init__(self) -> None:
        if min(self.day, self.leads) < 1:
            raise ValueError("a forecast needs a step in the day and a lead, at least")

    def forecast(self, history: Floats, kinds: Kinds) -> Forecast:
        """From a past (series, steps) up to now and the kind of day of every step and lead.

        NaN and infinite values are missing. Series that never were negative are not forecast to be. Kinds are as of
        :func:`day_kinds`.

        Raises:
            ValueError: kinds do not fit.
        """
        if kinds.shape != (history.shape[1] + self.leads,) or np.any((kinds < 0) | (kinds > 7)):
            raise ValueError("kinds must be from 0 to 7, one for each step of the history and each lead")
        parts = [self._batch(history[at : at + _BATCH], kinds) for at in range(0, len(history), _BATCH)]
        if not parts:
            return self._nothing(0)
        return Forecast(
            np.concatenate([part.quantiles for part in parts]), np.concatenate([part.weights for part in parts]),
            np.concatenate([part.error for part in parts]),
        )

    def _batch(self, history: Floats, kinds: Kinds) -> Forecast:
        past = Past.of(history, kinds, self.day, self.leads)
        if past.days < LEAST_DAYS:
            return self._nothing(len(history))
        experts, came = _experts(past), past.came()
        weights = _weights(experts, came)
        mixed = _mix(experts, weights)
        errors = came - mixed
        scale = usual(np.abs(errors))
        flat = (len(history), past.origins.size, -1)
        sizes = np.broadcast_to(scale, mixed.shape).reshape(flat)[:, -1, : self.leads]
        bands = spread((errors / scale).reshape(flat)[:, :-1, : self.leads])
        quantiles = mixed.reshape(flat)[:, -1, : self.leads, None] + sizes[:, :, None] * bands
        positive = ~np.any(history < 0, axis=1)[:, None, None]
        naive = np.abs(came - experts[:, EXPERTS.index("yesterday")])
        return Forecast(
            np.where(positive, np.maximum(quantiles, 0.0), quantiles), weights,
            ratio(_known_mean(np.abs(errors)), _known_mean(naive)),
        )

    def _nothing(self, series: int) -> Forecast:
        return Forecast(
            np.full((series, self.leads, len(QUANTILES)), np.nan), np.full((series, len(EXPERTS)), np.nan),
            np.full(series, np.nan),
        )


def _experts(past: Past) -> Floats:
    """(series, EXPERTS, origins, days ahead, steps of a day)."""
    found, calm = [], calmed(past)
    for kinship, half_life in PROFILES:
        expected = profile(calm, kinship, half_life)
        found.append(expected + carried(past, expected))
    return np.stack([*found, repeated(past, 1), repeated(past, 7), cycles(past)], axis=1)


def _weights(experts: Floats, came: Floats) -> Floats:
    """Shares of the experts (series, EXPERTS) by their past errors; NaN for a series that nothing is known of."""
    errors = np.abs(experts - came[:, None])
    scaled = np.minimum(errors / usual(errors[:, 0])[:, None], _CLIP)
    known = ~np.isnan(scaled)
    # One with a few errors only, such as last week's value in the second week, is not judged by luck.
    count = known.sum(axis=(2, 3, 4))
    mean = ratio(np.where(known, scaled, 0.0).sum(axis=(2, 3, 4)), count.astype(np.float64))
    mean = np.maximum(np.where(count < count.max(axis=1, keepdims=True) / 4, np.nan, mean), 1e-9)
    best = np.min(np.where(np.isnan(mean), np.inf, mean), axis=1, keepdims=True)
    raw = np.where(np.isnan(mean), 0.0, (best / np.where(np.isnan(mean), 1.0, mean)) ** SHARPNESS)
    raw = np.where(np.isfinite(best), raw, 0.0)
    raw = np.where(raw < _LEAST_WEIGHT * raw.sum(axis=1, keepdims=True), 0.0, raw)
    return ratio(raw, raw.sum(axis=1, keepdims=True))


def _mix(experts: Floats, weights: Floats) -> Floats:
    # Where all that have weight are missing, such as yesterday's value, the others stand in.
    shares = np.where(np.isnan(experts), 0.0, (np.nan_to_num(weights) + 1e-9)[:, :, None, None, None])
    return ratio((np.nan_to_num(experts) * shares).sum(axis=1), shares.sum(axis=1))


def _known_mean(values: Floats) -> Floats:
    known = ~np.isnan(values)
    axes = tuple(range(1, values.ndim))
    return ratio(np.where(known, values, 0.0).sum(axis=axes), known.sum(axis=axes).astype(np.float64))

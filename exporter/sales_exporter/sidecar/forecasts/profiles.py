"""What is usual at a time of day on a kind of day: means of the past that fade with age."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.forecasts.past import CLASS, HOLIDAY, Floats, Past, ratio

_FAR, _NEAR = 1e-5, 0.03
"""Weight of another class of day, and of another day of the same class: they count where there is nothing better."""


def _by_class() -> Floats:
    same = CLASS[:, None] == CLASS
    resting = (CLASS[:, None] > 0) & (CLASS > 0)
    return np.where(same, 1.0, np.where(resting, _NEAR, _FAR))


EVERY_DAY: Floats = np.ones((HOLIDAY + 1, HOLIDAY + 1))
BY_CLASS: Floats = _by_class()
BY_WEEKDAY: Floats = np.where(np.eye(HOLIDAY + 1) > 0, 1.0, BY_CLASS * _NEAR)
"""How much a past day of one kind (column) says about a coming day of another (row)."""


def profile(past: Past, kinship: Floats, half_life: float) -> Floats:
    """The expected value from each origin (series, origins, days ahead, steps of a day); uses only days before it."""
    known = ~np.isnan(past.values)
    sums = np.where(known, past.values, 0.0).transpose(2, 1, 0)
    counts = known.astype(np.float64).transpose(2, 1, 0)
    origins, day = past.origins, np.arange(past.days)
    fading = np.where(day < origins[:, None], 0.5 ** ((origins[:, None] - day) / half_life), 0.0)
    found = np.empty((len(past.values), origins.size, past.ahead, past.day))
    for ahead in range(past.ahead):
        kin = kinship[past.kinds[origins + ahead][:, None], past.kinds[None, : past.days]]
        weights = (fading[:, :, None] * kin).transpose(2, 0, 1)
        found[:, :, ahead] = ratio(weights @ sums, weights @ counts).transpose(2, 1, 0)
    return found


def repeated(past: Past, days: int) -> Floats:
    """The seasonal naive forecast: what came so many days before, or a multiple of them.

    NaN where a holiday would be forecast from another day, or another day from a holiday.
    """
    found = np.full((len(past.values), past.origins.size, past.ahead, past.day), np.nan)
    for ahead in range(past.ahead):
        source = past.origins + ahead - days * -(-(ahead + 1) // days)
        usable = source >= 0
        alike = (past.kinds[past.origins + ahead] == HOLIDAY) == (past.kinds[source] == HOLIDAY)
        found[:, usable, ahead] = np.where(alike[usable], past.values[:, source[usable]], np.nan)
    return found

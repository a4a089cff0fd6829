"""How deviations from a profile are carried on."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.forecasts.levels import carried
from sales_exporter.sidecar.forecasts.past import Past

DAY, DAYS = 8, 28


def carry(deviations: np.ndarray) -> np.ndarray:
    """What is added to a profile of zeros on the day after now."""
    past = Past.of(deviations[None], np.zeros((DAYS + 1) * DAY, np.int64), DAY, DAY)
    return carried(past, np.zeros_like(past.came()))[0, -1, 0]


def test_noise_is_hardly_carried_on() -> None:
    noise = np.random.default_rng(1).standard_normal(DAY * DAYS)
    assert np.abs(carry(noise)).mean() < 0.4


def test_what_wanders_stays_where_it_is() -> None:
    walk = np.random.default_rng(2).standard_normal(DAY * DAYS).cumsum()
    walk += 10 - walk[-1]
    assert np.all(np.abs(carry(walk) - 10) < 6)


def test_what_dies_away_is_carried_on_less_with_each_lead() -> None:
    shocks = np.random.default_rng(3).standard_normal(DAY * DAYS)
    fading = np.zeros(DAY * DAYS)
    for step in range(1, DAY * DAYS):
        fading[step] = 0.7 * fading[step - 1] + shocks[step]
    fading[-1] = 5.0
    found = carry(fading)
    assert found[0] > 1.0
    assert abs(found[-1]) < found[0] / 2


def test_nothing_known_is_nothing_to_carry() -> None:
    found = carry(np.full(DAY * DAYS, np.nan))
    assert np.array_equal(found, np.zeros(DAY))

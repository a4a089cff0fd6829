"""Which past values teach a profile, and which are cut."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.forecasts.outliers import calmed
from sales_exporter.sidecar.forecasts.past import Past

DAY, DAYS = 8, 28
KINDS = np.repeat(np.arange(DAYS + 1) % 7, DAY)


def calm(history: np.ndarray) -> np.ndarray:
    return calmed(Past.of(history[None], KINDS, DAY, DAY)).values.reshape(-1)


def quiet() -> np.ndarray:
    """Between 9 and 11: median absolute deviation about 0.5."""
    return np.random.default_rng(1).uniform(9, 11, DAYS * DAY)


def test_a_spike_is_cut_to_the_edge_of_what_is_usual() -> None:
    history = quiet()
    history[100] = 1_000
    assert 11 < calm(history)[100] < 20


def test_what_is_usual_stays_as_it_is() -> None:
    assert np.array_equal(calm(quiet()), quiet())


def test_weekends_are_no_outliers() -> None:
    weekend = KINDS[: DAYS * DAY] >= 5
    history = quiet() * np.where(weekend, 0.1, 1.0)
    assert np.array_equal(calm(history)[weekend], history[weekend])


def test_a_job_at_its_hour_is_no_outlier() -> None:
    history = quiet()
    history[3::DAY] += 500
    assert np.array_equal(calm(history), history)


def test_a_new_level_is_no_outlier() -> None:
    history = quiet()
    history[-2 * DAY :] += 100
    assert np.array_equal(calm(history)[-2 * DAY :], history[-2 * DAY :])


def test_missing_values_stay_missing() -> None:
    history = quiet()
    history[50:60] = np.nan
    assert np.isnan(calm(history)[50:60]).all()
    assert np.isnan(calm(np.full(DAYS * DAY, np.nan))).all()


def test_a_change_in_what_never_changed_is_believed() -> None:
    history = np.full(DAYS * DAY, 5.0)
    history[100] = 6.0
    assert np.array_equal(calm(history), history)

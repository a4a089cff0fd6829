"""Cycles that are no days."""

from __future__ import annotations

import numpy as np
import pytest

from sales_exporter.sidecar.forecasts.cycles import cycles
from sales_exporter.sidecar.forecasts.past import HOLIDAY, Past

DAY, DAYS = 8, 28
STEPS = DAY * DAYS


def ahead(history: np.ndarray, kind: int = 0) -> np.ndarray:
    """The day after now."""
    kinds = np.append(np.zeros(STEPS, np.int64), np.full(DAY, kind))
    return cycles(Past.of(history[None], kinds, DAY, DAY))[0, -1, 0]


def test_a_wave_of_half_steps_goes_on() -> None:
    wave = np.sin(2 * np.pi * np.arange(STEPS + DAY) / 18.5)
    assert ahead(wave[:STEPS]) == pytest.approx(wave[STEPS:], abs=0.15)


def test_noise_has_no_cycle() -> None:
    assert np.isnan(ahead(np.random.default_rng(1).standard_normal(STEPS))).all()


def test_a_constant_has_no_cycle() -> None:
    assert np.isnan(ahead(np.ones(STEPS))).all()


def test_missing_values_are_taken_from_the_cycle_before() -> None:
    wave = np.sin(2 * np.pi * np.arange(STEPS + DAY) / 20)
    history = wave[:STEPS].copy()
    history[-18:-10] = np.nan
    assert ahead(history) == pytest.approx(wave[STEPS:], abs=0.05)


def test_a_holiday_breaks_a_weekly_cycle_but_none_of_another_length() -> None:
    at = np.arange(STEPS)
    assert np.isnan(ahead(np.sin(2 * np.pi * at / (7 * DAY)), HOLIDAY)).all()
    assert not np.isnan(ahead(np.sin(2 * np.pi * at / 20), HOLIDAY)).any()

"""How much chance there is in a share of few cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sales_exporter.sidecar.judging.cases import NO_NEWS, chance


def of(value: float, expected: float, cases: float) -> float:
    return float(chance(np.array([value]), np.array([expected]), np.array([cases]))[0])


@pytest.mark.parametrize(("value", "expected", "cases"), [
    (1.0, 0.016, 1), (0.5, 0.0, 4), (1.0, 0.0, 2), (0.0, 0.95, 1), (0.3, 0.2, 40), (0.0, 0.3, 0)])
def test_what_few_cases_show_by_chance_is_no_news(value: float, expected: float, cases: float) -> None:
    assert of(value, expected, cases) > NO_NEWS


@pytest.mark.parametrize(("value", "expected", "cases"), [
    (0.75, 0.0, 4), (0.02, 0.001, 1_000), (0.5, 0.2, 40), (0.5, 0.95, 20), (0.05, 0.0, 200)])
def test_what_chance_does_not_explain_is_news(value: float, expected: float, cases: float) -> None:
    assert of(value, expected, cases) < NO_NEWS


def test_it_is_the_binomial_law_where_there_are_many() -> None:
    # 60 of 200 or more where a fifth is usual: 4.6e-4.
    assert of(0.3, 0.2 - 0.2 / 200, 200) == pytest.approx(4.6e-4, rel=0.1)


def test_both_sides_are_alike() -> None:
    assert of(0.3, 0.1, 50) == pytest.approx(of(0.7, 0.9, 50))


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert math.isnan(of(math.nan, 0.2, 10))
    assert math.isnan(of(0.4, 0.2, math.nan))

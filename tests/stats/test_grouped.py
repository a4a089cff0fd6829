"""Quantiles of grouped values equal those of the values written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.stats.grouped import grouped_quantile

groups = st.dictionaries(st.integers(-1000, 1000), st.integers(0, 5), min_size=1, max_size=20)


@given(groups, st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_they_are_the_quantiles_of_the_values_written_out(counts: dict[int, int], q: list[float]) -> None:
    values = sorted(counts)
    n = [counts[value] for value in values]
    found = grouped_quantile(values, n, q)
    if not sum(n):
        assert np.isnan(found).all()
    else:
        assert found == pytest.approx(np.quantile(np.repeat(values, n), q), abs=1e-9)


def test_the_shape_is_that_of_q() -> None:
    assert grouped_quantile([1, 2], [1, 1], 0.5).shape == ()
    assert grouped_quantile([1, 2], [1, 1], [[0, 1]]).tolist() == [[1, 2]]


def test_no_groups_have_no_quantile() -> None:
    assert math.isnan(float(grouped_quantile([], [], 0.5)))


@pytest.mark.parametrize(
    ("values", "counts", "q", "text"),
    [
        ([1, 2], [1], 0.5, "one length"),
        ([[1]], [[1]], 0.5, "one length"),
        ([2, 1], [1, 1], 0.5, "ascend"),
        ([1, 2], [1, -1], 0.5, "negative"),
        ([1, 2], [1, 1], 1.1, "q must"),
    ],
)
def test_nonsense_is_refused(values: list[float], counts: list[float], q: float, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        grouped_quantile(values, counts, q)

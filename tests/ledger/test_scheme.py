"""The definitions behind cells: the path, the duration buckets, and the digest that guards them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.ledger.calendar import SECOND
from sales_exporter.ledger.cube import WIDTHS
from sales_exporter.ledger.scheme import EDGES, LONGEST, SHORTEST, Scheme, buckets, middle

SCHEME = Scheme(("lead", "lost", "talk", "won", "spam"), ("open", "lost", "open", "won", "lost"))


def test_the_path_leaves_out_the_stages_that_lose() -> None:
    assert SCHEME.path == (0, 2, 3)
    assert SCHEME.places.tolist() == [0, -1, 1, 2, -1]
    assert SCHEME.of_kind("lost") == (1, 4)


@pytest.mark.parametrize(
    "other",
    [
        Scheme(("lead", "lost", "talk", "won", "junk"), SCHEME.kinds),
        Scheme(SCHEME.stages, ("open", "lost", "open", "won", "open")),
        Scheme(SCHEME.stages, SCHEME.kinds, "Europe/Berlin"),
        Scheme(("lost", "lead", "talk", "won", "spam"), SCHEME.kinds),
    ],
)
def test_whatever_changes_a_cell_changes_the_digest(other: Scheme) -> None:
    assert other.digest != SCHEME.digest
    assert Scheme(SCHEME.stages, SCHEME.kinds).digest == SCHEME.digest


def test_edges_ascend_by_five_per_cent_and_fit_their_field() -> None:
    assert (EDGES[0], EDGES[-1]) == (SHORTEST, LONGEST)
    ratios = EDGES[1:] / EDGES[:-1]
    assert ratios.max() <= 1.05 + 1e-9
    assert ratios.min() > 1
    assert len(EDGES) < 1 << WIDTHS["bucket"]


@given(st.integers(-10, 10**15))
def test_a_duration_lies_between_the_edges_of_its_bucket(microseconds: int) -> None:
    bucket = int(buckets(np.array([microseconds]))[0])
    edges = [0, *np.round(EDGES * SECOND).astype(np.int64).tolist(), np.iinfo(np.int64).max]
    assert edges[bucket] <= max(0, microseconds) < edges[bucket + 1]


def test_the_edge_itself_belongs_to_the_bucket_above() -> None:
    assert buckets(np.array([60 * SECOND - 1, 60 * SECOND])).tolist() == [0, 1]


def test_the_middle_of_a_bucket_is_within_it_and_at_most_two_and_a_half_per_cent_off() -> None:
    inner = np.arange(1, len(EDGES))
    found = middle(inner)
    assert np.all((EDGES[:-1] < found) & (found < EDGES[1:]))
    assert np.all(np.maximum(found / EDGES[:-1], EDGES[1:] / found) < 1.025)
    assert middle(np.array([0, len(EDGES)])).tolist() == [SHORTEST / 2, LONGEST]

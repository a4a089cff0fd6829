"""New outcomes from running totals."""

from __future__ import annotations

import numpy as np

from sales_exporter.sidecar.drift.totals import Totals, new


def _walk(*readings: tuple[float, float]) -> list[tuple[float, float]]:
    """New right and new outcomes after each reading of (right, total)."""
    taken, found = Totals.unseen(1, 1), []
    for right, total in readings:
        fresh, taken = new(taken, Totals(np.array([[right]]), np.array([[total]])))
        found.append((float(fresh.right[0, 0]), float(fresh.total[0, 0])))
    return found


def test_the_first_reading_brings_no_outcomes() -> None:
    assert _walk((90, 100), (98, 110)) == [(0, 0), (8, 10)]


def test_outcomes_behind_a_gap_come_with_the_next_reading() -> None:
    assert _walk((90, 100), (np.nan, np.nan), (98, 110)) == [(0, 0), (0, 0), (8, 10)]


def test_a_correction_is_taken_from_the_outcomes_to_come() -> None:
    # Three labels are corrected; of ten new decisions nine are right.
    assert _walk((90, 100), (87, 100), (96, 110)) == [(0, 0), (0, 0), (6, 10)]


def test_a_total_that_falls_brings_nothing_until_it_is_made_up_for() -> None:
    assert _walk((90, 100), (80, 90), (89, 100), (97, 108)) == [(0, 0), (0, 0), (0, 0), (7, 8)]


def test_what_one_batch_cannot_bear_is_left_for_the_next() -> None:
    assert _walk((90, 100), (80, 102), (88, 110)) == [(0, 0), (0, 2), (0, 8)]
    assert _walk((90, 100), (80, 102), (108, 130)) == [(0, 0), (0, 2), (18, 28)]

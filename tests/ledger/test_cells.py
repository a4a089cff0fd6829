"""Cells: whatever is regrouped, no unit is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.ledger.cells import Cells

SALES = Cells(("channel", "stage"), {("email", "lead"): 5, ("email", "won"): 2, ("paid", "lead"): 3})
anything = st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), st.integers(0, 1000))


def test_rows_with_the_same_key_are_added() -> None:
    rows = [{"channel": "email", "n": 2}, {"channel": "paid", "n": 1}, {"channel": "email", "n": 3}]
    assert dict(Cells.of(rows, "channel")) == {("email",): 5, ("paid",): 1}


def test_another_column_can_be_the_measure() -> None:
    assert Cells.of([{"channel": "email", "spend": 2.5}], "channel", measure="spend").get("email") == 2.5


def test_where_keeps_matching_cells_and_all_columns() -> None:
    found = SALES.where(channel="email", stage="won")
    assert (found.columns, dict(found)) == (("channel", "stage"), {("email", "won"): 2})


def test_sum_by_adds_up_the_other_columns() -> None:
    assert dict(SALES.sum_by("stage")) == {("lead",): 8, ("won",): 2}


def test_sum_by_gives_the_columns_in_the_order_asked_for() -> None:
    assert SALES.sum_by("stage", "channel").get("won", "email") == 2


def test_sum_by_nothing_is_the_total() -> None:
    assert dict(SALES.sum_by()) == {(): 10}


def test_relabel_adds_cells_that_become_equal() -> None:
    assert dict(SALES.relabel("channel", lambda _: "(other)")) == {("(other)", "lead"): 8, ("(other)", "won"): 2}


def test_a_cell_that_is_not_there_counts_nothing() -> None:
    assert SALES.get("paid", "won") == 0


def test_values_are_distinct_and_in_order_of_appearance() -> None:
    assert SALES.values("channel") == ("email", "paid")


def test_an_unknown_column_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises(KeyError, match="campaign"):
        SALES.sum_by("campaign")


@given(anything)
def test_no_regrouping_loses_a_unit(counts: dict[tuple[str, str], int]) -> None:
    cells = Cells(("channel", "stage"), counts)
    folded = cells.relabel("channel", lambda name: name if name == "a" else "(other)")
    assert cells.total() == folded.total() == cells.sum_by("stage").total() == sum(counts.values())


@given(anything)
def test_parts_of_a_column_make_up_the_whole(counts: dict[tuple[str, str], int]) -> None:
    cells = Cells(("channel", "stage"), counts)
    assert sum(cells.where(stage=stage).total() for stage in "xyz") == cells.total()

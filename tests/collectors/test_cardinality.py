"""Few label values, nothing lost, no flapping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.collectors.cardinality import NONE, OTHER, TopK, label
from sales_exporter.ledger.cells import Cells
from sales_exporter.model import LABEL_LENGTH


def ranked(limit: int, *rounds: dict[str, float]) -> TopK:
    top = TopK("channel", limit)
    for weights in rounds:
        top.rank(weights)
    return top


def test_the_heaviest_stay_and_the_rest_is_other() -> None:
    top = ranked(2, {"a": 5, "b": 9, "c": 1})
    assert [top(name) for name in "abc"] == ["a", "b", OTHER]


def test_equal_weights_go_by_name() -> None:
    top = ranked(1, {"b": 5, "a": 5})
    assert [top("a"), top("b")] == ["a", OTHER]


def test_a_value_that_was_never_ranked_is_other() -> None:
    assert ranked(2, {"a": 1})("stranger") == OTHER


def test_rows_without_a_value_are_never_folded_and_take_no_place() -> None:
    top = ranked(1, {NONE: 1, "a": 5, "b": 4})
    assert [top(NONE), top("a"), top("b")] == [NONE, "a", OTHER]


def test_a_channel_that_is_really_named_other_is_kept_apart() -> None:
    top = ranked(1, {"other": 5, "b": 1})
    assert [top("other"), top("b")] == ["other", OTHER]


def weights(*order: str) -> dict[str, float]:
    return {name: len(order) - place for place, name in enumerate(order)}


def test_a_value_that_slips_just_below_the_limit_keeps_its_series() -> None:
    top = ranked(5, weights(*"abcdef"), weights(*"abcdfe"))
    assert top("e") == "e"
    assert top("f") == "f"


def test_a_value_below_rank_one_point_two_k_leaves() -> None:
    top = ranked(5, weights(*"abcdefg"), weights(*"abcdfge"))
    assert top("e") == OTHER


def test_a_value_between_k_and_one_point_two_k_does_not_enter() -> None:
    assert ranked(5, weights(*"abcdef"))("f") == OTHER


def test_two_values_at_the_edge_that_swap_places_do_not_flap() -> None:
    top = TopK("channel", 5)
    seen = set()
    for order in ("abcdef", "abcdfe") * 10:
        top.rank(weights(*order))
        seen.add((top("e"), top("f")))
    # f enters once, at the first swap; from then on both stay.
    assert seen == {("e", OTHER), ("e", "f")}


def test_each_move_into_other_is_counted_once() -> None:
    top = ranked(1, {"a": 3, "b": 2, "c": 1})
    assert top.overflow == 2
    top.rank({"a": 3, "b": 2, "c": 1})
    assert top.overflow == 2
    top.rank({"b": 3, "a": 2, "c": 1})
    assert top.overflow == 3


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        TopK("channel", 0)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 50)), st.integers(1, 5))
def test_folding_keeps_the_sum_and_the_limit(counts: dict[str, int], limit: int) -> None:
    cells = Cells(("channel",), {(name,): n for name, n in counts.items()})
    top = ranked(limit, {name: float(n) for name, n in counts.items()})
    folded = cells.relabel("channel", top)
    assert folded.total() == cells.total()
    assert len([name for name in folded.values("channel") if name != OTHER]) <= limit


@pytest.mark.parametrize(("value", "shown"), [("email", "email"), (None, NONE), ("", NONE), ("unknown", "unknown")])
def test_only_a_missing_id_is_none(value: str | None, shown: str) -> None:
    assert label(value) == shown


def test_ids_that_are_cut_to_the_same_text_share_one_label() -> None:
    long = "x" * LABEL_LENGTH
    assert label(long + "1") == label(long + "2")
    assert len(label(long + "1")) == LABEL_LENGTH
    assert label(long) == long

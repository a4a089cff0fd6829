"""What collectors see: counts by named labels, over a range, of one state."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.ledger.cube import Cube, Layout, Tally
from sales_exporter.ledger.scheme import Scheme
from sales_exporter.ledger.source import MOST_NAMES, OTHER, Names
from sales_exporter.ledger.view import NONE, View

SCHEME = Scheme(("lead", "won"), ("open", "won"))
FUNNEL = Layout("funnel", ("hour", "channel", "stage"))
ROWS = ((5, 1, 0), (5, 1, 0), (6, 2, 1), (7, 0, 1), (9, MOST_NAMES, 0))
COLUMNS = {label: np.array([row[i] for row in ROWS]) for i, label in enumerate(FUNNEL.labels)}


def view(columns: dict[str, np.ndarray] = COLUMNS) -> View:
    names = Names()
    names.numbered(["email", "paid"])
    cube = Cube(FUNNEL, Tally.of(FUNNEL.pack(**columns)))
    return View(SCHEME, names).joined("leads", {"funnel": cube})


def test_numbers_come_as_the_texts_that_they_stand_for() -> None:
    assert dict(view().cells(FUNNEL, "channel", "stage")) == {
        ("email", "lead"): 2, ("paid", "won"): 1, (NONE, "won"): 1, (OTHER, "lead"): 1}


def test_labels_come_in_the_order_asked_for_and_other_fields_as_digits() -> None:
    assert dict(view().cells(FUNNEL, "stage", "hour")) == {
        ("lead", "5"): 2, ("won", "6"): 1, ("won", "7"): 1, ("lead", "9"): 1}


def test_the_range_is_half_open() -> None:
    assert view().cells(FUNNEL, since=5, until=7).get() == 3
    assert view().cells(FUNNEL, "stage", since=6, until=6).total() == 0


def test_without_labels_it_is_the_total() -> None:
    assert dict(view().cells(FUNNEL)) == {(): 5}


def test_names_that_share_a_text_are_added() -> None:
    names = Names()
    names.adopt(1, NONE)
    cube = Cube(FUNNEL, Tally.of(FUNNEL.pack(hour=[1, 1], channel=[0, 1], stage=[0, 0])))
    assert dict(View(SCHEME, names).joined("x", {"funnel": cube}).cells(FUNNEL, "channel")) == {(NONE,): 2}


def test_a_cube_that_is_not_filled_is_empty_and_not_an_error() -> None:
    empty = View(SCHEME)
    assert empty.cells(FUNNEL, "channel").total() == 0
    assert empty.read(FUNNEL)[1].tolist() == []
    assert empty.ready == frozenset()


def test_a_view_stays_as_it_was_when_the_cube_goes_on() -> None:
    cube = Cube(FUNNEL, Tally.of(FUNNEL.pack(hour=[1], channel=[1], stage=[0])))
    held = View(SCHEME).joined("leads", {"funnel": cube})
    cube.add(Tally.of(FUNNEL.pack(hour=[1, 2], channel=[1, 1], stage=[0, 0])))
    assert held.read(FUNNEL)[1].tolist() == [1]


@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=30))
def test_sums_are_the_same_whether_the_range_of_numbers_is_small_or_vast(rows: list[tuple[int, int, int]]) -> None:
    columns = {label: np.array([row[i] for row in rows]) for i, label in enumerate(FUNNEL.labels)}
    found = view(columns).cells(FUNNEL, "hour", "channel", "stage")
    assert found.total() == len(rows)
    assert dict(found.sum_by("stage")) == dict(view(columns).cells(FUNNEL, "stage"))


def test_what_two_ask_of_one_state_at_a_moment_is_computed_once() -> None:
    view, asked = View(), []

    def compute() -> int:
        asked.append(1)
        return len(asked)

    assert [view.once("a", now, compute) for now in (1.0, 1.0, 2.0, 2.0)] == [1, 1, 2, 2]
    assert view.once("b", 2.0, compute) == 3
    assert view.joined("leads", {}).once("a", 2.0, compute) == 4

"""Cubes: packed keys lose nothing, and additions in any order are a dict of counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.ledger.cube import BLOCK_DAYS, NOTHING, WIDTHS, Cube, Layout, Tally
from sales_exporter.ledger.source import MOST_NAMES, OTHER, Names

PLAN = Layout("plan", ("hour", "channel", "stage", "to:stage"))
KINDS = ("hour", "channel", "stage", "stage")
SMALL = Layout("small", ("day", "stage"))
edges = st.integers(-2, 32)
pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(-3, 3)), max_size=40)


def tally(counts: list[tuple[int, int]]) -> Tally:
    rows = np.array(counts, dtype=np.int64).reshape(-1, 2)
    return Tally.of(rows[:, 0], rows[:, 1])


def plain(counts: list[tuple[int, int]]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for key, n in counts:
        total[key] += n
    return {key: n for key, n in total.items() if n}


def as_dict(one: Tally) -> dict[int, int]:
    return dict(zip(one.keys.tolist(), one.counts.tolist(), strict=True))


@given(st.lists(st.tuples(*(st.integers(0, (1 << WIDTHS[kind]) - 1) for kind in KINDS))))
@pytest.mark.slow
def test_what_is_packed_is_unpacked(rows: list[tuple[int, int, int, int]]) -> None:
    columns = {label: np.array([row[i] for row in rows], dtype=np.int64) for i, label in enumerate(PLAN.labels)}
    keys = PLAN.pack(**columns)
    assert {label: column.tolist() for label, column in PLAN.unpack(keys).items()} == {
        label: column.tolist() for label, column in columns.items()}
    assert np.argsort(keys, kind="stable").tolist() == sorted(range(len(rows)), key=lambda i: rows[i])


def test_a_value_beyond_its_field_is_cut_and_spoils_no_other() -> None:
    keys = SMALL.pack(day=[-7, 1 << 40], stage=[99, -1])
    assert {label: column.tolist() for label, column in SMALL.unpack(keys).items()} == {
        "day": [0, (1 << 16) - 1], "stage": [31, 0]}


def test_a_layout_fills_sixty_three_bits_and_no_more() -> None:
    full = Layout("full", ("hour", "name", "other", "bucket", "flag"))
    assert full.pack(hour=1 << 30, name=1 << 30, other=1 << 30, bucket=1 << 30, flag=1).tolist() == [(1 << 63) - 1]
    with pytest.raises(ValueError, match="cube wide: 64 bits"):
        Layout("wide", (*full.fields, "again:flag")).pack()


@given(pairs)
def test_a_tally_is_a_dict_of_counts_without_zeros(counts: list[tuple[int, int]]) -> None:
    found = tally(counts)
    assert as_dict(found) == plain(counts)
    assert found.keys.tolist() == sorted(found.keys.tolist())


def test_keys_alone_are_counted() -> None:
    assert as_dict(Tally.of(np.array([7, 3, 7]))) == {3: 1, 7: 2}
    assert Tally.of(np.zeros(0, dtype=np.int64)) is NOTHING


@given(pairs, pairs)
def test_a_sum_less_one_part_is_the_other(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    one, other = tally(first), tally(second)
    assert as_dict(one.plus(other)) == plain(first + second)
    assert as_dict(one.plus(other).plus(other, -1)) == as_dict(one)


@given(st.lists(pairs, max_size=6))
def test_additions_to_a_cube_add_up_and_cells_that_come_to_nothing_go(steps: list[list[tuple[int, int]]]) -> None:
    cube = Cube(SMALL)
    for step in steps:
        cube.add(tally(step))
    assert as_dict(cube.tally) == plain([one for step in steps for one in step])
    assert cube.tally.keys.tolist() == sorted(cube.tally.keys.tolist())


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=40), edges, edges)
def test_a_range_of_the_first_field_is_what_a_filter_gives(rows: list[tuple[int, int]], since: int, until: int) -> None:
    cube = Cube(SMALL, Tally.of(SMALL.pack(day=[d for d, _ in rows], stage=[s for _, s in rows]) if rows
                                else np.zeros(0, dtype=np.int64)))
    columns, counts = cube.read(since, until)
    places = zip(columns["day"].tolist(), columns["stage"].tolist(), strict=True)
    found = dict(zip(places, counts.tolist(), strict=True))
    assert found == {row: n for row, n in Counter(rows).items() if since <= row[0] < until}
    assert cube.read()[1].sum() == len(rows)


def test_a_reader_keeps_the_state_that_it_holds() -> None:
    cube = Cube(SMALL, tally([(1, 1), (2, 5)]))
    held = cube.tally
    cube.add(tally([(1, 3), (2, -5), (9, 1)]))
    assert as_dict(held) == {1: 1, 2: 5}
    assert as_dict(cube.tally) == {1: 4, 9: 1}


OLD = Layout("old", ("day", "stage"), (("day", 7),), 10)
GRAIN = 10 + BLOCK_DAYS


@given(pairs, pairs)
def test_old_cells_become_coarse_and_nothing_is_lost(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    one, other = (Tally.of(OLD.pack(day=some.keys, stage=some.keys % 3), some.counts)
                  for some in (tally(first), tally(second)))
    coarse = OLD.coarsened(one, GRAIN)
    assert as_dict(OLD.coarsened(one.plus(other), GRAIN)) == as_dict(coarse.plus(OLD.coarsened(other, GRAIN)))
    assert coarse.counts.sum() == one.counts.sum()
    assert as_dict(OLD.coarsened(coarse, GRAIN)) == as_dict(coarse)
    days = OLD.unpack(coarse.keys)["day"]
    assert all(day >= BLOCK_DAYS or day % 7 == 0 for day in days.tolist())
    fine = one.keys >= OLD.edge(GRAIN)
    assert one.keys[fine].tolist() == coarse.keys[coarse.keys >= OLD.edge(GRAIN)].tolist()


def test_names_are_numbered_once_in_order_of_appearance_and_no_name_is_nought() -> None:
    names = Names()
    assert names.numbered(["b", None, "a", "b"]).tolist() == [1, 0, 2, 1]
    assert names.fresh == [(1, "b"), (2, "a")]
    assert [names.text(n) for n in (0, 1, 2)] == [None, "b", "a"]


def test_stored_names_are_adopted_in_order_and_are_not_fresh() -> None:
    names = Names()
    names.adopt(1, "x")
    assert names.numbered(["y", "x"]).tolist() == [2, 1]
    assert names.fresh == [(2, "y")]
    with pytest.raises(ValueError, match="not numbered in order"):
        names.adopt(4, "z")


def test_names_beyond_the_most_share_a_number_and_take_no_room() -> None:
    names = Names()
    numbers = names.numbered([f"n{i}" for i in range(MOST_NAMES + 5)])
    assert numbers[-6:].tolist() == [MOST_NAMES] * 6
    assert numbers.max() < 1 << WIDTHS["channel"]
    assert names.text(MOST_NAMES) == OTHER
    assert len(names.fresh) == MOST_NAMES - 1
    assert names.numbered(["n0"]).tolist() == [1]

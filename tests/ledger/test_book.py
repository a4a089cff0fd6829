"""Books: revisions equal a book made anew, in memory and page by page on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.ledger.book import KEY, Book, BookLayout, Records, Revision, from_pages
from sales_exporter.ledger.calendar import DAY
from sales_exporter.ledger.paths import LONGEST, MOST_PATHS, Paths, channels, days, packed
from sales_exporter.ledger.store import Commit, Mark, Store

LAYOUT = BookLayout("things", (("value", "<i8"), ("kind", "u1")))
PAGE = LAYOUT.page
MARK = Mark("", "", 0.0)


def records(values: dict[int, int]) -> Records:
    keys = np.array(list(values), dtype=np.int64)
    return LAYOUT.records(keys, value=np.array(list(values.values()), dtype=np.int64), kind=keys % 3)


def revision(put: dict[int, int], gone: set[int] = frozenset()) -> Revision:  # type: ignore[assignment]
    return Revision(records(put), np.array(sorted(gone), dtype=np.int64))


def rows(found: Records) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in found.columns.values()), strict=True))


def contents(book: Book) -> dict[int, int]:
    return dict(zip(book.records["key"].tolist(), book.records["value"].tolist(), strict=True))


KEYS = st.integers(-5, 1000)
VALUES = st.sampled_from([0, 1, 2, 3, -1, 127, 128, -129, 70_000, 2**40, -(2**63)])
STEPS = st.lists(
    st.tuples(st.dictionaries(KEYS, VALUES, max_size=400), st.sets(KEYS, max_size=400)), max_size=6)


@given(STEPS)
def test_revisions_and_their_pages_keep_exactly_what_was_put(steps: list[tuple[dict[int, int], set[int]]]) -> None:
    book, expected, disk = Book.of(LAYOUT), dict[int, int](), dict[int, bytes]()
    for put, gone in steps:
        before = rows(book.records)
        held = book
        book, pages = book.revised(revision(put, gone))
        assert rows(held.records) == before
        expected = {key: value for key, value in expected.items() if key not in gone or key in put} | put
        disk = {number: page for number, page in (disk | pages).items() if page}
        assert contents(book) == expected
        assert np.array_equal(np.sort(book.records["key"]), book.records["key"][book.order])
        assert sorted(disk) == list(range(len(disk)))
        assert rows(from_pages(LAYOUT, len(expected), [disk[n] for n in sorted(disk)])) == rows(book.records)
        assert book.differences(Book.of(LAYOUT, records(expected))) == 0


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=400), max_size=6))
@pytest.mark.slow
def test_a_book_that_grows_in_place_is_the_one_that_is_revised(steps: list[dict[int, int]]) -> None:
    grown, made, disk = Book.of(LAYOUT), Book.of(LAYOUT), dict[int, bytes]()
    for put in steps:
        before, size = grown, len(grown)
        grown.extended(records(put))
        # An extension that was given up, as when the disk is full, is tried again from the same book.
        assert len(before) == size
        grown, pages = grown.extended(records(put))
        made, _ = made.revised(revision(put))
        disk = {number: page for number, page in (disk | pages).items() if page}
        assert grown.differences(made) == 0
        assert rows(from_pages(LAYOUT, len(grown), [disk[n] for n in sorted(disk)])) == rows(grown.records)


def test_a_revision_writes_the_pages_that_differ_and_no_other() -> None:
    book, _ = Book.of(LAYOUT).revised(revision(dict.fromkeys(range(10 * PAGE), 1)))
    same, pages = book.revised(revision(dict.fromkeys(range(10 * PAGE), 1)))
    assert same is book
    assert pages == {}
    _, pages = book.revised(revision({0: 1, 3 * PAGE: 2}))
    assert set(pages) == {3}
    fewer, pages = book.revised(revision({}, {5}))
    assert set(pages) == {0, 9}
    _, pages = fewer.revised(revision({}, set(range(9 * PAGE, 10 * PAGE))))
    assert pages[9] == b""


def test_a_page_is_its_records_packed_one_after_the_other() -> None:
    _, pages = Book.of(LAYOUT).revised(revision({1: 2, 5: -1}))
    assert pages == {0: bytes([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1,
                               5, 0, 0, 0, 0, 0, 0, 0, *[255] * 8, 2])}


def test_what_a_revision_leaves_as_it_is_is_not_copied() -> None:
    book = Book.of(LAYOUT, records({1: 1, 2: 2}))
    changed, _ = book.revised(revision({2: 7}))
    assert rows(book.records) == [(1, 1, 1), (2, 2, 2)]
    assert rows(changed.records) == [(1, 1, 1), (2, 7, 2)]
    assert changed.order is book.order
    assert [name for name, column in changed.records.columns.items() if column is book.records[name]] == [KEY, "kind"]


@given(st.sets(KEYS), st.lists(KEYS))
def test_records_are_found_by_their_keys(held: set[int], wanted: list[int]) -> None:
    book = Book.of(LAYOUT, records(dict.fromkeys(sorted(held, key=lambda key: key % 7), 0)))
    keys = np.array(wanted, dtype=np.int64)
    if held.issuperset(wanted):
        assert book.records[KEY][book.places(keys)].tolist() == wanted
    else:
        with pytest.raises(ValueError, match="book things lacks a record"):
            book.places(keys)


def test_records_are_overwritten_in_place() -> None:
    book = Book.of(LAYOUT, records({3: 1, 1: 2, 2: 3}))
    fresh = records({2: 8, 3: 9})
    book.put(book.places(fresh[KEY]), fresh)
    assert contents(book) == {3: 9, 1: 2, 2: 8}


def test_of_records_with_one_key_the_last_one_counts() -> None:
    twice = records({1: 10}).plus(records({1: 20}))
    book, _ = Book.of(LAYOUT).revised(Revision(twice, np.zeros(0, dtype=np.int64)))
    assert contents(book) == {1: 20}


def test_differences_count_records_that_are_missing_on_either_side_or_otherwise() -> None:
    mine, theirs = (Book.of(LAYOUT, records(values)) for values in ({1: 1, 2: 2, 3: 3}, {2: 2, 3: 4, 5: 5, 6: 6}))
    assert mine.differences(theirs) == theirs.differences(mine) == 4


def test_of_two_revisions_the_later_prevails() -> None:
    both = revision({1: 1, 2: 2}, {7, 8}).plus(revision({7: 7}, {1}))
    book, _ = Book.of(LAYOUT, records({1: 0, 7: 0, 8: 0})).revised(both)
    assert contents(book) == {2: 2, 7: 7}


def test_the_state_keeps_books_and_paths(tmp_path: Path) -> None:
    store = Store(tmp_path, (), (LAYOUT,))
    book, pages = Book.of(LAYOUT).revised(revision(dict.fromkeys(range(3 * PAGE), 1)))
    store.commit(Commit("s", MARK, books={"things": pages}, paths=[(1, b"\0\1\2\3")]))
    book, pages = book.revised(revision({1: 5}, set(range(100, 150))))
    store.commit(Commit("s", MARK, books={"things": pages}))
    store.close()
    again = Store(tmp_path, (), (LAYOUT,))
    assert rows(again.book(LAYOUT)) == rows(book.records)
    assert again.paths() == [(1, b"\0\1\2\3")]
    again.clear("s", (), MARK, (LAYOUT,))
    assert len(again.book(LAYOUT)) == 0
    again.close()


def test_paths_are_numbered_once_and_read_back_with_their_ages() -> None:
    paths = Paths()
    touches = packed(np.array([3, 70_000 >> 1, 3]), np.array([15 * DAY, 0, 0]))
    lengths = np.array([2, 0, 1])
    assert paths.numbered(touches, lengths).tolist() == [1, 0, 2]
    assert paths.numbered(touches, lengths).tolist() == [1, 0, 2]
    found, sizes = paths.touches(np.array([1, 0, 2]))
    assert channels(found).tolist() == [3, 35_000, 3]
    # 15 days lie in the step from 14 to 17.5.
    assert days(found, sizes).tolist() == [15.75, 0.0, 0.0]
    again = Paths()
    for number, path in paths.fresh:
        again.adopt(number, path)
    assert again.texts == paths.texts == [b"", touches[:2].tobytes(), touches[2:].tobytes()]
    assert again.numbered(touches, lengths).tolist() == [1, 0, 2]
    assert again.fresh == []


def test_a_long_path_keeps_its_first_and_its_newest_touches() -> None:
    paths = Paths()
    size = LONGEST + 5
    (number,) = paths.numbered(packed(np.arange(size), np.zeros(size, dtype=np.int64)), np.array([size])).tolist()
    assert channels(paths.touches(np.array([number]))[0]).tolist() == [0, *range(6, size)]


@pytest.mark.slow
def test_a_full_table_of_paths_keeps_the_ends() -> None:
    paths = Paths()
    many = packed(np.arange(1, MOST_PATHS + 1) % 60_000, np.arange(MOST_PATHS) // 60_000 * 4 * DAY)
    paths.numbered(many, np.ones(MOST_PATHS, dtype=np.int64))
    late = packed(np.array([7, 8, 9]), np.array([20 * DAY, 5 * DAY, 0]))
    (number,) = paths.numbered(late, np.array([3])).tolist()
    assert channels(paths.touches(np.array([number]))[0]).tolist() == [7, 9]

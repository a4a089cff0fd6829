"""The board: what a scrape gets, and how much of it is kept."""

from __future__ import annotations

import gzip
from itertools import count

import pytest

from sales_exporter.config import Limits
from sales_exporter.model import Sample, Snapshot, counter, gauge
from sales_exporter.runtime.board import Board
from sales_exporter.runtime.exposition import Format, Renderer
from tests.support.clocks import FakeClock

DEALS, CALLS = gauge("sales_deals", "Deals.", "stage"), counter("sales_calls_total", "Calls.")


@pytest.fixture
def board() -> Board:
    board = Board(FakeClock(), Limits())
    board.add("deals", 10.0, 60.0)
    board.add("calls", 10.0, 60.0)
    return board


async def put(board: Board, name: str, *samples: Sample) -> None:
    await board.succeed(Snapshot(name, samples, 1.0), 0.1)


@pytest.mark.parametrize("kind", ["text", "openmetrics"])
async def test_a_scrape_shows_the_newest_pages_packed_or_not(board: Board, kind: Format) -> None:
    for value in (1.0, 2.0, 3.0):
        await put(board, "deals", Sample(DEALS, ("won",), value))
        await put(board, "calls", Sample(CALLS, (), value))
        plain = board.exposition(kind, packed=False, only=None)
        assert f'sales_deals{{stage="won"}} {value:.0f}\n'.encode() in plain
        assert f"sales_calls_total {value:.0f}\n".encode() in plain
        assert gzip.decompress(board.exposition(kind, packed=True, only=None)) == plain
        chosen = board.exposition(kind, packed=False, only=frozenset({"calls"}))
        assert b"sales_deals" not in chosen
        assert b"sales_calls" in chosen


async def test_a_scrape_between_two_passes_is_joined_once_and_no_older_one_is_kept(board: Board) -> None:
    for value in count(1.0):
        await put(board, "deals", Sample(DEALS, ("won",), value))
        first = board.exposition("text", packed=False, only=None)
        assert board.exposition("text", packed=False, only=None) is first
        assert len(board._joined) == 1
        if value > 5:
            return


def test_lines_that_both_formats_share_are_held_once() -> None:
    page = Renderer().render([Sample(DEALS, ("won",), 1.0), Sample(CALLS, (), 2.0)])
    assert b"sales_deals{" in page.same.plain
    for own in (page.text, page.openmetrics):
        assert b"sales_deals" not in own.plain
        assert b"sales_calls_total 2\n" in own.plain

"""Windows are half-open, nested, and all end at the moment of evaluation."""

from __future__ import annotations

import math

import pytest

from sales_exporter.collectors.windows import STARTS, Windows
from tests.support.databases import Databases

NOW = 1_000_000.0


def test_windows_go_from_the_longest_to_the_shortest() -> None:
    windows = Windows.ending(NOW, ("7d", "all", "1d"))
    assert windows.names == ("all", "7d", "1d")
    assert windows.starts == (-math.inf, NOW - 7 * 86_400, NOW - 86_400)


def test_a_window_named_twice_is_one() -> None:
    assert Windows.ending(NOW, ("7d", "7d")).names == ("7d",)


@pytest.mark.parametrize(("bucket", "within"), [(0, ()), (1, ("7d",)), (2, ("7d", "1d"))])
def test_a_row_of_bucket_k_lies_in_the_k_longest(bucket: int, within: tuple[str, ...]) -> None:
    assert Windows.ending(NOW, ("1d", "7d")).containing(bucket) == within


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("age", "bucket"),
    [
        pytest.param(86_400, 3, id="exactly at the start of the shortest"),
        pytest.param(86_401, 2, id="just before it"),
        pytest.param(10**9, 1, id="only in all"),
    ],
)
def test_postgresql_gives_the_bucket(databases: Databases, age: int, bucket: int) -> None:
    windows = Windows.ending(NOW, ("1d", "7d", "all"))
    starts = STARTS.replace("%(starts)s", "%s")
    found = databases.fresh().rows(
        f"SELECT width_bucket(to_timestamp(%s), {starts})", NOW - age, list(windows.starts),
    )
    assert found == [(bucket,)]

"""What is kept from pass to pass, and when it is computed anew."""

from __future__ import annotations

from itertools import count

from sales_exporter.collectors.kept import Kept


async def test_a_value_is_kept_for_its_key() -> None:
    numbers, kept = count(), Kept[int]()
    assert [await kept.get(key, 100, lambda: next(numbers)) for key in (1, 1, 2, 2, 1)] == [0, 0, 1, 1, 2]


async def test_a_source_that_changed_much_makes_another_value() -> None:
    numbers, kept = count(), Kept[int]()
    assert [await kept.get(1, size, lambda: next(numbers)) for size in (100, 110, 111, 120, 10)] == [0, 0, 1, 1, 2]

"""Intervals of what is added up on a page: the exporter gives them by channel or rep, and intervals do not add up."""

from __future__ import annotations

from typing import NamedTuple

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


class Bounds(NamedTuple):
    """PromQL of the lower and the upper end."""

    lower: str
    upper: str


def wilson(part: str, whole: str) -> Bounds:
    """95 % of a share of counts, as the exporter's own; absent where the whole is empty.

    Source: Wilson 1927, as in ``sales_exporter.stats.intervals``.
    """
    middle = f"({part}) + {Z**2 / 2:.12f}"
    reach = f"{Z} * sqrt(({part}) - ({part}) ^ 2 / (({whole}) > 0) + {Z**2 / 4:.12f})"
    size = f"(({whole}) + {Z**2:.12f})"
    # Rounding must not carry a share out of its range.
    return Bounds(f"clamp_min(({middle} - {reach}) / {size}, 0)", f"clamp_max(({middle} + {reach}) / {size}, 1)")


def per_event(money: str, events: str) -> Bounds:
    """95 % of money per event, the events Poisson and the money known; absent below five events.

    Source: Byar's approximation (Breslow and Day 1987), from five events on within 1 % of the exact bounds.
    """
    events = f"(({events}) >= 5)"
    fewer = f"({events} * (1 - 1 / (9 * {events}) - {Z / 3:.12f} / sqrt({events})) ^ 3)"
    more = f"({events} + 1)"
    more = f"({more} * (1 - 1 / (9 * {more}) + {Z / 3:.12f} / sqrt({more})) ^ 3)"
    return Bounds(f"({money}) / {more}", f"({money}) / {fewer}")


def summed(value: str, lower: str, upper: str) -> Bounds:
    """95 % of the sum of independent values from the bounds of each; the three have the same labels.

    Source: Zou and Donner 2008 (method of variance estimates recovery).
    """
    return Bounds(f"sum({value}) - sqrt(sum((({value}) - ({lower})) ^ 2))",
                  f"sum({value}) + sqrt(sum((({upper}) - ({value})) ^ 2))")

"""Projected conversion: what recent leads will have come to, from how older ones went on."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sales_exporter.collectors.cardinality import label
from sales_exporter.collectors.stays import Days, Floats
from sales_exporter.collectors.windows import ALL, DAY, HOUR, Windows, length
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.leads import CAMPAIGN, ENDS, LOST, WON
from sales_exporter.ledger.scheme import EDGES
from sales_exporter.ledger.view import View
from sales_exporter.stats.classification import Estimate
from sales_exporter.stats.projection import REFERENCE_DAYS, Cohorts, Course, foresee, learn_each, maturity, simulate

OWN_COURSE = 100
"""Wins in the reference from which a channel's own course is used: its rate is then known to about 20 % (two standard
errors), which is less than channels commonly differ by."""
DRAWS = 500
"""Futures behind a band: its ends are then sure to about 3 % of its width, at half the cost of the default."""
_SHORTEST = int(np.searchsorted(EDGES, HOUR))
"""Edges below an hour are left out: leads of a day are on average older than that, and it halves the work."""


@dataclass(frozen=True, slots=True)
class Projected:
    """Estimates by channel and horizon, and maturity by window and horizon."""

    conversion: Mapping[tuple[str, str], Estimate]
    maturity: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class _Born:
    """Leads by day of creation: of all days, and from ``start`` by channel with what has become of them."""

    days: Days
    everyone: Floats
    """Leads of all channels (days since the first)."""
    start: int
    names: tuple[str, ...]
    """The channels that are kept apart: rows of the tables, with one more for ends of none of them."""
    sizes: Floats
    won: Floats
    lost: Floats
    edges: Floats

    def cohorts(self, since: int, channel: int | None = None) -> Cohorts:
        """Leads of this day and later, none before ``start``, of the channel (by row) or of all."""
        skipped = min(max(since - self.start, 0), self.sizes.shape[1])
        sizes, won, lost = (
            part[:, skipped:].sum(axis=0) if channel is None else part[channel, skipped:]
            for part in (self.sizes, self.won, self.lost))
        return Cohorts(sizes, won, lost, self.edges, self.days.now - (self.start + skipped - self.days.first))

    def aged(self, since: int | None) -> Cohorts:
        """Leads of all channels of this day and later, as if none had ended yet."""
        skipped = 0 if since is None else min(max(since - self.days.first, 0), len(self.everyone))
        nothing = np.broadcast_to(0.0, (len(self.everyone) - skipped, len(self.edges) + 1))
        return Cohorts(self.everyone[skipped:], nothing, nothing, self.edges, self.days.now - skipped)


def projected(
    ledger: View, now: float, windows: Sequence[str], horizons: Sequence[str], kept: Callable[[str], str]
) -> Projected:
    """Conversion of the leads of each horizon by channel, folded as ``kept`` says, and the maturity of each window."""
    spans = {span: length(span) for span in horizons if span != ALL}
    born = _born(ledger, now, max(spans.values(), default=1), kept)
    if born is None:
        return Projected({}, {})
    calendar = ledger.scheme.calendar
    since, today = Windows.ending(now, dict.fromkeys((*windows, *spans))).days(calendar), calendar.day(now)
    course, *courses = learn_each([born.cohorts(born.start, row) for row in (None, *range(len(born.names)))])
    maturities = {
        (window, span): maturity(born.aged(since[window]), course, days)
        for window in windows for span, days in spans.items()
    }
    conversion = {}
    # Drawn once for each course: the cohorts of all horizons may go through the same futures.
    simulated = functools.cache(lambda row: simulate(course if row is None else courses[row], today, DRAWS))
    for row, (channel, own) in enumerate(zip(born.names, courses, strict=True)):
        for span, days in spans.items():
            cohorts = born.cohorts(since[span] or born.start, row)
            conversion[channel, span] = foresee(cohorts, simulated(row if _known(own, days) else None), days)
    return Projected(conversion, maturities)


def _known(own: Course, horizon: int) -> bool:
    return bool(own.events[0].sum() >= OWN_COURSE and own.oldest >= horizon)


def _born(ledger: View, now: float, longest: int, kept: Callable[[str], str]) -> _Born | None:
    columns, counts = ledger.read(CAMPAIGN)
    if not len(counts):
        return None
    calendar = ledger.scheme.calendar
    days = Days.ending(calendar, now, int(columns["day"][0]))
    # Older leads tell nothing of the reference at ages up to the longest horizon.
    start = max(calendar.day(now) - math.ceil(REFERENCE_DAYS) - longest - 1, days.first)
    size, end = days.first + days.size - start, int(np.searchsorted(EDGES, longest * DAY)) + 1
    first = columns["stage"] == ledger.scheme.path[0]
    day, counts = columns["day"][first], counts[first]
    names, rows = _channels(ledger, columns["channel"][first], kept)
    recent = slice(*np.searchsorted(day, (start, start + size)).tolist())
    everyone = np.bincount(day - days.first, counts, days.size)[: days.size].astype(np.float64)
    edges = EDGES[_SHORTEST:end]
    place = rows(columns["channel"][first][recent]) * size + day[recent] - start
    sizes = np.bincount(place, counts[recent], (len(names) + 1) * size).reshape(-1, size).astype(np.float64)
    won, lost = _ended(ledger, start, (len(names) + 1, size, len(edges) + 1), rows)
    return _Born(days, everyone, start, names, sizes, won, lost, edges)


def _ended(
    ledger: View, start: int, shape: tuple[int, int, int], rows: Callable[[Ints], Ints]
) -> tuple[Floats, Floats]:
    """Leads won and lost by channel, day of creation and bucket of age."""
    columns, counts = ledger.read(ENDS, start, start + shape[1])
    bucket = np.clip(columns["bucket"] - _SHORTEST, 0, shape[2] - 1)
    place = (rows(columns["channel"]) * shape[1] + columns["day"] - start) * shape[2] + bucket
    won, lost = (
        np.bincount(place[chosen], counts[chosen], math.prod(shape)).reshape(shape).astype(np.float64)
        for chosen in (columns["result"] == result for result in (WON, LOST)))
    return won, lost


def _channels(
    ledger: View, channels: Ints, kept: Callable[[str], str]
) -> tuple[tuple[str, ...], Callable[[Ints], Ints]]:
    """Channels that are kept apart, and what turns numbers into their rows; of others, into the row after the last."""
    numbers = np.flatnonzero(np.bincount(channels))
    found = [kept(label(ledger.names.text(number))) for number in numbers.tolist()]
    names = tuple(sorted(set(found)))
    rows = np.full(numbers.max(initial=0) + 2, len(names), dtype=np.int64)
    rows[numbers] = [names.index(name) for name in found]
    return names, lambda more: rows[np.minimum(more, len(rows) - 1)]

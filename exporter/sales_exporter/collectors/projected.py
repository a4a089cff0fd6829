"""Projected conversion: what recent leads will have come to, from how older ones went on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors.cardinality import label
from sales_exporter.collectors.stays import Days, Floats
from sales_exporter.collectors.windows import ALL, DAY, HOUR, Windows, length
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cube import Columns
from sales_exporter.ledger.leads import CAMPAIGN, ENDS, LOST, WON
from sales_exporter.ledger.scheme import EDGES
from sales_exporter.ledger.view import View
from sales_exporter.stats.classification import Estimate
from sales_exporter.stats.projection import REFERENCE_DAYS, Cohorts, Course, learn, project

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
    """Leads by day of creation and channel, their ends, and the edges of the buckets that are told apart."""

    days: Days
    leads: Columns
    sizes: Ints
    ends: Columns
    ended: Ints
    edges: Floats

    def cohorts(self, since: int | None, channels: NDArray[np.bool_] | None = None) -> Cohorts:
        """Leads of this day and later, of the channels (by number) or of all."""
        first = self.days.first if since is None else min(max(since, self.days.first), self.days.first + self.days.size)
        size, buckets = self.days.first + self.days.size - first, len(self.edges) + 1
        of, ours = (part["day"] >= first if channels is None else (part["day"] >= first) & channels[part["channel"]]
                    for part in (self.leads, self.ends))
        sizes = np.bincount(self.leads["day"][of] - first, weights=self.sizes[of], minlength=size)
        bucket = np.clip(self.ends["bucket"][ours] - _SHORTEST, 0, buckets - 1)
        place, result = (self.ends["day"][ours] - first) * buckets + bucket, self.ends["result"][ours]
        won, lost = (
            np.bincount(place[result == one], self.ended[ours][result == one], size * buckets).reshape(size, buckets)
            for one in (WON, LOST))
        now = self.days.now - (first - self.days.first)
        return Cohorts(sizes.astype(np.float64), won.astype(np.float64), lost.astype(np.float64), self.edges, now)


def projected(
    ledger: View, now: float, windows: Sequence[str], horizons: Sequence[str], kept: Callable[[str], str]
) -> Projected:
    """Conversion of the leads of each horizon by channel, folded as ``kept`` says, and the maturity of each window."""
    spans = {span: length(span) for span in horizons if span != ALL}
    born = _born(ledger, now, max(spans.values(), default=1))
    if born is None:
        return Projected({}, {})
    calendar = ledger.scheme.calendar
    since, today = Windows.ending(now, dict.fromkeys((*windows, *spans))).days(calendar), calendar.day(now)
    # Older leads tell nothing of the reference at ages up to the longest horizon.
    start = today - math.ceil(REFERENCE_DAYS) - max(spans.values(), default=1) - 1
    course = learn(born.cohorts(start))
    maturity = {
        (window, span): project(born.cohorts(since[window]), course, days, today, draws=1).maturity
        for window in windows for span, days in spans.items()
    }
    conversion = {}
    for channel, numbers in _channels(ledger, born, kept):
        own = learn(born.cohorts(start, numbers))
        for span, days in spans.items():
            chosen = own if _known(own, days) else course
            cohorts = born.cohorts(since[span], numbers)
            conversion[channel, span] = project(cohorts, chosen, days, today, DRAWS).projected
    return Projected(conversion, maturity)


def _known(own: Course, horizon: int) -> bool:
    return bool(own.events[0].sum() >= OWN_COURSE and own.oldest >= horizon)


def _born(ledger: View, now: float, longest: int) -> _Born | None:
    columns, counts = ledger.read(CAMPAIGN)
    if not len(counts):
        return None
    first = columns["stage"] == ledger.scheme.path[0]
    days = Days.ending(ledger.scheme.calendar, now, int(columns["day"][0]))
    end = int(np.searchsorted(EDGES, longest * DAY)) + 1
    return _Born(
        days, {name: part[first] for name, part in columns.items()}, counts[first], *ledger.read(ENDS),
        EDGES[_SHORTEST:end])


def _channels(ledger: View, born: _Born, kept: Callable[[str], str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Channels that are kept apart, with a mask over the numbers of those that they hold."""
    numbers = np.unique(born.leads["channel"])
    names = [kept(label(ledger.names.text(number))) for number in numbers.tolist()]
    most = max(int(part["channel"].max(initial=0)) for part in (born.leads, born.ends))
    for name in sorted(set(names)):
        mask = np.zeros(most + 1, dtype=bool)
        mask[[number for number, other in zip(numbers.tolist(), names, strict=True) if other == name]] = True
        yield name, mask

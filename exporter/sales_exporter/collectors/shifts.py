"""How far the scores of each version moved, and whether that is more than days usually differ by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sales_exporter.collectors.versions import Version
from sales_exporter.model import Definition, Sample, gauge
from sales_exporter.stats.shift import Shift, shift

_DAYS = Definition(
    unit="predictions with a score from 0 to 1", entry="predicted on a whole reporting day", order="each once",
    window="the last 7 whole reporting days, against the version's first 30 reporting days, as far as they are before "
    "as_of - 7 d",
    unfinished="labels are not needed; absent below 4 days with predictions on either side",
)
DISTANCE = gauge(
    "sales_model_score_distance", "How far scores moved in the mean (Wasserstein distance), from 0 to 1, by 100 bins. "
    "An effect to look at, never by itself a reason to wake somebody.", "model", "version", definition=_DAYS,
)
P_VALUE = gauge(
    "sales_model_score_shift_p_value", "How often days put together at random are as far apart: whole days are drawn, "
    "because scores of a day are alike. At least 0.001.", "model", "version", definition=_DAYS,
)
METRICS = (DISTANCE, P_VALUE)


class Shifts:
    """Shifts of versions. Whole days change seldom, and each test takes a thousand permutations: it is kept."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, Shift]] = {}

    def of(self, kept: Iterable[Version]) -> dict[str, Shift]:
        """By key of the version."""
        known, self._known = self._known, {}
        for version in kept:
            if version.days is not None:
                before, digest = known.get(version.key), version.days.digest
                same = before is not None and before[0] == digest
                found = before[1] if before is not None and same else shift(
                    version.days.reference, version.days.current)
                self._known[version.key] = (digest, found)
        return {key: found for key, (_, found) in self._known.items()}


def moved(version: Version, found: Shift) -> Iterator[Sample]:
    """Distance and p-value; nothing where too few days are known."""
    if found.p_value > 0:
        yield DISTANCE(found.distance, **version.labels)
        yield P_VALUE(found.p_value, **version.labels)

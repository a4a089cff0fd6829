"""Ratios never stand alone: three gauges, the share and its 95 % bounds, from the same two counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sales_exporter.model import Definition, Metric, Sample, gauge
from sales_exporter.stats.intervals import wilson


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share of counted things, with its lower and upper bound; the three metrics have the same labels."""

    value: Metric
    lower: Metric
    upper: Metric

    @property
    def metrics(self) -> tuple[Metric, Metric, Metric]:
        """The three of them, for a collector's list."""
        return self.value, self.lower, self.upper

    def __call__(self, value: float, lower: float, upper: float, /, **labels: str) -> Iterator[Sample]:
        """Samples of one estimate; nothing at all where it is undefined (NaN), and no bound that is."""
        if not math.isnan(value):
            # The three have the same labels: they are looked through once.
            where = self.value.placed(labels)
            for metric, number in ((self.value, value), (self.lower, lower), (self.upper, upper)):
                if not math.isnan(number):
                    yield Sample(metric, where, float(number))

    def shares(self, counts: Iterable[tuple[Mapping[str, str], float, float]]) -> Iterator[Sample]:
        """Samples of ``(labels, successes, trials)`` with Wilson bounds; rows without trials are left out."""
        known = [(labels, k, n) for labels, k, n in counts if n > 0]
        bounds = wilson([k for _, k, _ in known], [n for _, _, n in known])
        for (labels, k, n), lower, upper in zip(known, bounds.lower, bounds.upper, strict=True):
            yield from self(k / n, float(lower), float(upper), **labels)


def ratio(name: str, text: str, *labels: str, definition: Definition | None = None) -> Ratio:
    """The gauges ``name``, ``name_lower`` and ``name_upper``."""
    return Ratio(
        gauge(name, text, *labels, definition=definition),
        gauge(f"{name}_lower", f"Lower 95 % bound of {name}.", *labels),
        gauge(f"{name}_upper", f"Upper 95 % bound of {name}.", *labels),
    )


estimate = ratio
"""The same three gauges for what is no share, such as a time."""

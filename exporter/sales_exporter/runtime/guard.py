"""What one pass may export: bounded series, and running totals that do not dip by accident."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sales_exporter.model import Metric, Sample

OTHER = "(other)"
# A sum over labels of these means nothing, so what is above the limit is left out instead of merged.
_NOT_ADDITIVE = ("_ratio", "_lower", "_upper", "_seconds", "_info", "_score", "_rank", "_component", "_probability")


@dataclass(frozen=True, slots=True)
class Bounded:
    """Samples within the limits, and how many were merged or left out, by label."""

    samples: tuple[Sample, ...]
    overflow: dict[str, int] = field(default_factory=dict)


def bound(samples: Iterable[Sample], per_metric: int, total: int) -> Bounded:
    """At most ``per_metric`` series of each metric and ``total`` in all.

    The label with the most values gives way: its largest values stay, the rest becomes ``(other)`` where a sum
    means something and is left out elsewhere.
    """
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.metric.name].append(sample)
    kept: list[Sample] = []
    overflow: Counter[str] = Counter()
    for group in groups.values():
        limit = min(per_metric, total - len(kept))
        if len(group) > limit:
            label = _widest(group)
            folded = fold(group, label, limit)
            overflow[group[0].metric.labels[label] if group[0].metric.labels else ""] += len(group) - len(folded)
            group = folded  # noqa: PLW2901
        kept.extend(group)
    return Bounded(tuple(kept), dict(overflow))


def fold(group: Sequence[Sample], label: int, limit: int) -> list[Sample]:
    """The group with the smaller values of one label merged into ``(other)``, at most ``limit`` series.

    Without labels or room there is nothing to merge into: what is above the limit is left out.
    """
    if limit < 1 or not group[0].metric.labels:
        return list(group[:limit])
    weights: dict[str, float] = defaultdict(float)
    widths: Counter[str] = Counter()
    for sample in group:
        widths[sample.labels[label]] += 1
        if isinstance(sample.value, float) and math.isfinite(sample.value):
            weights[sample.labels[label]] += abs(sample.value)
    keep = set(sorted(widths, key=lambda value: (-weights[value], value))[: max(0, limit // max(widths.values()) - 1)])
    inside = [sample for sample in group if sample.labels[label] in keep]
    if not additive(group[0].metric):
        return inside[:limit]
    merged: dict[tuple[str, ...], float] = defaultdict(float)
    for sample in group:
        if sample.labels[label] not in keep and isinstance(sample.value, float):
            merged[(*sample.labels[:label], OTHER, *sample.labels[label + 1 :])] += sample.value
    rest = [Sample(group[0].metric, labels, value) for labels, value in merged.items()]
    return (inside + rest)[:limit]


def additive(metric: Metric) -> bool:
    """Whether values of this metric may be summed over a label."""
    return metric.kind == "counter" or (metric.kind == "gauge" and not metric.name.endswith(_NOT_ADDITIVE))


class Totals:
    """Holds back a running total that falls in one pass; a second pass below accepts it as a reset (R8)."""

    def __init__(self) -> None:
        self._last: dict[tuple[Metric, tuple[str, ...]], float] = {}
        self._suspect: set[tuple[Metric, tuple[str, ...]]] = set()
        self.dips = 0

    def steady(self, samples: Iterable[Sample]) -> tuple[Sample, ...]:
        """The samples of one pass with single dips of counters replaced by the last value."""
        return tuple([self._checked(sample) for sample in samples])

    def _checked(self, sample: Sample) -> Sample:
        if sample.metric.kind != "counter" or not isinstance(sample.value, float):
            return sample
        key = (sample.metric, sample.labels)
        last = self._last.get(key)
        if last is not None and sample.value < last and key not in self._suspect:
            self._suspect.add(key)
            self.dips += 1
            return Sample(sample.metric, sample.labels, last)
        self._suspect.discard(key)
        self._last[key] = sample.value
        return sample


def _widest(group: Sequence[Sample]) -> int:
    counts = [len({sample.labels[i] for sample in group}) for i in range(len(group[0].metric.labels))]
    return max(range(len(counts)), key=counts.__getitem__, default=0)

"""Metric, Sample, Snapshot: the frozen values that every room of the house shares."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sales_exporter.errors import MetricError

Kind = Literal["gauge", "counter", "histogram"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
LABEL_LENGTH = 128
"""Longest label value that is exported; longer ones are cut (reliability.md, R11)."""


@dataclass(frozen=True, slots=True)
class Definition:
    """How a business number is defined, word for word, so that two tools can be compared.

    ``unit`` says what is counted, ``entry`` when a thing enters, ``order`` which of several events counts,
    ``window`` which time is meant, ``attribution`` who gets the credit and ``unfinished`` what happens to
    things that have not ended.
    """

    unit: str
    entry: str
    order: str = ""
    window: str = ""
    attribution: str = ""
    unfinished: str = ""

    def digest(self, *context: str) -> str:
        """Twelve hex digits that change when the definition or its context (zone, stages) changes."""
        fields = (self.unit, self.entry, self.order, self.window, self.attribution, self.unfinished)
        return hashlib.sha256("\0".join((*fields, *context)).encode()).hexdigest()[:12]


class Exemplar(NamedTuple):
    """One observation of a bucket with a label that leads to more about it; ``at`` is in epoch seconds."""

    label: str
    text: str
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """Counts of a histogram. ``counts[i]`` is the number in (bounds[i-1], bounds[i]]; the last is above all.

    ``exemplars`` are by bucket, or none at all; only OpenMetrics can show them.
    """

    counts: tuple[int, ...]
    total: float
    exemplars: tuple[Exemplar | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A constant metric. Calling it makes a Sample and refuses wrong, missing or non-string labels."""

    kind: Kind
    name: str
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    definition: Definition | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not _NAME.match(self.name) or not self.help:
            raise MetricError(f"metric {self.name!r} needs a valid name and a help text")
        if len(set(self.labels)) != len(self.labels):
            raise MetricError(f"metric {self.name} repeats a label name")
        for label in self.labels:
            if not _LABEL.match(label) or label.startswith("__") or label == "quantile":
                raise MetricError(f"metric {self.name} has a label name {label!r} that may not be used")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise MetricError(f"metric {self.name}: counters, and only counters, end in _total")
        if (self.kind == "histogram") != bool(self.bounds):
            raise MetricError(f"metric {self.name}: histograms, and only histograms, have bounds")

    def __call__(self, number: float | Distribution, /, **labels: str) -> Sample:
        """Make a sample of this metric.

        Raises:
            MetricError: labels differ from the metric's, a label value is no string, or the number is none.
        """
        return self._sample(self.placed(labels), number)

    def placed(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Values by name of the label in the metric's order, cut and mended.

        Raises:
            MetricError: labels differ from the metric's, or a label value is no string.
        """
        if len(labels) != len(self.labels):
            raise MetricError(f"{self.name} takes the labels {self.labels}, not {tuple(labels)}")
        try:
            return tuple([_checked(self.name, name, labels[name]) for name in self.labels])
        except KeyError as missing:
            raise MetricError(f"{self.name} lacks the label {missing}") from None

    def labelled(self, values: Sequence[str]) -> tuple[str, ...]:
        """Label values in the metric's order, cut and mended as those of a sample are.

        Raises:
            MetricError: there are more or fewer of them, or one is no string.
        """
        if len(values) != len(self.labels):
            raise MetricError(f"{self.name} takes the labels {self.labels}")
        return tuple([_checked(self.name, name, value) for name, value in zip(self.labels, values, strict=True)])

    def _sample(self, values: tuple[str, ...], number: float | Distribution) -> Sample:
        if isinstance(number, Distribution):
            if len(number.counts) != len(self.bounds) + 1:
                raise MetricError(f"{self.name} takes {len(self.bounds) + 1} bucket counts")
            return Sample(self, values, number)
        if self.kind == "histogram":
            raise MetricError(f"{self.name} is a histogram and takes a Distribution")
        try:
            return Sample(self, values, float(number))
        except (TypeError, ValueError):
            raise MetricError(f"{self.name} takes a number, not {type(number).__name__}") from None


class Sample(NamedTuple):
    """One value of one metric. ``labels`` are the label values in the metric's order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float | Distribution


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one pass of one collector found. Collection writes it, exposition reads it, nobody changes it."""

    collector: str
    samples: tuple[Sample, ...]
    taken_at: float


def gauge(name: str, text: str, *labels: str, definition: Definition | None = None) -> Metric:
    """A value that may go up and down."""
    return Metric("gauge", name, text, labels, definition=definition)


def counter(name: str, text: str, *labels: str, definition: Definition | None = None) -> Metric:
    """A running total of append-only facts."""
    return Metric("counter", name, text, labels, definition=definition)


def histogram(
    name: str, text: str, *labels: str, bounds: Sequence[float], definition: Definition | None = None
) -> Metric:
    """A distribution over fixed upper bounds (ascending, without +Inf)."""
    return Metric("histogram", name, text, labels, tuple(float(b) for b in bounds), definition)


def _checked(metric: str, name: str, text: str) -> str:
    if type(text) is not str:
        raise MetricError(f"{metric}: label {name} must be a string, not {type(text).__name__}")
    if len(text) > LABEL_LENGTH:
        text = text[: LABEL_LENGTH - 1] + "…"
    # A lone surrogate cannot be encoded and would fail the whole scrape (reliability.md, M10).
    return text if text.isprintable() else text.encode("utf-8", "replace").decode()

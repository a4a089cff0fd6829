"""Samples become bytes once per snapshot: Prometheus text 0.0.4 and OpenMetrics 1.0, plain and gzipped.

The name-and-label text of a series is kept between renders, so that a render formats numbers and little
else. Both formats write a sample line alike; they differ in the headers of counters and of a few help texts,
so what is the same is compressed only once. There is no ``# UNIT`` line, which OpenMetrics leaves open: the
unit is in the name. Standard library only: applications may import this without paying for more.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Literal

from sales_exporter.model import Distribution, Metric, Sample

Format = Literal["text", "openmetrics"]

EOF = b"# EOF\n"
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_GZIP_LAST_BLOCK = b"\x03\x00"
_EXACT = 2.0**53
"""Below this, a float that is whole is exactly that integer."""

_RUN = 1000
"""Samples that are formatted at once, so that the texts of their numbers stay in the processor's cache."""

_SPECIAL = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


def deflated(plain: bytes) -> bytes:
    """A raw deflate stream of level 1 that ends on a byte, not final, and refers to nothing outside itself.

    Such pieces may follow one another within one gzip stream. Whole gzip members may too, but curl refuses
    the second member and Chromium drops it.
    """
    stream = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(plain) + stream.flush(zlib.Z_SYNC_FLUSH)


@dataclass(frozen=True, slots=True)
class Part:
    """Lines as they are, and deflated."""

    plain: bytes
    deflated: bytes

    @classmethod
    def of(cls, plain: bytes) -> Part:
        """Deflated here."""
        return cls(plain, deflated(plain))


_EOF = Part.of(EOF)


@dataclass(frozen=True, slots=True)
class Page:
    """One rendered snapshot. ``join`` makes an exposition of the pages of several collectors.

    Most lines are the same in both formats and are held once.
    """

    same: Part
    text: Part
    """What follows in the text format alone."""
    openmetrics: Part
    """What follows in OpenMetrics, without the closing ``# EOF``, which follows the last page."""
    series: int
    """Sample lines: a histogram counts as one series per bucket, and two for its sum and count."""
    duplicates: int = 0
    """Samples left out because an earlier one had the same metric and labels."""
    invalid: int = 0
    """Samples left out because no reader would take them: a counter or a histogram that is negative or not a
    number, or a metric whose name another metric already has."""


def join(pages: Iterable[Page], kind: Format, packed: bool) -> bytes:
    """The bytes of a scrape: the pages one after another, as one gzip stream when ``packed``.

    No metric may be on two pages.
    """
    parts = [part for page in pages for part in (page.same, page.text if kind == "text" else page.openmetrics)]
    if kind == "openmetrics":
        parts.append(_EOF)
    if not packed:
        return b"".join([part.plain for part in parts])
    check, length = 0, 0
    for part in parts:
        check = zlib.crc32(part.plain, check)
        length += len(part.plain)
    pieces = [part.deflated for part in parts]
    return b"".join([_GZIP_HEADER, *pieces, _GZIP_LAST_BLOCK, struct.pack("<LL", check, length & 0xFFFFFFFF)])


class Renderer:
    """Renders the snapshots of one collector. Not for two threads at once."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def render(self, samples: Sequence[Sample]) -> Page:
        """A page with the metrics in the order in which they first occur, counters last."""
        groups, invalid = self._arranged(samples)
        same: list[str] = []
        text: list[str] = []
        openmetrics: list[str] = []
        series = 0
        for name, group in groups.items():
            family = self._families[name]
            body = family.render(group)
            series += len(family.prefixes)
            invalid += family.invalid
            if not body:
                continue
            if family.text_head == family.openmetrics_head:
                same += (family.text_head, body, "\n")
            else:
                text += (family.text_head, body, "\n")
                openmetrics += (family.openmetrics_head, body, "\n")
        duplicates = sum(family.duplicates for family in self._families.values())
        both, first, second = (Part.of(_encoded(lines)) for lines in (same, text, openmetrics))
        return Page(both, first, second, series, duplicates, invalid)

    def values(self, samples: Sequence[Sample]) -> dict[str, float]:
        """The numbers of the lines that a page would have, by the text before each: the name and the labels."""
        groups, _ = self._arranged(samples)
        return {
            prefix[1:-1]: value for name, group in groups.items()
            for prefix, value in self._families[name].values(group)}

    def _arranged(self, samples: Sequence[Sample]) -> tuple[dict[str, list[Sample]], int]:
        groups, clashes = _grouped(samples)
        # Families, and within them series, that are gone from this snapshot are forgotten here.
        self._families = {name: self._family(group[0].metric) for name, group in groups.items()}
        return groups, clashes

    def _family(self, metric: Metric) -> _Family:
        family = self._families.get(metric.name)
        if family is not None and family.metric == metric:
            return family
        return _Histogram(metric) if metric.kind == "histogram" else _Family(metric)


class _Family:
    """One metric: its headers, and the text before the number of each of its series, in order.

    Headers have no line break at the end; the text of each line starts with one.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.prefixes: list[str] = []
        self.duplicates = 0
        self.invalid = 0
        self._labels: list[tuple[str, ...]] = []
        self._firsts: list[int] | None = None
        self._lines = self._layout()
        text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
        self.text_head = f"# HELP {metric.name} {text}\n# TYPE {metric.name} {metric.kind}"
        name, text = metric.name, text.replace('"', r"\"")
        if metric.kind == "counter":
            name = name.removesuffix("_total")
        self.openmetrics_head = f"# HELP {name} {text}\n# TYPE {name} {metric.kind}"

    def render(self, samples: list[Sample]) -> str:
        """The sample lines, each after a line break; empty when no sample is fit to be shown."""
        shown = self._shown(samples)
        return "".join([self._run(shown, start) for start in range(0, len(shown), _RUN)])

    def values(self, samples: list[Sample]) -> Iterator[tuple[str, float]]:
        """The text before the number of each of these lines, and the number."""
        shown = self._shown(samples)
        return zip(self.prefixes, self._values(shown), strict=True)

    def _shown(self, samples: list[Sample]) -> list[Sample]:
        valid = self._valid(samples)
        self.invalid = len(samples) - len(valid)
        labels = [sample.labels for sample in valid]
        if labels != self._labels:
            self._arrange(labels)
        return valid if self._firsts is None else [valid[i] for i in self._firsts]

    def _run(self, samples: list[Sample], start: int) -> str:
        found = self._numbers(samples[start : start + _RUN])
        first = start * len(self._lines)
        lines = [""] * (2 * len(found))
        lines[::2] = self.prefixes[first : first + len(found)]
        lines[1::2] = found
        return "".join(lines)

    def _arrange(self, labels: list[tuple[str, ...]]) -> None:
        """Take over another list of series, with the text of those that were there before."""
        stride = len(self._lines)
        before = enumerate(dict.fromkeys(self._labels))
        known = {values: self.prefixes[i * stride : (i + 1) * stride] for i, values in before}
        places: dict[tuple[str, ...], int] = {}
        for place, values in enumerate(labels):
            places.setdefault(values, place)
        self.prefixes = [text for values in places for text in known.get(values) or self._texts(values)]
        self.duplicates = len(labels) - len(places)
        self._firsts = list(places.values()) if self.duplicates else None
        self._labels = labels

    def _layout(self) -> tuple[tuple[str, str], ...]:
        """Suffix of the name and ``le`` of each line of one series."""
        return (("", ""),)

    def _texts(self, values: tuple[str, ...]) -> list[str]:
        labels = zip(self.metric.labels, values, strict=True)
        pairs = [f'{name}="{_escaped(value)}"' for name, value in labels]
        texts = []
        for suffix, le in self._lines:
            inside = ",".join([*pairs, f'le="{le}"'] if le else pairs)
            texts.append(f"\n{self.metric.name}{suffix}" + (f"{{{inside}}} " if inside else " "))
        return texts

    def _valid(self, samples: list[Sample]) -> list[Sample]:
        if self.metric.kind != "counter" or all(map((0.0).__le__, [s.value for s in samples])):  # type: ignore[arg-type]
            return samples
        return [sample for sample in samples if isinstance(sample.value, int | float) and sample.value >= 0]

    def _numbers(self, samples: list[Sample]) -> list[str]:
        return numbers(self._values(samples))

    def _values(self, samples: list[Sample]) -> list[float]:
        return [sample.value for sample in samples]  # type: ignore[misc]


class _Histogram(_Family):
    """One histogram: cumulative buckets, sum and count."""

    def _layout(self) -> tuple[tuple[str, str], ...]:
        buckets = tuple(("_bucket", bound(value)) for value in (*self.metric.bounds, math.inf))
        return (*buckets, *((("_sum", ""), ("_count", "")) if self._summed else ()))

    @property
    def _summed(self) -> bool:
        """OpenMetrics forbids the sum, and with it the count, of a histogram that takes negative values."""
        return self.metric.bounds[0] >= 0

    def _valid(self, samples: list[Sample]) -> list[Sample]:
        return [
            sample for sample in samples
            if isinstance(sample.value, Distribution) and min(sample.value.counts) >= 0
            and (sample.value.total >= 0 or not self._summed)
        ]

    def _numbers(self, samples: list[Sample]) -> list[str]:
        texts: list[str] = []
        for sample in samples:
            value = sample.value
            assert isinstance(value, Distribution)
            buckets = [str(int(count)) for count in accumulate(value.counts)]
            texts += buckets
            if self._summed:
                texts += (*numbers([value.total]), buckets[-1])
        return texts

    def _values(self, samples: list[Sample]) -> list[float]:
        found: list[float] = []
        for sample in samples:
            value = sample.value
            assert isinstance(value, Distribution)
            buckets = [float(count) for count in accumulate(value.counts)]
            found += (*buckets, value.total, buckets[-1]) if self._summed else buckets
        return found


def numbers(values: list[float]) -> list[str]:
    """Numbers as both formats read them: the shortest text of the same float; all whole: without a point."""
    try:
        if all(map(float.is_integer, values)) and min(values) > -_EXACT and max(values) < _EXACT:
            return list(map(str, map(int, values)))
        if math.isfinite(sum(values)):
            # Not repr(): a float of numpy would write its type around the number.
            return list(map(float.__repr__, values))
    except TypeError:
        return numbers([float(value) for value in values])
    return [_SPECIAL.get(text, text) for text in map(float.__repr__, values)]


def bound(value: float) -> str:
    """An upper bound as OpenMetrics writes it canonically: 0.5, 1.0, 2.5e+06, +Inf."""
    if math.isinf(value):
        return "+Inf"
    if value < 1e6:
        return repr(value)
    mantissa, exponent = f"{Decimal(repr(value)).normalize():e}".split("e")
    return f"{mantissa}e+{int(exponent):02}"


def _grouped(samples: Iterable[Sample]) -> tuple[dict[str, list[Sample]], int]:
    """Samples by name of their metric, and how many have a name that another metric took before."""
    groups: dict[str, list[Sample]] = {}
    last: Metric | None = None
    clashes: list[Sample] = []
    for sample in samples:
        metric = sample.metric
        if metric is not last:
            last = metric
            group = groups.setdefault(metric.name, [])
            if group and group[0].metric != metric:
                group = clashes
        group.append(sample)
    return groups, len(clashes)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _encoded(parts: list[str]) -> bytes:
    # A lone surrogate that slipped past the model becomes a question mark and does not fail the whole scrape.
    return "".join(parts).encode("utf-8", "replace")

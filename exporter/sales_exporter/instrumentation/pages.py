"""One exposition page of a meter and of a registry of prometheus_client, valid in both formats.

A page of many series takes many milliseconds to write. It is written in a thread of its own, in pieces of less than a
millisecond, and between two pieces the thread lets others run: no request waits for a scrape.
"""

from __future__ import annotations

import asyncio
import copy
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import accumulate
from threading import Lock
from typing import Any, Final
from weakref import WeakMethod

from prometheus_client import REGISTRY, core
from prometheus_client import exposition as text_format
from prometheus_client.openmetrics import exposition as openmetrics_format
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as TheirExemplar
from prometheus_client.utils import floatToGoString

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.own_thread import OwnThread
from sales_exporter.instrumentation.store import sample
from sales_exporter.model import Distribution, Metric, Sample
from sales_exporter.runtime.exposition import EOF, Format, Renderer, join

__all__ = ["REGISTRY", "Exposition", "MeterCollector"]

LINES: Final = 256
"""Lines that are written at once; at 2 µs each, the first time, half a millisecond."""

ROWS: Final = 1000
QUICK_SECONDS: Final = 0.001
"""A page that took no more than this is written on the event loop: changing threads would cost as much."""

BREATH_SECONDS: Final = 20e-6
"""How long the thread stands back after each piece. After a sleep of zero it would have the interpreter's lock again
before a thread that waits for it has woken up."""

_HEADS: Final = 2
"""Lines before the first series of a family."""

_SUFFIXES: Final = {
    "counter": ("_total", "_created"),
    "summary": ("_sum", "_count", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "info": ("_info",),
}

Breathe = Callable[[], None]
Row = tuple[Metric, tuple[str, ...], Sequence[float]]


class Exposition:
    """Writes pages. Safe to use from any thread and any event loop.

    A family of the registry that has a name of ours is left out, so that none is on the page twice; where worker
    processes share the meter, it tells of all their processes, and the ``process_*`` of the one that answers are left
    out. A collector of the registry that raises is counted, and ends the registry's part of that page.
    """

    def __init__(self, meter: Meter, registry: Collector | None = REGISTRY) -> None:
        self._meter = meter
        self._registry = registry
        self._thread = OwnThread("sales-metrics-page")
        self._begin()
        if hasattr(os, "register_at_fork"):
            again = WeakMethod(self._begin)
            os.register_at_fork(after_in_child=lambda: (begin := again()) and begin())

    def _begin(self) -> None:
        """From nothing; also after a fork, for a thread of the parent's may have held the lock at that moment."""
        self._renderers: dict[str, list[Renderer]] = {}
        self._extra = Renderer()
        self._busy = Lock()
        self._under_way: dict[tuple[Format, bool], Future[bytes]] = {}
        self._seconds = float("inf")

    def render(self, kind: Format, packed: bool) -> bytes:
        """A page, gzipped when ``packed``. For threads: it takes its time."""
        with self._busy:
            return self._written(kind, packed, _breathe)

    async def page(self, kind: Format, packed: bool) -> bytes:
        """A page, without holding up the event loop. Scrapes that come at the same time share one."""
        if self._seconds <= QUICK_SECONDS and self._busy.acquire(blocking=False):
            try:
                return self._written(kind, packed, _go_on)
            finally:
                self._busy.release()
        key = (kind, packed)
        found = self._under_way.get(key)
        if found is None:
            found = self._under_way[key] = self._thread.submit(self.render, kind, packed)
            found.add_done_callback(lambda _: self._under_way.pop(key, None))
        # One scraper that goes away takes the page from no other.
        return await asyncio.shield(asyncio.wrap_future(found))

    def _written(self, kind: Format, packed: bool, breathe: Breathe) -> bytes:
        began = time.thread_time()
        packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16) if packed else None
        found = []
        for piece in self._pieces(kind, breathe):
            found.append(packer.compress(piece) if packer is not None else piece)
            breathe()
        if packer is not None:
            found.append(packer.flush())
        self._seconds = time.thread_time() - began
        return b"".join(found)

    def _pieces(self, kind: Format, breathe: Breathe) -> Iterator[bytes]:
        # The rows as they are: ten thousand tuples of our own would call the garbage collector, which stops everybody.
        groups: dict[str, list[Row]] = {}
        for number, row in enumerate(self._meter.store.rows()):
            groups.setdefault(row[0].name, []).append(row)
            if number % ROWS == ROWS - 1:
                breathe()
        extra = list(self._meter.store.extra())
        taken: set[str] = set()
        for metric in [*(rows[0][0] for rows in groups.values()), *(found.metric for found in extra)]:
            taken |= _names(metric.name.removesuffix("_total"), metric.kind)
        for rows in groups.values():
            yield from self._family(rows, kind)
        yield _plain(self._extra, extra, kind)
        yield from self._registered(kind, taken, breathe)
        if kind == "openmetrics":
            yield EOF

    def _family(self, rows: list[Row], kind: Format) -> Iterator[bytes]:
        """The family in pieces; each has a renderer that remembers the text of its series."""
        metric = rows[0][0]
        step = max(1, LINES // (len(metric.bounds) + 3 if metric.bounds else 1))
        renderers = self._renderers.setdefault(metric.name, [])
        headed = False
        for number, start in enumerate(range(0, len(rows), step)):
            if number == len(renderers):
                renderers.append(Renderer())
            found = [sample(*row) for row in rows[start : start + step]]
            text = _plain(renderers[number], found, kind)
            if kind == "openmetrics" and metric.bounds:
                text = _exemplified(text, [self._meter.exemplified(one) for one in found])
            if text:
                yield _headless(text) if headed else text
                headed = True

    def _registered(self, kind: Format, taken: set[str], breathe: Breathe) -> Iterator[bytes]:
        generate = openmetrics_format.generate_latest if kind == "openmetrics" else text_format.generate_latest
        # What the meter tells of all processes is not told once more of this one.
        shared = any(name.startswith("process_") for name in taken)
        for metric in self._collected():
            known = not taken.isdisjoint(_names(metric.name, metric.type))
            if known or (shared and metric.name.startswith("process_")):
                continue
            try:
                found = generate(_Alone(metric, breathe))
            except Exception as error:
                self._meter.failed("registry", error)
            else:
                yield found.removesuffix(EOF)

    def _collected(self) -> Iterator[core.Metric]:
        try:
            yield from self._registry.collect() if self._registry is not None else ()
        except Exception as error:
            self._meter.failed("registry", error)


class MeterCollector(Collector):
    """The series of a meter for a registry of prometheus_client, for an application that has its own /metrics.

        prometheus_client.REGISTRY.register(MeterCollector(meter))

    Registering it again, or another one of the same meter, changes nothing. ``process_*`` are left to the registry.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __eq__(self, other: object) -> bool:
        """Equal for one meter, so that a registry holds it once."""
        return isinstance(other, MeterCollector) and other._meter is self._meter

    def __hash__(self) -> int:
        """As equality asks."""
        return hash((MeterCollector, id(self._meter)))

    def describe(self) -> Iterable[core.Metric]:
        """No names: which families there are is known at a scrape."""
        return ()

    def collect(self) -> Iterator[core.Metric]:
        """The families as they are now."""
        try:
            families: dict[str, core.Metric] = {}
            for found in self._meter.samples():
                if not found.metric.name.startswith("process_"):
                    _add(families, found)
        except Exception as error:
            self._meter.failed("collect", error)
            return
        yield from families.values()


class _Alone(Collector):
    """A registry of one metric, that stands back now and then while its samples are read."""

    def __init__(self, metric: core.Metric, breathe: Breathe) -> None:
        self._metric = metric
        self._breathe = breathe

    def collect(self) -> Iterator[core.Metric]:
        shown: Any = copy.copy(self._metric)
        shown.samples = self._paced(self._metric.samples)
        yield shown

    def _paced(self, samples: Iterable[object]) -> Iterator[object]:
        for number, found in enumerate(samples):
            if number % LINES == LINES - 1:
                self._breathe()
            yield found


def _add(families: dict[str, core.Metric], found: Sample) -> None:
    metric = found.metric
    name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
    family = families.get(name)
    if family is None:
        family = families[name] = core.Metric(name, metric.help, metric.kind)
    labels = dict(zip(metric.labels, found.labels, strict=True))
    if not isinstance(found.value, Distribution):
        family.add_sample(metric.name, labels, found.value)
        return
    counts = list(accumulate(found.value.counts))
    exemplars = found.value.exemplars or (None,) * len(counts)
    for bound, count, known in zip((*metric.bounds, float("inf")), counts, exemplars, strict=True):
        le = floatToGoString(bound)  # type: ignore[no-untyped-call]
        exemplar = TheirExemplar({known.label: known.text}, known.value, known.at) if known is not None else None
        family.add_sample(f"{name}_bucket", {**labels, "le": le}, count, exemplar=exemplar)
    family.add_sample(f"{name}_sum", labels, found.value.total)
    family.add_sample(f"{name}_count", labels, counts[-1])


def _names(family: str, kind: str) -> set[str]:
    """The names that a family takes, by its name in OpenMetrics."""
    return {family, *(family + suffix for suffix in _SUFFIXES.get(kind, ()))}


def _plain(renderer: Renderer, samples: Sequence[Sample], kind: Format) -> bytes:
    return join([renderer.render(samples)], kind, packed=False).removesuffix(EOF)


def _headless(text: bytes) -> bytes:
    """Without ``# HELP`` and ``# TYPE``, which stand before the first piece of a family."""
    return text.split(b"\n", _HEADS)[_HEADS]


def _exemplified(text: bytes, samples: Sequence[Sample]) -> bytes:
    """The lines of a histogram, those of buckets that have an exemplar with it behind them."""
    shown = [
        (row, bucket, exemplar) for row, found in enumerate(samples) if isinstance(found.value, Distribution)
        for bucket, exemplar in enumerate(found.value.exemplars) if exemplar is not None]
    lines = text.split(b"\n")
    metric = samples[0].metric
    stride = len(metric.bounds) + (3 if metric.bounds[0] >= 0 else 1)
    # Otherwise a sample that no reader would take was left out, and lines cannot be told by their number.
    if len(lines) == _HEADS + len(samples) * stride + 1:
        for row, bucket, exemplar in shown:
            value = exemplar.text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
            behind = f' # {{{exemplar.label}="{value}"}} {exemplar.value!r} {exemplar.at:.3f}'
            lines[_HEADS + row * stride + bucket] += behind.encode("utf-8", "replace")
    return b"\n".join(lines)


def _breathe() -> None:
    time.sleep(BREATH_SECONDS)


def _go_on() -> None:
    pass

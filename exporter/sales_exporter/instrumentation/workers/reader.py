"""What a process knows of the files of the workers: where each series lies in each of them, and the last numbers."""

from __future__ import annotations

import errno
import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import fsum, isfinite
from operator import itemgetter
from pathlib import Path
from typing import Final

from sales_exporter.instrumentation.store import width
from sales_exporter.instrumentation.workers import format as form
from sales_exporter.instrumentation.workers.format import Damaged, Header
from sales_exporter.instrumentation.workers.lock import unlocked
from sales_exporter.model import Metric

LONGEST: Final = 1 << 30
"""Longest file that is read."""
_NAME: Final = re.compile(r"worker-(\d{1,6})-([0-9a-f]{16})\Z")
_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

Plan = Callable[[Sequence[float]], tuple[float, ...]]


class Index:
    """All series that were ever seen, each with a fixed place among the merged numbers."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []
        self.rows: list[tuple[int, tuple[str, ...], slice]] = []
        """Number of the metric, labels, place."""
        self.keys: list[bytes] = []
        self.gauges: set[int] = set()
        """Rows that are gauges."""
        # Never one alone, of which itemgetter would make no tuple.
        self.size = 2
        self._widths: list[int] = []
        self._by_key: dict[bytes, int] = {}
        self._by_kind: dict[tuple[object, ...], int] = {}
        self._rows: dict[tuple[int, bytes], int] = {}
        self._integers: list[int] = []

    def metric(self, key: bytes) -> int:
        """The number of a metric. Definitions that differ in nothing but the help text are one metric."""
        found = self._by_key.get(key)
        if found is None:
            metric = form.metric_of(key)
            kind = (metric.kind, metric.name, metric.labels, metric.bounds)
            found = self._by_kind.setdefault(kind, len(self.metrics))
            if found == len(self.metrics):
                self.metrics.append(metric)
                self._widths.append(width(metric))
            self._by_key[key] = found
        return found

    def row(self, metric: int, key: bytes, cells: int) -> int:
        """The number of a series."""
        found = self._rows.get((metric, key))
        if found is not None:
            if cells != self._widths[metric]:
                raise Damaged("a series is too narrow or too wide")
        else:
            labels = form.labels_of(key, self.metrics[metric], cells)
            found = self._rows[metric, key] = len(self.rows)
            self.rows.append((metric, labels, slice(self.size, self.size + cells)))
            self.keys.append(key)
            self.size += cells
            if self.metrics[metric].kind == "gauge":
                self.gauges.add(found)
        return found

    def integers(self, end: int) -> list[int]:
        """The integers up to ``end``, so that all plans share the objects."""
        if end > len(self._integers):
            self._integers.extend(range(len(self._integers), 2 * end))
        return self._integers


class Reader:
    """What is known of one file. Keys are read once; the numbers anew at each ``refresh``."""

    def __init__(self, path: Path, ident: bytes | None, slot: int, index: Index) -> None:
        self.path, self.ident, self.slot = path, ident, slot
        self.header = Header(ident or b"", 0, 0, 0, 0, form.HEADER_SIZE)
        self.live = False
        self.opened = False
        """Whether the last refresh could open it, so that ``live`` is known."""
        self.damaged = False
        self.metrics: list[int] = []
        self.folded: list[bytes] = []
        self._layers: list[dict[int, int]] = []
        self._index = index
        self._seen = form.HEADER_SIZE
        self._numbers = array("d")
        self._planned: tuple[int, int, bool] | None = None
        self._getters: list[Plan] = []

    def refresh(self) -> bool:
        """Read it again; whether it is still there. What is damaged is left out, what was before it stays.

        Raises:
            OSError: this process can open no more files now.
        """
        for _ in range(2):
            self.opened = False
            try:
                self._load()
            except FileNotFoundError:
                return False
            except Damaged:
                # Once more: a machine that reorders writes may show a record before all of it is there.
                self.damaged = True
            except OSError as error:
                if error.errno in _PASSING:
                    raise
                self.damaged = True
            else:
                self.damaged = False
                break
        return True

    def rows(self) -> set[int]:
        """The series that it has to tell of: those of the dead have no gauges."""
        found = set[int]().union(*self._layers)
        return found if self.live else found - self._index.gauges

    def columns(self) -> list[Sequence[float]]:
        """Its numbers, in the places of the index; their sum if there are several."""
        plan = (self._seen, self._index.size, self.live)
        if plan != self._planned:
            self._getters = [self._getter(layer) for layer in self._layers]
            self._planned = plan
        return [self._finite(getter(self._numbers)) for getter in self._getters]

    def _load(self) -> None:
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            self.live = not unlocked(file)
            self.opened = True
            header = Header.unpack(os.pread(file, form.HEADER_SIZE, 0))
            if self.ident not in (None, header.ident) or not self._seen <= header.used <= LONGEST:
                raise Damaged("the header is that of another file")
            data = os.pread(file, header.used, 0)
        finally:
            os.close(file)
        if len(data) < self._seen:
            raise Damaged("the file is shorter than it was")
        self.header = header
        self._numbers = array("d", data[:len(data) // 8 * 8])
        for record in form.records(data, self._seen, header.used):
            self._take(record)
            self._seen = record[4]

    def _take(self, record: form.Record) -> None:
        number, key, cells, place, _ = record
        if number == form.METRIC:
            self.metrics.append(self._index.metric(key))
        elif number == form.FOLDED:
            self.folded += [key[i:i + form.ID_LENGTH] for i in range(0, len(key), form.ID_LENGTH)]
        elif number >= len(self.metrics):
            raise Damaged("a series is of no metric")
        else:
            row = self._index.row(self.metrics[number], key, cells)
            for layer in self._layers:
                if row not in layer:
                    layer[row] = place
                    return
            self._layers.append({row: place})

    def _getter(self, layer: dict[int, int]) -> Plan:
        index = self._index
        places, integers = [form.ZERO] * index.size, index.integers(self._seen // 8)
        for row, place in layer.items():
            if self.live or row not in index.gauges:
                to = index.rows[row][2]
                places[to] = integers[place:place + to.stop - to.start]
        return itemgetter(*places)

    def _finite(self, numbers: Sequence[float]) -> Sequence[float]:
        if isfinite(sum(numbers)):
            return numbers
        gauges = {self._index.rows[row][2].start for row in self._index.gauges}
        mended = [x if isfinite(x) or i in gauges else 0.0 for i, x in enumerate(numbers)]
        self.damaged = self.damaged or any(x != y for i, (x, y) in enumerate(zip(numbers, mended, strict=True))
                                           if i not in gauges)
        return mended


def merged(columns: Sequence[Sequence[float]]) -> list[float]:
    """Sum of the columns, place by place. Exact, then rounded: the order of the columns can make no total fall."""
    try:
        return list(map(fsum, zip(*columns, strict=True)))
    except (OverflowError, ValueError):
        # Gauges of both infinities, or numbers that only damage brings about.
        return [float(sum(numbers)) for numbers in zip(*columns, strict=True)]


def peek(path: Path) -> Header:
    """The header of a file; one of zeros when there is none.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return Header.unpack(file.read(form.HEADER_SIZE))
    except (FileNotFoundError, Damaged):
        return Header(b"", 0, 0, 0, 0, form.HEADER_SIZE)


def worker_files(directory: Path) -> Iterator[tuple[Path, int, bytes]]:
    """Path, slot and id of the file of each worker.

    Raises:
        OSError: the directory cannot be read.
    """
    for name in os.listdir(directory):
        if found := _NAME.match(name):
            yield directory / name, int(found[1]), bytes.fromhex(found[2])


def any_dead(paths: Iterable[Path]) -> bool:
    """Whether one of the files is that of a dead worker."""
    for path in paths:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if unlocked(file):
                return True
        except OSError:
            continue
        finally:
            os.close(file)
    return False

"""The files of a directory of workers: one that this process writes, and what it knows of those that it reads.

A worker holds an exclusive flock on its file for as long as it lives. The kernel lets go of it at its death, however it
died; neither a reused pid nor another pid namespace can deceive it.
"""

from __future__ import annotations

import errno
import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import fsum, isfinite
from mmap import ALLOCATIONGRANULARITY, mmap
from operator import itemgetter
from pathlib import Path
from typing import Final

from sales_exporter.instrumentation import workers_format as form
from sales_exporter.instrumentation.store import width
from sales_exporter.instrumentation.workers_format import Damaged, Header
from sales_exporter.instrumentation.workers_process import status
from sales_exporter.model import Metric

try:
    import fcntl
except ImportError as missing:
    raise ImportError("several workers can share their numbers where there is flock: on Linux, macOS, BSD") from missing

STEP: Final = 64 * 1024
"""A file starts with so many bytes, and doubles."""
LONGEST: Final = 1 << 30
"""Longest file that is read."""
TEMPORARY: Final = "new-"
_NAME: Final = re.compile(r"worker-(\d{1,6})-([0-9a-f]{16})\Z")
_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

Plan = Callable[[Sequence[float]], tuple[float, ...]]


class WorkerFile:
    """The file of this process. Numbers are changed in the page cache, where they outlive the process.

    Raises:
        OSError: there is no room for another series, in the file or on the disk.
    """

    def __init__(self, directory: Path, slot: int, limit: int) -> None:
        ident = os.urandom(form.ID_LENGTH)
        self.path = directory / f"worker-{slot}-{ident.hex()}"
        self._limit = max(STEP, limit // STEP * STEP)
        self._numbers: dict[Metric, int] = {}
        temporary = directory / f"{TEMPORARY}{ident.hex()}"
        # What is mapped has no lock: a mapping that a child inherits would otherwise keep a dead parent alive.
        self._lock = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = -1
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file = os.open(temporary, os.O_RDWR | os.O_CLOEXEC)
            now = status(os.getpid())
            self._used = form.HEADER_SIZE
            os.pwrite(self._file, Header(ident, os.getpid(), now.started if now else 0, 0, 0, self._used).pack(), 0)
            self._end = self._used
            self._map(STEP)
            self._published = memoryview(self._segment).cast("Q")
            os.rename(temporary, self.path)
        except BaseException:
            self.close()
            raise

    def cell(self, metric: Metric, labels: tuple[str, ...]) -> memoryview[float]:
        """A new series."""
        number = self._numbers.get(metric)
        if number is None:
            self._append(form.pack(form.METRIC, form.metric_key(metric), 0))
            number = self._numbers[metric] = len(self._numbers)
        cells = width(metric)
        stop = self._append(form.pack(number, form.labels_key(labels), cells)) // 8
        return self._doubles[stop - cells:stop]

    def close(self, *, child: bool = False) -> None:
        """Let go of the file, as death does. A ``child`` lets go of what it inherited; the parent keeps its lock."""
        if not child:
            # Copies of the descriptor that children hold would keep the lock.
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        for descriptor in (self._lock, self._file):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._file = -1

    def _append(self, record: bytes) -> int:
        end = self._used + len(record)
        if end > self._end:
            if end > self._limit:
                raise OSError(errno.EFBIG, "the file of a worker is full")
            self._map(min(self._limit, max(2 * self._end, -(-end // STEP) * STEP)))
        self._segment[self._used - self._base:end - self._base] = record
        # Only now can anybody see the record, and it is whole.
        self._published[form.USED] = end
        self._used = end
        return end - self._base

    def _map(self, end: int) -> None:
        # Written, not only made longer: a full disk must be an error here, not a SIGBUS at some later request.
        place = self._end
        while place < end:
            place += os.pwrite(self._file, bytes(min(end - place, 1 << 20)), place)
        base = self._used // ALLOCATIONGRANULARITY * ALLOCATIONGRANULARITY
        # Earlier mappings stay for as long as a cell lies in them.
        self._segment = mmap(self._file, end - base, offset=base)
        self._doubles = memoryview(self._segment).cast("d")
        self._base, self._end = base, end


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


def unlocked(file: int) -> bool:
    """Whether nobody holds the file: its worker is dead. Shared, so that two who ask do not see each other."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


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

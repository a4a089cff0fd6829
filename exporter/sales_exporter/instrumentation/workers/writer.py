"""The file that a worker writes. Numbers change in the page cache, so they outlive the process that counted them."""

from __future__ import annotations

import errno
import os
from mmap import ALLOCATIONGRANULARITY, mmap
from pathlib import Path
from typing import Final

from sales_exporter.instrumentation.store import width
from sales_exporter.instrumentation.workers import format as form
from sales_exporter.instrumentation.workers.format import Header
from sales_exporter.instrumentation.workers.lock import hold, release
from sales_exporter.instrumentation.workers.process import status
from sales_exporter.model import Metric

STEP: Final = 64 * 1024
"""A file starts with so many bytes, and doubles."""
TEMPORARY: Final = "new-"


class WorkerFile:
    """The file of this process. It is locked for as long as the process lives.

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
            hold(self._lock)
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
            release(self._lock)
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

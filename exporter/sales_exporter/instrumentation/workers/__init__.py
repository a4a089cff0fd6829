"""One set of numbers for all worker processes of an application, in a directory that they share.

Each worker writes a file of its own, see writer.py; a scrape of any worker tells the sum. Counters and
histograms are sums over all workers that ever were, gauges over those that live. The directory belongs
on a local file system, best on one in memory, and to one deployment: numbers outlive the workers, until it is removed.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from weakref import WeakSet

from sales_exporter.errors import UsageError
from sales_exporter.instrumentation.meter import ERRORS
from sales_exporter.instrumentation.store import Cell, width
from sales_exporter.instrumentation.workers import process
from sales_exporter.instrumentation.workers.fold import DEAD, fold_dead
from sales_exporter.instrumentation.workers.lock import forget_locks, locked
from sales_exporter.instrumentation.workers.reader import Index, Reader, any_dead, merged, peek, worker_files
from sales_exporter.instrumentation.workers.writer import WorkerFile
from sales_exporter.model import Metric, Sample, counter, gauge

log = logging.getLogger(__name__)

SKIPPED = counter(
    "instrumentation_skipped_files_total", "Files of workers that were damaged or could not be read. What could be "
    "read of them is counted.")
WORKERS = gauge("instrumentation_workers", "Worker processes that live and have counted something.")
LIMIT = 64 * 1024 * 1024
"""Bytes of one file, by default."""
ATTEMPTS = 8
OPENING_SECONDS = 5.0
"""How long a new worker waits for the lock of the directory; folds take milliseconds."""

Row = tuple[Metric, tuple[str, ...], Sequence[float]]


class SharedStore:
    """A Store for applications of several worker processes on one machine.

    The directory is made, for its owner only, unless it is there. The file of a process is opened when it counts for
    the first time, so the store may be made before the workers are forked. A process that is forked later has a file of
    its own too: cells that were handed out before are the parent's, and whoever keeps some forgets them when told by
    ``on_reset``.

    A series beyond ``limit`` bytes, or for which the disk has no room, is kept in memory and shown by nobody. That, and
    every other surprise, is counted in ``instrumentation_errors_total{where="workers"}``; the first is logged.

    Raises:
        UsageError: the directory is another user's, others may write to it, or it is none.
        ImportError: at import, where there is no flock, as on Windows.
    """

    _writing: Lock
    _reading: Lock
    _file: WorkerFile | None
    _cells: dict[tuple[Metric, tuple[str, ...]], Cell]
    _broken: bool
    _errors: Cell

    def __init__(self, directory: Path, *, limit: int = LIMIT) -> None:
        self._directory = _private(Path(directory).absolute())
        self._limit = limit
        self._index = Index()
        self._readers: dict[str, Reader] = {}
        self._live: list[Reader] = []
        self._found: list[Row] = []
        self._skipped = 0
        self._callbacks: list[Callable[[], None]] = []
        self._warned = False
        self._forget()
        _stores.add(self)

    def cell(self, metric: Metric, labels: tuple[str, ...]) -> Cell:
        """The cell of one series of this process; the same one when it is asked for again."""
        with self._writing:
            found = self._cells.get((metric, labels))
            if found is None:
                found = self._cells[metric, labels] = self._fresh(metric, labels)
            return found

    def rows(self) -> Iterator[Row]:
        """Every series of all workers, the dead included."""
        with self._reading:
            self._fold()
            try:
                self._found = self._merge(self._read())
            except OSError as error:
                # The last rows rather than fewer: a total that falls looks like a restart.
                self._failed(error)
            return iter(self._found)

    def extra(self) -> Iterator[Sample]:
        """Damaged files, live workers, and what /proc tells of each; as of the last ``rows``."""
        yield SKIPPED(float(self._skipped))
        yield WORKERS(float(len(self._live)))
        yield from process.samples(
            [(reader.slot, reader.header.pid, reader.header.started) for reader in tuple(self._live)])

    def on_reset(self, callback: Callable[[], None]) -> None:
        """Have this called in a process that was forked, before it runs on: its cells are the parent's."""
        self._callbacks.append(callback)

    def close(self) -> None:
        """Leave, as at the death of the process. Cells that were handed out count no more."""
        with self._writing:
            if self._file is not None:
                self._file.close()
            self._file, self._cells = None, {}

    def after_fork(self) -> None:
        """In the child: let go of the parent's file, and tell those who keep cells."""
        file = self._file
        self._forget()
        if file is not None:
            with suppress(OSError):
                file.close(child=True)
        for callback in self._callbacks:
            callback()

    def _forget(self) -> None:
        # Locks too: a thread that is not in the child may hold them.
        self._writing, self._reading = Lock(), Lock()
        self._file, self._cells, self._broken, self._errors = None, {}, False, [0.0]

    def _fresh(self, metric: Metric, labels: tuple[str, ...]) -> Cell:
        try:
            if self._file is None and not self._broken:
                self._file = self._open()
                self._errors = self._cells[ERRORS, ("workers",)] = self._file.cell(ERRORS, ("workers",))
            if self._file is not None:
                # Opening has made one: perhaps the very one that was asked for.
                made = self._cells.get((metric, labels))
                return self._file.cell(metric, labels) if made is None else made
        except (OSError, ValueError, MemoryError) as error:
            # Not tried again when there is no file: it may have taken seconds, and a request waits.
            self._broken = self._file is None
            self._failed(error)
        return [0.0] * width(metric)

    def _open(self) -> WorkerFile:
        with locked(self._directory, OPENING_SECONDS) as granted:
            if not granted:
                raise TimeoutError(f"another worker holds the lock in {self._directory}")
            self._left_out(fold_dead(self._directory, self._limit, durable=True))
            taken = {slot for _, slot, _ in worker_files(self._directory)}
            slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
            return WorkerFile(self._directory, slot, self._limit)

    def _fold(self) -> None:
        """Fold the dead, unless another worker is about it. Not durably: an event loop may be waiting."""
        try:
            if any_dead(path for path, _, _ in worker_files(self._directory)):
                with locked(self._directory, 0.0) as granted:
                    if granted:
                        self._left_out(fold_dead(self._directory, self._limit))
        except OSError as error:
            self._failed(error)

    def _read(self) -> list[Reader]:
        """Readers of all files that count, each worker in one of them only.

        The file of the dead is read last. So a worker that is folded meanwhile is found there, if not in its own file,
        and its id is there, unless so many were folded since that ids were forgotten: then all is read again.
        """
        for _ in range(ATTEMPTS):
            began = peek(self._directory / DEAD).folded
            workers = []
            for path, slot, ident in worker_files(self._directory):
                reader = self._readers.setdefault(path.name, Reader(path, ident, slot, self._index))
                if reader.refresh():
                    workers.append(reader)
            dead = self._dead()
            if dead.header.folded - began <= len(dead.folded):
                break
        else:
            raise TimeoutError("workers die faster than their files can be read")
        folded = frozenset(dead.folded)
        counting = [reader for reader in workers if reader.ident not in folded]
        self._readers = {reader.path.name: reader for reader in (*counting, dead)}
        self._live = sorted((reader for reader in counting if reader.live), key=lambda reader: reader.slot)
        return [*counting, dead]

    def _dead(self) -> Reader:
        """The reader of the file of the dead. It is another one when there is another sum than before."""
        path = self._directory / DEAD
        old = self._readers.get(DEAD)
        if old is not None and not old.damaged and old.header == peek(path):
            return old
        new = Reader(path, None, 0, self._index)
        if new.refresh() and not new.opened:
            raise PermissionError(f"{path} cannot be opened")
        return new

    def _merge(self, readers: list[Reader]) -> list[Row]:
        columns = [column for reader in readers for column in reader.columns()]
        dead = readers[-1]
        self._skipped = max(self._skipped, dead.header.skipped + sum(reader.damaged for reader in readers))
        numbers = merged(columns)
        # Of two definitions of one name, as while a new version is rolled out, that of the youngest worker is shown.
        shown: dict[str, int] = {}
        for reader in sorted(readers, key=lambda reader: (reader.header.started, reader.ident or b""), reverse=True):
            for metric in reader.metrics:
                shown.setdefault(self._index.metrics[metric].name, metric)
        metrics, rows = self._index.metrics, self._index.rows
        showing = set(shown.values())
        return [(metrics[metric], labels, numbers[place])
                for metric, labels, place in map(rows.__getitem__, sorted(_rows(readers))) if metric in showing]

    def _left_out(self, series: int) -> None:
        if series:
            self._failed(OSError(f"{series} series of dead workers found no room"))

    def _failed(self, error: BaseException) -> None:
        self._errors[0] += 1
        if not self._warned:
            self._warned = True
            log.warning("instrumentation failed in workers: %s", error)


def _rows(readers: list[Reader]) -> set[int]:
    return set[int]().union(*(reader.rows() for reader in readers))


def _private(directory: Path) -> Path:
    """The directory, made if need be, when nobody else can write to it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise UsageError(f"the directory of the workers cannot be made: {error}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"the directory of the workers, {directory}, is not a directory")
    if found.st_uid != os.geteuid():
        raise UsageError(f"the directory of the workers, {directory}, is another user's")
    if found.st_mode & 0o022:
        raise UsageError(f"the directory of the workers, {directory}, may be written to by others; chmod it to 0700")
    return directory


def _after_fork() -> None:
    forget_locks()
    for store in tuple(_stores):
        store.after_fork()


_stores: WeakSet[SharedStore] = WeakSet()
os.register_at_fork(after_in_child=_after_fork)

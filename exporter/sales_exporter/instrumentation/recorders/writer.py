"""A writer that never keeps the application waiting: bounded queues, one thread, batches.

Recording a row appends it to its relation's queue and returns; no lock is taken and nobody is woken. A daemon thread
looks at the queues a few times a second and writes what it finds. While the database is away the queues fill up to
their bound, then the oldest row of that relation goes for each new one, and is counted. A batch whose fate is unknown,
because the connection broke at its commit, is written again: rows have keys, and a key that is there is left alone.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

from sales_exporter.instrumentation.meter import Meter
from sales_exporter.instrumentation.recorders.lane import Lane, Retry
from sales_exporter.instrumentation.recorders.link import Link, Lost, Refused, abandon_links, require_driver
from sales_exporter.instrumentation.recorders.relations import RELATIONS, Row
from sales_exporter.instrumentation.store import Cell
from sales_exporter.model import counter, gauge

log = logging.getLogger(__name__)

QUEUE = gauge(
    "sales_recorder_queue_rows", "Rows that were recorded and are neither in the database nor dropped yet.")
WRITE_ERRORS = counter(
    "sales_recorder_write_errors_total", "Failed attempts to write a batch; it is tried again. connect: no connection. "
    "lost: it broke. timeout: no answer in time. busy: locks, limits, a standby, a server that goes down. schema: a "
    "relation, a column or a right is missing. data: a row was refused, and is being looked for.", "reason")

LIMIT, BATCH = 20_000, 1000
DELAY_SECONDS, WRITE_SECONDS, EXIT_SECONDS = 0.25, 5.0, 2.0
LAST_RETRY_SECONDS = 10.0
_POLL_SECONDS = 0.05
# SQLSTATE classes after which the same rows may pass later: connection, transaction state, access, rollback, resources,
# object state, intervention, system, and a database that is not there.
_BUSY = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")
# 55000: a view that takes no rows.
_SCHEMA = ("42", "3F", "0A", "55000")


class Writer:
    """Writes rows of the contract's relations to PostgreSQL, later.

    ``dsn`` or ``dsn_file`` (read at each connection) says where; ``limit`` is the bound of each relation's queue, in
    rows; ``batch`` the most rows of a statement; ``delay`` how long a row waits at most before it is tried, in seconds;
    ``write_seconds`` what connecting, or writing a batch, may take; ``exit_seconds`` what is spent at the end of the
    process on rows that are left; ``retry_seconds`` the longest pause between attempts. Safe to use from any thread,
    event loops included, and after a fork: the child begins with empty queues, and the parent's rows stay the parent's.

    Rows that are left when a process is killed, or ends by ``os._exit`` as children of multiprocessing do, are lost
    unless ``close`` was called.

    Raises:
        ImportError: psycopg is missing.
        ValueError: not one of dsn and dsn_file.
    """

    def __init__(
        self, dsn: str | None = None, *, dsn_file: Path | str | None = None, meter: Meter | None = None,
        limit: int = LIMIT, batch: int = BATCH, delay: float = DELAY_SECONDS, write_seconds: float = WRITE_SECONDS,
        exit_seconds: float = EXIT_SECONDS, retry_seconds: float = LAST_RETRY_SECONDS,
    ) -> None:
        if (dsn is None) == (dsn_file is None):
            raise ValueError("a writer takes one of dsn and dsn_file")
        require_driver()
        self.meter = meter or Meter()
        self._dsn = _source(dsn, dsn_file)
        self._limit, self._batch, self._delay = limit, batch, delay
        self._write_seconds, self._exit_seconds = write_seconds, exit_seconds
        self._lanes = {relation.name: Lane(relation, self.meter, retry_seconds) for relation in RELATIONS}
        self._retry = Retry(retry_seconds)
        self._rows: Cell = self.meter.family(QUEUE).cell()
        self._errors = {reason: self.meter.family(WRITE_ERRORS).cell(reason)
                        for reason in ("connect", "lost", "timeout", "busy", "schema", "data")}
        self._trouble = ""
        self._link: Link | None = None
        self._closed = False
        self._fresh()
        _writers.add(self)

    @property
    def queued(self) -> int:
        """Rows that are neither written nor dropped."""
        return sum(lane.added - lane.done for lane in self._lanes.values())

    def put(self, relation: str, row: Row) -> None:
        """Take a row, its values in the order of the relation's columns and fit for them. Returns at once."""
        lane = self._lanes[relation]
        if self._closed:
            lane.closed[0] += 1
            return
        queue = lane.queue
        lane.added += 1
        self._rows[0] += 1
        queue.append(row)
        if len(queue) > self._limit:
            self._shed(lane, lane.full)
        if self._thread is None:
            self._start()

    def refuse(self, relation: str) -> None:
        """Count a row that was not fit to be taken."""
        self._lanes[relation].invalid[0] += 1

    def flush(self, timeout: float = EXIT_SECONDS) -> bool:
        """Wait until all rows recorded so far are written or dropped; False when ``timeout`` seconds did not do.

        Blocks: within an event loop use ``await asyncio.to_thread(writer.flush)``.
        """
        wanted = [(lane, lane.added, lane.taken) for lane in self._lanes.values()]

        def done() -> bool:
            # The batch in hand is older than what was shed meanwhile.
            return all(lane.done >= added and (lane.finished >= taken or lane.taken > taken)
                       for lane, added, taken in wanted)

        limit = time.monotonic() + timeout
        if self._thread is None and self.queued:
            self._start()
        self._hurry()
        with self._progress:
            while not done():
                left = limit - time.monotonic()
                if left <= 0 or self._thread is None:
                    return False
                self._progress.wait(min(left, _POLL_SECONDS))
        return True

    def close(self, timeout: float | None = None) -> bool:
        """Write what is left within ``timeout`` seconds (default: exit_seconds), drop the rest, end the thread.

        True when everything was written. Rows of a batch whose fate is unknown count as dropped and may be there.
        """
        if self._closed:
            return self.queued == 0
        clean = self.flush(self._exit_seconds if timeout is None else timeout)
        self._closed = True
        self._wake.set()
        link, thread = self._link, self._thread
        if link is not None and not clean:
            link.cut()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        for lane in self._lanes.values():
            while lane.queue:
                self._shed(lane, lane.closed)
            if thread is None or not thread.is_alive():
                left, lane.parts = sum(map(len, lane.parts)), []
                self._settle(lane, left, lane.closed)
        return clean

    def forked(self) -> None:
        """Begin anew in a forked child; the parent's thread is not here, and its connection is its own."""
        self._link = None
        for lane in self._lanes.values():
            lane.empty()
            lane.retry.worked()
        self._retry.worked()
        self._fresh()

    def _fresh(self) -> None:
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._wake = threading.Event()
        self._progress = threading.Condition()

    def _start(self) -> None:
        # Somebody else is about to start it when the lock is taken.
        if self._starting.acquire(blocking=False):
            try:
                if self._thread is None and not self._closed:
                    thread = threading.Thread(target=self._run, name="sales-recorder", daemon=True)
                    self._thread = thread
                    thread.start()
            except RuntimeError:
                # The interpreter is ending, or has no thread left; the next row tries again.
                self._thread = None
            finally:
                self._starting.release()

    def _hurry(self) -> None:
        self._retry.due = 0.0
        for lane in self._lanes.values():
            lane.retry.due = 0.0
        self._wake.set()

    def _shed(self, lane: Lane, reason: Cell) -> None:
        with contextlib.suppress(IndexError):
            lane.queue.popleft()
            self._settle(lane, 1, reason)

    def _settle(self, lane: Lane, rows: int, where: Cell) -> None:
        where[0] += rows
        lane.done += rows
        self._rows[0] -= rows

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._delay)
            self._wake.clear()
            try:
                self._round()
            except Exception as error:
                self.meter.failed("recorder", error)
                self._retry.failed()
        if self._link is not None:
            self._link.close()

    def _round(self) -> None:
        """Write until there is nothing left to write now."""
        moving = True
        while moving and not self._closed:
            moving = False
            for lane in self._lanes.values():
                if lane.take(self._batch) and max(lane.retry.due, self._retry.due) <= time.monotonic():
                    moving = self._write(lane) or moving
                    lane.take(self._batch)
        # What threads added meanwhile may be missed, until the next round.
        self._rows[0] = float(self.queued)
        with self._progress:
            self._progress.notify_all()

    def _write(self, lane: Lane) -> bool:
        """Try one part of the batch in hand. Whether that led anywhere."""
        part = lane.parts[-1]
        try:
            if self._link is None:
                self._link = Link(self._dsn(), self._write_seconds)
            self._link.insert(lane.relation, part)
        except Refused as error:
            return self._refused(lane, part, error.sqlstate)
        except (Lost, OSError, UnicodeError) as error:
            self._link = None
            self._retry.failed()
            self._tell(error.reason if isinstance(error, Lost) else "connect")
            return False
        lane.parts.pop()
        self._settle(lane, len(part), lane.written)
        lane.retry.worked()
        self._retry.worked()
        self._trouble = ""
        return True

    def _refused(self, lane: Lane, part: list[Row], sqlstate: str) -> bool:
        if not sqlstate.startswith(_BUSY + _SCHEMA):
            self._tell("data")
            lane.parts.pop()
            if len(part) == 1:
                self._settle(lane, 1, lane.rejected)
            else:
                # The bad row is in one of the halves; the other one lands.
                lane.parts += [part[len(part) // 2:], part[: len(part) // 2]]
            return True
        self._tell("schema" if sqlstate.startswith(_SCHEMA) else "busy")
        # The other relations go on; a new connection may find the right server, or rights given meanwhile.
        lane.retry.failed()
        if self._link is not None:
            self._link.close()
            self._link = None
        return False

    def _tell(self, reason: str) -> None:
        self._errors[reason][0] += 1
        if self._trouble != reason:
            self._trouble = reason
            log.warning("recorder cannot write: %s", reason)


_writers: WeakSet[Writer] = WeakSet()


def _source(dsn: str | None, dsn_file: Path | str | None) -> Callable[[], str]:
    if dsn is not None:
        return lambda: dsn
    path = Path(str(dsn_file))
    return lambda: path.read_text(encoding="utf-8").strip()


def _forked() -> None:
    abandon_links()
    for writer in list(_writers):
        writer.forked()


def _leave() -> None:
    for writer in list(_writers):
        writer.close()


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

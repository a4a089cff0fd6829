"""The spool: accepted events on disk until the database has them.

SQLite with a write-ahead log and ``synchronous = FULL``: what is committed has reached the disk. One thread does all of
it. Requests that come while a commit is under way share the next one, and with it one fsync.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from sales_exporter.errors import ConfigError, SalesExporterError
from sales_exporter.intake.reading import Letter

log = logging.getLogger(__name__)

FILE = "intake.sqlite"
_RECENT = 20_000
_OVERHEAD = 100
"""Bytes that a row costs besides its contents, about."""
_TABLES = """
    CREATE TABLE IF NOT EXISTS events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, event_id TEXT NOT NULL, received_at REAL NOT NULL,
        body BLOB NOT NULL, UNIQUE (source, event_id));
    CREATE TABLE IF NOT EXISTS letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, letter_id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, event_id TEXT,
        received_at REAL NOT NULL, accepted INTEGER NOT NULL, reason TEXT NOT NULL, payload BLOB NOT NULL);
"""
_NOT_THE_FILE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
})


class SpoolFull(SalesExporterError):
    """The spool takes no more: its bounds are reached, or the disk refused."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may wait at most."""

    events: int
    bytes: int
    letters: int


@dataclass(frozen=True, slots=True)
class Spooled:
    """One event as it is kept."""

    source: str
    event_id: str
    received_at: float
    body: bytes
    seq: int = 0

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return len(self.body) + len(self.event_id) + _OVERHEAD


@dataclass(slots=True)
class _Change:
    """What is done in one commit, whole or not at all."""

    done: asyncio.Future[list[bool]]
    events: Sequence[Spooled] = ()
    letters: Sequence[Letter] = ()
    gone: Sequence[int] = ()
    sent: Sequence[int] = ()
    new_letters: int = field(default=0)


class Spool:
    """One file, written by one process."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        """Open the spool in ``folder``. A damaged one is set aside, with a word in the log.

        Raises:
            ConfigError: the folder cannot be written, or another process holds the spool.
        """
        self.bounds = bounds
        self.arrived = asyncio.Event()
        self.commits = 0
        self._lock = _locked(folder)
        self._path = folder / FILE
        self._db = self._opened()
        self._thread = ThreadPoolExecutor(1, "intake-spool")
        self._pending: list[_Change] = []
        self._flushing: asyncio.Task[None] | None = None
        self._recent: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.events, self.bytes, self.oldest = self._measured(
            "SELECT count(*), coalesce(sum(length(body) + length(event_id)), 0), min(received_at) FROM events")
        self.letters, self.letter_bytes, _ = self._measured(
            "SELECT count(*), coalesce(sum(length(payload)), 0), 0 FROM letters")
        self.bytes += self.events * _OVERHEAD
        self.letter_bytes += self.letters * _OVERHEAD
        if self.events or self.letters:
            self.arrived.set()

    async def add(self, events: Sequence[Spooled], letters: Sequence[Letter] = ()) -> list[bool]:
        """Keep events and letters, all or none of them. Returns for each event whether it is new.

        Raises:
            SpoolFull: nothing was kept.
        """
        known = [(one.source, one.event_id) in self._recent for one in events]
        wanted = [one for one, old in zip(events, known, strict=True) if not old]
        if not wanted and not letters:
            return [False] * len(events)
        size, letter_size = sum(one.size for one in wanted), sum(len(one.payload) + _OVERHEAD for one in letters)
        self._reserve(len(wanted), size, len(letters), letter_size)
        change = _Change(asyncio.get_running_loop().create_future(), wanted, letters)
        try:
            fresh = await self._committed(change)
        except BaseException:
            self._release(len(wanted), size, len(letters), letter_size)
            raise
        repeated = [one for one, new in zip(wanted, fresh, strict=True) if not new]
        again = len(letters) - change.new_letters
        self._release(len(repeated), sum(one.size for one in repeated), again,
                      letter_size * again // len(letters) if letters else 0)
        if self.oldest is None and any(fresh):
            self.oldest = wanted[0].received_at
        self.arrived.set()
        answers = iter(fresh)
        return [False if old else next(answers) for old in known]

    async def head(self, limit: int) -> tuple[list[Spooled], list[tuple[int, Letter]]]:
        """The oldest events and letters."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._head, limit)

    async def moved(self, events: Sequence[Spooled], letters: Sequence[tuple[int, Letter]] = ()) -> None:
        """Forget what the database has.

        Raises:
            SpoolFull: the disk refused; it is still there, and moving it again changes nothing in the database.
        """
        for one in events:
            self._recent[one.source, one.event_id] = None
        while len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        future: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        await self._committed(_Change(future, gone=[one.seq for one in events], sent=[seq for seq, _ in letters]))
        self._release(len(events), sum(one.size for one in events), len(letters),
                      sum(len(letter.payload) + _OVERHEAD for _, letter in letters))
        found = await asyncio.get_running_loop().run_in_executor(self._thread, self._oldest)
        self.oldest = found if self.events else None
        if not self.events and not self.letters and not self._pending:
            self.arrived.clear()

    async def close(self) -> None:
        """Finish commits under way and close the file."""
        if self._flushing is not None:
            await asyncio.gather(self._flushing, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
        self._db.close()
        self._lock.close()

    def _reserve(self, events: int, size: int, letters: int, letter_size: int) -> None:
        bounds = self.bounds
        # Letters may take half of the room, so that a sender of nonsense cannot keep the others out.
        if (self.events + events > bounds.events or self.bytes + self.letter_bytes + size + letter_size > bounds.bytes
                or self.letters + letters > bounds.letters
                or (letters and 2 * (self.letter_bytes + letter_size) > bounds.bytes)):
            raise SpoolFull("as many events wait for the database as may")
        self._release(-events, -size, -letters, -letter_size)

    def _release(self, events: int, size: int, letters: int, letter_size: int) -> None:
        self.events -= events
        self.bytes -= size
        self.letters -= letters
        self.letter_bytes -= letter_size

    async def _committed(self, change: _Change) -> list[bool]:
        self._pending.append(change)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        # Whoever is cancelled meanwhile leaves the commit to the others.
        return await asyncio.shield(change.done)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                answers = await loop.run_in_executor(self._thread, self._commit, batch)
            except sqlite3.Error as error:
                log.error("the spool cannot be written", extra={"error": str(error)})
                for change in batch:
                    change.done.set_exception(SpoolFull("the spool cannot be written"))
                    change.done.exception()
            else:
                for change, fresh in zip(batch, answers, strict=True):
                    change.done.set_result(fresh)

    def _commit(self, batch: list[_Change]) -> list[list[bool]]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            answers = [self._apply(change) for change in batch]
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self.commits += 1
        return answers

    def _apply(self, change: _Change) -> list[bool]:
        fresh = [
            self._db.execute("INSERT OR IGNORE INTO events (source, event_id, received_at, body) VALUES (?, ?, ?, ?)",
                             (one.source, one.event_id, one.received_at, one.body)).rowcount == 1
            for one in change.events]
        change.new_letters = sum(
            self._db.execute("INSERT OR IGNORE INTO letters (letter_id, source, event_id, received_at, accepted, "
                             "reason, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
                             (one.id, one.source, one.event_id, one.received_at, one.accepted, one.reason, one.payload)
                             ).rowcount == 1
            for one in change.letters)
        self._db.executemany("DELETE FROM events WHERE seq = ?", [(seq,) for seq in change.gone])
        self._db.executemany("DELETE FROM letters WHERE seq = ?", [(seq,) for seq in change.sent])
        return fresh

    def _head(self, limit: int) -> tuple[list[Spooled], list[tuple[int, Letter]]]:
        events = self._db.execute("SELECT source, event_id, received_at, body, seq FROM events ORDER BY seq LIMIT ?",
                                  (limit,))
        letters = self._db.execute("SELECT seq, source, event_id, reason, payload, received_at, accepted FROM letters "
                                   "ORDER BY seq LIMIT ?", (limit,))
        return [Spooled(*one) for one in events], [
            (seq, Letter(source, event_id, reason, payload, received_at, bool(accepted)))
            for seq, source, event_id, reason, payload, received_at, accepted in letters]

    def _oldest(self) -> float | None:
        row = self._db.execute("SELECT received_at FROM events ORDER BY seq LIMIT 1").fetchone()
        return None if row is None else float(row[0])

    def _measured(self, query: str) -> tuple[int, int, float | None]:
        count, size, oldest = self._db.execute(query).fetchone()
        return int(count), int(size), oldest

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_FILE:
                self._lock.close()
                raise ConfigError(f"{self._path}: {error}") from None
        number = next(n for n in range(1, 10_000) if not self._path.with_name(f"{FILE}.set-aside-{n}").exists())
        log.error("the spool is damaged and set aside; events in it are not in the database",
                  extra={"file": f"{self._path}.set-aside-{number}"})
        for suffix in ("", "-wal", "-shm"):
            file = self._path.with_name(self._path.name + suffix)
            if file.exists():
                os.replace(file, file.with_name(f"{FILE}.set-aside-{number}{suffix}"))
        return self._open()

    def _open(self) -> sqlite3.Connection:
        # Before SQLite makes its files beside it, which take the rights of this one.
        self._path.touch(mode=0o600)
        self._path.chmod(0o600)
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(_TABLES)
            db.execute("SELECT max(seq) FROM events").fetchone()
            if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("quick_check found damage")
        except BaseException:
            db.close()
            raise
        return db


def _locked(folder: Path) -> TextIO:
    """Hold the spool for this process.

    Raises:
        ConfigError: the folder cannot be written, or another process holds the spool.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = (folder / "intake.lock").open("w")
    except OSError as error:
        raise ConfigError(f"storage.path {folder}: cannot be written ({error.strerror})") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise ConfigError(f"storage.path {folder}: in use by another process; give each its own") from None
    return handle

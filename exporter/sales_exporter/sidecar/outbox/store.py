"""The outbox on disk: SQLite with a write-ahead log and ``synchronous = FULL``. What is committed has reached the disk.

A fault of the disk or the file never reaches the caller: the store says so once, and until it is mended
alerts live in memory only. 8 MiB are reserved beside the file and given up when the disk is full.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from sales_exporter.sidecar.outbox.book import Entry
from sales_exporter.sidecar.outbox.rows import Row, read, written

log = logging.getLogger(__name__)

FILE = "outbox.sqlite"
RESERVE = "outbox.reserve"
RESERVED = 8 << 20
"""Bytes kept free for the outbox on a disk that others fill (reliability.md, R31)."""
State = Literal["disk", "reserve", "memory", "none"]
STATES: tuple[State, ...] = ("disk", "reserve", "memory", "none")
"""On disk; on disk, but with no space in reserve; in memory, since the disk refuses; no folder is configured."""

_APPLICATION, _FORMAT = 0x53414C45, 1
_TABLE = "CREATE TABLE IF NOT EXISTS alerts (fingerprint TEXT PRIMARY KEY, checksum INTEGER, entry TEXT) WITHOUT ROWID"
_WRITE = "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?)"
# Not "read-only": a file that we could touch, but SQLite may not write, has a damaged header.
_NOT_THE_FILE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
})
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_ANOTHERS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class _Damaged(Exception):
    """The file is none of ours, or a part of it cannot be read."""


class Store:
    """One file, written by one process and one thread."""

    def __init__(self, folder: Path | None) -> None:
        """Nothing is opened yet. Without a folder all is kept in memory, as configured."""
        self.state: State = "none" if folder is None else "memory"
        self.set_aside = 0
        self._folder = folder
        self._db: sqlite3.Connection | None = None
        self._known = False
        self._told = False

    @property
    def behind(self) -> bool:
        """Whether the disk lacks something that only memory has."""
        return self.state == "memory"

    @property
    def ailing(self) -> bool:
        """Whether mending may help."""
        return self.state in ("memory", "reserve")

    def open(self) -> list[Entry]:
        """Open the file and return what it holds. A damaged or foreign file is set aside, after what can be read was
        read. Never fails: in memory, if need be.
        """
        if self._folder is None:
            return []
        found = self._loaded()
        if self._db is not None:
            self._served()
        return found

    def write(self, rows: Sequence[Row], gone: Iterable[str] = ()) -> None:
        """Forget, then keep, all or nothing, on the disk when this returns. While ``behind`` nothing is written."""
        if self._db is None:
            return
        try:
            self._write(rows, gone)
        except sqlite3.Error as error:
            if _code(error) not in _NO_ROOM or not self._give_up_reserve():
                self._refused(error)
                return
            log.warning("the disk takes no more: the outbox gives up its reserve", extra={"file": str(self._path)})
            self.state = "reserve"
            try:
                self._write(rows, gone)
            except sqlite3.Error as again:
                self._refused(again)

    def mend(self, rows: Sequence[Row]) -> list[Entry]:
        """Try the disk anew with all that is held, and reserve space again. Returns what the file held besides."""
        if self._folder is None:
            return []
        if self.state == "reserve":
            self._served()
        if self.state != "memory":
            return []
        known, found = self._known, self._loaded()
        # What was read before and is not held any more was forgotten meanwhile.
        self.write(rows, [entry.alert.fingerprint for entry in found] if known else ())
        if self._db is not None:
            self._served()
        return [] if known else found

    def close(self) -> None:
        """Close the file; it can be moved as it is."""
        self._disconnect()

    @property
    def _path(self) -> Path:
        assert self._folder is not None
        return self._folder / FILE

    def _loaded(self) -> list[Entry]:
        """Connect and read; without a connection when the disk refuses."""
        found: list[Entry] = []
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._read(found):
                self._put_aside()
                self._connect()
                self._write([written(entry) for entry in found], ())
            self._known = True
        except (OSError, sqlite3.Error) as error:
            self._disconnect()
            if _code(error) not in _ANOTHERS:
                self._known = True
                found = found or self._copied()
            self._refused(error)
        return found

    def _read(self, found: list[Entry]) -> bool:
        """Add what the file holds to ``found``; whether that is all it held."""
        try:
            self._connect()
            return _collect(self._connected, found)
        except _Damaged:
            return False
        except sqlite3.DatabaseError as error:
            if _code(error) in _NOT_THE_FILE:
                raise
            return False

    def _connect(self) -> None:
        # Before SQLite makes its files beside it, which take the rights of this one.
        self._path.touch(mode=0o600)
        self._path.chmod(0o600)
        db = self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0)
        # A second process gets "busy" and keeps its own alerts in memory: it must not send those of the first.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        mark, form, tables = (
            db.execute(query).fetchone()[0]
            for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master"))
        if (mark, form) != (_APPLICATION, _FORMAT) and (mark, form, tables) != (0, 0, 0):
            raise _Damaged
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if tables == 0:
            db.executescript(f"BEGIN; {_TABLE}; PRAGMA application_id = {_APPLICATION}; "
                             f"PRAGMA user_version = {_FORMAT}; COMMIT")
        # A transaction that changes nothing still takes the lock that writing needs.
        db.execute("BEGIN IMMEDIATE")
        db.execute("COMMIT")

    @property
    def _connected(self) -> sqlite3.Connection:
        assert self._db is not None
        return self._db

    def _write(self, rows: Sequence[Row], gone: Iterable[str]) -> None:
        db = self._connected
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("DELETE FROM alerts WHERE fingerprint = ?", [(name,) for name in gone])
            db.executemany(_WRITE, rows)
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def _put_aside(self) -> None:
        self._disconnect()
        number = next(n for n in range(1, 10_000) if not self._path.with_name(f"{FILE}.set-aside-{n}").exists())
        for suffix in ("", "-wal", "-shm"):
            file = self._path.with_name(FILE + suffix)
            if file.exists():
                os.replace(file, file.with_name(f"{FILE}.set-aside-{number}{suffix}"))
        self.set_aside += 1
        log.error("the outbox is damaged or another program's, and set aside; what could be read of it is kept",
                  extra={"file": f"{self._path}.set-aside-{number}"})

    def _copied(self) -> list[Entry]:
        """What can be read of a file that cannot be written, by way of a copy."""
        found: list[Entry] = []
        with contextlib.suppress(OSError, sqlite3.Error), tempfile.TemporaryDirectory() as room:
            for suffix in ("", "-wal"):
                if self._path.with_name(FILE + suffix).exists():
                    shutil.copyfile(self._path.with_name(FILE + suffix), Path(room) / (FILE + suffix))
            with contextlib.closing(sqlite3.connect(Path(room) / FILE)) as db:
                _collect(db, found)
        return found

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def _refused(self, error: Exception) -> None:
        self._disconnect()
        self.state = "memory"
        if not self._told:
            self._told = True
            log.error("the outbox cannot be written: alerts are kept in memory only",
                      extra={"file": str(self._path), "error": str(error)})

    def _served(self) -> None:
        if self._told:
            log.info("the outbox is on disk again", extra={"file": str(self._path)})
        self._told = False
        self.state = "disk" if self._reserve() else "reserve"

    def _reserve(self) -> bool:
        """Hold space; False when the disk has not enough."""
        file = self._path.with_name(RESERVE)
        try:
            disk = os.statvfs(file.parent)
            if not file.exists() and disk.f_bavail * disk.f_frsize < 2 * RESERVED:
                return False
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, RESERVED)
            finally:
                os.close(handle)
        except OSError:
            file.unlink(missing_ok=True)
            return False
        return True

    def _give_up_reserve(self) -> bool:
        try:
            self._path.with_name(RESERVE).unlink()
        except OSError:
            return False
        return True


def _collect(db: sqlite3.Connection, found: list[Entry]) -> bool:
    """Add what can be read to ``found``; whether that is all."""
    whole = True
    db.text_factory = _text
    for row in db.execute("SELECT fingerprint, checksum, entry FROM alerts"):
        try:
            found.append(read(row))
        except ValueError:
            whole = False
    return whole and bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))


def _text(kept: bytes) -> str:
    return kept.decode(errors="replace")


def _code(error: Exception) -> int:
    """SQLite's primary code; 0 for an error of another kind."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

"""Entries on disk: SQLite with a write-ahead log and ``synchronous = FULL``. What is committed has reached the disk.

A fault of the disk or the file never reaches the caller: the store says so once, and until it is mended
entries live in memory only. Space is reserved beside the file and given up when the disk is full.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

log = logging.getLogger(__name__)

Kept = TypeVar("Kept")
Row = tuple[str, int, str]
"""Fingerprint, checksum and text: SQLite itself notices no byte that flips within a value."""
Change = tuple[str, Sequence[tuple[object, ...]]]
"""A statement, and the values of each time that it is to run."""
State = Literal["disk", "reserve", "memory", "none"]
STATES: tuple[State, ...] = ("disk", "reserve", "memory", "none")
"""On disk; on disk, but with no space in reserve; in memory, since the disk refuses; no folder is configured."""

_APPLICATION, _FORMAT = 0x53414C45, 1
# Not "read-only": a file that we could touch, but SQLite may not write, has a damaged header.
_NOT_THE_FILE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
})
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_ANOTHERS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def sealed(name: str, text: str) -> Row:
    """An entry as it is written."""
    return name, zlib.crc32(text.encode()), text


def unsealed(row: tuple[object, ...]) -> tuple[str, str]:
    """Name and text of a row.

    Raises:
        ValueError: they are not what was written.
    """
    name, checksum, text = row
    if not isinstance(name, str) or not isinstance(text, str) or zlib.crc32(text.encode(errors="replace")) != checksum:
        raise ValueError("the checksum differs")
    return name, text


class _Damaged(Exception):
    """The file is none of ours, or a part of it cannot be read."""


@dataclass(frozen=True, slots=True)
class Form(Generic[Kept]):
    """What a store holds. ``read`` raises ValueError for a row that ``written`` did not make."""

    name: str
    """Of its files, and what the log calls it."""
    things: str
    """What its entries are called, and its table."""
    written: Callable[[Kept], Row]
    read: Callable[[tuple[object, ...]], Kept]
    reserved: int
    """Bytes kept free for it on a disk that others fill (reliability.md, R31)."""
    beside: str = ""
    """Statements that make other tables in the same file. What they hold is lost to us when a file is set aside."""

    @property
    def file(self) -> str:
        """The database's name."""
        return f"{self.name}.sqlite"

    @property
    def reserve(self) -> str:
        """Name of the file that holds space."""
        return f"{self.name}.reserve"


class Store(Generic[Kept]):
    """One file, written by one process and one thread."""

    def __init__(self, folder: Path | None, form: Form[Kept]) -> None:
        """Nothing is opened yet. Without a folder all is kept in memory, as configured."""
        self.state: State = "none" if folder is None else "memory"
        self.set_aside = 0
        self._form = form
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

    @property
    def db(self) -> sqlite3.Connection | None:
        """The file, for questions; None while the disk refuses and where there is no folder."""
        return self._db

    def open(self) -> list[Kept]:
        """Open the file and return what it holds. A damaged or foreign file is set aside, after what can be read was
        read. Never fails: in memory, if need be.
        """
        if self._folder is None:
            return []
        found = self._loaded()
        if self._db is not None:
            self._served()
        return found

    def write(self, rows: Sequence[Row], gone: Iterable[str] = (), beside: Sequence[Change] = ()) -> None:
        """Forget, then keep, all or nothing, on the disk when this returns. While ``behind`` nothing is written.

        ``beside`` is done to other tables of the file in the same transaction.
        """
        if self._db is None:
            return
        try:
            self._write(rows, gone, beside)
        except sqlite3.Error as error:
            if _code(error) not in _NO_ROOM or not self._give_up_reserve():
                self._refused(error)
                return
            log.warning(f"the disk takes no more: the {self._form.name} gives up its reserve",
                        extra={"file": str(self._path)})
            self.state = "reserve"
            try:
                self._write(rows, gone, beside)
            except sqlite3.Error as again:
                self._refused(again)

    def mend(self, rows: Sequence[Row]) -> list[Kept]:
        """Try the disk anew with all that is held, and reserve space again. Returns what the file held besides."""
        if self._folder is None:
            return []
        if self.state == "reserve":
            self._served()
        if self.state != "memory":
            return []
        known, found = self._known, self._loaded()
        # What was read before and is not held any more was forgotten meanwhile.
        self.write(rows, [self._form.written(entry)[0] for entry in found] if known else ())
        if self._db is not None:
            self._served()
        return [] if known else found

    def close(self) -> None:
        """Close the file; it can be moved as it is."""
        self._disconnect()

    @property
    def _path(self) -> Path:
        assert self._folder is not None
        return self._folder / self._form.file

    def _loaded(self) -> list[Kept]:
        """Connect and read; without a connection when the disk refuses."""
        found: list[Kept] = []
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._read(found):
                self._put_aside()
                self._connect()
                self._write([self._form.written(entry) for entry in found], (), ())
            self._known = True
        except (OSError, sqlite3.Error) as error:
            self._disconnect()
            if _code(error) not in _ANOTHERS:
                self._known = True
                found = found or self._copied()
            self._refused(error)
        return found

    def _read(self, found: list[Kept]) -> bool:
        """Add what the file holds to ``found``; whether that is all it held."""
        try:
            self._connect()
            return self._collect(self._connected, found)
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
            db.executescript(f"BEGIN; CREATE TABLE {self._form.things} (fingerprint TEXT PRIMARY KEY, "
                             f"checksum INTEGER, entry TEXT) WITHOUT ROWID; {self._form.beside} "
                             f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_FORMAT}; COMMIT")
        # A transaction that changes nothing still takes the lock that writing needs.
        db.execute("BEGIN IMMEDIATE")
        db.execute("COMMIT")

    @property
    def _connected(self) -> sqlite3.Connection:
        assert self._db is not None
        return self._db

    def _write(self, rows: Sequence[Row], gone: Iterable[str], beside: Sequence[Change]) -> None:
        db = self._connected
        db.execute("BEGIN IMMEDIATE")
        try:
            # The table's name is a constant of ours.
            db.executemany(f"DELETE FROM {self._form.things} WHERE fingerprint = ?",  # noqa: S608
                           [(name,) for name in gone])
            db.executemany(f"INSERT OR REPLACE INTO {self._form.things} VALUES (?, ?, ?)", rows)  # noqa: S608
            for statement, values in beside:
                db.executemany(statement, values)
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def _put_aside(self) -> None:
        self._disconnect()
        name = self._path.name
        number = next(n for n in range(1, 10_000) if not self._path.with_name(f"{name}.set-aside-{n}").exists())
        for suffix in ("", "-wal", "-shm"):
            file = self._path.with_name(name + suffix)
            if file.exists():
                os.replace(file, file.with_name(f"{name}.set-aside-{number}{suffix}"))
        self.set_aside += 1
        log.error(f"the {self._form.name} is damaged or another program's, and set aside; what could be read is kept",
                  extra={"file": f"{self._path}.set-aside-{number}"})

    def _copied(self) -> list[Kept]:
        """What can be read of a file that cannot be written, by way of a copy."""
        found: list[Kept] = []
        with contextlib.suppress(OSError, sqlite3.Error), tempfile.TemporaryDirectory() as room:
            for suffix in ("", "-wal"):
                file = self._path.with_name(self._path.name + suffix)
                if file.exists():
                    shutil.copyfile(file, Path(room) / file.name)
            with contextlib.closing(sqlite3.connect(Path(room) / self._path.name)) as db:
                self._collect(db, found)
        return found

    def _collect(self, db: sqlite3.Connection, found: list[Kept]) -> bool:
        """Add what can be read to ``found``; whether that is all."""
        whole = True
        db.text_factory = _text
        for row in db.execute(f"SELECT fingerprint, checksum, entry FROM {self._form.things}"):  # noqa: S608
            try:
                found.append(self._form.read(row))
            except ValueError:
                whole = False
        return whole and bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))

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
            log.error(f"the {self._form.name} cannot be written: {self._form.things} are kept in memory only",
                      extra={"file": str(self._path), "error": str(error)})

    def _served(self) -> None:
        if self._told:
            log.info(f"the {self._form.name} is on disk again", extra={"file": str(self._path)})
        self._told = False
        self.state = "disk" if self._reserve() else "reserve"

    def _reserve(self) -> bool:
        """Hold space; False when the disk has not enough."""
        file = self._path.with_name(self._form.reserve)
        try:
            disk = os.statvfs(file.parent)
            if not file.exists() and disk.f_bavail * disk.f_frsize < 2 * self._form.reserved:
                return False
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._form.reserved)
            finally:
                os.close(handle)
        except OSError:
            file.unlink(missing_ok=True)
            return False
        return True

    def _give_up_reserve(self) -> bool:
        try:
            self._path.with_name(self._form.reserve).unlink()
        except OSError:
            return False
        return True


def _text(kept: bytes) -> str:
    return kept.decode(errors="replace")


def _code(error: Exception) -> int:
    """SQLite's primary code; 0 for an error of another kind."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

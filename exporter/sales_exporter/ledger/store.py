"""The state on disk: cells, names and the watermark they belong to, changed together or not at all.

SQLite does what the state needs: one commit that a crash leaves whole or undone, and costs what changed, not what
exists. ``synchronous = FULL`` makes each commit reach the disk before the fold counts as done.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from sales_exporter.errors import ConfigError
from sales_exporter.ledger.book import BookLayout, Pages, Records, from_pages
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.tables import book_of, check, create, table_of

FILE = "ledger.sqlite"
_BATCH = 2_000
# Faults of the disk or of rights, with which a sound state must not be given up.
_NOT_THE_FILE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
})


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a source was read: what it was read from, the snapshot and the cutoff (epoch seconds)."""

    identity: str
    snapshot: str
    cutoff: float
    parts: tuple[tuple[str | None, str | None], ...] = ()
    """The parts that the source was divided into."""
    part: int | None = None
    """The part that comes next in a fill; None when the fill is done."""
    exact: bool = True
    grain: int = 0
    """The reporting day by which cells count as old, for those that become coarse then."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One step of one source: cells to add, keys that are due later, keys that no longer are, and the new mark."""

    source: str
    mark: Mark
    cells: Mapping[str, Tally] = field(default_factory=dict)
    names: Iterable[tuple[int, str]] = ()
    due: Iterable[tuple[float, str]] = ()
    done: Iterable[str] = ()
    part_cells: tuple[int, Mapping[str, Tally]] | None = None
    """For an inexact source: what part number this now contributes, in place of what it did."""
    books: Mapping[str, Pages] = field(default_factory=dict)
    paths: Iterable[tuple[int, bytes]] = ()


class Store:
    """One state file. One process writes it, a second one is refused; others may look at it as it is at one moment."""

    def __init__(self, folder: Path | None, layouts: Iterable[Layout], books: Iterable[BookLayout] = ()) -> None:
        """Open the state in ``folder``, or a temporary one without a folder.

        Raises:
            ConfigError: the folder cannot be written, or another process holds the state.
        """
        self.set_aside: str | None = None
        """Why an older state was not taken over, or None."""
        self._layouts = tuple(layouts)
        self._books = tuple(books)
        self._path = None if folder is None else _writable(folder) / FILE
        self._lock = None if folder is None else _locked(folder)
        try:
            self._db = self._open()
        except (sqlite3.DatabaseError, ValueError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_FILE:
                self._unlock()
                raise ConfigError(f"{self._path}: {error}") from None
            self._put_aside(str(error))
            self._db = self._open()

    @classmethod
    def looked_at(cls, folder: Path) -> Store:
        """The state in ``folder`` as it is now, for reading alone, whatever its owner does meanwhile.

        Raises:
            ConfigError: there is no state that this release can read.
        """
        path = folder / FILE
        if not path.is_file():
            raise ConfigError(f"storage.path {folder}: holds no state; start serve with it first")
        store = cls.__new__(cls)
        store.set_aside, store._layouts, store._books, store._path, store._lock = None, (), (), path, None
        try:
            store._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None,
                                        check_same_thread=False)
            store._db.execute("BEGIN")
            check(store._db)
        except (sqlite3.DatabaseError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from None
        return store

    def mark(self, source: str) -> Mark | None:
        """How far a source was read, or None."""
        row = self._db.execute("SELECT mark FROM marks WHERE source = ?", (source,)).fetchone()
        if row is None:
            return None
        facts = json.loads(row[0])
        return Mark(**{**facts, "parts": tuple((low, high) for low, high in facts["parts"])})

    def cells(self, layout: Layout) -> Tally:
        """All cells of a cube."""
        (size,) = self._db.execute(f"SELECT count(*) FROM {table_of(layout.name)}").fetchone()  # noqa: S608
        pairs = np.zeros((size, 2), dtype=np.int64)
        cursor = self._db.execute(f"SELECT key, n FROM {table_of(layout.name)} ORDER BY key")  # noqa: S608
        done = 0
        while rows := cursor.fetchmany(_BATCH):
            pairs[done : done + len(rows)] = rows
            done += len(rows)
        return Tally(pairs[:, 0].copy(), pairs[:, 1].copy())

    def book(self, layout: BookLayout) -> Records:
        """All records of a book."""
        table = book_of(layout.name)
        (size,) = self._db.execute(f"SELECT coalesce(sum(length(records)), 0) FROM {table}").fetchone()  # noqa: S608
        # Page by page into place: a list of all of them would leave the heap twice as large as the book.
        pages = self._db.execute(f"SELECT records FROM {table} ORDER BY page")  # noqa: S608
        return from_pages(layout, size // layout.dtype.itemsize, (page for (page,) in pages))

    def paths(self) -> list[tuple[int, bytes]]:
        """Numbers and paths, ascending."""
        return list(self._db.execute("SELECT number, path FROM paths ORDER BY number"))

    def names(self) -> list[tuple[int, str]]:
        """Numbers and names, ascending."""
        return list(self._db.execute("SELECT number, name FROM names ORDER BY number"))

    def due(self, source: str, until: float) -> list[str]:
        """Keys that come to count before ``until``."""
        rows = self._db.execute("SELECT DISTINCT key FROM due WHERE source = ? AND at < ?", (source, until))
        return [key for (key,) in rows]

    def part_cells(self, source: str, part: int) -> dict[str, Tally]:
        """What a part of an inexact source contributes now."""
        rows = self._db.execute(
            "SELECT cube, keys, counts FROM part_cells WHERE source = ? AND part = ?", (source, part))
        return {
            cube: Tally(np.frombuffer(keys, dtype=np.int64), np.frombuffer(counts, dtype=np.int64))
            for cube, keys, counts in rows
        }

    def commit(self, step: Commit) -> None:
        """Make one step durable, whole or not at all."""
        with self._transaction():
            for name, tally in step.cells.items():
                self._add(table_of(name), tally)
            for name, pages in step.books.items():
                self._write(book_of(name), pages)
            self._db.executemany("INSERT OR REPLACE INTO names VALUES (?, ?)", step.names)
            self._db.executemany("INSERT OR REPLACE INTO paths VALUES (?, ?)", step.paths)
            self._db.executemany("DELETE FROM due WHERE source = ? AND key = ?",
                                 [(step.source, key) for key in step.done])
            self._db.executemany("INSERT OR IGNORE INTO due (source, key, at) VALUES (?, ?, ?)",
                                 [(step.source, key, at) for at, key in step.due])
            if step.part_cells is not None:
                self._replace_part(step.source, *step.part_cells)
            self._set_mark(step.source, step.mark)

    def clear(self, source: str, layouts: Iterable[Layout], mark: Mark, books: Iterable[BookLayout] = ()) -> None:
        """Forget a source's cells and records, to fill it anew."""
        with self._transaction():
            for book in books:
                self._db.execute(f"DELETE FROM {book_of(book.name)}")  # noqa: S608
            for layout in layouts:
                self._db.execute(f"DELETE FROM {table_of(layout.name)}")  # noqa: S608
            for table in ("due", "part_cells"):
                self._db.execute(f"DELETE FROM {table} WHERE source = ?", (source,))  # noqa: S608
            self._set_mark(source, mark)

    def connection(self) -> sqlite3.Connection:
        """For sources that keep rows of their own in the same transaction."""
        return self._db

    def rest(self) -> None:
        """Give back what is held of the file in memory: the next step is a while away, and mostly needs other pages."""
        self._db.execute("PRAGMA shrink_memory")

    @property
    def size(self) -> int:
        """Bytes of the state, pages that are free again included."""
        (pages,), (page,) = (self._db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        return int(pages) * int(page)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _set_mark(self, source: str, mark: Mark) -> None:
        self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (source, json.dumps(asdict(mark))))

    def _add(self, table: str, tally: Tally) -> None:
        sql = f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET n = n + excluded.n"  # noqa: S608
        for start in range(0, len(tally), _BATCH):
            some = slice(start, start + _BATCH)
            self._db.executemany(sql, zip(tally.keys[some].tolist(), tally.counts[some].tolist(), strict=True))
        lost = tally.keys[tally.counts < 0]
        self._db.executemany(f"DELETE FROM {table} WHERE key = ? AND n = 0", [(key,) for key in lost.tolist()])  # noqa: S608

    def _write(self, table: str, pages: Pages) -> None:
        self._db.executemany(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",  # noqa: S608
            [(number, page) for number, page in pages.items() if page])
        self._db.executemany(
            f"DELETE FROM {table} WHERE page = ?", [(number,) for number, page in pages.items() if not page])  # noqa: S608

    def _replace_part(self, source: str, part: int, cells: Mapping[str, Tally]) -> None:
        self._db.execute("DELETE FROM part_cells WHERE source = ? AND part = ?", (source, part))
        self._db.executemany("INSERT INTO part_cells VALUES (?, ?, ?, ?, ?)", [
            (source, part, name, tally.keys.tobytes(), tally.counts.tobytes()) for name, tally in cells.items()])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        new = self._path is None or not self._path.exists() or not self._path.stat().st_size
        if self._path is not None:
            # Before SQLite makes its files beside it, which take the rights of this one.
            self._path.touch(mode=0o600)
            self._path.chmod(0o600)
        db = sqlite3.connect(self._path or "", isolation_level=None, check_same_thread=False, timeout=0)
        try:
            if not new:
                check(db)
            db.execute("PRAGMA journal_mode = WAL" if self._path else "PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN EXCLUSIVE")
            create(db, self._layouts, self._books)
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def _put_aside(self, reason: str) -> None:
        assert self._path is not None
        self.set_aside = reason
        for suffix in ("", "-wal", "-shm"):
            file = self._path.with_name(self._path.name + suffix)
            if file.exists():
                # One is enough to look into what happened; a second defect must not fill the disk.
                os.replace(file, file.with_name(f"{FILE}.set-aside{suffix}"))


def _locked(folder: Path) -> TextIO:
    """Hold the folder for this process; the lock ends with it, however it ends.

    Raises:
        ConfigError: another process holds it.
    """
    handle = (folder / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise ConfigError(f"storage.path {folder}: in use by another process; give each its own") from None
    return handle


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"storage.path {folder}: cannot be made ({error.strerror})") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"storage.path {folder}: not writable")
    return folder

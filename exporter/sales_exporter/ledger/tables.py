"""The tables of the state on disk: made in a new file, and a file that is no such state is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from sales_exporter.ledger.book import BookLayout
from sales_exporter.ledger.cube import Layout

APPLICATION, FORMAT = 0x53414C45, 1


def check(db: sqlite3.Connection) -> None:
    """Refuse a file that is damaged, of another program or of another format.

    Raises:
        ValueError: it is of something else.
        sqlite3.DatabaseError: it is damaged.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise ValueError("not a state of this program")
    if version != FORMAT:
        raise ValueError(f"state of format {version}, this release writes {FORMAT}")
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"damaged ({found.splitlines()[-1]})")


def create(db: sqlite3.Connection, layouts: Iterable[Layout], books: Iterable[BookLayout]) -> None:
    """Make what is not there yet; the caller commits."""
    for book in books:
        db.execute(f"CREATE TABLE IF NOT EXISTS {book_of(book.name)} (page INTEGER PRIMARY KEY, records BLOB NOT NULL)")
    for layout in layouts:
        db.execute(f"CREATE TABLE IF NOT EXISTS {table_of(layout.name)} (key INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
    for table in (
        "marks (source TEXT PRIMARY KEY, mark TEXT NOT NULL)",
        "names (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        "paths (number INTEGER PRIMARY KEY, path BLOB NOT NULL)",
        "due (source TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (source, key, at)) WITHOUT ROWID",
        "part_cells (source TEXT NOT NULL, part INTEGER NOT NULL, cube TEXT NOT NULL, keys BLOB NOT NULL,"
        " counts BLOB NOT NULL, PRIMARY KEY (source, part, cube))",
    ):
        db.execute(f"CREATE TABLE IF NOT EXISTS {table}")
    db.execute("CREATE INDEX IF NOT EXISTS due_at ON due (source, at)")
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {FORMAT}")


def table_of(cube: str) -> str:
    """The table of a cube's cells."""
    return f"cells_{cube}"


def book_of(name: str) -> str:
    """The table of a book's pages."""
    return f"book_{name}"

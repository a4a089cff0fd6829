"""Puts rows into the contract's tables: COPY into temporary ones, one upsert each, all in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg import errors, sql

from sales_exporter.contract.relations import RELATIONS, Relation
from sales_exporter.errors import ConfigError
from sales_exporter.importer.files import Progress
from sales_exporter.importer.rows import Rows
from sales_exporter.importer.staging import SCHEMA, Connection, Staged, compose, names, stage

IMMUTABLE = {"leads": ("created_at",)}
"""Columns that stay as first written, in relations whose other columns may change."""
CONNECT_SECONDS = 10

APPEND = """
    INSERT INTO {target} ({columns}) SELECT {columns} FROM {staging} ON CONFLICT ({conflict}) DO NOTHING
"""
UPSERT = """
    WITH written AS (
        INSERT INTO {target} AS there ({columns}) SELECT {columns} FROM {staging}
        ON CONFLICT ({conflict}) DO UPDATE SET ({free}) = ROW({new})
        WHERE ROW({old}) IS DISTINCT FROM ROW({new})
        RETURNING (there.xmax = 0) AS added)
    SELECT count(*) FILTER (WHERE added), count(*) FILTER (WHERE NOT added) FROM written
"""
DIFFERENT = """
    SELECT count(*)
      FROM {staging} AS file JOIN {target} AS there USING ({key})
     WHERE ROW({theirs}) IS DISTINCT FROM ROW({ours})
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows for one relation. ``kept`` rows differ from the file but may not change."""

    relation: str
    read: int
    added: int = 0
    changed: int = 0
    kept: int = 0

    @property
    def unchanged(self) -> int:
        """Rows that were there already, alike."""
        return self.read - self.added - self.changed - self.kept


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of an import. ``last_event`` is the latest business time in the files."""

    counts: tuple[Counts, ...]
    warnings: tuple[str, ...]
    last_event: datetime | None

    @property
    def as_of(self) -> datetime | None:
        """00:00 UTC of the day after the last event: from there all of the data is seen."""
        if self.last_event is None:
            return None
        midnight = self.last_event.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=1)


def load(entries: Sequence[Rows], dsn: str, progress: Progress, *, commit: bool = True) -> Report:
    """Load all entries or nothing; the same files again change nothing. ``commit=False`` undoes it in the end.

    Raises:
        DataFileError: a file or a row is malformed, or one key has two contents.
        ConfigError: the database cannot be reached, lacks a table of the contract, or refuses to be written.
    """
    with _refusals(), psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute("SET LOCAL TimeZone TO 'UTC'")
        connection.execute("SET LOCAL statement_timeout TO 0")
        staged = []
        for group in _by_relation(entries):
            with _refusals(group[0].relation):
                staged.append(stage(connection, group, progress))
        counts = tuple(_write(connection, each, progress) for each in staged)
        if not commit:
            connection.rollback()
    moments = [each.last_event for each in staged if each.last_event is not None]
    return Report(counts, (*unknown_values(entries), *_kept(counts)), max(moments, default=None))


def unknown_values(entries: Sequence[Rows]) -> tuple[str, ...]:
    """One sentence for each column that held values outside its documented set, after its rows were read."""
    return tuple(
        f"{rows.relation.name}.{column}: {count} rows hold a value outside "
        f"{', '.join(rows.relation.column(column).enum)}; they are loaded as they are"
        for rows in entries for column, count in sorted(rows.unknown.items())
    )


def _by_relation(entries: Sequence[Rows]) -> Iterator[list[Rows]]:
    for relation in RELATIONS.values():
        if group := [rows for rows in entries if rows.relation is relation]:
            yield group


def _write(connection: Connection, staged: Staged, progress: Progress) -> Counts:
    relation = staged.relation
    free = [name for name in staged.columns if name not in (*relation.key, *IMMUTABLE.get(relation.name, ()))]
    what = f"writing {relation.name}"
    progress(0, 1, what)
    with _refusals(relation):
        if relation.nature == "append-only" or not free:
            added, changed = connection.execute(_composed(APPEND, staged)).rowcount, 0
            fixed = [name for name in staged.columns if name not in relation.key]
        else:
            added, changed = _upsert(connection, staged, free)
            fixed = [name for name in staged.columns if name in IMMUTABLE.get(relation.name, ())]
        kept = _count_kept(connection, staged, fixed) if fixed and added < staged.rows else 0
        connection.execute(_composed("ANALYZE {target}", staged))
    progress(1, 1, what)
    return Counts(relation.name, staged.rows, added, changed, kept)


def _upsert(connection: Connection, staged: Staged, free: Sequence[str]) -> tuple[int, int]:
    row = connection.execute(_composed(
        UPSERT, staged, free=names(free), old=names(free, "there"), new=names(free, "excluded"))).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def _count_kept(connection: Connection, staged: Staged, fixed: Sequence[str]) -> int:
    row = connection.execute(_composed(
        DIFFERENT, staged, theirs=names(fixed, "there"), ours=names(fixed, "file"))).fetchone()
    return 0 if row is None else int(row[0])


def _composed(statement: LiteralString, staged: Staged, **more: sql.Composable) -> sql.Composed:
    # The target is written in the contract's source, not by a user.
    conflict = sql.SQL(staged.relation.conflict_target)
    return compose(statement, staged.relation, staged.columns, conflict=conflict, **more)


def _kept(counts: Sequence[Counts]) -> Iterator[str]:
    for each in counts:
        if each.kept:
            fixed = ", ".join(IMMUTABLE.get(each.relation, ()))
            reason = f"{fixed} is immutable" if fixed else "it is append-only, a correction is a new row"
            yield f"{each.relation}: {each.kept} rows are there already with other content, which stays: {reason}"


_REFUSED: tuple[tuple[tuple[type[psycopg.Error], ...], str], ...] = (
    ((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction),
     "this role may not write {table}; import as the owner of the tables, not as the exporter's read-only role"),
    ((errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName),
     "{table} is not there as in the contract; create it with: sales-exporter schema | psql"),
    ((errors.InvalidColumnReference,), "{table} has no unique key on ({key}); see: sales-exporter schema"),
    ((errors.WrongObjectType, errors.FeatureNotSupported, errors.ObjectNotInPrerequisiteState),
     "{table} is a view that cannot be written; import into the tables behind it"),
    ((errors.IntegrityError,), "a constraint of {table} that is not of the contract refuses a row"),
    ((psycopg.OperationalError,), "no connection, or it was lost; check the connection string and the server"),
)


@contextlib.contextmanager
def _refusals(relation: Relation | None = None) -> Iterator[None]:
    """Says in our words why the database refused: its own may quote a row or a password."""
    table = f"{SCHEMA}.{relation.name}" if relation else "the database"
    key = ", ".join(relation.key) if relation else ""
    try:
        yield
    except psycopg.Error as error:
        for kinds, reason in _REFUSED:
            if isinstance(error, kinds):
                raise ConfigError(f"database: {reason.format(table=table, key=key)}") from None
        raise ConfigError(f"database: {table} refused the rows with SQLSTATE {error.sqlstate or 'unknown'}") from None

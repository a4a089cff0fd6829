"""Statements that give tables which exist already the change key, its triggers and its indexes, without a rewrite.

``ADD COLUMN … DEFAULT pg_current_xact_id()`` does not rewrite the table: the function is stable, not volatile, so
PostgreSQL evaluates it once and keeps the value beside the column. All old rows thereby bear the transaction of the
ALTER, none is NULL, and the default goes on working for new rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from psycopg import sql

from sales_exporter.contract import schema_sql
from sales_exporter.contract.questions import BACKFILL_REVISIONS
from sales_exporter.contract.relations import INDEXES, RELATIONS, REMOVAL_KEYS, Relation
from sales_exporter.contract.shape import create_index
from sales_exporter.errors import UsageError

# lead_revisions and removals are ours alone: nobody has them beforehand.
ALTERABLE = ("leads", *REMOVAL_KEYS)

_HEAD = """\
-- Adds the change key to existing tables. It may be run again. Not in one transaction: the indexes are built without
-- blocking writers, which a transaction cannot do.
--
--     sales-exporter schema --alter | psql --set ON_ERROR_STOP=1
--
-- An ALTER TABLE needs its lock for some milliseconds; when it does not get it within 2 s it gives up. Run it again.
-- CREATE INDEX CONCURRENTLY does not work on a partitioned table: index its partitions one by one.
SET lock_timeout = '2s';
CREATE SCHEMA IF NOT EXISTS sales;
"""

_IF_TABLE = """\
SELECT count(*) > 0 AS here FROM pg_class WHERE oid IN ({}) AND relkind IN ('r', 'p') \\gset
\\if :here"""

# Always quoted, so spaces are fine; a control character would end the comment that names the table.
_NAME = re.compile(r'[^."\x00-\x1f\x7f]{1,63}')


def tables(arguments: Sequence[str]) -> dict[str, str]:
    """``RELATION`` or ``RELATION=SCHEMA.TABLE`` as relation to qualified table.

    Raises:
        UsageError: a relation that has no change key, or no ``SCHEMA.TABLE``.
    """
    found = {}
    for argument in arguments:
        name, _, table = argument.partition("=")
        if name not in ALTERABLE:
            raise UsageError(f"--table {name}: expected one of {', '.join(ALTERABLE)}")
        table = table or RELATIONS[name].full_name
        parts = table.split(".")
        if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
            raise UsageError(f"--table {argument}: expected RELATION=SCHEMA.TABLE")
        found[name] = table
    return found


def alter_sql(chosen: Mapping[str, str]) -> str:
    """A psql script for these tables (see ``tables``); when there is none, for each table that ``sales`` has."""
    parts = [_HEAD, _section("-- Functions ", "-- Relations ")]
    wanted = chosen or {name: RELATIONS[name].full_name for name in ALTERABLE}
    logged = [table for name, table in wanted.items() if name in REMOVAL_KEYS and table == RELATIONS[name].full_name]
    if logged:
        parts.append(_part("removals", logged, _removals(), sure=bool(chosen)))
    for name, table in wanted.items():
        lines = [*_statements(RELATIONS[name], table)]
        if table == RELATIONS["leads"].full_name:
            lines += _revisions()
        elif table in logged:
            lines += _removal_triggers(RELATIONS[name])
        parts.append(_part(f"{name}: {table}", [table], lines, sure=bool(chosen)))
    return "\n".join(parts)


def _part(title: str, needed: Sequence[str], lines: Iterable[str], *, sure: bool) -> str:
    """Statements that are run when one of the tables is there; ``sure``: without asking."""
    if sure:
        return "\n".join((f"-- {title}", *lines, ""))
    asked = ", ".join(f"to_regclass('{table}')" for table in needed)
    return "\n".join((f"-- {title}", _IF_TABLE.format(asked), *lines, "\\endif", ""))


def _statements(relation: Relation, table: str) -> Iterator[str]:
    quoted = sql.Identifier(*table.split(".")).as_string(None)
    yield (f"ALTER TABLE {quoted} ADD COLUMN IF NOT EXISTS {relation.change_key} xid8 NOT NULL "
           "DEFAULT pg_current_xact_id();")
    if relation.nature == "mutable":
        yield (f"CREATE OR REPLACE TRIGGER set_changed_tx BEFORE INSERT OR UPDATE ON {quoted}\n"
               "    FOR EACH ROW EXECUTE FUNCTION sales.set_changed_tx();")
    for index in INDEXES:
        # Of a table of the user's own only this column's name is known.
        ours = table == relation.full_name or index.columns == (relation.change_key,)
        if index.relation == relation.name and ours:
            yield create_index(index, quoted, concurrently=True)


def _revisions() -> Iterator[str]:
    yield "-- The log of leads. When sales.leads lacks a column that it reads, the block fails and no trigger is made."
    yield _found(r"CREATE SEQUENCE IF NOT EXISTS sales\.lead_revision_number;.*?\n\);")
    yield _found(r"ALTER TABLE sales\.lead_revisions ADD COLUMN [^;]*;")
    yield _found(r"CREATE OR REPLACE TRIGGER refuse_update [^;]*sales\.lead_revisions[^;]*;")
    for index in INDEXES:
        if index.relation == "lead_revisions":
            yield create_index(index, RELATIONS["lead_revisions"].full_name, concurrently=False)
    triggers = re.findall(r"CREATE OR REPLACE TRIGGER revise_[^;]*;", schema_sql())
    yield "\n".join((
        "DO $block$", "BEGIN",
        "    PERFORM lead_id, created_at, channel_id, campaign_id, rep_id, is_test, changed_tx",
        "       FROM sales.leads LIMIT 0;",
        *triggers, "END", "$block$;", BACKFILL_REVISIONS,
    ))


def _removals() -> Iterator[str]:
    yield _found(r"CREATE SEQUENCE IF NOT EXISTS sales\.removal_number;.*?\n\);")
    yield _found(r"CREATE OR REPLACE TRIGGER refuse_update [^;]*sales\.removals[^;]*;")
    for index in INDEXES:
        if index.relation == "removals":
            yield create_index(index, RELATIONS["removals"].full_name, concurrently=False)


def _removal_triggers(relation: Relation) -> Iterator[str]:
    yield "-- The log of rows that are gone. When the table lacks its key, the block fails and no trigger is made."
    # Those on UPDATE read the key as such; the others find in each row what there is.
    key = relation.conflict_target if relation.nature == "mutable" else ", ".join(REMOVAL_KEYS[relation.name])
    name = re.escape(relation.full_name)
    triggers = re.findall(rf"CREATE OR REPLACE TRIGGER log_re[a-z_]+ AFTER [A-Z]+ ON {name}\n[^;]*;", schema_sql())
    yield "\n".join((
        "DO $block$", "BEGIN", f"    PERFORM {key} FROM {relation.full_name} LIMIT 0;", *triggers, "END", "$block$;"))


def _section(start: str, end: str) -> str:
    text = schema_sql()
    return text[text.index(start):text.index(end)]


def _found(pattern: str) -> str:
    match = re.search(pattern, schema_sql(), re.DOTALL)
    if match is None:
        raise LookupError(f"schema.sql has no statement {pattern}")
    return match.group()

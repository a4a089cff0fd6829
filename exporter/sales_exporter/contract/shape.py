"""Rules on the shape of the relations: facts of the catalog in, findings out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sales_exporter.contract.catalog import IndexFacts, RelationFacts
from sales_exporter.contract.findings import Finding
from sales_exporter.contract.relations import INDEXES, RELATIONS, REMOVAL_KEYS, Column, ColumnType, Index, Relation

ACCEPTED: Mapping[ColumnType, frozenset[str]] = {
    "text": frozenset({"text", "character varying"}),
    "timestamptz": frozenset({"timestamp with time zone"}),
    "date": frozenset({"date"}),
    "numeric": frozenset({"numeric"}),
    "double": frozenset({"double precision", "real"}),
    "boolean": frozenset({"boolean"}),
    "int": frozenset({"smallint", "integer", "bigint"}),
    "jsonb": frozenset({"jsonb"}),
    "xid8": frozenset({"xid8"}),
}
"""PostgreSQL's types that a column of the contract may have."""

_CASTS: Mapping[ColumnType, str] = {
    "text": "{0}::text", "timestamptz": "{0} AT TIME ZONE 'UTC'", "date": "{0}::date",
    "numeric": "{0}::numeric(18, 2)", "double": "{0}::double precision", "boolean": "{0}::boolean",
    "int": "{0}::integer", "jsonb": "{0}::jsonb", "xid8": "the column itself, of type xid8",
}

_LOG_REMOVALS = "sales-exporter schema --alter{} | psql, then sales-exporter schema --role | psql"

REVISION_TRIGGERS = frozenset(
    {"revise_inserted_leads", "revise_updated_leads", "revise_deleted_leads"})


def shape_findings(present: Mapping[str, RelationFacts]) -> Iterator[Finding]:
    """Everything that is wrong with relations, columns, types, rights, change keys, triggers and indexes."""
    for relation in RELATIONS.values():
        facts = present.get(relation.name)
        if facts is None:
            if relation.name != "removals":  # see _removals
                yield _absent(relation)
        elif not any(column.readable for column in facts.columns.values()):
            yield Finding(
                "not_readable", "error", relation.name, "The role may not read this relation.",
                "Run role.sql again: sales-exporter schema --role | psql")
        else:
            yield from _columns(relation, facts)
            yield from _change_key(relation, facts)
            yield from _key_index(relation, facts)
            yield from _indexes(relation, facts)
    yield from _revisions(present)
    yield from _removals(present)


def _absent(relation: Relation) -> Finding:
    if relation.optional:
        return Finding("relation_absent", "info", relation.name, "Absent; optional, its metrics are off.",
                       f"Nothing, or create sales.{relation.name} (docs/data-contract.md).")
    return Finding("relation_absent", "warning", relation.name, "Absent: the metrics that read it are off.",
                   f"Create it (sales-exporter schema) or a view sales.{relation.name} over your own tables.")


def _columns(relation: Relation, facts: RelationFacts) -> Iterator[Finding]:
    for column in relation.columns:
        found = facts.columns.get(column.name)
        if found is None:
            if column.name != relation.change_key:
                yield _missing(relation, column)
        elif not found.readable:
            yield Finding(
                "column_not_readable", "error", relation.name, f"The role may not read {column.name}.",
                "Run role.sql again: sales-exporter schema --role | psql")
        elif found.type not in ACCEPTED[column.type]:
            yield Finding(
                "column_type", "error", relation.name,
                f"The column {column.name} has the type {found.type}; the contract says {column.type}.",
                f"In the view, write: {_CASTS[column.type].format(column.name)} AS {column.name}")


def _missing(relation: Relation, column: Column) -> Finding:
    remedy = f"Add it, or in a view write: NULL::{_declared(column)} AS {column.name}"
    if not column.nullable:
        remedy = f"Add it, or in a view compute it as {column.name}, of type {_declared(column)}."
    return Finding("column_missing", "error", relation.name, f"The column {column.name} is missing.", remedy)


def _declared(column: Column) -> str:
    return {"double": "double precision", "int": "integer"}.get(column.type, column.type)


def _change_key(relation: Relation, facts: RelationFacts) -> Iterator[Finding]:
    if relation.change_key is None:
        return
    key = facts.columns.get(relation.change_key)
    if key is None:
        yield Finding(
            "change_key_missing", "warning", relation.name,
            f"No change key {relation.change_key}: changes are found by reading an overlap again, "
            "and sales_source_exact is 0.",
            f"sales-exporter schema --alter --table {relation.name}=YOUR_SCHEMA.YOUR_TABLE | psql, "
            "then expose the column in the view.")
    elif facts.is_table and relation.nature == "mutable" and "set_changed_tx" not in facts.triggers:
        yield Finding(
            "change_key_trigger", "error", relation.name,
            f"No enabled trigger keeps {relation.change_key} up to date: updates would not be seen.",
            f"sales-exporter schema --alter --table {relation.name} | psql")
    elif facts.is_table and relation.nature == "append-only" and not key.keyed:
        yield Finding(
            "change_key_default", "error", relation.name,
            f"{relation.change_key} is not filled with the writing transaction: new rows would not be seen.",
            f"ALTER TABLE {relation.full_name} "
            f"ALTER COLUMN {relation.change_key} SET DEFAULT pg_current_xact_id();")


def _key_index(relation: Relation, facts: RelationFacts) -> Iterator[Finding]:
    if facts.is_table and not key_is_unique(relation, facts) and facts.has(*relation.key):
        yield Finding(
            "key_not_unique", "warning", relation.name,
            f"Nothing in the database keeps the key ({', '.join(relation.key)}) unique.",
            f"CREATE UNIQUE INDEX CONCURRENTLY ON {relation.full_name} ({relation.conflict_target});")


def key_is_unique(relation: Relation, facts: RelationFacts) -> bool:
    """Whether a valid, whole unique index covers the key, so that no row needs to be read to know it."""
    # What is unique after a function was applied is unique before it, so columns in expressions count.
    return any(
        index.valid and index.single and not index.partial
        and index.in_expressions.union(index.columns) <= set(relation.key)
        for index in facts.indexes
    )


def _indexes(relation: Relation, facts: RelationFacts) -> Iterator[Finding]:
    if not facts.is_table:
        return
    for index in INDEXES:
        possible = index.relation == relation.name and facts.has(*index.columns)
        if possible and not _served(index, facts.indexes):
            yield Finding(
                "index_missing", "warning", relation.name,
                f"No valid {index.method} index on ({', '.join(index.columns)}): passes get slow as it grows.",
                _dropped(index, facts.indexes) + create_index(index, relation.full_name, concurrently=True))


def _served(wanted: Index, present: tuple[IndexFacts, ...]) -> bool:
    return any(
        index.valid and not index.in_expressions and index.columns[: len(wanted.columns)] == wanted.columns
        and (index.method == wanted.method or (wanted.method == "brin" and index.method == "btree"))
        and (not index.partial or bool(wanted.where))
        for index in present
    )


def _dropped(wanted: Index, present: tuple[IndexFacts, ...]) -> str:
    """A concurrent build that failed leaves an index behind that IF NOT EXISTS would take for the real one."""
    return f"DROP INDEX sales.{wanted.name}; " if any(index.name == wanted.name for index in present) else ""


def create_index(index: Index, table: str, *, concurrently: bool) -> str:
    """The statement that makes a shipped index on ``table`` (already quoted where needed)."""
    how = " CONCURRENTLY" if concurrently else ""
    using = "" if index.method == "btree" else f" USING {index.method}"
    include = f" INCLUDE ({', '.join(index.include)})" if index.include else ""
    where = f" WHERE {index.where}" if index.where else ""
    columns = ", ".join(index.columns)
    return f"CREATE INDEX{how} IF NOT EXISTS {index.name} ON {table}{using} ({columns}){include}{where};"


def _revisions(present: Mapping[str, RelationFacts]) -> Iterator[Finding]:
    leads, log = present.get("leads"), present.get("lead_revisions")
    if leads is None or log is None or not leads.is_table or leads.triggers >= REVISION_TRIGGERS:
        return
    missing = ", ".join(sorted(REVISION_TRIGGERS - leads.triggers))
    yield Finding(
        "revision_trigger", "error", "leads",
        f"Changes of leads are not written to lead_revisions; missing or disabled: {missing}.",
        "sales-exporter schema --alter --table leads | psql")


def _removals(present: Mapping[str, RelationFacts]) -> Iterator[Finding]:
    # A view cannot tell of what is deleted behind it.
    tables = [present[name] for name in REMOVAL_KEYS if name in present and present[name].is_table]
    log = present.get("removals")
    if log is None:
        yield Finding(
            "relation_absent", "warning" if tables else "info", "removals",
            "Absent: rows that are deleted are taken out of the counts less exactly; exact erasure needs it.",
            _LOG_REMOVALS.format("") if tables else "Nothing: only tables in sales can write it, not views.")
        return
    for facts in tables if log.is_table else ():
        mutable = RELATIONS[facts.name].nature == "mutable"
        wanted = {"log_removals", f"log_rekeyed_{facts.name}"} if mutable else {"log_removals"}
        if missing := ", ".join(sorted(wanted - facts.triggers)):
            yield Finding(
                "removal_trigger", "warning", facts.name,
                f"Rows that are deleted are not written to removals; missing or disabled: {missing}. "
                "Exact erasure needs it.",
                _LOG_REMOVALS.format(f" --table {facts.name}"))

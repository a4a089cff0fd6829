"""The shipped DDL: it agrees with the typed contract, runs twice, keeps the change keys and the log of leads."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors as pg

from sales_exporter.contract import role_sql, schema_sql
from sales_exporter.contract.relations import INDEXES, READABLE, RELATIONS, Column
from tests.contract import healthy
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

TYPES = {
    "text": "text", "timestamptz": "timestamp with time zone", "date": "date", "numeric": "numeric",
    "double": "double precision", "boolean": "boolean", "jsonb": "jsonb", "xid8": "xid8",
}
LOGS = [name for name, relation in RELATIONS.items() if relation.nature == "append-only" and relation.change_key]
REVISIONS = "SELECT lead_id, channel_id, rep_id, deleted FROM sales.lead_revisions ORDER BY revision_id"
LEAD = "INSERT INTO sales.leads (lead_id, created_at, channel_id) VALUES "


@pytest.fixture(scope="module")
def shipped(databases: Databases) -> Database:
    """A database that only looks are taken at."""
    return databases.fresh()


@pytest.fixture(scope="module")
def loaded(databases: Databases) -> Database:
    """A database with rows in every relation, of which none is changed for good."""
    made = databases.fresh()
    with psycopg.connect(made.owner.dsn, autocommit=True) as connection:
        connection.execute(healthy.ROWS.encode())
    return made


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.fresh()


@pytest.mark.parametrize("name", RELATIONS)
def test_columns_of_the_ddl_are_those_of_the_contract(shipped: Database, name: str) -> None:
    found = shipped.rows(
        "SELECT column_name, data_type, is_nullable = 'YES', column_default IS NOT NULL "
        "FROM information_schema.columns WHERE table_schema = 'sales' AND table_name = %s "
        "ORDER BY ordinal_position", name)
    expected = [(c.name, ddl_type(c), c.nullable, c.defaulted) for c in RELATIONS[name].columns]
    assert found == expected


def ddl_type(column: Column) -> str:
    if column.type == "int":
        return {"label": "smallint", "status": "integer"}[column.name]
    return TYPES[column.type]


def test_relations_of_the_ddl_are_those_of_the_contract(shipped: Database) -> None:
    found = shipped.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'sales'")
    assert {row[0] for row in found} == set(RELATIONS)


@pytest.mark.parametrize("name", RELATIONS)
def test_key_of_the_ddl_is_that_of_the_contract(loaded: Database, name: str) -> None:
    relation = RELATIONS[name]
    with psycopg.connect(loaded.owner.dsn, autocommit=True) as connection:
        columns = ", ".join(column.name for column in relation.columns)
        copy = f"INSERT INTO sales.{name} ({columns}) SELECT {columns} FROM sales.{name}"
        with pytest.raises(pg.UniqueViolation):
            connection.execute(copy.encode())
        connection.execute(f"{copy} ON CONFLICT ({relation.conflict_target}) DO NOTHING".encode())


def test_references_name_a_relation_with_one_key_column() -> None:
    for relation in RELATIONS.values():
        for column in relation.columns:
            if column.references is not None:
                assert RELATIONS[column.references].key == (f"{column.references.removesuffix('s')}_id",)


def test_indexes_of_the_ddl_are_those_of_the_contract(shipped: Database) -> None:
    found = shipped.rows(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'sales' "
        "AND indexname NOT LIKE '%%_pkey' AND indexname NOT LIKE '%%_key'")
    assert {row[0] for row in found} == {index.name for index in INDEXES}


def test_methods_and_columns_of_the_indexes_are_those_of_the_contract(shipped: Database) -> None:
    found = dict(shipped.rows("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'sales'"))
    for index in INDEXES:
        assert f" ON sales.{index.relation} USING {index.method} ({', '.join(index.columns)})" in str(found[index.name])


def test_schema_and_role_may_be_run_again(database: Database) -> None:
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(healthy.ROWS.encode())
        for script in (schema_sql(), role_sql(), schema_sql(), role_sql()):
            connection.execute(script.encode())
        assert connection.execute("SELECT count(*) FROM sales.leads").fetchone() == (3,)


def test_schema_leaves_a_view_of_the_user_alone_and_fails(databases: Databases) -> None:
    database = databases.fresh(bare=True)
    database.execute("CREATE SCHEMA sales")
    database.execute("CREATE VIEW sales.reps AS SELECT 'x'::text AS rep_id")
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(schema_sql().encode())
    assert database.rows("SELECT * FROM sales.reps") == [("x",)]


def test_readable_relations_are_found_through_column_grants(database: Database) -> None:
    database.execute("REVOKE ALL ON sales.reps FROM sales_exporter")
    database.execute("DROP TABLE sales.targets")
    with psycopg.connect(database.reader.dsn) as connection:
        found = connection.execute(READABLE, {"names": list(RELATIONS)}).fetchall()
    assert {row[0] for row in found} == set(RELATIONS) - {"reps", "targets"}


def test_insert_update_and_delete_of_leads_write_revisions(database: Database) -> None:
    database.execute(LEAD + "('a', '2026-03-01Z', 'web'), ('b', '2026-03-01Z', NULL)")
    database.execute("UPDATE sales.leads SET rep_id = 'ann' WHERE lead_id = 'a'")
    database.execute("DELETE FROM sales.leads WHERE lead_id = 'b'")
    assert database.rows(REVISIONS) == [
        ("a", "web", None, False), ("b", None, None, False), ("a", "web", "ann", False), ("b", None, None, True)]


def test_upsert_writes_one_revision_for_each_lead(database: Database) -> None:
    database.execute(LEAD + "('a', '2026-03-01Z', 'web')")
    upsert = LEAD + "('a', '2026-03-01Z', 'ads'), ('b', '2026-03-01Z', 'ads') " \
        "ON CONFLICT (lead_id) DO UPDATE SET channel_id = excluded.channel_id"
    database.execute(upsert)
    database.execute(upsert)
    rows = database.rows(REVISIONS)
    assert sorted(rows[1:], key=str) == [("a", "ads", None, False), ("b", "ads", None, False)]


def test_update_that_changes_nothing_keeps_the_change_key(database: Database) -> None:
    database.execute(LEAD + "('a', '2026-03-01Z', 'web')")
    before = database.rows("SELECT changed_tx FROM sales.leads")
    database.execute("UPDATE sales.leads SET channel_id = 'web'")
    assert database.rows("SELECT changed_tx FROM sales.leads") == before
    database.execute("UPDATE sales.leads SET channel_id = 'ads'")
    assert database.rows("SELECT changed_tx FROM sales.leads") != before


def test_writer_cannot_choose_a_change_key(database: Database) -> None:
    database.execute("INSERT INTO sales.leads (lead_id, created_at, changed_tx) VALUES ('a', '2026-03-01Z', '3')")
    database.execute("UPDATE sales.leads SET changed_tx = '9000000000'")
    foreign = "changed_tx = '3' OR changed_tx >= pg_snapshot_xmin(pg_current_snapshot())"
    assert database.rows(f"SELECT count(*) FROM sales.leads WHERE {foreign}") == [(0,)]


def test_renamed_lead_is_deleted_and_new(database: Database) -> None:
    database.execute(LEAD + "('a', '2026-03-01Z', 'web')")
    database.execute("UPDATE sales.leads SET lead_id = 'b'")
    assert database.rows(REVISIONS)[1:] == [("a", "web", None, True), ("b", "web", None, False)]


def test_revisions_bear_the_time_at_which_the_lead_was_created(database: Database) -> None:
    database.execute(LEAD + "('a', '2026-03-01Z', 'web')")
    database.execute("UPDATE sales.leads SET created_at = '2026-03-02Z'")
    database.execute("UPDATE sales.leads SET lead_id = 'b', created_at = '2026-03-03Z'")
    database.execute("DELETE FROM sales.leads")
    database.execute(LEAD + "('c', '2026-03-04Z', 'web')")
    database.execute("TRUNCATE sales.leads")
    assert database.rows(
        "SELECT lead_id, deleted, (created_at AT TIME ZONE 'UTC')::date::text FROM sales.lead_revisions "
        "ORDER BY revision_id") == [
        ("a", False, "2026-03-01"), ("a", False, "2026-03-02"), ("a", True, "2026-03-02"), ("b", False, "2026-03-03"),
        ("b", True, "2026-03-03"), ("c", False, "2026-03-04"), ("c", True, "2026-03-04")]


def test_schema_brings_an_older_installation_up_to_date(database: Database) -> None:
    database.execute(LEAD + "('a', '2026-03-01Z', 'web')")
    database.execute("ALTER TABLE sales.lead_revisions DROP COLUMN created_at; DROP TABLE sales.removals; "
                     "DROP INDEX sales.deals_lead")
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(schema_sql().encode())
        connection.execute(role_sql().encode())
    database.execute("UPDATE sales.leads SET channel_id = 'ads'")
    assert database.rows("SELECT created_at IS NULL FROM sales.lead_revisions ORDER BY revision_id") == [
        (True,), (False,)]
    assert database.rows("SELECT to_regclass('sales.removals') IS NULL, to_regclass('sales.deals_lead') IS NULL") == [
        (False, False)]
    with psycopg.connect(database.reader.dsn) as connection:
        assert connection.execute("SELECT count(created_at) FROM sales.lead_revisions").fetchone() == (1,)


@pytest.mark.parametrize(("relation", "row"), [
    ("leads", "(lead_id, created_at) SELECT i::text, now()"),
    ("deals", "(deal_id, stage, status, amount, currency) SELECT i::text, 'lead', 'open', 1, 'EUR'"),
    ("spend", "(spend_day, channel_id, amount, currency) SELECT DATE '2026-01-01', i::text, 1, 'EUR'"),
])
def test_update_of_many_rows_is_no_slower_after_one_of_a_single_row(
    database: Database, relation: str, row: str
) -> None:
    """A plan kept from small statements took quadratic time: minutes for these rows."""
    value = "is_test = NOT is_test" if relation == "leads" else "amount = amount + 1"
    key = RELATIONS[relation].key[-1] if relation != "spend" else "channel_id"
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(f"INSERT INTO sales.{relation} {row} FROM generate_series(1, 60000) AS i".encode())
        for _ in range(8):
            connection.execute(f"UPDATE sales.{relation} SET {value} WHERE {key} = '7'".encode())
        connection.execute("SET statement_timeout = '15s'")
        assert connection.execute(f"UPDATE sales.{relation} SET {value}".encode()).rowcount == 60000


def test_truncated_leads_are_revised_as_deleted(database: Database) -> None:
    database.execute(LEAD + "('a', '2026-03-01Z', 'web')")
    database.execute("TRUNCATE sales.leads")
    assert database.rows(REVISIONS)[1:] == [("a", "web", None, True)]


def test_last_revision_is_the_greatest_id_whatever_the_order_of_transactions(database: Database) -> None:
    database.execute(LEAD + "('a', '2026-03-01Z', 'web')")
    with psycopg.connect(database.owner.dsn) as older:
        older.execute("SELECT pg_current_xact_id()")
        database.execute("UPDATE sales.leads SET channel_id = 'ads'")
        older.execute("UPDATE sales.leads SET channel_id = 'tv'")
    by_id = database.rows("SELECT channel_id FROM sales.lead_revisions ORDER BY revision_id DESC LIMIT 1")
    by_transaction = database.rows("SELECT channel_id FROM sales.lead_revisions ORDER BY recorded_tx DESC LIMIT 1")
    assert (by_id, by_transaction) == ([("tv",)], [("ads",)])


def test_writer_of_leads_needs_no_right_on_the_log(database: Database) -> None:
    database.execute("DROP ROLE IF EXISTS clerk")
    database.execute("CREATE ROLE clerk")
    database.execute("GRANT USAGE ON SCHEMA sales TO clerk")
    database.execute("GRANT INSERT, UPDATE, DELETE, SELECT ON sales.leads TO clerk")
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute("SET ROLE clerk")
        connection.execute((LEAD + "('a', '2026-03-01Z', 'web')").encode())
        with pytest.raises(pg.InsufficientPrivilege), connection.transaction():
            connection.execute("SELECT * FROM sales.lead_revisions")
    assert database.rows(REVISIONS) == [("a", "web", None, False)]


@pytest.mark.parametrize("name", LOGS)
def test_logs_refuse_updates_and_allow_erasure(loaded: Database, name: str) -> None:
    with psycopg.connect(loaded.owner.dsn, autocommit=True) as connection, connection.transaction(force_rollback=True):
        relation = RELATIONS[name]
        column = next(c.name for c in reversed(relation.columns) if c.type == "text" and c.name not in relation.key[:1])
        with pytest.raises(pg.RestrictViolation), connection.transaction():
            connection.execute(f"UPDATE sales.{name} SET {column} = 'other'".encode())
        connection.execute(f"UPDATE sales.{name} SET {column} = {column}, {relation.change_key} = DEFAULT".encode())
        assert connection.execute(f"DELETE FROM sales.{name}".encode()).rowcount > 0


def test_values_outside_of_the_contract_can_be_loaded(database: Database) -> None:
    database.execute(
        "INSERT INTO sales.deals (deal_id, lead_id, stage, status, amount, currency) "
        "VALUES ('x', 'nobody', 'unheard of', 'pending', -5, 'gold')")
    assert database.rows("SELECT count(*) FROM sales.deals") == [(1,)]


def test_change_key_is_the_writing_transaction(database: Database) -> None:
    with psycopg.connect(database.owner.dsn) as connection:
        (now,) = connection.execute("SELECT pg_current_xact_id()").fetchone() or ()
        connection.execute((LEAD + "('a', '2026-03-01Z', 'web')").encode())
        connection.execute("INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, kind) "
                           "VALUES ('t', 'a', '2026-03-01Z', 'web', 'click')")
        for relation, key in (("leads", "changed_tx"), ("lead_revisions", "recorded_tx"), ("touches", "recorded_tx")):
            assert connection.execute(f"SELECT {key} FROM sales.{relation}".encode()).fetchall() == [(now,)]

"""The log of deleted rows: who writes it, what it holds, how it is read back, and how it is purged."""

from __future__ import annotations

import json
import re

import psycopg
import pytest
from psycopg import errors as pg

from sales_exporter.contract import schema_sql
from sales_exporter.contract.relations import RELATIONS, REMOVAL_KEYS, UNLOGGED
from tests.contract import healthy
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

DEAL = "INSERT INTO sales.deals (deal_id, stage, status, amount, currency) VALUES "
SPEND = "INSERT INTO sales.spend (spend_day, channel_id, campaign_id, amount, currency) VALUES "
LOGGED = "SELECT relation, key FROM sales.removals ORDER BY removal_id"


def kept(relation: str) -> list[str]:
    return [column.name for column in RELATIONS[relation].columns if column.name not in UNLOGGED]


def key_of(relation: str) -> str:
    parts = [f"coalesce({name}::text, '')" for name in REMOVAL_KEYS[relation]]
    return " || chr(31) || ".join(parts)


@pytest.fixture(scope="module")
def loaded(databases: Databases) -> Database:
    """Rows in every relation, none in removals; tests undo what they do."""
    made = databases.fresh()
    with psycopg.connect(made.owner.dsn, autocommit=True) as connection:
        connection.execute(healthy.ROWS.encode())
        connection.execute("DELETE FROM sales.removals")
    return made


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.fresh()


def test_every_relation_with_a_change_key_is_logged() -> None:
    with_key = {name for name, relation in RELATIONS.items() if relation.change_key is not None}
    assert set(REMOVAL_KEYS) == with_key - {"leads", "lead_revisions", "removals"}


@pytest.mark.parametrize("name", REMOVAL_KEYS)
def test_triggers_name_the_key_and_the_columns_of_the_contract(name: str) -> None:
    calls = re.findall(rf"ON sales\.{name}\n[^;]*FUNCTION sales\.(log_re\w+)\(([^;]*)\);", schema_sql())
    arguments = {
        function: [re.split(r",\s*", part) for part in re.findall(r"'\{([^}]*)\}'", text)] for function, text in calls}
    expected = {"log_removals": [list(REMOVAL_KEYS[name]), kept(name)]}
    if RELATIONS[name].nature == "mutable":
        expected[f"log_rekeyed_{name}"] = [kept(name)]
    assert arguments == expected


@pytest.mark.parametrize("name", REMOVAL_KEYS)
def test_deleted_rows_can_be_read_back(loaded: Database, name: str) -> None:
    columns = ", ".join(kept(name))
    with psycopg.connect(loaded.owner.dsn) as connection, connection.transaction(force_rollback=True):
        if name == "model_predictions":
            connection.execute("INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, "
                               "subject_id, predicted_at, horizon_seconds, score, threshold) VALUES ('p', 'm', '1', "
                               "'lead', 'x', '2026-03-02 10:01:00.123456Z', 1e300, 0.1::float8 + 0.2, 'NaN')")
        before = connection.execute(
            f"SELECT {key_of(name)}, {columns} FROM sales.{name} ORDER BY 1, 2".encode()).fetchall()
        # Whatever the writer's session has set.
        connection.execute("SET LOCAL TimeZone = 'Asia/Kolkata'; SET LOCAL DateStyle = 'SQL, DMY'; "
                           "SET LOCAL extra_float_digits = 0")
        assert connection.execute(f"DELETE FROM sales.{name}".encode()).rowcount == len(before) > 0
        connection.execute("RESET TimeZone; RESET DateStyle; RESET extra_float_digits")
        after = connection.execute((
            f"SELECT m.key, {', '.join(f'r.{column}' for column in kept(name))} FROM sales.removals AS m, "
            f"jsonb_populate_record(NULL::sales.{name}, m.facts) AS r ORDER BY 1, 2").encode()).fetchall()
        same = connection.execute("SELECT bool_and(relation = %s AND removed_tx = pg_current_xact_id() "
                                  "AND removed_at = now()) FROM sales.removals", (name,)).fetchone()
        names = connection.execute("SELECT DISTINCT k FROM sales.removals, jsonb_object_keys(facts) AS k").fetchall()
    assert list(map(repr, after)) == list(map(repr, before))
    assert same == (True,)
    assert {row[0] for row in names} == set(kept(name))


def test_exporters_role_reads_removals_back(loaded: Database) -> None:
    facts = json.dumps({"deal_id": "d", "amount": 1.5, "changed_tx": "7"})
    with psycopg.connect(loaded.reader.dsn) as connection:
        assert connection.execute("SELECT (jsonb_populate_record(NULL::sales.deals, %s)).amount::text",
                                  (facts,)).fetchone() == ("1.50",)


def test_statement_that_deletes_nothing_logs_nothing(database: Database) -> None:
    database.execute(DEAL + "('a', 's', 'open', 1, 'EUR')")
    database.execute("DELETE FROM sales.deals WHERE deal_id = 'b'")
    assert database.rows(LOGGED) == []


def test_delete_that_is_undone_logs_nothing(database: Database) -> None:
    database.execute(DEAL + "('a', 's', 'open', 1, 'EUR')")
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute("DELETE FROM sales.deals")
        connection.rollback()
    assert database.rows(LOGGED) == []


def test_changed_key_is_the_removal_of_the_old_one(database: Database) -> None:
    database.execute(DEAL + "('a', 's', 'open', 1, 'EUR'), ('b', 's', 'open', 2, 'EUR')")
    database.execute(SPEND + "('2026-03-01', 'ads', NULL, 1, 'EUR'), ('2026-03-01', 'ads', 'x', 2, 'EUR')")
    database.execute("UPDATE sales.deals SET deal_id = 'c', amount = 5, lost_reason = 'x' WHERE deal_id = 'a'")
    database.execute("UPDATE sales.spend SET campaign_id = 'y' WHERE campaign_id IS NULL")
    database.execute("UPDATE sales.spend SET spend_day = '2026-03-02' WHERE campaign_id = 'x'")
    assert database.rows(LOGGED) == [
        ("deals", "a"), ("spend", "2026-03-01\x1fads\x1f"), ("spend", "2026-03-01\x1fads\x1fx")]
    assert database.rows("SELECT facts ->> 'amount' FROM sales.removals WHERE relation = 'deals'") == [("1.00",)]
    names = database.rows("SELECT relation, array_agg(DISTINCT k) FROM sales.removals, jsonb_object_keys(facts) AS k "
                          "GROUP BY 1 ORDER BY 1")
    assert names == [("deals", sorted(kept("deals"))), ("spend", sorted(kept("spend")))]


def test_update_and_upsert_that_keep_the_key_log_nothing(database: Database) -> None:
    database.execute(DEAL + "('a', 's', 'open', 1, 'EUR')")
    database.execute("UPDATE sales.deals SET amount = 2, deal_id = 'a'")
    database.execute(DEAL + "('a', 's', 'open', 3, 'EUR') ON CONFLICT (deal_id) DO UPDATE SET amount = 3")
    database.execute(SPEND + "('2026-03-01', 'ads', NULL, 1, 'EUR')")
    database.execute(SPEND + "('2026-03-01', 'ads', NULL, 2, 'EUR') "
                     "ON CONFLICT (spend_day, channel_id, coalesce(campaign_id, '')) DO UPDATE SET amount = 2")
    assert database.rows(LOGGED) == []


def test_keys_that_change_places_are_not_gone(database: Database) -> None:
    database.execute("ALTER TABLE sales.deals DROP CONSTRAINT deals_pkey")
    database.execute(DEAL + "('a', 's', 'open', 1, 'EUR'), ('b', 's', 'open', 2, 'EUR')")
    database.execute("UPDATE sales.deals SET deal_id = CASE deal_id WHEN 'a' THEN 'b' ELSE 'c' END")
    assert database.rows(LOGGED) == [("deals", "a")]


def test_merge_that_deletes_is_logged(database: Database) -> None:
    if database.rows("SELECT current_setting('server_version_num')::int >= 150000") == [(False,)]:
        pytest.skip("MERGE came with PostgreSQL 15")
    database.execute(DEAL + "('a', 's', 'open', 1, 'EUR'), ('b', 's', 'open', 1, 'EUR')")
    database.execute("MERGE INTO sales.deals AS d USING (VALUES ('a'), ('b')) AS v (id) ON v.id = d.deal_id "
                     "WHEN MATCHED AND id = 'a' THEN DELETE WHEN MATCHED THEN UPDATE SET amount = 2")
    assert database.rows(LOGGED) == [("deals", "a")]


def test_partitioned_table_logs_what_is_deleted_or_moved_through_it(database: Database) -> None:
    database.execute(
        "CREATE TABLE sales.parts (LIKE sales.spend INCLUDING DEFAULTS) PARTITION BY RANGE (spend_day); "
        "CREATE TABLE sales.one PARTITION OF sales.parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); "
        "CREATE TABLE sales.two PARTITION OF sales.parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01'); "
        "ALTER TABLE sales.spend RENAME TO old_spend; ALTER TABLE sales.parts RENAME TO spend")
    triggers = re.findall(r"CREATE OR REPLACE TRIGGER log_re\w+ AFTER \w+ ON sales\.spend\n[^;]*;", schema_sql())
    for statement in triggers:
        database.execute(statement)
    database.execute(SPEND + "('2026-01-05', 'ads', NULL, 1, 'EUR'), ('2026-02-05', 'ads', NULL, 2, 'EUR')")
    database.execute("UPDATE sales.spend SET spend_day = '2026-02-06' WHERE spend_day = '2026-01-05'")
    database.execute("DELETE FROM sales.spend WHERE spend_day = '2026-02-05'")
    assert [row[1] for row in database.rows(LOGGED)] == ["2026-01-05\x1fads\x1f", "2026-02-05\x1fads\x1f"]


def test_writer_needs_no_right_on_the_log_and_gets_none(database: Database) -> None:
    database.execute("DROP ROLE IF EXISTS eraser")
    database.execute("CREATE ROLE eraser; GRANT USAGE ON SCHEMA sales TO eraser; "
                     "GRANT SELECT, UPDATE, DELETE ON sales.deals TO eraser")
    database.execute(DEAL + "('a', 's', 'open', 1, 'EUR'), ('b', 's', 'open', 1, 'EUR')")
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute("SET ROLE eraser")
        connection.execute("UPDATE sales.deals SET deal_id = 'c' WHERE deal_id = 'b'")
        connection.execute("DELETE FROM sales.deals")
        for statement in ("SELECT * FROM sales.removals", "DELETE FROM sales.removals",
                          "INSERT INTO sales.removals (relation, key, facts) VALUES ('deals', 'x', '{}')",
                          "SELECT nextval('sales.removal_number')", "SELECT sales.purge_removals()"):
            with pytest.raises(pg.InsufficientPrivilege), connection.transaction():
                connection.execute(statement.encode())
    assert sorted(database.rows(LOGGED)) == [("deals", "a"), ("deals", "b"), ("deals", "c")]


def test_erasure_takes_one_transaction_in_any_order_and_a_purge(database: Database) -> None:
    lead = "INSERT INTO sales.leads (lead_id, created_at) VALUES ('a', '2026-03-01Z'), ('b', '2026-03-01Z')"
    touch = ("INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, kind) "
             "VALUES ('1', 'a', '2026-03-01Z', 'web', 'click'), ('2', 'b', '2026-03-01Z', 'web', 'click')")
    database.execute(lead)
    database.execute(touch)
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute("DELETE FROM sales.touches WHERE lead_id = 'a'")
        connection.execute("DELETE FROM sales.leads WHERE lead_id = 'a'")
    assert database.rows(LOGGED) == [("touches", "a")]
    assert database.rows("SELECT sales.purge_removals()") == [(0,)]
    # One removal, and the two revisions of the lead.
    assert database.rows("SELECT sales.purge_removals('0')") == [(3,)]
    assert database.rows(LOGGED) == []
    assert database.rows("SELECT lead_id FROM sales.lead_revisions") == [("b",)]


def removed(database: Database, lead: str, age: str) -> None:
    """A lead that came and went with its touch, so long ago."""
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute("INSERT INTO sales.leads (lead_id, created_at) VALUES (%s, now())", (lead,))
        connection.execute("DELETE FROM sales.leads WHERE lead_id = %s", (lead,))
        connection.execute("INSERT INTO sales.removals (relation, key, facts, removed_at) "
                           "VALUES ('touches', %s, '{}', now() - %s::interval)", (lead, age))


def test_purge_keeps_what_is_younger(database: Database) -> None:
    for lead, age in (("old", "40 days"), ("young", "20 days")):
        removed(database, lead, age)
    assert database.rows("SELECT sales.purge_removals()") == [(3,)]
    assert database.rows(LOGGED) == [("touches", "young")]
    assert database.rows("SELECT DISTINCT lead_id FROM sales.lead_revisions") == [("young",)]
    assert database.rows("SELECT sales.purge_removals(NULL)") == [(0,)]
    assert database.rows("SELECT sales.purge_removals('10 days')") == [(3,)]


def test_purge_does_not_trust_a_transaction_that_began_long_before_it_wrote(database: Database) -> None:
    removed(database, "young", "1 day")
    removed(database, "old", "40 days")
    # By its number the second is the later one: revisions that are younger must not go with it.
    assert database.rows("SELECT sales.purge_removals()") == [(1,)]
    assert database.rows("SELECT count(DISTINCT lead_id) FROM sales.lead_revisions") == [(2,)]


def test_purge_keeps_the_revisions_of_a_lead_that_came_back(database: Database) -> None:
    removed(database, "a", "40 days")
    database.execute("INSERT INTO sales.leads (lead_id, created_at) VALUES ('a', now())")
    assert database.rows("SELECT sales.purge_removals()") == [(1,)]
    assert database.rows("SELECT count(*) FROM sales.lead_revisions") == [(3,)]


def test_purge_may_be_granted_alone(database: Database) -> None:
    database.execute("DROP ROLE IF EXISTS janitor")
    database.execute("CREATE ROLE janitor; GRANT USAGE ON SCHEMA sales TO janitor; "
                     "GRANT EXECUTE ON FUNCTION sales.purge_removals TO janitor")
    removed(database, "a", "40 days")
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute("SET ROLE janitor")
        assert connection.execute("SELECT sales.purge_removals()").fetchone() == (3,)

"""``schema --alter``: the change key for tables that exist, through the real psql, without a rewrite."""

from __future__ import annotations

import pytest

from sales_exporter.contract import role_sql
from sales_exporter.contract.alter import ALTERABLE, alter_sql, tables
from sales_exporter.errors import UsageError
from tests.contract.psql import psql
from tests.contract.test_checker import check
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

OLD = """
CREATE SCHEMA sales;
CREATE TABLE sales.leads (lead_id text PRIMARY KEY, created_at timestamptz NOT NULL, channel_id text, campaign_id text,
    rep_id text, is_test boolean NOT NULL, email text);
INSERT INTO sales.leads SELECT i::text, '2026-03-01Z', NULL, NULL, NULL, false FROM generate_series(1, 5000) AS i;
CREATE TABLE sales.touches (touch_id text PRIMARY KEY, lead_id text NOT NULL, occurred_at timestamptz NOT NULL,
    channel_id text NOT NULL, campaign_id text, kind text NOT NULL);
INSERT INTO sales.touches SELECT i::text, i::text, '2026-03-01Z', 'web', NULL, 'click'
    FROM generate_series(1, 5000) AS i;
CREATE VIEW sales.reps AS SELECT 'ann'::text AS rep_id, 'Ann'::text AS display_name, NULL::text AS team,
    'human'::text AS kind, DATE '2025-01-01' AS active_from, NULL::date AS active_to;
"""
FILES = "SELECT pg_relation_filenode('sales.leads'), pg_relation_filenode('sales.touches')"


@pytest.fixture
def database(databases: Databases) -> Database:
    """A user's database: two tables under the contract's names, without change keys, and a view."""
    fresh = databases.fresh(bare=True)
    psql(fresh, OLD)
    return fresh


def test_alter_adds_keys_to_the_tables_that_are_there_and_rewrites_none(database: Database) -> None:
    files = database.rows(FILES)
    psql(database, alter_sql({}))
    assert database.rows(FILES) == files
    assert database.rows("SELECT count(DISTINCT changed_tx), count(changed_tx) FROM sales.leads") == [(1, 5000)]
    assert database.rows("SELECT count(DISTINCT recorded_tx), count(recorded_tx) FROM sales.touches") == [(1, 5000)]


def test_altered_tables_keep_the_contract(database: Database) -> None:
    psql(database, alter_sql({}))
    psql(database, role_sql())
    findings = {(f.code, f.relation) for f in check(database).findings if f.code != "relation_absent"}
    assert findings == set()


def test_alter_may_be_run_again(database: Database) -> None:
    psql(database, alter_sql({}))
    before = database.rows("SELECT count(*) FROM sales.lead_revisions")
    psql(database, alter_sql({}))
    assert database.rows("SELECT count(*) FROM sales.lead_revisions") == before == [(5000,)]


def test_alter_brings_an_older_installation_up_to_date(databases: Databases) -> None:
    database = databases.fresh()
    database.execute("INSERT INTO sales.leads (lead_id, created_at) VALUES ('a', '2026-03-01Z')")
    database.execute("ALTER TABLE sales.lead_revisions DROP COLUMN created_at; DROP TABLE sales.removals; "
                     "DROP TRIGGER log_removals ON sales.deals; DROP TRIGGER log_rekeyed_deals ON sales.deals; "
                     "DROP INDEX sales.deals_lead; DROP INDEX sales.touches_recorded_tx")
    psql(database, alter_sql({}))
    psql(database, role_sql())
    assert check(database).findings == ()


def test_altered_tables_log_what_is_deleted_of_the_contract_alone(database: Database) -> None:
    psql(database, "ALTER TABLE sales.touches ADD COLUMN gone int, ADD COLUMN email text; "
                   "ALTER TABLE sales.touches DROP COLUMN gone")
    psql(database, alter_sql({}))
    database.execute("UPDATE sales.touches SET email = 'a@b.example'")
    # A column that goes later must not stop its writers.
    database.execute("ALTER TABLE sales.touches DROP COLUMN campaign_id")
    database.execute("DELETE FROM sales.touches WHERE touch_id IN ('7', '8')")
    found = database.rows(
        "SELECT relation, key, facts - 'occurred_at' - 'recorded_tx' FROM sales.removals ORDER BY key")
    assert found == [("touches", key, {"touch_id": key, "lead_id": key, "channel_id": "web", "kind": "click"})
                     for key in ("7", "8")]


def test_alter_makes_no_removals_where_there_are_views_alone(databases: Databases) -> None:
    database = databases.fresh(bare=True)
    psql(database, "CREATE SCHEMA sales; CREATE VIEW sales.touches AS SELECT 'o'::text AS touch_id")
    psql(database, alter_sql({}))
    assert database.rows("SELECT to_regclass('sales.removals') IS NULL") == [(True,)]


def test_deals_that_lack_their_key_get_no_trigger_that_would_break_their_writers(databases: Databases) -> None:
    database = databases.fresh(bare=True)
    psql(database, "CREATE SCHEMA sales; CREATE TABLE sales.deals (id int, lead_id text, stage text, status text, "
                   "closed_at timestamptz); INSERT INTO sales.deals VALUES (1, 'a', 's', 'open', NULL)")
    with pytest.raises(AssertionError, match="deal_id"):
        psql(database, alter_sql({}))
    database.execute("UPDATE sales.deals SET stage = 't'")
    database.execute("DELETE FROM sales.deals")


def test_new_and_changed_rows_bear_their_transaction_after_alter(database: Database) -> None:
    psql(database, alter_sql({}))
    database.execute("UPDATE sales.leads SET rep_id = 'ann' WHERE lead_id = '7'")
    database.execute("INSERT INTO sales.touches VALUES ('x', '7', '2026-03-01Z', 'web', NULL, 'click')")
    newest = "SELECT {0} FROM sales.{1} WHERE {2} > (SELECT min({2}) FROM sales.{1})"
    assert database.rows(newest.format("lead_id", "leads", "changed_tx")) == [("7",)]
    assert database.rows(newest.format("touch_id", "touches", "recorded_tx")) == [("x",)]
    assert database.rows("SELECT rep_id FROM sales.lead_revisions ORDER BY revision_id DESC LIMIT 1") == [("ann",)]


def test_leads_that_lack_a_column_get_no_trigger_that_would_break_their_writers(databases: Databases) -> None:
    database = databases.fresh(bare=True)
    psql(database, "CREATE SCHEMA sales; CREATE TABLE sales.leads (lead_id text PRIMARY KEY, created_at timestamptz);")
    with pytest.raises(AssertionError, match="channel_id"):
        psql(database, alter_sql({}))
    database.execute("INSERT INTO sales.leads VALUES ('a', now())")
    assert database.rows("SELECT count(*) FROM sales.leads") == [(1,)]


def test_table_behind_a_view_gets_the_key_and_nothing_that_names_its_columns(databases: Databases) -> None:
    database = databases.fresh(bare=True)
    psql(database, 'CREATE SCHEMA crm; CREATE TABLE crm."tab Deal" (id int, stage text); '
                   'INSERT INTO crm."tab Deal" VALUES (1, \'open\')')
    psql(database, alter_sql(tables(["deals=crm.tab Deal"])))
    psql(database, 'CREATE VIEW sales.deals AS SELECT id::text AS deal_id, changed_tx FROM crm."tab Deal"')
    database.execute("UPDATE crm.\"tab Deal\" SET stage = 'won'")
    assert database.rows("SELECT changed_tx = pg_snapshot_xmax(pg_current_snapshot()) FROM sales.deals") == [(False,)]
    assert database.rows("SELECT indexname FROM pg_indexes WHERE schemaname = 'crm'") == [("deals_changed_tx",)]


def test_named_table_that_is_not_there_is_an_error(database: Database) -> None:
    with pytest.raises(AssertionError, match="does not exist"):
        psql(database, alter_sql(tables(["calls"])))


@pytest.mark.parametrize(
    "argument", [
        "reps", "lead_revisions", "removals", "leads=", "leads=crm.", "leads=lead", "leads=a.b.c",
        'leads=crm."x', "leads=crm.x\ny", "leads=crm.x\x00", "nothing=a.b", "leads=" + "x" * 64 + ".y",
    ],
)
def test_s4_table_names_that_are_none_are_refused(argument: str) -> None:
    if argument == "leads=":
        assert tables([argument]) == {"leads": "sales.leads"}
        return
    with pytest.raises(UsageError, match="--table"):
        tables([argument])


def test_s4_hostile_table_name_stays_a_name(databases: Databases) -> None:
    database = databases.fresh(bare=True)
    name = "x); DROP TABLE crm; --' $$ \\! touch"
    psql(database, f'CREATE SCHEMA crm; CREATE TABLE crm."{name}" (id int)')
    psql(database, alter_sql(tables([f"touches=crm.{name}"])))
    assert database.rows("SELECT count(*) FROM pg_attribute WHERE attname = 'recorded_tx' AND attrelid = "
                         "(SELECT oid FROM pg_class WHERE relname = %s)", name) == [(1,)]


def test_every_relation_with_a_key_can_be_altered() -> None:
    assert set(tables(list(ALTERABLE))) == set(ALTERABLE)
    assert "reps" not in ALTERABLE
    assert not {"lead_revisions", "removals"} & set(ALTERABLE)

"""Generated rows arrive in a real PostgreSQL: all of them, unchanged, or none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest

from sales_exporter.demo.generator import Tables, demo, generate, load
from sales_exporter.demo.generator.columns import Key
from sales_exporter.errors import StackError, UsageError
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 3, 18, 15, 30, tzinfo=UTC)
CATALOGUE = """
    SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'sales' ORDER BY indexname
"""
TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2
"""
ORPHANS = {
    "transition without lead": "FROM sales.stage_transitions t LEFT JOIN sales.leads l USING (lead_id) "
                               "WHERE l.lead_id IS NULL",
    "touch without lead": "FROM sales.touches t LEFT JOIN sales.leads l USING (lead_id) WHERE l.lead_id IS NULL",
    "deal with unknown lead": "FROM sales.deals d LEFT JOIN sales.leads l USING (lead_id) "
                              "WHERE d.lead_id IS NOT NULL AND l.lead_id IS NULL",
    "deal with unknown rep": "FROM sales.deals d LEFT JOIN sales.reps r USING (rep_id) WHERE r.rep_id IS NULL",
    "lead with unknown channel": "FROM sales.leads l LEFT JOIN sales.channels c USING (channel_id) "
                                 "WHERE l.channel_id IS NOT NULL AND c.channel_id IS NULL",
    "lead with unknown campaign": "FROM sales.leads l LEFT JOIN sales.campaigns c USING (campaign_id, channel_id) "
                                  "WHERE l.campaign_id IS NOT NULL AND c.campaign_id IS NULL",
    "spend without campaign": "FROM sales.spend s LEFT JOIN sales.campaigns c USING (campaign_id, channel_id) "
                              "WHERE c.campaign_id IS NULL",
    "call with unknown rep": "FROM sales.calls c LEFT JOIN sales.reps r USING (rep_id) WHERE r.rep_id IS NULL",
    "call of another kind than its rep": "FROM sales.calls c JOIN sales.reps r USING (rep_id) "
                                         "WHERE c.agent_kind <> r.kind",
    "call by a rep who is away": "FROM sales.calls c JOIN sales.reps r USING (rep_id) WHERE "
                                 "c.started_at < r.active_from OR c.started_at >= r.active_to + interval '1 day'",
    "judgement without call": "FROM sales.call_judgements j LEFT JOIN sales.calls c USING (call_id) "
                              "WHERE c.call_id IS NULL",
    "judgement before the call ended": "FROM sales.call_judgements j JOIN sales.calls c USING (call_id) "
                                       "WHERE j.judged_at < c.ended_at",
    "prediction without subject": "FROM sales.model_predictions p WHERE NOT EXISTS (SELECT FROM sales.leads l WHERE "
                                  "l.lead_id = p.subject_id) AND NOT EXISTS (SELECT FROM sales.calls c WHERE "
                                  "c.call_id = p.subject_id)",
    "outcome without prediction": "FROM sales.model_outcomes o WHERE NOT EXISTS (SELECT FROM sales.model_predictions p "
                                  "WHERE (p.subject_kind, p.subject_id) = (o.subject_kind, o.subject_id))",
    "score outside (0, 1)": "FROM sales.model_predictions WHERE NOT (score > 0 AND score < 1)",
    "closed and open": "FROM sales.deals WHERE (status = 'open') <> (closed_at IS NULL)",
    "closed before it opened": "FROM sales.deals WHERE closed_at < opened_at",
    "deal of a test lead": "FROM sales.deals d JOIN sales.leads l USING (lead_id) WHERE l.is_test",
    "money without a rate": "FROM sales.deals d LEFT JOIN sales.fx_rates f ON f.day = coalesce(d.closed_at, "
                            "'2026-03-18')::date AND f.currency = d.currency "
                            "WHERE d.currency <> 'EUR' AND f.rate IS NULL",
    "deal in another stage than its lead": """
        FROM sales.deals d JOIN LATERAL (SELECT to_stage FROM sales.stage_transitions t WHERE t.lead_id = d.lead_id
        ORDER BY occurred_at DESC, transition_id DESC LIMIT 1) AS last ON true WHERE last.to_stage <> d.stage""",
    "lead unlike its last revision": """
        FROM sales.leads l JOIN LATERAL (SELECT * FROM sales.lead_revisions r WHERE r.lead_id = l.lead_id
        ORDER BY revision_id DESC LIMIT 1) AS r ON true
        WHERE (l.created_at, l.channel_id, l.campaign_id, l.rep_id, l.is_test, false)
              IS DISTINCT FROM (r.created_at, r.channel_id, r.campaign_id, r.rep_id, r.is_test, r.deleted)""",
    "revision without the time of its lead": "FROM sales.lead_revisions WHERE created_at IS NULL",
    "lead without revision": "FROM sales.leads l LEFT JOIN sales.lead_revisions r USING (lead_id) "
                             "WHERE r.lead_id IS NULL",
}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return generate(demo(NOW, leads=900, days=40.0))[0]


@pytest.fixture(scope="module")
def loaded(databases: Databases, tables: Tables) -> Database:
    database = databases.fresh()
    load(database.owner.dsn, tables)
    return database


def test_every_value_arrives_unchanged(loaded: Database, tables: Tables) -> None:
    for relation in tables:
        names = list(relation.columns)
        expected = list(zip(*(relation[name].decoded() for name in names), strict=True))
        found = loaded.rows(f"SELECT {', '.join(names)} FROM sales.{relation.name}")
        assert sorted(map(_comparable, found)) == sorted(map(_comparable, expected)), relation.name


def _comparable(row: tuple[object, ...]) -> list[str]:
    return [_text(value) for value in row]


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return str(value.replace(tzinfo=None))
    if isinstance(value, Decimal | float):
        return f"{value:.6f}"
    return str(value)


def test_sums_of_money_are_preserved_to_the_cent(loaded: Database, tables: Tables) -> None:
    for relation in ("deals", "spend"):
        cents = int((tables[relation]["amount"].values * 100).round().astype(int).sum())
        assert loaded.rows(f"SELECT (sum(amount) * 100)::bigint FROM sales.{relation}") == [(cents,)]


@pytest.mark.parametrize("what", ORPHANS)
def test_there_is_no(loaded: Database, what: str) -> None:
    assert loaded.rows(f"SELECT count(*) {ORPHANS[what]}") == [(0,)]


def test_erased_and_corrected_leads_are_among_the_revisions(loaded: Database) -> None:
    assert loaded.rows("""
        SELECT count(*) > 0, bool_and(lead_id NOT IN (SELECT lead_id FROM sales.leads))
          FROM sales.lead_revisions WHERE deleted""") == [(True, True)]
    assert loaded.rows("""
        SELECT count(*) > 0 FROM (SELECT FROM sales.lead_revisions WHERE NOT deleted
         GROUP BY lead_id HAVING count(DISTINCT coalesce(channel_id, '')) > 1) AS corrected""") == [(True,)]


def test_indexes_and_triggers_are_as_before(loaded: Database, databases: Databases) -> None:
    untouched = databases.fresh()
    assert loaded.rows(CATALOGUE) == untouched.rows(CATALOGUE)
    assert loaded.rows(TRIGGERS) == untouched.rows(TRIGGERS)


def test_the_triggers_go_on_where_the_load_ended(databases: Databases, tables: Tables) -> None:
    database = databases.fresh()
    load(database.owner.dsn, tables)
    database.execute("UPDATE sales.leads SET is_test = NOT is_test WHERE lead_id = 'L000000000'")
    assert database.rows("""
        SELECT lead_id, revision_id > (SELECT max(revision_id) FROM sales.lead_revisions AS older
                                        WHERE older.recorded_tx < newest.recorded_tx)
          FROM sales.lead_revisions AS newest ORDER BY revision_id DESC LIMIT 1""") == [("L000000000", True)]


def test_the_exporters_role_may_read_what_was_loaded(loaded: Database, tables: Tables) -> None:
    with psycopg.connect(loaded.reader.dsn) as connection:
        found = connection.execute("SELECT count(lead_id) FROM sales.leads").fetchone()
    assert found == (len(tables["leads"]),)


def test_a_second_load_is_refused_and_changes_nothing(loaded: Database, tables: Tables) -> None:
    with pytest.raises(UsageError, match="holds rows already; --replace"):
        load(loaded.owner.dsn, tables)
    assert loaded.rows("SELECT count(*) FROM sales.leads") == [(len(tables["leads"]),)]


def test_replace_puts_other_rows_in_their_place(databases: Databases, tables: Tables) -> None:
    database = databases.fresh()
    load(database.owner.dsn, tables)
    other, _ = generate(demo(NOW, leads=300, days=20.0, seed=2))
    load(database.owner.dsn, other, replace=True)
    for relation in other:
        assert database.rows(f"SELECT count(*) FROM sales.{relation.name}") == [(len(relation),)]


def test_replace_never_deletes_rows_that_were_not_generated(databases: Databases, tables: Tables) -> None:
    database = databases.fresh()
    database.execute("INSERT INTO sales.leads (lead_id, created_at) VALUES ('real', now())")
    with pytest.raises(UsageError, match="not generated"):
        load(database.owner.dsn, tables, replace=True)
    assert database.rows("SELECT lead_id FROM sales.leads") == [("real",)]


def test_a_load_that_fails_half_way_leaves_the_database_as_it_was(databases: Databases, tables: Tables) -> None:
    database = databases.fresh()
    load(database.owner.dsn, tables)
    before = [database.rows(f"SELECT count(*) FROM sales.{relation.name}") for relation in tables]
    broken = tables["model_predictions"]
    key = broken["prediction_id"]
    assert isinstance(key, Key)
    twice = replace(broken, columns={**broken.columns, "prediction_id": Key("P", key.values // 2)})
    relations = tuple(twice if one is broken else one for one in tables)
    with pytest.raises(StackError, match="nothing was changed: duplicate key"):
        load(database.owner.dsn, replace(tables, relations=relations), replace=True)
    assert [database.rows(f"SELECT count(*) FROM sales.{relation.name}") for relation in tables] == before
    assert database.rows(CATALOGUE) == databases.fresh().rows(CATALOGUE)


def test_a_broken_connection_is_one_line_without_the_password(loaded: Database, tables: Tables) -> None:
    dsn = psycopg.conninfo.make_conninfo(loaded.owner.dsn, password="not-the-password")
    with pytest.raises(StackError, match="refused the connection") as raised:
        load(dsn, tables)
    assert "not-the-password" not in str(raised.value)


def test_without_the_contract_or_its_tables_the_load_says_what_to_do(databases: Databases, tables: Tables) -> None:
    with pytest.raises(UsageError, match="sales-exporter schema"):
        load(databases.fresh(bare=True).owner.dsn, tables)
    views = databases.fresh()
    views.execute("ALTER TABLE sales.touches RENAME TO own; CREATE VIEW sales.touches AS SELECT * FROM sales.own")
    with pytest.raises(UsageError, match=r"sales\.touches is not a plain table"):
        load(views.owner.dsn, tables)


def test_only_the_owner_loads(databases: Databases, tables: Tables) -> None:
    database = databases.fresh()
    database.execute(
        "DO $$ BEGIN CREATE ROLE generator_guest LOGIN PASSWORD 'guest'; EXCEPTION WHEN duplicate_object THEN END $$;"
        "GRANT USAGE ON SCHEMA sales TO generator_guest; GRANT ALL ON ALL TABLES IN SCHEMA sales TO generator_guest")
    dsn = psycopg.conninfo.make_conninfo(database.owner.dsn, user="generator_guest", password="guest")
    with pytest.raises(UsageError, match="needs the owner"):
        load(dsn, tables)


def test_progress_rises_to_its_total(databases: Databases, tables: Tables) -> None:
    calls: list[tuple[int, int, str]] = []
    load(databases.fresh().owner.dsn, tables, lambda done, total, what: calls.append((done, total, what)))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert {call[1] for call in calls} == {done[-1]}
    assert {relation.name for relation in tables} <= {call[2] for call in calls}

"""The checker: a healthy database has no findings; each seeded defect is found, and nothing else is called an error."""

from __future__ import annotations

import time

import psycopg
import pytest
from pydantic import SecretStr

from sales_exporter import contract
from sales_exporter.config import Business, Stage
from sales_exporter.contract.alter import alter_sql, tables
from sales_exporter.contract.checker import Checker
from sales_exporter.contract.findings import Report
from sales_exporter.demo.postgres import Login
from tests.contract import healthy
from tests.contract.psql import psql
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

BUSINESS = Business()
TRANSITION = (
    "INSERT INTO sales.stage_transitions (transition_id, lead_id, from_stage, to_stage, occurred_at) VALUES "
)
DEAL = "INSERT INTO sales.deals (deal_id, stage, status, amount, currency, opened_at, closed_at) VALUES "
CALL = (
    "INSERT INTO sales.calls (call_id, agent_kind, direction, started_at, answered_at, ended_at, outcome, "
    "talk_seconds, cost, currency) VALUES "
)
PREDICTION = (
    "INSERT INTO sales.model_predictions (prediction_id, model, version, subject_kind, subject_id, predicted_at, "
    "horizon_seconds, score) VALUES "
)

# name: (code, severity, relation, what breaks it)
DEFECTS: dict[str, tuple[str, str, str, str]] = {
    "relation gone": ("relation_absent", "warning", "touches", "DROP TABLE sales.touches"),
    "optional relation gone": ("relation_absent", "info", "targets", "DROP TABLE sales.targets"),
    "relation not granted": ("not_readable", "error", "reps", "REVOKE ALL ON sales.reps FROM sales_exporter"),
    "column not granted": (
        "column_not_readable", "error", "reps", "REVOKE SELECT (team) ON sales.reps FROM sales_exporter"),
    "column gone": ("column_missing", "error", "deals", "ALTER TABLE sales.deals DROP COLUMN lost_reason"),
    "local time": (
        "column_type", "error", "leads", "ALTER TABLE sales.leads ALTER created_at TYPE timestamp"),
    "money as a float": (
        "column_type", "error", "deals", "ALTER TABLE sales.deals ALTER amount TYPE double precision"),
    "id as a number": (
        "column_type", "error", "model_outcomes",
        "TRUNCATE sales.model_outcomes; ALTER TABLE sales.model_outcomes ALTER subject_id TYPE bigint USING 1"),
    "NULL where none may be": (
        "null_value", "error", "channels",
        "ALTER TABLE sales.channels ALTER kind DROP NOT NULL; INSERT INTO sales.channels VALUES ('tv', 'TV', NULL)"),
    "key twice": (
        "duplicate_key", "error", "reps",
        "ALTER TABLE sales.reps DROP CONSTRAINT reps_pkey; INSERT INTO sales.reps SELECT * FROM sales.reps"),
    "key not unique": ("key_not_unique", "warning", "reps", "ALTER TABLE sales.reps DROP CONSTRAINT reps_pkey"),
    "unknown status": ("unknown_value", "error", "deals", DEAL + "('x', 'lead', 'pending', 1, 'EUR', NULL, NULL)"),
    "unknown outcome": (
        "unknown_value", "error", "calls", CALL +
        "('x', 'ai', 'inbound', '2026-03-08Z', NULL, '2026-03-08Z', 'hung_up', NULL, NULL, NULL)"),
    "unknown label": (
        "unknown_value", "error", "model_outcomes",
        "INSERT INTO sales.model_outcomes VALUES ('lead', 'l2', '2026-03-09Z', 2, true)"),
    "transition of no lead": (
        "orphan", "error", "stage_transitions", TRANSITION + "('x', 'l9', NULL, 'lead', '2026-03-03Z')"),
    "lead of no channel": (
        "orphan", "warning", "leads",
        "INSERT INTO sales.leads (lead_id, created_at, channel_id) VALUES ('x', '2026-03-03Z', 'tv')"),
    "transition of tomorrow": (
        "future_rows", "warning", "stage_transitions",
        TRANSITION + "('x', 'l1', NULL, 'lead', now() + interval '1 day')"),
    "transition to an unknown stage": (
        "unknown_stage", "error", "stage_transitions", TRANSITION + "('x', 'l1', NULL, 'demo', '2026-03-03Z')"),
    "transition from an unknown stage": (
        "unknown_stage", "error", "stage_transitions", TRANSITION + "('x', 'l1', 'demo', 'lead', '2026-03-03Z')"),
    "deal in an unknown stage": (
        "unknown_stage", "error", "deals", DEAL + "('x', 'demo', 'open', 1, 'EUR', NULL, NULL)"),
    "won without closed_at": (
        "closed_at_mismatch", "error", "deals", DEAL + "('x', 'won', 'won', 1, 'EUR', NULL, NULL)"),
    "open with closed_at": (
        "closed_at_mismatch", "error", "deals", DEAL + "('x', 'lead', 'open', 1, 'EUR', NULL, '2026-03-03Z')"),
    "closed before opened": (
        "time_order", "warning", "deals", DEAL + "('x', 'won', 'won', 1, 'EUR', '2026-03-03Z', '2026-03-01Z')"),
    "campaign ends before it starts": (
        "time_order", "warning", "campaigns", "UPDATE sales.campaigns SET ends_on = '2026-01-01'"),
    "currency without a rate": (
        "fx_rate_missing", "error", "spend",
        "INSERT INTO sales.spend (spend_day, channel_id, amount, currency) VALUES ('2026-03-08', 'web', 1, 'GBP')"),
    "day without a rate": (
        "fx_rate_gap", "error", "spend",
        "INSERT INTO sales.spend (spend_day, channel_id, amount, currency) VALUES ('2026-03-01', 'web', 1, 'USD')"),
    "currency in small letters": (
        "bad_currency", "error", "deals", DEAL + "('x', 'lead', 'open', 1, 'usd', NULL, NULL)"),
    "money that is no number": (
        "not_finite", "error", "deals", DEAL + "('x', 'lead', 'open', 'NaN', 'EUR', NULL, NULL)"),
    "score as a percentage": (
        "score_out_of_range", "error", "model_predictions", PREDICTION +
        "('x', 'win', '1', 'lead', 'l1', '2026-03-03Z', 60, 70)"),
    "no horizon": (
        "bad_horizon", "error", "model_predictions", PREDICTION +
        "('x', 'win', '1', 'lead', 'l1', '2026-03-03Z', 0, 0.7)"),
    "call answered after its end": (
        "time_order", "error", "calls", CALL +
        "('x', 'ai', 'inbound', '2026-03-08Z', '2026-03-09Z', '2026-03-08Z', 'answered', NULL, NULL, NULL)"),
    "negative talk": (
        "negative_seconds", "error", "calls", CALL +
        "('x', 'ai', 'inbound', '2026-03-08Z', NULL, '2026-03-08Z', 'answered', -1, NULL, NULL)"),
    "cost in no currency": (
        "cost_without_currency", "error", "calls", CALL +
        "('x', 'ai', 'inbound', '2026-03-08Z', NULL, '2026-03-08Z', 'answered', NULL, 0.01, NULL)"),
    "rate of zero": ("bad_rate", "error", "fx_rates", "INSERT INTO sales.fx_rates VALUES ('2026-03-07', 'USD', 0)"),
    "raw path": (
        "raw_path", "warning", "api_requests", "INSERT INTO sales.api_requests VALUES "
        "('x', '2026-03-03Z', '/leads/123/notes', 'GET', 200, 0.1)"),
    "change key missing": (
        "change_key_missing", "warning", "calls", "ALTER TABLE sales.calls DROP COLUMN recorded_tx"),
    "change key without its trigger": (
        "change_key_trigger", "error", "deals", "ALTER TABLE sales.deals DISABLE TRIGGER set_changed_tx"),
    "change key without its default": (
        "change_key_default", "error", "touches", "ALTER TABLE sales.touches ALTER recorded_tx SET DEFAULT '3'"),
    "change key NULL": (
        "change_key_null", "error", "touches",
        "ALTER TABLE sales.touches ALTER recorded_tx DROP NOT NULL; UPDATE sales.touches SET recorded_tx = NULL"),
    "restored dump": (
        "key_beyond_snapshot", "error", "stage_transitions",
        "UPDATE sales.stage_transitions SET recorded_tx = '900000000000' WHERE transition_id = 't1'"),
    "leads without their log's trigger": (
        "revision_trigger", "error", "leads", "DROP TRIGGER revise_updated_leads ON sales.leads"),
    "removals gone": ("relation_absent", "warning", "removals", "DROP TABLE sales.removals"),
    "removals of a relation not logged": (
        "removal_trigger", "warning", "calls", "DROP TRIGGER log_removals ON sales.calls"),
    "changed keys not logged": (
        "removal_trigger", "warning", "deals", "ALTER TABLE sales.deals DISABLE TRIGGER log_rekeyed_deals"),
    "restored dump of removals": (
        "key_beyond_snapshot", "error", "removals", "UPDATE sales.removals SET removed_tx = '900000000000'"),
    "lead without a revision": (
        "lead_without_revision", "error", "leads", "DELETE FROM sales.lead_revisions WHERE lead_id = 'l1'"),
    "index gone": ("index_missing", "warning", "deals", "DROP INDEX sales.deals_changed_tx"),
    "index invalid": (
        "index_missing", "warning", "calls",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sales.calls_started_at'::regclass"),
    "role may write": (
        "rights_too_wide", "error", "database", "GRANT UPDATE (stage) ON sales.deals TO sales_exporter"),
    "role may create": ("rights_too_wide", "error", "database", "GRANT CREATE ON SCHEMA sales TO sales_exporter"),
    "role reads other tables": (
        "reads_other_relations", "warning", "database",
        "CREATE TABLE public.people (email text); GRANT SELECT ON public.people TO PUBLIC"),
    "schema not granted": (
        "schema_not_readable", "error", "database", "REVOKE USAGE ON SCHEMA sales FROM sales_exporter"),
    "schema gone": ("schema_missing", "error", "database", "DROP SCHEMA sales CASCADE"),
    "view that fails": (
        "not_readable", "error", "channels",
        "DROP TABLE sales.channels; CREATE VIEW sales.channels AS SELECT channel_id, name, "
        "(1 / (length(name) - 3))::text AS kind "
        "FROM (VALUES ('ads', 'Ads'), ('web', 'Website')) AS v (channel_id, name); "
        "GRANT SELECT ON sales.channels TO sales_exporter"),
}


def check(database: Database, business: Business = BUSINESS) -> Report:
    return Checker(SecretStr(database.reader.dsn), business, time.time).run()


def run(database: Database, statement: str) -> None:
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture
def database(databases: Databases) -> Database:
    fresh = databases.fresh()
    run(fresh, healthy.ROWS)
    return fresh


def test_healthy_database_has_no_findings(database: Database) -> None:
    report = check(database)
    assert report.findings == ()
    assert len(report.present) == 17
    assert report.exit_status == 0


def test_empty_contract_has_no_findings(databases: Databases) -> None:
    assert check(databases.fresh()).findings == ()


@pytest.mark.parametrize(("code", "severity", "relation", "seed"), DEFECTS.values(), ids=DEFECTS)
def test_seeded_defect_is_found(database: Database, code: str, severity: str, relation: str, seed: str) -> None:
    run(database, seed)
    report = check(database)
    assert (code, severity, relation) in {(f.code, f.severity, f.relation) for f in report.findings}
    assert {f.code for f in report.findings if f.severity == "error"} <= {code}
    assert report.exit_status == (severity == "error")
    assert all(finding.remedy for finding in report.findings)


@pytest.mark.parametrize(
    "name", [
        "change key without its default", "change key NULL", "restored dump", "restored dump of removals",
        "lead without a revision", "index gone", "index invalid", "key not unique",
    ],
)
def test_remedy_that_is_a_statement_mends_the_defect(database: Database, name: str) -> None:
    code, _, _, seed = DEFECTS[name]
    run(database, seed)
    (finding,) = (finding for finding in check(database).findings if finding.code == code)
    for statement in finding.remedy.split("; "):
        run(database, statement)
    assert check(database).findings == ()


def test_remedy_for_triggers_mends_the_defect(database: Database) -> None:
    run(database, "DROP TRIGGER set_changed_tx ON sales.leads; DROP TRIGGER revise_deleted_leads ON sales.leads")
    assert {finding.code for finding in check(database).findings} == {"change_key_trigger", "revision_trigger"}
    psql(database, alter_sql(tables(["leads"])))
    assert check(database).findings == ()


@pytest.mark.parametrize("what", ["removals", "TRIGGER log_removals ON sales.deals",
                                  "TRIGGER log_rekeyed_spend ON sales.spend"])
def test_remedy_for_removals_mends_the_defect(database: Database, what: str) -> None:
    run(database, f"DROP {'TABLE sales.' if what == 'removals' else ''}{what}")
    (finding,) = check(database).findings
    chosen = [name for name in ("deals", "spend") if f"--table {name} " in finding.remedy]
    assert finding.remedy.startswith("sales-exporter schema --alter")
    psql(database, alter_sql(tables(chosen)))
    run(database, contract.role_sql())
    assert check(database).findings == ()


def test_removals_that_only_views_could_have_are_a_note(databases: Databases) -> None:
    database = databases.fresh(bare=True)
    run(database, "CREATE SCHEMA sales; CREATE VIEW sales.touches AS SELECT 'o'::text AS touch_id")
    run(database, contract.role_sql())
    found = {(f.severity, f.relation) for f in check(database).findings if f.code == "relation_absent"}
    assert ("info", "removals") in found
    assert "removal_trigger" not in {f.code for f in check(database).findings}


def test_grants_of_role_sql_mend_a_lost_right(database: Database) -> None:
    run(database, DEFECTS["column not granted"][3])
    run(database, contract.role_sql())
    assert check(database).findings == ()


def test_unknown_stage_is_known_when_configured(database: Database) -> None:
    run(database, DEFECTS["transition to an unknown stage"][3])
    stages = tuple(Stage(name=name, kind=kind) for name, kind in [
        ("lead", "open"), ("contact", "open"), ("demo", "open"), ("won", "won"), ("lost", "lost")])
    assert check(database, Business(stages=stages)).findings == ()


def test_reporting_currency_needs_no_rate(database: Database) -> None:
    run(database, "TRUNCATE sales.fx_rates; UPDATE sales.deals SET currency = 'USD' WHERE currency = 'EUR'")
    report = check(database, Business(reporting_currency="USD"))
    assert {(f.code, f.relation) for f in report.findings} == {
        ("fx_rate_missing", "spend"), ("fx_rate_missing", "targets")}


def test_days_of_rates_are_cut_in_the_reporting_zone(database: Database) -> None:
    run(database, DEAL + "('x', 'won', 'won', 1, 'USD', NULL, '2026-03-09 23:30Z')")
    assert check(database).findings == ()
    report = check(database, Business(reporting_timezone="Europe/Berlin"))
    assert [(f.code, f.relation) for f in report.findings] == [("fx_rate_gap", "deals")]


def test_only_the_contracts_relations_are_looked_at(database: Database) -> None:
    run(database, "CREATE TABLE sales.notes (text text); CREATE VIEW sales.more AS SELECT 1 / 0 AS broken")
    assert check(database).findings == ()


def test_locked_relation_is_said_to_be_not_checked(database: Database) -> None:
    with psycopg.connect(database.owner.dsn) as connection:
        connection.execute("LOCK TABLE sales.touches IN ACCESS EXCLUSIVE MODE")
        report = check(database)
    assert [(f.code, f.relation) for f in report.findings] == [("not_checked", "touches")]
    assert report.exit_status == 0


def test_slow_view_is_said_to_be_not_checked(database: Database) -> None:
    run(database, "DROP TABLE sales.reps; CREATE VIEW sales.reps AS SELECT 'ann'::text AS rep_id, pg_sleep(9)::text AS "
                  "display_name, NULL::text AS team, 'human'::text AS kind, DATE '2025-01-01' AS active_from, "
                  "NULL::date AS active_to; GRANT SELECT ON sales.reps TO sales_exporter")
    started = time.monotonic()
    report = Checker(SecretStr(database.reader.dsn), BUSINESS, time.time, seconds=0.3).run()
    assert ("not_checked", "reps") in {(f.code, f.relation) for f in report.findings}
    assert time.monotonic() - started < 8


def test_large_table_is_sampled_and_said_so(database: Database) -> None:
    run(database, "UPDATE pg_class SET reltuples = 4e6 WHERE oid = 'sales.touches'::regclass")
    (finding,) = check(database).findings
    assert (finding.code, finding.severity, finding.relation) == ("sampled", "info", "touches")


def test_superuser_is_too_wide(database: Database) -> None:
    report = Checker(SecretStr(database.owner.dsn), BUSINESS, time.time).run()
    assert [(f.code, f.severity) for f in report.findings] == [("rights_too_wide", "error")]


def test_role_without_limits_is_told(database: Database) -> None:
    run(database, "DROP ROLE IF EXISTS unbounded; CREATE ROLE unbounded LOGIN PASSWORD 'p'; "
                  "GRANT USAGE ON SCHEMA sales TO unbounded; GRANT SELECT ON ALL TABLES IN SCHEMA sales TO unbounded")
    login = Login(database.owner.port, "unbounded", "p", database.owner.database)
    (finding,) = Checker(SecretStr(login.dsn), BUSINESS, time.time).run().findings
    assert (finding.code, finding.severity) == ("role_limits", "warning")
    assert "statement_timeout" in finding.message
    assert "CONNECTION LIMIT" in finding.message


@pytest.mark.parametrize(("offset", "word"), [(-3600.0, "ahead of"), (3600.0, "behind")])
def test_clock_skew_is_told_with_its_direction(database: Database, offset: float, word: str) -> None:
    report = Checker(SecretStr(database.reader.dsn), BUSINESS, lambda: time.time() + offset).run()
    (finding,) = report.findings
    assert finding.code == "clock_skew"
    assert f"3600 s {word} ours" in finding.message

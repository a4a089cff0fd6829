"""Each view template over a small copy of its product's tables: the rows are right, and check accepts the views."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psycopg
import pytest
import yaml
from pydantic import SecretStr

from sales_exporter.config import Business, Stage
from sales_exporter.contract import role_sql, template_sql, templates
from sales_exporter.contract.checker import Checker
from sales_exporter.contract.relations import RELATIONS
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

SOURCES = Path(__file__).parent / "sources"
CRM = ("erpnext", "frappe", "hubspot", "odoo", "salesforce")

TRANSITIONS = "SELECT lead_id, from_stage, to_stage, occurred_at::text FROM sales.stage_transitions ORDER BY 1, 4"
DEALS = (
    "SELECT deal_id, lead_id, rep_id, stage, status, amount::text, currency, closed_at::text "
    "FROM sales.deals ORDER BY 1"
)
CALLS = (
    "SELECT call_id, lead_id, direction, outcome, started_at::text, answered_at::text, talk_seconds::int, success, "
    "first_response_seconds, transferred, cost::text, currency FROM sales.calls ORDER BY 1"
)

EXPECTED: dict[tuple[str, str], list[tuple[object, ...]]] = {
    ("hubspot", TRANSITIONS): [
        ("1", None, "lead", "2026-03-01 09:00:00+00"), ("1", "lead", "customer", "2026-03-04 10:00:00+00"),
        ("2", None, "lead", "2026-03-02 09:00:00+00"),
    ],
    ("hubspot", DEALS): [
        ("10", "1", "7", "closedwon", "won", "1200.50", "EUR", "2026-03-04 10:00:00+00"),
        ("11", None, "7", "closedlost", "lost", "80.00", "EUR", "2026-03-05 10:00:00+00"),
        ("12", None, None, "qualifiedtobuy", "open", "0.00", "EUR", None),
    ],
    ("hubspot", "SELECT channel_id, kind FROM sales.channels ORDER BY 1"): [
        ("offline", "offline"), ("paid_search", "paid")],
    ("hubspot", "SELECT lead_id, channel_id, rep_id FROM sales.leads ORDER BY 1"): [
        ("1", "paid_search", "7"), ("2", None, None)],
    ("salesforce", TRANSITIONS): [
        ("00Q1", None, "Lead", "2026-03-01 09:00:00+00"), ("00Q1", "Lead", "Prospecting", "2026-03-03 09:00:00+00"),
        ("00Q1", "Prospecting", "Closed Won", "2026-03-08 15:00:00+00"),
        ("00Q2", None, "Lead", "2026-03-02 09:00:00+00"),
    ],
    ("salesforce", DEALS): [
        ("0061", "00Q1", "005A", "Closed Won", "won", "900.00", "USD", "2026-03-08 15:00:00+00"),
        ("0062", None, "005B", "Prospecting", "open", "0.00", "USD", None),
    ],
    ("salesforce", "SELECT lead_id, channel_id, rep_id FROM sales.leads ORDER BY 1"): [
        ("00Q1", "Web", "005A"), ("00Q2", None, None)],
    ("salesforce", "SELECT touch_id, lead_id, channel_id, campaign_id, kind FROM sales.touches"): [
        ("00v1", "00Q1", "Conference", "7011", "Responded")],
    ("salesforce", "SELECT rep_id, team, active_to::text FROM sales.reps ORDER BY 1"): [
        ("005A", "North", None), ("005B", None, "2026-02-01")],
    ("odoo", TRANSITIONS): [
        ("1", None, "New", "2026-03-01 09:00:00+00"), ("1", "New", "Qualified", "2026-03-03 10:00:00+00"),
        ("1", "Qualified", "Won", "2026-03-05 10:00:00+00"), ("2", None, "New", "2026-03-02 09:00:00+00"),
        ("2", "New", "Qualified", "2026-03-03 10:00:00+00"), ("2", "Qualified", "Lost", "2026-03-06 10:00:00+00"),
        ("3", None, "New", "2026-03-02 09:00:00+00"),
    ],
    ("odoo", DEALS): [
        ("1", "1", "2", "Won", "won", "700.00", "EUR", "2026-03-05 10:00:00+00"),
        ("2", "2", None, "Lost", "lost", "50.00", "EUR", "2026-03-06 10:00:00+00"),
    ],
    ("odoo", "SELECT rep_id, display_name, team FROM sales.reps"): [("2", "Ada Ross", "North")],
    ("frappe", TRANSITIONS): [
        ("L1", None, "New", "2026-03-01 09:00:00+00"), ("L1", "New", "Qualified", "2026-03-02 09:00:00+00"),
        ("L1", "Qualified", "Qualification", "2026-03-03 09:00:00+00"),
        ("L1", "Qualification", "Won", "2026-03-05 12:00:00+00"),
        ("L2", None, "New", "2026-03-02 09:00:00+00"), ("L2", "New", "Lost", "2026-03-02 10:00:00+00"),
    ],
    ("frappe", DEALS): [
        ("D1", "L1", "u1", "Won", "won", "640.00", "EUR", "2026-03-05 12:00:00+00"),
        ("D2", None, None, "Negotiation", "open", "20.00", "EUR", None),
    ],
    ("frappe", "SELECT rep_id, display_name, active_to::text FROM sales.reps ORDER BY 1"): [
        ("u1", "Ada Ross", None), ("u2", "no name", "2026-01-05")],
    ("erpnext", TRANSITIONS): [
        ("L1", None, "Lead", "2026-03-01 09:00:00+00"), ("L1", "Lead", "Opportunity", "2026-03-02 09:00:00+00"),
        ("L1", "Opportunity", "Converted", "2026-03-05 09:00:00+00"), ("L2", None, "Open", "2026-03-02 09:00:00+00"),
    ],
    ("erpnext", DEALS): [
        ("O1", "L1", "u1", "Converted", "won", "400.00", "EUR", "2026-03-05 09:00:00+00"),
        ("O2", None, None, "Opportunity", "open", "30.00", "USD", None),
    ],
    ("vapi", CALLS): [
        ("v1", "l1", "outbound", "answered", "2026-03-01 09:00:10+00", "2026-03-01 09:00:10+00", 120, True, 0.85, False,
         "0.1234", "USD"),
        ("v2", None, "outbound", "no_answer", "2026-03-01 10:00:05+00", None, None, None, None, False, "0.01", "USD"),
        ("v3", None, "inbound", "failed", "2026-03-01 11:00:00+00", None, None, None, None, False, "0", "USD"),
        ("v5", None, "outbound", "voicemail", "2026-03-01 13:00:05+00", None, None, None, None, False, None, "USD"),
        ("v6", None, "inbound", "answered", "2026-03-01 14:00:00+00", "2026-03-01 14:00:00+00", 60, None, None, True,
         None, "USD"),
    ],
    ("vapi", "SELECT rep_id, display_name, kind FROM sales.reps"): [("a1", "Sam", "ai")],
    ("retell", CALLS): [
        ("r1", "l1", "outbound", "answered", "2026-03-01 09:00:00+00", "2026-03-01 09:00:00+00", 120, True, 0.7, False,
         "0.12500000000000000000", "USD"),
        ("r2", None, "outbound", "busy", "2026-03-01 09:02:00.5+00", None, None, None, None, False, None, "USD"),
        ("r3", None, "inbound", "answered", "2026-03-01 09:00:00+00", "2026-03-01 09:00:00+00", 60, False, None, True,
         None, "USD"),
        ("r5", None, "outbound", "voicemail", "2026-03-01 09:00:00+00", None, None, False, None, False, None, "USD"),
        ("r6", None, "outbound", "failed", "2026-03-01 09:02:00.5+00", None, None, None, None, False, None, "USD"),
    ],
    ("twilio", CALLS): [
        ("CA1", None, "inbound", "answered", "2026-03-01 09:00:00+00", "2026-03-01 09:00:05+00", 115, None, None, True,
         "0.0225", "USD"),
        ("CA3", None, "outbound", "no_answer", "2026-03-01 10:00:00+00", None, None, None, None, False, None, None),
        ("CA4", None, "outbound", "voicemail", "2026-03-01 11:00:00+00", "2026-03-01 11:00:08+00", 12, None, None,
         False, "0.014", "USD"),
        ("CA6", None, "inbound", "abandoned", "2026-03-01 13:00:00+00", None, None, None, None, False, None, None),
    ],
}
EXTRA_STAGES = {"hubspot": ("qualifiedtobuy",)}


@pytest.fixture(scope="module")
def mapped(databases: Databases) -> dict[str, Database]:
    """One database for each template: the product's tables, the views over them, and the role."""
    made = {}
    for name in templates():
        made[name] = database = databases.fresh(bare=True)
        with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
            for script in (SOURCES.joinpath(f"{name}.sql").read_text(), template_sql(name), role_sql()):
                connection.execute(script.encode())
    return made


def stages(name: str) -> tuple[Stage, ...]:
    """The stages that the template's header says to configure, read from there."""
    block = re.search(r"--   business:\n(?:--     .*\n)+", template_sql(name))
    if block is None:
        return Business().stages
    tree = yaml.safe_load(block.group().replace("--   ", ""))
    extra = tuple(Stage(name=stage) for stage in EXTRA_STAGES.get(name, ()))
    return Business(**tree["business"]).stages + extra


def test_every_product_has_a_template_and_a_title() -> None:
    assert set(templates()) == {*CRM, "retell", "twilio", "vapi"}
    assert all(len(title) > 20 for title in templates().values())


@pytest.mark.parametrize(("name", "question"), EXPECTED, ids=lambda part: part.split(" FROM ")[-1])
def test_rows_through_the_view(mapped: dict[str, Database], name: str, question: str) -> None:
    with psycopg.connect(mapped[name].reader.dsn) as connection:
        connection.execute("SET timezone = 'UTC'")
        assert connection.execute(question.encode()).fetchall() == EXPECTED[name, question]


@pytest.mark.parametrize("name", templates())
def test_check_accepts_the_views(mapped: dict[str, Database], name: str) -> None:
    currency = "USD" if name in {"salesforce", "vapi", "retell", "twilio"} else "EUR"
    business = Business(stages=stages(name), reporting_currency=currency)
    report = Checker(SecretStr(mapped[name].reader.dsn), business, time.time).run()
    # An ERPNext opportunity without a currency is taken as one in US dollars, for which there is no rate here.
    allowed = {"fx_rate_missing"} if name == "erpnext" else set()
    assert {finding.code for finding in report.findings if finding.severity == "error"} <= allowed
    notes = {"relation_absent", "change_key_missing", "orphan"}
    assert {finding.code for finding in report.findings} <= allowed | notes


@pytest.mark.parametrize("name", templates())
def test_template_shows_no_personal_data(mapped: dict[str, Database], name: str) -> None:
    with psycopg.connect(mapped[name].reader.dsn) as connection:
        views = [row[0] for row in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'sales'")]
        assert views
        for view in views:
            columns = {column.name for column in connection.execute(f"SELECT * FROM sales.{view}").description or ()}
            assert columns <= {column.name for column in RELATIONS[view].columns}
            text = str(connection.execute(f"SELECT * FROM sales.{view}").fetchall())
            assert "canary" not in text.lower()
            assert "+1" not in text


@pytest.mark.parametrize("name", templates())
def test_template_may_be_run_again(mapped: dict[str, Database], name: str) -> None:
    with psycopg.connect(mapped[name].owner.dsn, autocommit=True) as connection:
        connection.execute(template_sql(name).encode())

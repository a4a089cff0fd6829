"""Loading: all or nothing, twice is once, logs are appended to, and a refusal is said in our words."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from sales_exporter.errors import ConfigError, DataFileError, UsageError
from sales_exporter.importer import Counts, bind, import_files
from tests.importer.support import load, plan_of, write
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

LEADS = """
    sources: {s: {file: leads.csv}}
    relations:
      - relation: leads
        source: s
        columns: {lead_id: id, created_at: at, channel_id: origin}
"""
TRANSITIONS = """
    sources: {s: {file: log.csv}}
    relations:
      - relation: stage_transitions
        source: s
        columns: {transition_id: id, lead_id: lead, to_stage: stage, occurred_at: at}
"""
SPEND = """
    sources: {s: {file: spend.csv}}
    relations:
      - relation: spend
        source: s
        columns: {spend_day: day, channel_id: channel, campaign_id: campaign, amount: cost, currency: {value: EUR}}
"""


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Database:
    """One database for the tests that write nothing, or that write relations of their own."""
    return databases.fresh()


def one(database: Database, statement: str) -> object:
    return database.rows(statement)[0][0]


def test_loading_twice_is_loading_once(databases, tmp_path):
    database, plan = databases.fresh(), plan_of(LEADS)
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\nb,2024-01-02,\n"})
    first = load(plan, tmp_path, database.owner.dsn)
    keys = database.rows("SELECT lead_id, changed_tx::text FROM sales.leads ORDER BY 1")
    again = load(plan, tmp_path, database.owner.dsn)
    assert first.counts == (Counts("leads", read=2, added=2),)
    assert again.counts == (Counts("leads", read=2),)
    assert again.counts[0].unchanged == 2
    assert database.rows("SELECT lead_id, changed_tx::text FROM sales.leads ORDER BY 1") == keys
    assert one(database, "SELECT count(*) FROM sales.lead_revisions") == 2


def test_a_changed_row_is_updated_and_the_others_are_not_touched(databases, tmp_path):
    database, plan = databases.fresh(), plan_of(LEADS)
    load(plan, write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\nb,2024-01-02,\n"}), database.owner.dsn)
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,email\nb,2024-01-02,\nc,2024-01-03,social\n"})
    report = load(plan, tmp_path, database.owner.dsn)
    assert report.counts == (Counts("leads", read=3, added=1, changed=1),)
    assert database.rows("SELECT channel_id FROM sales.leads ORDER BY lead_id") == [("email",), (None,), ("social",)]
    assert database.rows("SELECT lead_id, count(*) FROM sales.lead_revisions GROUP BY 1 ORDER BY 1") == [
        ("a", 2), ("b", 1), ("c", 1)]


def test_columns_that_a_map_does_not_name_keep_what_they_hold(databases, tmp_path):
    database = databases.fresh()
    database.execute("INSERT INTO sales.leads VALUES ('a', '2024-01-01Z', 'social', 'spring', 'rep-1', true)")
    load(plan_of(LEADS), write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,email\n"}), database.owner.dsn)
    assert database.rows("SELECT channel_id, campaign_id, rep_id, is_test FROM sales.leads") == [
        ("email", "spring", "rep-1", True)]


def test_the_creation_of_a_lead_is_immutable(databases, tmp_path):
    database, plan = databases.fresh(), plan_of(LEADS)
    load(plan, write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\n"}), database.owner.dsn)
    report = load(plan, write(tmp_path, {"leads.csv": "id,at,origin\na,2024-02-02,social\n"}), database.owner.dsn)
    assert report.counts == (Counts("leads", read=1, kept=1),)
    assert report.warnings == (
        "leads: 1 rows are there already with other content, which stays: created_at is immutable",)
    assert one(database, "SELECT created_at FROM sales.leads") == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_log_is_appended_to_and_never_changed(databases, tmp_path):
    database, plan = databases.fresh(), plan_of(TRANSITIONS)
    write(tmp_path, {"log.csv": "id,lead,stage,at\n1,a,lead,2024-01-01\n2,a,won,2024-01-02\n"})
    load(plan, tmp_path, database.owner.dsn)
    write(tmp_path, {"log.csv": "id,lead,stage,at\n1,a,lead,2024-01-01\n2,a,lost,2024-01-02\n3,b,lead,2024-01-03\n"})
    report = load(plan, tmp_path, database.owner.dsn)
    assert report.counts == (Counts("stage_transitions", read=3, added=1, kept=1),)
    assert report.warnings == ("stage_transitions: 1 rows are there already with other content, which stays: "
                               "it is append-only, a correction is a new row",)
    assert database.rows("SELECT to_stage FROM sales.stage_transitions ORDER BY 1") == [("lead",), ("lead",), ("won",)]


def test_spend_is_restated_also_where_its_key_holds_no_campaign(databases, tmp_path):
    database, plan = databases.fresh(), plan_of(SPEND)
    write(tmp_path, {"spend.csv": "day,channel,campaign,cost\n2024-01-01,social,,10\n2024-01-01,social,spring,5\n"})
    load(plan, tmp_path, database.owner.dsn)
    write(tmp_path, {"spend.csv": "day,channel,campaign,cost\n2024-01-01,social,,12.50\n2024-01-01,social,spring,5\n"})
    report = load(plan, tmp_path, database.owner.dsn)
    assert report.counts == (Counts("spend", read=2, changed=1),)
    assert one(database, "SELECT sum(amount)::text FROM sales.spend") == "17.50"


def test_a_row_that_stands_twice_alike_is_one_row(databases, tmp_path):
    database = databases.fresh()
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\na,2024-01-01 00:00:00Z,social\n"})
    assert load(plan_of(LEADS), tmp_path, database.owner.dsn).counts == (Counts("leads", read=1, added=1),)


def test_one_key_with_two_contents_is_refused(shared, tmp_path):
    rows = "canary-4711,2024-01-01,social\nb,2024-01-01,\ncanary-4711,2024-01-01,\n"
    write(tmp_path, {"leads.csv": f"id,at,origin\n{rows}"})
    expected = r"leads.csv:4:lead_id: expected one content for each key of leads, found another than in line 2"
    with pytest.raises(DataFileError, match=expected) as caught:
        load(plan_of(LEADS), tmp_path, shared.owner.dsn)
    assert "canary" not in str(caught.value)


def test_two_entries_that_disagree_about_a_key_are_refused(shared, tmp_path):
    plan = plan_of("""
        sources: {one: {file: one.csv}, two: {file: two.csv}}
        relations:
          - {relation: channels, source: one, columns: {channel_id: id, name: name, kind: {value: k}}}
          - {relation: channels, source: two, columns: {channel_id: id, name: name, kind: {value: k}}}
    """)
    write(tmp_path, {"one.csv": "id,name\nx,X\ny,Y\n", "two.csv": "id,name\ny,Y\nx,Z\n"})
    with pytest.raises(DataFileError, match=r"two.csv:3:channel_id: expected one content for each key of channels"):
        load(plan, tmp_path, shared.owner.dsn)


def test_an_error_in_the_last_row_of_the_last_file_leaves_nothing_behind(databases, tmp_path):
    database = databases.fresh()
    plan = plan_of("""
        sources: {leads: {file: leads.csv}, log: {file: log.csv}}
        relations:
          - {relation: leads, source: leads, columns: {lead_id: id, created_at: at}}
          - {relation: stage_transitions, source: log,
             columns: {transition_id: id, lead_id: lead, to_stage: stage, occurred_at: at}}
    """)
    rows = "".join(f"{n},a,lead,2024-01-01\n" for n in range(500))
    write(tmp_path, {"leads.csv": "id,at\na,2024-01-01\n", "log.csv": f"id,lead,stage,at\n{rows}x,a,won,tomorrow\n"})
    with pytest.raises(DataFileError, match=r"log.csv:502:at: expected a date or time"):
        load(plan, tmp_path, database.owner.dsn)
    assert one(database, "SELECT count(*) FROM sales.leads") == 0
    assert one(database, "SELECT count(*) FROM sales.stage_transitions") == 0


def test_a_dry_run_does_everything_and_undoes_it(databases, tmp_path):
    database = databases.fresh()
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\n"})
    report = load(plan_of(LEADS), tmp_path, database.owner.dsn, commit=False)
    assert report.counts == (Counts("leads", read=1, added=1),)
    assert one(database, "SELECT count(*) FROM sales.leads") == 0


def test_a_number_beyond_the_range_of_its_column_is_found_in_the_file(shared, tmp_path):
    plan = plan_of("""
        sources: {s: {file: calls.csv}}
        relations:
          - relation: calls
            source: s
            when: {take: {equals: "yes"}}
            columns:
              call_id: id
              agent_kind: {value: ai}
              direction: {value: inbound}
              started_at: {value: 2024-01-01}
              ended_at: {value: 2024-01-01}
              outcome: {value: answered}
              cost: price
    """)
    write(tmp_path, {"calls.csv": "id,take,price\n1,yes,0.001\n2,no,5\n3,yes,1234567890123.5\n"})
    with pytest.raises(DataFileError, match=r"calls.csv:4:price: expected a numeric that calls can hold") as caught:
        load(plan, tmp_path, shared.owner.dsn)
    assert "1234567890123" not in str(caught.value)


def test_the_day_after_the_last_event_is_where_a_replay_shows_everything(databases, tmp_path):
    write(tmp_path, {"log.csv": "id,lead,stage,at\n1,a,lead,2024-02-28 23:59:59.9\n2,a,won,2024-02-03\n"})
    report = load(plan_of(TRANSITIONS), tmp_path, databases.fresh().owner.dsn)
    assert report.as_of == datetime(2024, 2, 29, tzinfo=UTC)


def test_an_import_without_an_event_has_no_moment_to_replay(shared, tmp_path):
    plan = plan_of("""
        sources: {s: {file: channels.csv}}
        relations: [{relation: channels, source: s, columns: {channel_id: id, name: id, kind: {value: paid}}}]
    """)
    assert load(plan, write(tmp_path, {"channels.csv": "id\nsocial\n"}), shared.owner.dsn).as_of is None


def test_a_file_with_a_header_alone_is_no_rows(shared, tmp_path):
    report = load(plan_of(LEADS), write(tmp_path, {"leads.csv": "id,at,origin\n"}), shared.owner.dsn)
    assert report.counts == (Counts("leads", read=0),)


def test_the_exporters_read_only_role_is_refused_with_a_remedy(shared, tmp_path):
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\n"})
    with pytest.raises(ConfigError, match=r"database: this role may not write sales.leads; import as the owner"):
        load(plan_of(LEADS), tmp_path, shared.reader.dsn)


def test_a_database_without_the_contract_is_refused_with_a_remedy(databases, tmp_path):
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\n"})
    with pytest.raises(ConfigError, match=r"sales.leads is not there as in the contract; create it with: sales-"):
        load(plan_of(LEADS), tmp_path, databases.fresh(bare=True).owner.dsn)


def test_a_table_without_its_key_is_refused(databases, tmp_path):
    database = databases.fresh()
    database.execute("ALTER TABLE sales.leads DROP CONSTRAINT leads_pkey")
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\n"})
    with pytest.raises(ConfigError, match=r"sales.leads has no unique key on \(lead_id\)"):
        load(plan_of(LEADS), tmp_path, database.owner.dsn)


def test_a_constraint_of_the_users_own_is_refused_without_the_row(databases, tmp_path):
    database = databases.fresh()
    database.execute("ALTER TABLE sales.leads ADD CONSTRAINT named CHECK (channel_id <> 'canary-4711')")
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,canary-4711\n"})
    with pytest.raises(UsageError, match=r"a constraint of sales.leads that is not of the contract refuses") as caught:
        load(plan_of(LEADS), tmp_path, database.owner.dsn)
    assert "canary" not in str(caught.value)


def test_s1_a_server_that_is_away_is_said_without_the_password(tmp_path):
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\n"})
    dsn = "host=127.0.0.1 port=1 user=nobody password=canary-4711 dbname=none"
    with pytest.raises(ConfigError, match=r"^database: no connection, or it was lost; check the connection") as caught:
        load(plan_of(LEADS), tmp_path, dsn)
    assert "canary" not in str(caught.value)


def test_a_session_that_is_killed_leaves_nothing_behind(databases, tmp_path):
    database = databases.fresh()
    write(tmp_path, {"leads.csv": "id,at,origin\n" + "".join(f"{n},2024-01-01,social\n" for n in range(45_000))})

    def kill(done: int, total: int, what: str) -> None:
        if done < total and "leads.csv" in what:
            with psycopg.connect(database.owner.dsn) as connection:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                   " WHERE datname = current_database() AND pid <> pg_backend_pid()")

    plan = plan_of(LEADS)
    with pytest.raises(ConfigError, match="no connection, or it was lost"):
        import_files(plan, "map.yml", bind(plan, "map.yml", [tmp_path]), database.owner.dsn, kill)
    assert one(database, "SELECT count(*) FROM sales.leads") == 0

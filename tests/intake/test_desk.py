"""The intake on a real database: what got 2xx is written once, whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path

import psycopg
import pytest

from sales_exporter.errors import ConfigError
from sales_exporter.intake.desk import Desk
from sales_exporter.runtime.clock import SystemClock
from tests.support.clocks import until
from tests.support.databases import Databases
from tests.support.intake import bearing, call, deal, emptied, give, open_desk, post, prepared, settings, signed

pytestmark = [pytest.mark.postgres, pytest.mark.process]


async def test_an_event_is_written_with_all_its_columns(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)
    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        answer = await give(address, call(1, lead_id="lead-1", success=True))
        assert (answer.status, json.loads(answer.body)) == (
            202, {"accepted": 1, "duplicate": 0, "ignored": 0, "invalid": 0})
        await emptied(desk)
        report = desk.report
    assert database.rows(
        "SELECT call_id, lead_id, success, cost::text, talk_seconds, "
        "started_at AT TIME ZONE 'UTC' = '2026-03-01 09:00' FROM sales.calls"
    ) == [("call-1", "lead-1", True, "0.250000", 150.0, True)]
    assert report is not None
    assert report.written == {"calls": 1}
    assert (report.waiting, report.bytes, report.oldest) == (0, 0, None)


async def test_the_same_event_is_one_row_set_before_and_after_it_is_written(
    databases: Databases, tmp_path: Path
) -> None:
    database, login = prepared(databases)
    found = settings(tmp_path, login.dsn)
    async with open_desk(found, writes=False) as (desk, address):
        assert (await give(address, call(1))).status == 202
        assert (await give(address, call(1))).status == 200
        desk.start()
        await emptied(desk)
        again = await give(address, call(1))
        assert (again.status, json.loads(again.body)["duplicate"]) == (200, 1)
    async with open_desk(found) as (desk, address):
        # Another process does not remember; the database does.
        assert (await give(address, call(1), call(2))).status == 202
        await emptied(desk)
    assert database.rows("SELECT call_id FROM sales.calls ORDER BY 1") == [("call-1",), ("call-2",)]
    assert database.rows("SELECT event_id FROM sales_intake.events ORDER BY 1") == [("event-1",), ("event-2",)]


async def test_a_deal_is_what_happened_last_in_whatever_order_events_come(
    databases: Databases, tmp_path: Path
) -> None:
    database, login = prepared(databases)
    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        won = deal("b", "2026-03-02T00:00:00Z", status="won", stage="won", closed_at="2026-03-02T00:00:00Z",
                   amount="250.50")
        for event in (won, deal("a", "2026-03-01T00:00:00Z"), won):
            await give(address, event)
            await emptied(desk)
    assert database.rows("SELECT stage, status, amount::text, closed_at IS NOT NULL FROM sales.deals") == [
        ("won", "won", "250.50", True)]


async def test_a_lead_is_revised_by_the_triggers_of_the_contract(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)

    def lead(event: str, at: str, channel: str) -> dict[str, object]:
        return {"id": event, "type": "lead", "occurred_at": at, "data": {
            "lead_id": "l1", "created_at": "2026-01-01T00:00:00Z", "channel_id": channel}}

    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        await give(address, lead("1", "2026-01-01T00:00:00Z", "ads"), lead("2", "2026-01-02T00:00:00Z", "mail"))
        await emptied(desk)
    assert database.rows("SELECT channel_id FROM sales.leads") == [("mail",)]
    assert database.rows("SELECT channel_id FROM sales.lead_revisions ORDER BY revision_id") == [("ads",), ("mail",)]


async def test_a_value_outside_of_the_documented_sets_is_written_for_the_exporter_to_count(
    databases: Databases, tmp_path: Path
) -> None:
    database, login = prepared(databases)
    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        assert (await give(address, call(1, outcome="teleported"))).status == 202
        await emptied(desk)
    assert database.rows("SELECT outcome FROM sales.calls") == [("teleported",)]


async def test_what_the_database_refuses_is_kept_and_holds_nobody_up(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)
    database.execute("ALTER TABLE sales.calls ADD CONSTRAINT own CHECK (outcome <> 'teleported')")
    async with open_desk(settings(tmp_path, login.dsn), writes=False) as (desk, address):
        await give(address, call(1), call(2, outcome="teleported"), call(3))
        desk.start()
        await emptied(desk)
        await until(lambda: desk.report is not None and desk.report.dead_letters == 1)
    assert database.rows("SELECT call_id FROM sales.calls ORDER BY 1") == [("call-1",), ("call-3",)]
    assert database.rows("SELECT source, event_id, accepted, reason FROM sales_intake.dead_letters") == [
        ("signed", "event-2", True, "the database refuses it (CheckViolation)")]


async def test_what_cannot_be_read_is_refused_with_a_reason_and_kept(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)
    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        broken = call(1)
        del broken["data"]["ended_at"]
        body = json.dumps(broken).encode()
        answer = await post(address, "signed", body, signed(body))
        assert answer.status == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.body) == {"type": "about:blank", "title": "Unprocessable Entity", "status": 422,
                                           "detail": "call.data.ended_at: Field required"}
        # A vendor that tries again leaves one letter.
        await post(address, "signed", body, signed(body))
        assert (await post(address, "signed", b"{", signed(b"{"))).status == 400
        await emptied(desk)
        mixed = await give(address, broken, call(2))
        assert (mixed.status, json.loads(mixed.body)) == (
            202, {"accepted": 1, "duplicate": 0, "ignored": 0, "invalid": 1})
        await emptied(desk)
        await until(lambda: desk.report is not None and desk.report.dead_letters == 2)
    kept = database.rows("SELECT accepted, reason, convert_from(payload, 'UTF8') FROM sales_intake.dead_letters "
                         "ORDER BY length(payload)")
    assert kept[0] == (False, "not JSON: Expecting property name enclosed in double quotes at character 1", "{")
    assert json.loads(str(kept[1][2]))["id"] == "event-1"


async def test_who_is_not_known_leaves_nothing(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)
    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        body = json.dumps(call(1)).encode()
        for source, headers in (("signed", {}), ("signed", signed(body, "another")), ("signed", bearing()),
                                ("bearing", {}), ("bearing", bearing("another")), ("bearing", signed(body))):
            answer = await post(address, source, body, headers)
            assert (answer.status, "www-authenticate" in answer.headers) == (401, True)
        assert (await post(address, "bearing", body, bearing())).status == 202
        await emptied(desk)
        report = desk.report
    assert report is not None
    assert report.events["signed", "unauthorized"] == 3
    assert report.events["bearing", "unauthorized"] == 3
    assert database.rows("SELECT count(*) FROM sales_intake.dead_letters") == [(0,)]
    assert database.rows("SELECT count(*) FROM sales.calls") == [(1,)]


async def test_many_requests_share_one_commit(databases: Databases, tmp_path: Path) -> None:
    _, login = prepared(databases)
    async with open_desk(settings(tmp_path, login.dsn), writes=False) as (desk, address):
        answers = await asyncio.gather(*(give(address, call(number)) for number in range(30)))
        assert {answer.status for answer in answers} == {202}
        assert desk._spool is not None
        assert desk._spool.events == 30
        assert desk._spool.commits < 30


async def test_a_missing_right_is_told_once_and_loses_nothing(
    databases: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database, login = prepared(databases)
    database.execute("REVOKE INSERT (call_id) ON sales.calls FROM sales_intake")
    caplog.set_level(logging.WARNING)
    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        assert (await give(address, call(1))).status == 202
        await until(lambda: desk.report is not None and desk.report.errors.get("contract", 0) >= 2)
        database.execute("GRANT INSERT (call_id) ON sales.calls TO sales_intake")
        await emptied(desk)
    assert database.rows("SELECT call_id FROM sales.calls") == [("call-1",)]
    assert [record.message for record in caplog.records].count("the intake waits") == 1
    assert "call-1" not in caplog.text


async def test_a_reload_changes_sources_and_keeps_the_spool(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)
    found = settings(tmp_path, login.dsn)
    async with open_desk(found, writes=False) as (desk, address):
        await give(address, call(1))
        only = settings(tmp_path, login.dsn, {"bearing": {"mapping": "generic", "bearer_file": tmp_path / "token"}})
        desk.adopt(only)
        body = json.dumps(call(2)).encode()
        assert (await post(address, "signed", body, signed(body))).status == 404
        assert (await post(address, "bearing", body, bearing())).status == 202
        off = settings(tmp_path, login.dsn, {})
        desk.adopt(off)
        assert (await post(address, "bearing", body, bearing())).status == 404
        desk.start()
        await emptied(desk)
    assert database.rows("SELECT call_id FROM sales.calls ORDER BY 1") == [("call-1",), ("call-2",)]


@pytest.mark.parametrize(("source", "message"), [
    ({"mapping": "vapy", "bearer_file": "token"}, "intake.sources.one.mapping: no such mapping; there are generic"),
    ({"mapping": "retell", "bearer_file": "token"}, "retell does not prove itself that way; give hmac_secret_file"),
    ({"mapping": "salesforce", "hmac_secret_file": "secret"}, "salesforce does not prove itself that way"),
    ({"mapping": "twilio", "hmac_secret_file": "secret"}, "intake.sources.one.url: not set"),
    ({"mapping": "vapi", "bearer_file": "nothing"}, "No such file or directory (given as intake.sources.one."),
    ({"mapping": "vapi", "bearer_file": "short"}, "shorter than 16 characters"),
    ({"mapping": "vapi"}, "give one of hmac_secret_file and bearer_file"),
    ({"mapping": "vapi", "bearer_file": "token", "colour": "red"}, "intake.sources.one.colour: unknown key"),
])
def test_r18_a_bad_source_is_one_line(source: dict[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("canary")
    given = {key: str(tmp_path / value) if key.endswith("_file") else value for key, value in source.items()}
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        Desk(SystemClock()).adopt(settings(tmp_path, "host=127.0.0.1", {"one": given}))

    assert "canary" not in str(caught.value)


def test_r18_the_intake_needs_a_folder_and_a_database(tmp_path: Path) -> None:
    found = settings(tmp_path, "host=127.0.0.1 password=canary %zz")
    with pytest.raises(ConfigError, match="not a valid PostgreSQL connection string") as caught:
        Desk(SystemClock()).adopt(found)
    assert "canary" not in str(caught.value)
    found = settings(tmp_path, "host=127.0.0.1")
    with pytest.raises(ConfigError, match=r"storage.path: not set"):
        Desk(SystemClock()).adopt(found.model_copy(update={"storage": type(found.storage)()}))


async def test_two_processes_cannot_share_a_spool(tmp_path: Path) -> None:
    found = settings(tmp_path, "host=127.0.0.1")
    async with open_desk(found, writes=False):
        with pytest.raises(ConfigError, match="in use by another process"):
            Desk(SystemClock()).adopt(found)


async def test_old_ids_and_letters_are_deleted_but_not_what_was_accepted(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)
    database.execute("INSERT INTO sales_intake.events VALUES "
                     "('s', 'old', now() - interval '31 days'), ('s', 'new', now())")
    database.execute(
        "INSERT INTO sales_intake.dead_letters (letter_id, source, received_at, accepted, reason, payload) "
        "SELECT n, 's', now() - n * interval '1 hour', n > 18, 'r', '' FROM generate_series(1, 20) AS n")
    async with open_desk(settings(tmp_path, login.dsn, dead_letters=10)) as (desk, _):
        await until(lambda: desk.report is not None and desk.report.dead_letters == 12)
    assert database.rows("SELECT event_id FROM sales_intake.events") == [("new",)]
    assert database.rows("SELECT count(*) FILTER (WHERE accepted) FROM sales_intake.dead_letters") == [(2,)]


def test_s3_the_intake_role_does_nothing_but_write_events(databases: Databases) -> None:
    _, login = prepared(databases)
    forbidden = ["SELECT * FROM sales.calls", "SELECT channel_id FROM sales.leads", "DELETE FROM sales.calls",
                 "UPDATE sales.calls SET outcome = ''", "UPDATE sales.deals SET deal_id = 'x'", "TRUNCATE sales.leads",
                 "INSERT INTO sales.spend VALUES (now(), 'a', 'b', 1, 'EUR')", "CREATE TABLE sales.mine (x int)",
                 "CREATE TABLE sales_intake.mine (x int)", "SELECT pg_read_file('/etc/passwd')",
                 "DROP TABLE sales_intake.events", "INSERT INTO sales.lead_revisions (lead_id) VALUES ('x')"]
    with psycopg.connect(login.dsn, autocommit=True) as connection:
        for statement in forbidden:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
        limits = dict(connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout')").fetchall())
        assert limits == {"statement_timeout": "10000", "lock_timeout": "2000"}
        assert connection.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'sales_intake'").fetchone() == (3,)

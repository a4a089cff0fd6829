"""What a state was made from: told apart after a restore, a truncation, a change of definition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest
from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.ledger.identity import LOGS, Origin, beyond, origin
from sales_exporter.runtime.database import Database
from tests.support.databases import Database as Fresh
from tests.support.databases import Databases

HERE = Origin("7001", 1, 5, False, "10:10:", {"leads": ("r", 100), "calls": ("r", 200), "reps": ("v", None)},
              frozenset({"leads", "calls"}))


@pytest.mark.parametrize("other", [
    pytest.param(replace(HERE, system="7002"), id="another cluster"),
    pytest.param(replace(HERE, timeline=2), id="a failover, or a restore to a point in time"),
    pytest.param(replace(HERE, database=6), id="another database"),
    pytest.param(replace(HERE, files={**HERE.files, "leads": ("r", 101)}), id="truncated"),
    pytest.param(replace(HERE, files={**HERE.files, "leads": ("v", None)}), id="a view now"),
    pytest.param(replace(HERE, files={"calls": ("r", 200)}), id="dropped"),
])
def test_another_origin_has_another_identity(other: Origin) -> None:
    assert other.identity({"leads"}, "x") != HERE.identity({"leads"}, "x")


def test_what_a_source_does_not_read_does_not_matter_and_its_definition_does() -> None:
    elsewhere = replace(HERE, files={**HERE.files, "calls": ("r", 201)}, snapshot="99:99:", standby=True)
    assert elsewhere.identity({"leads"}, "x") == HERE.identity({"leads"}, "x")
    assert HERE.identity({"leads"}, "y") != HERE.identity({"leads"}, "x")


def test_a_standby_and_a_lacking_change_key_are_not_exact_and_say_so() -> None:
    assert HERE.inexact({"leads", "calls"}) == ""
    assert HERE.inexact({"leads", "removals", "deals"}) == "no change key in deals, removals"
    assert replace(HERE, standby=True).inexact({"leads"}) == "a standby does not tell which transactions are running"


def test_relations_without_a_log_are_no_matter_of_exactness() -> None:
    assert HERE.inexact({"leads", "reps", "channels"}) == ""


@pytest.fixture
def base(databases: Databases) -> Fresh:
    return databases.fresh()


@pytest.fixture
async def database(base: Fresh) -> AsyncIterator[Database]:
    found = Database(SecretStr(base.reader.dsn), config.Database())
    yield found
    await found.close()


async def look(database: Database) -> Origin:
    async with database.reader(5) as db:
        return await origin(db)


@pytest.mark.postgres
class TestOnPostgres:
    """Read with the rights of the exporter's role."""

    async def test_the_shipped_schema_has_every_change_key(self, database: Database) -> None:
        found = await look(database)
        assert found.keyed == frozenset(LOGS)
        assert found.inexact(LOGS) == ""
        assert found.snapshot.count(":") == 2
        assert found == replace(await look(database), snapshot=found.snapshot)

    @pytest.mark.parametrize("statement", [
        "TRUNCATE sales.calls", "VACUUM FULL sales.calls",
        "ALTER TABLE sales.calls RENAME TO kept; CREATE VIEW sales.calls AS SELECT * FROM sales.kept",
    ])
    async def test_a_relation_that_became_another_has_another_identity(
        self, base: Fresh, database: Database, statement: str
    ) -> None:
        before = await look(database)
        if statement.startswith("VACUUM"):
            with base_autocommit(base) as connection:
                connection.execute(statement.encode())
        else:
            base.execute(statement)
        after = await look(database)
        assert after.identity({"calls"}, "") != before.identity({"calls"}, "")
        assert after.identity({"leads"}, "") == before.identity({"leads"}, "")

    async def test_a_view_that_hands_the_key_through_has_it(self, base: Fresh, database: Database) -> None:
        base.execute("ALTER TABLE sales.calls RENAME TO kept; CREATE VIEW sales.calls AS SELECT * FROM sales.kept;"
                     " ALTER TABLE sales.deals RENAME TO kept_deals;"
                     " CREATE VIEW sales.deals AS SELECT deal_id, changed_tx::text AS changed_tx FROM sales.kept_deals;"
                     f" GRANT SELECT ON sales.calls, sales.deals TO {base.reader.user}")
        found = await look(database)
        assert "calls" in found.keyed
        assert "deals" not in found.keyed

    @pytest.mark.parametrize("statement", [
        "REVOKE ALL ON sales.removals FROM {role}",
        "REVOKE SELECT (removed_tx) ON sales.removals FROM {role}",
    ])
    async def test_what_the_role_may_not_read_counts_as_missing(
        self, base: Fresh, database: Database, statement: str
    ) -> None:
        before = await look(database)
        base.execute(statement.format(role=base.reader.user))
        after = await look(database)
        assert after.inexact({"leads", "removals"}) == "no change key in removals"
        assert after.inexact({"leads"}) == ""
        async with database.reader(5) as db:
            assert await beyond(db, after.keyed) == []
        assert after.identity({"leads"}, "") == before.identity({"leads"}, "")
        if statement.startswith("REVOKE ALL"):
            assert after.identity({"removals"}, "") != before.identity({"removals"}, "")

    async def test_rows_of_a_restored_dump_lie_beyond(self, base: Fresh, database: Database) -> None:
        base.execute("INSERT INTO sales.leads (lead_id, created_at) VALUES ('a', now())")
        async with database.reader(5) as db:
            assert await beyond(db, LOGS) == []
        base.execute("INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at, recorded_tx)"
                     " VALUES ('t', 'a', 'won', now(), '99999999')")
        base.execute("INSERT INTO sales.touches (touch_id, lead_id, occurred_at, channel_id, kind, recorded_tx)"
                     " VALUES ('t', 'a', now(), 'c', 'k', '99999999')")
        async with database.reader(5) as db:
            assert await beyond(db, LOGS) == ["stage_transitions", "touches"]
            assert await beyond(db, {"stage_transitions", "reps"}) == ["stage_transitions"]
            assert await beyond(db, set()) == []


def base_autocommit(base: Fresh) -> psycopg.Connection[tuple[object, ...]]:
    """VACUUM runs in no transaction."""
    return psycopg.connect(base.owner.dsn, autocommit=True)

"""S3: the exporter's role reads the granted columns and does nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors as pg

from sales_exporter.contract import role_sql
from sales_exporter.contract.relations import RELATIONS
from tests.contract import healthy
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

FORBIDDEN = {
    "insert": "INSERT INTO sales.channels VALUES ('x', 'x', 'x')",
    "update": "UPDATE sales.deals SET amount = 0",
    "delete": "DELETE FROM sales.leads",
    "truncate": "TRUNCATE sales.leads",
    "merge by copy": "COPY sales.channels FROM STDIN",
    "lock for update": "SELECT lead_id FROM sales.leads FOR UPDATE",
    "create table": "CREATE TABLE sales.mine (x int)",
    "create view": "CREATE VIEW sales.mine AS SELECT 1 AS x",
    "create function": "CREATE FUNCTION sales.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "create schema": "CREATE SCHEMA mine",
    "create role": "CREATE ROLE mine",
    "drop": "DROP TABLE sales.leads",
    "alter": "ALTER TABLE sales.leads ADD COLUMN x int",
    "disable trigger": "ALTER TABLE sales.leads DISABLE TRIGGER ALL",
    "grant to itself": "GRANT ALL ON sales.leads TO sales_exporter",
    "become the owner": "SET ROLE postgres",
    "other relation": "SELECT * FROM public.people",
    "other column": "SELECT email FROM sales.leads",
    "whole row": "SELECT to_jsonb(l) FROM sales.leads AS l",
    "sequence": "SELECT nextval('sales.lead_revision_number')",
    "passwords": "SELECT * FROM pg_authid",
    "read file": "SELECT pg_read_file('/etc/passwd')",
    "list folder": "SELECT pg_ls_dir('/')",
    "copy to file": "COPY (SELECT 1) TO '/tmp/sales_exporter_test'",
    "copy from file": "COPY sales.channels FROM '/etc/passwd'",
    "copy to program": "COPY (SELECT 1) TO PROGRAM 'true'",
    "import large object": "SELECT lo_import('/etc/passwd')",
    "change a server setting": "ALTER SYSTEM SET work_mem = '1GB'",
    "stop another session": "SELECT pg_terminate_backend(%(victim)s)",
    "reload": "SELECT pg_reload_conf()",
    "restrict triggers": "SET session_replication_role = replica",
}


@pytest.fixture(scope="module")
def database(databases: Databases) -> Database:
    """Besides the contract: a table of the application, and a column of ours that the contract does not know."""
    fresh = databases.fresh()
    with psycopg.connect(fresh.owner.dsn, autocommit=True) as connection:
        connection.execute(healthy.ROWS.encode())
        connection.execute("CREATE TABLE public.people (email text); ALTER TABLE sales.leads ADD COLUMN email text")
        connection.execute(role_sql().encode())
    return fresh


@pytest.fixture(scope="module")
def reader(database: Database) -> Iterator[psycopg.Connection]:
    """The role's connection, each statement a transaction of its own."""
    with psycopg.connect(database.reader.dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def victim(database: Database) -> Iterator[int]:
    """The server process of somebody else's session."""
    with psycopg.connect(database.owner.dsn) as connection:
        yield connection.info.backend_pid


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN)
@pytest.mark.parametrize("mode", ["READ ONLY", "READ WRITE"])
def test_s3_role_can_only_read_granted_relations(
    reader: psycopg.Connection, victim: int, statement: str, mode: str
) -> None:
    # A client may switch the read-only default off: the grants must hold without it.
    reader.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION {mode}".encode())
    refusals = [pg.InsufficientPrivilege, *([pg.ReadOnlySqlTransaction] if mode == "READ ONLY" else [])]
    with pytest.raises(tuple(refusals)):
        reader.execute(statement.replace("%(victim)s", str(victim)).encode())


def test_s3_role_reads_every_column_of_the_contract(database: Database) -> None:
    with psycopg.connect(database.reader.dsn) as connection:
        for relation in RELATIONS.values():
            columns = ", ".join(column.name for column in relation.columns)
            assert connection.execute(f"SELECT {columns} FROM {relation.full_name}".encode()).fetchall()


def test_s3_role_carries_its_limits(database: Database) -> None:
    with psycopg.connect(database.reader.dsn) as connection:
        settings = dict(connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN ('default_transaction_read_only', 'lock_timeout', "
            "'statement_timeout', 'idle_in_transaction_session_timeout', 'client_connection_check_interval')"
        ).fetchall())
    assert settings == {
        "default_transaction_read_only": "on", "statement_timeout": "30000", "lock_timeout": "1000",
        "idle_in_transaction_session_timeout": "5000", "client_connection_check_interval": "1000",
    }


def test_s3_sixth_connection_is_refused(databases: Databases) -> None:
    database = databases.fresh()
    # The role is the cluster's: a role of its own leaves the connections of other tests out of the count.
    script = role_sql().replace("sales_exporter", "sixth")
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(script.encode())
        connection.execute("ALTER ROLE sixth LOGIN PASSWORD 'p'")
    dsn = psycopg.conninfo.make_conninfo(database.reader.dsn, user="sixth", password="p")
    held = [psycopg.connect(dsn) for _ in range(5)]
    try:
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            psycopg.connect(dsn)
    finally:
        for connection in held:
            connection.close()


def test_role_keeps_login_and_password_when_run_again(database: Database) -> None:
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(role_sql().encode())
    psycopg.connect(database.reader.dsn).close()


def test_role_that_may_do_more_is_refused(databases: Databases) -> None:
    database = databases.fresh()
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS mighty; CREATE ROLE mighty CREATEDB")
        with pytest.raises(pg.InsufficientPrivilege, match="may do more than read"):
            connection.execute(role_sql().replace("sales_exporter", "mighty").encode())


def test_role_is_made_once_by_databases_that_race(databases: Databases) -> None:
    made = [databases.fresh() for _ in range(3)]
    failures: list[psycopg.Error] = []
    creation = role_sql().split("DO $$")[1]

    def create(database: Database) -> None:
        try:
            with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
                connection.execute(("DO $$" + creation.replace("sales_exporter", "racer")).encode())
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=create, args=(database,)) for database in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert made[0].rows("SELECT count(*) FROM pg_roles WHERE rolname = 'racer'") == [(1,)]


def test_grants_name_every_column_of_the_contract() -> None:
    script = role_sql()
    for relation in RELATIONS.values():
        listed = script.split(f'"{relation.name}": [', 1)[1].split("]", 1)[0]
        assert {name.strip().strip('"') for name in listed.split(",")} == {c.name for c in relation.columns}

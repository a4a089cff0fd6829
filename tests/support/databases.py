"""Fresh databases with the data contract, copied from one template so that each test has its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import psycopg
from psycopg import sql

from sales_exporter import contract
from sales_exporter.demo.postgres import Login, Postgres, create_role

READER = "sales_exporter"


@dataclass(frozen=True, slots=True)
class Database:
    """One database: the owner's login (writes) and the exporter's read-only login."""

    owner: Login
    reader: Login

    def execute(self, statement: str, *values: object) -> None:
        """Run one statement as the owner and commit it."""
        with psycopg.connect(self.owner.dsn) as connection:
            connection.execute(statement.encode(), values or None)

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Rows of one statement, as the owner."""
        with psycopg.connect(self.owner.dsn) as connection:
            return connection.execute(statement.encode(), values or None).fetchall()


class Databases:
    """Hands out databases made from a template that holds the shipped schema and role."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._numbers = itertools.count(1)
        self._passing: list[str] = []
        self._admin = postgres.login(database="postgres")
        self._make("contract_template", None)
        owner = postgres.login(database="contract_template")
        with psycopg.connect(owner.dsn, autocommit=True) as connection:
            connection.execute(contract.schema_sql().encode())
        create_role(owner, contract.role_sql(), READER, "reader-password")

    def fresh(self, *, bare: bool = False, lasting: bool = False) -> Database:
        """A new database with the contract's schema, or an empty one. One that is ``lasting`` outlives its module."""
        name = f"test_{next(self._numbers)}"
        self._make(name, None if bare else "contract_template")
        if not lasting:
            self._passing.append(name)
        return Database(
            self._postgres.login(database=name),
            self._postgres.login(READER, "reader-password", name),
        )

    def sweep(self) -> None:
        """Drop those that do not last. Most of what is dropped soon has never got to the disk."""
        with psycopg.connect(self._admin.dsn, autocommit=True) as connection:
            self._passing = [name for name in self._passing if not _dropped(connection, name)]

    def _make(self, name: str, template: str | None) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0"))
        with psycopg.connect(self._admin.dsn, autocommit=True) as connection:
            connection.execute(statement)


def _dropped(connection: psycopg.Connection, name: str) -> bool:
    """Whether it is gone. Where a backend takes more than five seconds to end, the next sweep tries again."""
    try:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    except psycopg.errors.ObjectInUse:
        return False
    return True

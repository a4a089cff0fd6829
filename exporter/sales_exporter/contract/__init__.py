"""The data contract: what the exporter reads from PostgreSQL, as DDL, as typed data, and as a checker."""

from __future__ import annotations

from importlib.resources import files

ROLE = "sales_exporter"
"""Name of the read-only role that ``role.sql`` makes."""
RECORDER_ROLE = "sales_recorder"
"""Name of the writing role that ``recorder_role.sql`` makes."""


def schema_sql() -> str:
    """The DDL of the contract: relations, keys, triggers and indexes. Running it again changes nothing."""
    return _text("schema.sql")


def role_sql() -> str:
    """The read-only role with its limits and grants; to be run in each database that holds the contract."""
    return _text("role.sql")


def recorder_role_sql() -> str:
    """The role of an application's recorders, which adds rows to four relations and reads none."""
    return _text("recorder_role.sql")


def intake_sql() -> str:
    """The tables that the webhook intake keeps beside the contract. Running it again changes nothing."""
    return _text("intake.sql")


def intake_role_sql() -> str:
    """The role that the webhook intake writes with."""
    return _text("intake_role.sql")


def templates() -> dict[str, str]:
    """Names of the view templates with the first line of each, which says what it maps."""
    folder = files(__name__).joinpath("templates")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {name.removesuffix(".sql"): _text(f"templates/{name}").partition("\n")[0][3:] for name in names}


def template_sql(name: str) -> str:
    """One view template.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in templates():
        raise KeyError(name)
    return _text(f"templates/{name}.sql")


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")

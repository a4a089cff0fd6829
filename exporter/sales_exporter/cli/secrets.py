"""``secrets``: random passwords for docker compose, in files that nobody else can read."""

from __future__ import annotations

import os
import secrets as random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from sales_exporter.errors import ConfigError

HOST, DATABASE, OWNER, READER, RECORDER = "postgres", "sales", "postgres", "sales_exporter", "sales_recorder"
BYTES = 32

Recipe = Callable[[Mapping[str, str]], str]


def _password(known: Mapping[str, str]) -> str:
    del known
    return random.token_urlsafe(BYTES)


def _dsn(user: str, password: str) -> Recipe:
    return lambda known: psycopg.conninfo.make_conninfo(
        host=HOST, port=5432, dbname=DATABASE, user=user, password=known[password])


FILES: dict[str, Recipe] = {
    "postgres_password": _password,
    "reader_password": _password,
    "recorder_password": _password,
    "webhook_secret": _password,
    "grafana_admin_password": _password,
    "grafana_secret_key": _password,
    "admin_dsn": _dsn(OWNER, "postgres_password"),
    "database_dsn": _dsn(READER, "reader_password"),
    "recorder_dsn": _dsn(RECORDER, "recorder_password"),
}
"""File names and what is written into them, in this order: a connection string needs its password first."""


def secrets(
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path("secrets"),
) -> None:
    """Write random passwords and the connection strings made of them, one file each, mode 0600.

    Files that exist are left alone, so that a second run changes nothing and an own database_dsn stays.
    """
    try:
        made = write(out)
    except UnicodeDecodeError:
        raise ConfigError(f"--out {out}: a file in it is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"--out {error.filename or out}: {error.strerror}") from None
    typer.echo(f"{out}: wrote {', '.join(made)}" if made else f"{out}: all {len(FILES)} files exist, nothing changed")


def write(folder: Path) -> list[str]:
    """Create the missing files in ``folder`` and return their names.

    Raises:
        OSError: the folder or a file cannot be created or read.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known: dict[str, str] = {}
    made: list[str] = []
    for name, recipe in FILES.items():
        path = folder / name
        if path.exists():
            known[name] = path.read_text("utf-8").strip()
            continue
        known[name] = recipe(known)
        # Never readable by others, not even for a moment, and never over a file that has just appeared.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(known[name])
        made.append(name)
    return made

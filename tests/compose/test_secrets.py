"""``sales-exporter secrets``: random, readable by nobody else, and never written over."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import typer

from sales_exporter.cli.secrets import FILES, secrets, write
from sales_exporter.errors import ConfigError

PASSWORDS = ("postgres_password", "reader_password", "recorder_password", "webhook_secret", "grafana_admin_password",
             "grafana_secret_key")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_files_are_readable_by_their_owner_alone(tmp_path: Path):
    folder = tmp_path / "secrets"
    write(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert set(contents(folder)) == set(FILES)


def test_passwords_are_long_and_all_different(tmp_path: Path):
    write(tmp_path / "one")
    write(tmp_path / "two")
    found = [contents(tmp_path / folder)[name] for folder in ("one", "two") for name in PASSWORDS]
    assert len(set(found)) == len(found)
    assert all(len(password) >= 40 and not password.endswith("\n") for password in found)


def test_connection_strings_carry_the_passwords_of_their_roles(tmp_path: Path):
    write(tmp_path)
    found = contents(tmp_path)
    admin = psycopg.conninfo.conninfo_to_dict(found["admin_dsn"])
    reader = psycopg.conninfo.conninfo_to_dict(found["database_dsn"])
    assert (admin["user"], admin["password"]) == ("postgres", found["postgres_password"])
    assert (reader["user"], reader["password"]) == ("sales_exporter", found["reader_password"])
    recorder = psycopg.conninfo.conninfo_to_dict(found["recorder_dsn"])
    assert (reader["host"], reader["dbname"]) == ("postgres", "sales")
    assert (recorder["user"], recorder["password"]) == ("sales_recorder", found["recorder_password"])


def test_second_run_changes_nothing(tmp_path: Path):
    assert write(tmp_path) == list(FILES)
    before = contents(tmp_path)
    assert write(tmp_path) == []
    assert contents(tmp_path) == before


def test_an_own_connection_string_stays(tmp_path: Path):
    own = "host=db.example dbname=crm user=reader password=mine"
    (tmp_path / "database_dsn").write_text(own)
    assert "database_dsn" not in write(tmp_path)
    assert (tmp_path / "database_dsn").read_text() == own


def test_what_is_missing_is_made_to_fit_what_is_there(tmp_path: Path):
    write(tmp_path)
    password = (tmp_path / "reader_password").read_text()
    (tmp_path / "database_dsn").unlink()
    assert write(tmp_path) == ["database_dsn"]
    assert psycopg.conninfo.conninfo_to_dict((tmp_path / "database_dsn").read_text())["password"] == password


def test_a_folder_that_cannot_be_made_is_named_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as told:
        secrets(tmp_path / "file" / "secrets")
    assert str(tmp_path / "file" / "secrets") in str(told.value)
    assert "\n" not in str(told.value)


def test_a_run_names_files_and_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    app = typer.Typer()
    app.command()(secrets)
    secrets(tmp_path)
    said = capsys.readouterr().out
    assert "reader_password" in said
    assert not any(contents(tmp_path)[name] in said for name in PASSWORDS)

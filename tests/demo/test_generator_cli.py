"""``generate`` on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from sales_exporter.cli.generate import generate
from sales_exporter.errors import ConfigError, UsageError
from tests.support.databases import Database, Databases

app = typer.Typer()
app.command()(generate)


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALES_EXPORTER_DATABASE_DSN", raising=False)
    monkeypatch.delenv("SALES_EXPORTER_DATABASE_DSN_FILE", raising=False)


def run(*arguments: str) -> Result:
    """The result of a run; an error for the user is its exception."""
    return CliRunner().invoke(app, arguments)


def test_the_truth_alone_needs_no_database(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    result = run("--truth", str(path), "--leads", "200", "--days", "20", "--until", "2026-03-01")
    assert result.exit_code == 0
    assert json.loads(path.read_text())["until"] == "2026-03-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no database; give --dsn-file"),
        (("--live",), "no database; give --dsn-file"),
        (("--truth", "t.json", "--until", "soon"), "--until: expected a date"),
        (("--truth", "t.json", "--incident", "latency_spike:ai:1"), "--incident needs --live"),
        (("--dsn-file", "/nowhere/owner.dsn"), "/nowhere/owner.dsn"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, UsageError)
    assert message in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("text", ["fire:ai:1", "latency_spike:ai", "latency_spike:ai:long", "latency_spike:ai:-1"])
def test_a_malformed_incident_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dsn"
    path.write_text("host=127.0.0.1 port=1 user=nobody dbname=sales")
    error = run("--live", "--dsn-file", str(path), "--incident", text).exception
    assert isinstance(error, ConfigError)
    assert "--incident" in str(error)


@pytest.mark.postgres
def test_it_loads_refuses_to_load_again_and_replaces(databases: Databases, tmp_path: Path) -> None:
    database, path = databases.fresh(), tmp_path / "owner.dsn"
    path.write_text(database.owner.dsn)
    size = ("--dsn-file", str(path), "--leads", "150", "--days", "14")
    loaded = run(*size)
    assert loaded.exit_code == 0, loaded.exception
    assert "loaded" in loaded.stderr
    assert loaded.stdout == ""
    assert database.rows("SELECT count(*) FROM sales.leads") == [(150,)]
    assert "--replace" in str(run(*size).exception)
    assert run(*size[:3], "90", "--replace").exit_code == 0
    assert database.rows("SELECT count(*) FROM sales.leads") == [(90,)]


@pytest.mark.postgres
def test_live_stops_cleanly_on_a_signal(databases: Databases, tmp_path: Path) -> None:
    database, path = databases.fresh(), tmp_path / "owner.dsn"
    path.write_text(database.owner.dsn)
    assert run("--dsn-file", str(path), "--leads", "150", "--days", "14").exit_code == 0
    program = "import typer; from sales_exporter.cli.generate import generate; typer.run(generate)"
    with subprocess.Popen(
        [sys.executable, "-c", program, "--live", "--dsn-file", str(path), "--speed", "500"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stderr is not None
        assert "going on" in process.stderr.readline()
        _wait_for_a_live_row(database)
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest.strip() == "generate: stopped"


def _wait_for_a_live_row(database: Database) -> None:
    # The server waits, not we: it looks again until a live row is there.
    database.execute("""
        DO $$ BEGIN
            FOR tries IN 1..200 LOOP
                IF EXISTS (SELECT FROM sales.leads WHERE lead_id LIKE 'L-%') THEN RETURN; END IF;
                PERFORM pg_sleep(0.1);
            END LOOP;
            RAISE EXCEPTION 'no live row within 20 s';
        END $$""")

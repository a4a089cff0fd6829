"""``sales-exporter import`` as its user meets it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sales_exporter.cli import main
from sales_exporter.importer import example
from tests.importer.support import DATA, write
from tests.support.databases import Databases

MAP = """
sources: {s: {file: leads.csv}}
relations: [{relation: leads, source: s, columns: {lead_id: id, created_at: at, channel_id: origin}}]
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Runs ``sales-exporter import`` and returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("SALES_EXPORTER_DATABASE_DSN", "SALES_EXPORTER_DATABASE_DSN_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sales-exporter", "import", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        return status, *capsys.readouterr()

    return run


def test_a_template_is_printed_without_anything_else(run):
    status, out, err = run("--map-template", "deals")
    assert (status, err) == (0, "")
    assert "      amount: AMOUNT" in out


def test_without_a_map_it_says_how_to_get_one(run):
    status, _, err = run("leads.csv")
    assert status == 2
    assert err.strip().endswith("--map-template RELATION prints a map to start from")


def test_without_a_database_it_says_how_to_name_one(run, tmp_path):
    write(tmp_path, {"leads.csv": "id,at,origin\n", "map.yml": MAP})
    status, _, err = run("leads.csv", "--map", "map.yml")
    assert (status, err.strip()) == (
        2, "sales-exporter: import: no database; give --dsn-file or set SALES_EXPORTER_DATABASE_DSN")


def test_files_are_checked_without_a_database(run, tmp_path):
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\n", "map.yml": MAP})
    status, out, _ = run("leads.csv", "--map", "map.yml", "--check")
    assert status == 0
    assert out.splitlines() == ["leads                        1 rows",
                                "checked, nothing was written; keys that repeat are found only with a database"]


def test_a_malformed_file_ends_with_one_line_and_status_2(run, tmp_path):
    write(tmp_path, {"leads.csv": "id,at,origin\na,canary-4711,social\n", "map.yml": MAP})
    status, out, err = run("leads.csv", "--map", "map.yml", "--check")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == (
        "sales-exporter: leads.csv:2:at: expected a date or time, e.g. 2024-12-31 or 2024-12-31 17:30:00")
    assert "canary" not in err
    assert "Traceback" not in err


def test_a_warning_goes_to_standard_error(run, tmp_path):
    write(tmp_path, {"calls.csv": "id\n1\n", "map.yml": """
sources: {s: {file: calls.csv}}
relations:
  - relation: reps
    source: s
    columns: {rep_id: id, display_name: id, kind: {value: robot}, active_from: {value: 2024-01-01}}
"""})
    status, out, err = run("calls.csv", "--map", "map.yml", "--check")
    assert status == 0
    assert "warning: reps.kind: 1 rows hold a value outside human, ai; they are loaded as they are" in err
    assert "warning" not in out


@pytest.mark.postgres
def test_a_folder_is_imported_and_again_without_a_change(run, tmp_path, databases: Databases):
    database = databases.fresh()
    (tmp_path / "dsn").write_text(database.owner.dsn + "\n")
    command = (DATA / "olist", "--map", example("olist").map_file, "--dsn-file", "dsn")
    status, out, _ = run(*command)
    assert status == 0
    assert "leads                        8 rows, 8 added, 0 changed, 0 already there" in out.splitlines()
    assert out.splitlines()[-1].endswith("--as-of=2018-03-05T00:00:00+00:00")
    status, out, _ = run(*command)
    assert "leads                        8 rows, 0 added, 0 changed, 8 already there" in out.splitlines()


@pytest.mark.postgres
def test_a_check_with_a_database_finds_repeated_keys_and_writes_nothing(run, tmp_path, databases, monkeypatch):
    database = databases.fresh()
    write(tmp_path, {"map.yml": MAP, "leads.csv": "id,at,origin\na,2024-01-01,social\na,2024-01-02,social\n"})
    monkeypatch.setenv("SALES_EXPORTER_DATABASE_DSN", database.owner.dsn)
    status, _, err = run("leads.csv", "--map", "map.yml", "--check")
    assert status == 2
    assert "leads.csv:3:lead_id: expected one content for each key" in err
    write(tmp_path, {"leads.csv": "id,at,origin\na,2024-01-01,social\n"})
    status, out, _ = run("leads.csv", "--map", "map.yml", "--check")
    assert (status, out.splitlines()[-1]) == (0, "checked, nothing was written")
    assert database.rows("SELECT count(*) FROM sales.leads") == [(0,)]


def test_s1_a_broken_connection_string_is_refused_without_being_shown(run, tmp_path):
    write(tmp_path, {"leads.csv": "id,at,origin\n", "map.yml": MAP, "dsn": "postgres://u:canary-4711%zz@h/d"})
    status, out, err = run("leads.csv", "--map", "map.yml", "--dsn-file", "dsn")
    assert status == 2
    assert err.startswith("sales-exporter: dsn: not a valid PostgreSQL connection string")
    assert "canary" not in out + err

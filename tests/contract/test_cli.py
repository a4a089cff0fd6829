"""``schema`` and ``check`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from sales_exporter.cli import contract as commands
from sales_exporter.contract import role_sql, schema_sql, template_sql, templates
from sales_exporter.errors import ConfigError, UsageError
from tests.contract import healthy
from tests.contract.psql import psql
from tests.support.databases import Database, Databases

app = typer.Typer()
app.command()(commands.schema)
app.command()(commands.check)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def printed(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    return result.output


def test_schema_prints_the_ddl_and_nothing_else() -> None:
    assert printed("schema") == schema_sql()
    assert printed("schema", "--role") == role_sql()


@pytest.mark.parametrize("name", templates())
def test_schema_prints_a_template(name: str) -> None:
    assert printed("schema", "--template", name) == template_sql(name)


def test_schema_lists_its_templates() -> None:
    lines = printed("schema", "--templates").splitlines()
    assert [line.split()[0] for line in lines] == list(templates())


@pytest.mark.parametrize(
    ("arguments", "words"), [
        (("--role", "--alter"), "give one of"),
        (("--table", "leads"), "--table goes with --alter"),
        (("--template", "pipedrive"), "expected one of erpnext, frappe"),
        (("--template", "../schema"), "expected one of"),
        (("--alter", "--table", "reps"), "expected one of leads"),
    ],
)
def test_schema_refuses_what_makes_no_sense(arguments: tuple[str, ...], words: str) -> None:
    error = run("schema", *arguments).exception
    assert isinstance(error, UsageError)
    assert words in str(error)


@pytest.mark.postgres
def test_everything_that_schema_prints_can_be_piped_into_psql(databases: Databases) -> None:
    database = databases.fresh(bare=True)
    for arguments in ([], ["--role"], ["--alter"], []):
        psql(database, printed("schema", *arguments))
    assert database.rows("SELECT count(*) FROM sales.leads") == [(0,)]


@pytest.fixture
def database(databases: Databases) -> Database:
    fresh = databases.fresh()
    with psycopg.connect(fresh.owner.dsn, autocommit=True) as connection:
        connection.execute(healthy.ROWS.encode())
    return fresh


@pytest.fixture
def dsn_file(database: Database, tmp_path: Path) -> str:
    path = tmp_path / "dsn"
    path.write_text(database.reader.dsn)
    return str(path)


@pytest.mark.postgres
def test_check_of_a_healthy_database_ends_with_0(dsn_file: str) -> None:
    assert printed("check", "--database.dsn-file", dsn_file) == (
        "The contract holds: 17 relations checked, nothing found.\n")


@pytest.mark.postgres
def test_check_with_errors_ends_with_1(database: Database, dsn_file: str) -> None:
    database.execute("ALTER TABLE sales.deals DROP COLUMN stage CASCADE")
    result = run("check", "--database.dsn-file", dsn_file, "--format", "json")
    assert result.exit_code == 1
    (finding,) = json.loads(result.output)["findings"]
    assert (finding["code"], finding["relation"]) == ("column_missing", "deals")


@pytest.mark.postgres
def test_check_reads_the_stages_of_the_configuration(dsn_file: str, tmp_path: Path) -> None:
    config = tmp_path / "sales-exporter.yml"
    config.write_text("business: {stages: [{name: start}, {name: won, kind: won}]}\n")
    result = run("check", "--config.file", str(config), "--database.dsn-file", dsn_file)
    assert result.exit_code == 1
    assert "[unknown_stage]" in result.output


@pytest.mark.parametrize(
    ("config", "words"), [
        ("business: {stage: []}", "business.stage: unknown key"),
        ("collectors: {funel: {enabled: true}}\ndatabase: {dsn: host=::1}", "collectors.funel: no such collector"),
        ("as_of: yesterday", "as_of: expected"),
        ("web: {config_file: /nowhere/web.yml}", "/nowhere/web.yml"),
        ("log: {level: info}", "not set; check needs a database"),
    ],
)
def test_check_of_an_unusable_configuration_is_a_usage_error(tmp_path: Path, config: str, words: str) -> None:
    path = tmp_path / "config.yml"
    path.write_text(config)
    error = run("check", "--config.file", str(path)).exception
    assert isinstance(error, ConfigError)
    assert words in str(error)


@pytest.mark.postgres
def test_no_value_of_a_row_is_ever_printed(database: Database, dsn_file: str) -> None:
    canary = "canary-7f3a"
    with psycopg.connect(database.owner.dsn, autocommit=True) as connection:
        connection.execute(f"""
            INSERT INTO sales.deals (deal_id, lead_id, rep_id, stage, status, amount, currency, lost_reason)
            VALUES ('{canary}', '{canary}', '{canary}', '{canary}', '{canary}', 1, '{canary}', '{canary}');
            INSERT INTO sales.stage_transitions (transition_id, lead_id, to_stage, occurred_at)
            VALUES ('{canary}', '{canary}', '{canary}', now() + interval '1 day');
            INSERT INTO sales.api_requests VALUES ('{canary}', now(), '/{canary}@x', '{canary}', 200, 'NaN');
        """.encode())
    result = run("check", "--database.dsn-file", dsn_file)
    assert result.exit_code == 1
    assert "[unknown_value]" in result.output
    assert canary not in result.output

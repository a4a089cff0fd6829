"""``sales-exporter replay`` and the intake's SQL at the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sales_exporter import contract
from tests.contract.psql import psql
from tests.support.clocks import until
from tests.support.databases import Databases
from tests.support.intake import call, emptied, give, open_desk, post, prepared, settings, signed

pytestmark = [pytest.mark.postgres, pytest.mark.process]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sales_exporter", *arguments], cwd=folder, capture_output=True,
                          text=True, timeout=60, check=False)


def configured(folder: Path) -> None:
    folder.joinpath("sales-exporter.yml").write_text(json.dumps({
        "storage": {"path": "state"},
        "intake": {"dsn_file": "dsn", "sources": {"signed": {"mapping": "generic", "hmac_secret_file": "secret"}}}}))


async def test_letters_are_listed_and_written_once_when_the_cause_is_gone(databases: Databases, tmp_path: Path) -> None:
    database, login = prepared(databases)
    database.execute("ALTER TABLE sales.calls ADD CONSTRAINT own CHECK (outcome <> 'teleported')")
    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        await give(address, call(1, outcome="teleported"))
        broken = json.dumps({"id": "b", "type": "nothing"}).encode()
        await post(address, "signed", broken, signed(broken))
        await emptied(desk)
        await until(lambda: desk.report is not None and desk.report.dead_letters == 2)
    configured(tmp_path)
    listed = run(tmp_path, "replay")
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == 2
    assert "the database refuses it (CheckViolation)" in listed.stdout
    assert "Input tag 'nothing'" in listed.stdout
    again = run(tmp_path, "replay", "--all")
    assert (again.returncode, again.stdout.splitlines()[0]) == (1, "0 written, 2 failed again")
    assert "trying letters: 2 of 2" in again.stderr
    assert database.rows("SELECT DISTINCT attempts FROM sales_intake.dead_letters") == [(1,)]
    database.execute("ALTER TABLE sales.calls DROP CONSTRAINT own")
    ((letter,),) = database.rows("SELECT letter_id FROM sales_intake.dead_letters WHERE accepted")
    one = run(tmp_path, "replay", "--id", str(letter))
    assert (one.returncode, one.stdout) == (0, "1 written, 0 failed again\n")
    assert database.rows("SELECT call_id, outcome FROM sales.calls") == [("call-1", "teleported")]
    assert database.rows("SELECT accepted FROM sales_intake.dead_letters") == [(False,)]
    # The vendor sends it once more: it is known.
    async with open_desk(settings(tmp_path, login.dsn)) as (desk, address):
        await give(address, call(1, outcome="teleported"))
        await emptied(desk)
    assert database.rows("SELECT count(*) FROM sales.calls") == [(1,)]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--all", "--id", "x"], "give --all or --id, not both"), (["--id", "x"], "--id x: no such dead letter"),
])
def test_replay_says_in_one_line_what_is_wrong(
    databases: Databases, tmp_path: Path, arguments: list[str], message: str
) -> None:
    _, login = prepared(databases)
    settings(tmp_path, login.dsn)
    configured(tmp_path)
    done = run(tmp_path, "replay", *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr


def test_replay_tells_a_database_without_the_intakes_tables(databases: Databases, tmp_path: Path) -> None:
    database = databases.fresh()
    settings(tmp_path, database.owner.dsn)
    configured(tmp_path)
    done = run(tmp_path, "replay")
    assert (done.returncode, "run: sales-exporter schema --intake" in done.stderr) == (2, True)
    assert run(tmp_path, "replay", "--help").stdout.count("Exit status: 0") == 1


def test_the_intakes_sql_is_printed_and_may_be_run_again(databases: Databases, tmp_path: Path) -> None:
    assert run(tmp_path, "schema", "--intake").stdout == contract.intake_sql()
    assert run(tmp_path, "schema", "--intake-role").stdout == contract.intake_role_sql()
    assert run(tmp_path, "schema", "--intake", "--role").returncode == 2
    database = databases.fresh()
    for _ in range(2):
        psql(database, contract.intake_sql() + contract.intake_role_sql(), "--single-transaction")
    assert database.rows("SELECT count(*) FROM pg_roles WHERE rolname = 'sales_intake'") == [(1,)]

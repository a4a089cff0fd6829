"""``audit`` on the command line: what it says, and the exit status that a program acts on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sales_exporter.cli import main
from sales_exporter.ledger.store import FILE, Store
from tests.ledger.test_ledger import GROUND, MOVE, NOW, Life
from tests.support.databases import Database, Databases

pytestmark = pytest.mark.postgres

Run = Callable[..., int]


@pytest.fixture
def base(databases: Databases) -> Database:
    found = databases.fresh()
    found.execute(GROUND)
    return found


@pytest.fixture
def folder(base: Database, tmp_path: Path) -> Path:
    """The folder of a filled state."""
    asyncio.run(lived(base.reader.dsn, tmp_path / "state"))
    return tmp_path / "state"


async def lived(dsn: str, folder: Path, filled: bool = True) -> None:
    life = Life(dsn, folder)
    await (life.step() if filled else life.fold())
    await life.close()


@pytest.fixture
def audit(base: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    secret = tmp_path / "dsn"
    secret.write_text(base.reader.dsn)
    secret.chmod(0o600)

    def run(*flags: object, dsn: Path = secret) -> int:
        arguments = ["sales-exporter", "audit", f"--database.dsn-file={dsn}", *map(str, flags)]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def spoilt(folder: Path, cube: str = "cells_open") -> None:
    with closing(sqlite3.connect(folder / FILE)) as db, db:
        db.execute(f"UPDATE {cube} SET n = n + 1 WHERE key = (SELECT min(key) FROM {cube})")


def test_a_sound_state_is_status_0_and_a_line_for_each_source(
    audit: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(f"--storage.path={folder}") == 0
    out, err = capsys.readouterr()
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines.keys() >= {"calls", "leads"}
    assert lines["leads"].endswith("cells compared, 0 differ")
    assert "auditing leads: 1 of 1" in err


def test_a_wrong_cell_is_status_1_and_named(audit: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt(folder)
    assert audit(f"--storage.path={folder}") == 1
    out = capsys.readouterr().out
    assert "1 differ (open 1)" in out
    assert "Remove the state while the exporter is stopped" in out


@pytest.mark.parametrize("wrong", [0, 1])
def test_programs_are_told_in_json(audit: Run, folder: Path, wrong: int, capsys: pytest.CaptureFixture[str]) -> None:
    if wrong:
        spoilt(folder)
    assert audit(f"--storage.path={folder}", "--format=json") == wrong
    facts = {one["source"]: one for one in json.loads(capsys.readouterr().out)}
    assert facts["leads"]["different"] == wrong
    assert facts["leads"]["cubes"] == ({"open": 1} if wrong else {})
    assert facts["leads"]["compared"] > 100


def test_it_audits_as_of_the_mark_whatever_came_since(
    audit: Run, base: Database, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base.execute(MOVE + "VALUES ('n', 'l1', 'lost', '2024-05-12'); DELETE FROM sales.leads WHERE lead_id = 'l2'")
    assert audit(f"--storage.path={folder}") == 0
    assert "0 differ" in capsys.readouterr().out


def test_it_works_while_an_exporter_folds(audit: Run, base: Database, folder: Path) -> None:
    async def during() -> int:
        life = Life(base.reader.dsn, folder)
        await life.step(NOW + 10)
        auditing = asyncio.create_task(asyncio.to_thread(audit, f"--storage.path={folder}"))
        number = 0
        while not auditing.done():
            number += 1
            await asyncio.to_thread(base.execute, MOVE + "VALUES (%s, 'l1', 'lost', '2024-05-12')", f"n{number}")
            await life.step(NOW + 10 + number)
        assert set((await life.wrong()).values()) == {0}
        await life.close()
        return auditing.result()

    assert asyncio.run(during()) == 0


def test_the_state_is_left_as_it_was(audit: Run, folder: Path) -> None:
    before = (folder / FILE).read_bytes()
    audit(f"--storage.path={folder}")
    assert (folder / FILE).read_bytes() == before
    Store(folder, []).close()


class TestWhatCannotBeTold:
    """Status 2 and one line."""

    def test_no_folder(self, audit: Run, capsys: pytest.CaptureFixture[str]) -> None:
        assert audit() == 2
        assert capsys.readouterr().err == (
            "sales-exporter: audit: give --storage.path, the folder that serve keeps its state in\n")

    def test_no_state(self, audit: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert audit(f"--storage.path={tmp_path}/none") == 2
        assert capsys.readouterr().err == (
            f"sales-exporter: storage.path {tmp_path}/none: holds no state; start serve with it first\n")

    def test_a_damaged_state(self, audit: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / FILE).write_text("no state")
        assert audit(f"--storage.path={folder}") == 2
        assert capsys.readouterr().err.startswith(f"sales-exporter: {folder / FILE}: ")

    def test_a_state_of_another_release(self, audit: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with closing(sqlite3.connect(folder / FILE)) as db, db:
            db.execute("DROP TABLE cells_open")
        assert audit(f"--storage.path={folder}") == 2
        assert f"{folder}: a state of another release (no such table: cells_open)" in capsys.readouterr().err

    def test_a_state_of_another_database(
        self, audit: Run, databases: Databases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asyncio.run(lived(databases.fresh().reader.dsn, tmp_path / "other"))
        assert audit(f"--storage.path={tmp_path}/other") == 2
        err = capsys.readouterr().err
        assert f"{tmp_path}/other: the state of" in err
        assert "leads" in err
        assert "is of another database or definition" in err

    def test_a_state_that_is_being_filled(
        self, audit: Run, base: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asyncio.run(lived(base.reader.dsn, tmp_path / "half", filled=False))
        assert audit(f"--storage.path={tmp_path}/half") == 2
        assert "is being filled; audit it when that is done" in capsys.readouterr().err

    def test_a_database_that_is_away(
        self, audit: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        nowhere = tmp_path / "nowhere"
        nowhere.write_text("host=127.0.0.1 port=1 user=u password=hunter2 dbname=d")
        assert audit(f"--storage.path={folder}", dsn=nowhere) == 2
        err = capsys.readouterr().err
        assert err.startswith("sales-exporter: audit: cannot connect to the database")
        assert "hunter2" not in err


@pytest.mark.process
def test_a_second_exporter_on_the_same_state_ends_with_status_2_and_one_line(tmp_path: Path) -> None:
    owner = Store(tmp_path / "state", [])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sales_exporter", "serve", "--web.listen-address=127.0.0.1:0",
             f"--storage.path={tmp_path}/state", "--log.level=error"],
            capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    finally:
        owner.close()
    assert (done.returncode, done.stderr) == (
        2, f"sales-exporter: storage.path {tmp_path}/state: in use by another process; give each its own\n")

"""The state on disk: a step is whole or not at all, a damaged file costs a fill and nothing else."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sales_exporter.errors import ConfigError
from sales_exporter.ledger.cube import Layout, Tally
from sales_exporter.ledger.store import FILE, Commit, Mark, Store
from sales_exporter.ledger.tables import FORMAT

PLAN = Layout("plan", ("hour", "stage"))
MARK = Mark("identity", "10:20:11,12", 1700.25, ((None, "m"), ("m", None)), 1)
ROOT = Path(__file__).resolve().parents[2]


def tally(counts: dict[int, int]) -> Tally:
    return Tally.of(np.array(list(counts), dtype=np.int64), np.array(list(counts.values()), dtype=np.int64))


FIRST = Commit("leads", MARK, {"plan": tally({1: 5, 2: 7})}, [(1, "email")], [(50.0, "a"), (60.0, "b")], [],
               (0, {"plan": tally({1: 5})}), {}, [(1, b"path")])
SECOND = Commit("leads", Mark("identity", "30:30:", 1800.0), {"plan": tally({1: -5, 2: 1, 9: 3})}, [(2, "paid")],
                [(70.0, "c")], ["a"], (0, {"plan": tally({9: 3})}), {}, [(2, b"more")])


def contents(store: Store) -> dict[str, object]:
    return {
        "mark": store.mark("leads"), "cells": cells(store), "names": store.names(), "paths": store.paths(),
        "due": sorted(store.due("leads", 1e12)),
        "part": {name: one.keys.tolist() for name, one in store.part_cells("leads", 0).items()},
    }


def cells(store: Store) -> dict[int, int]:
    found = store.cells(PLAN)
    return dict(zip(found.keys.tolist(), found.counts.tolist(), strict=True))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path, [PLAN])
    yield found
    found.close()


def reopened(folder: Path) -> dict[str, object]:
    store = Store(folder, [PLAN])
    try:
        assert store.set_aside is None
        return contents(store)
    finally:
        store.close()


BEFORE = {"mark": FIRST.mark, "cells": {1: 5, 2: 7}, "names": [(1, "email")], "paths": [(1, b"path")],
          "due": ["a", "b"], "part": {"plan": [1]}}
AFTER = {"mark": SECOND.mark, "cells": {2: 8, 9: 3}, "names": [(1, "email"), (2, "paid")],
         "paths": [(1, b"path"), (2, b"more")], "due": ["b", "c"], "part": {"plan": [9]}}


def test_what_is_committed_is_there_after_a_restart(store: Store, tmp_path: Path) -> None:
    assert contents(store)["mark"] is None
    store.commit(FIRST)
    assert contents(store) == BEFORE
    store.commit(SECOND)
    store.close()
    assert reopened(tmp_path) == AFTER


def test_a_step_that_fails_leaves_all_as_it_was(store: Store) -> None:
    store.commit(FIRST)
    with pytest.raises(sqlite3.OperationalError):
        store.commit(Commit("leads", SECOND.mark, {"plan": tally({1: 1}), "nowhere": tally({1: 1})}, [(2, "x")]))
    assert contents(store) == BEFORE


def test_a_key_is_due_once_however_often_it_is_told_and_no_more_when_it_is_done(store: Store) -> None:
    for _ in range(3):
        store.commit(FIRST)
    (rows,) = store.connection().execute("SELECT count(*) FROM due").fetchone()
    assert rows == 2
    assert store.due("leads", 50.0) == []
    assert store.due("leads", 50.1) == ["a"]
    assert store.due("calls", 99.0) == []
    store.commit(Commit("leads", MARK, done=["a"]))
    assert store.due("leads", 99.0) == ["b"]


def test_a_source_is_cleared_without_the_others(store: Store) -> None:
    store.commit(FIRST)
    store.commit(Commit("calls", MARK, due=[(1.0, "k")]))
    store.clear("leads", [PLAN], SECOND.mark)
    assert contents(store) == {**BEFORE, "mark": SECOND.mark, "cells": {}, "due": [], "part": {}}
    assert store.due("calls", 2.0) == ["k"]


DEATH = """
import os, signal, sys
from pathlib import Path
from sales_exporter.ledger.store import Store
from tests.ledger.test_store import FIRST, PLAN, SECOND
store = Store(Path(sys.argv[1]), [PLAN])
store.commit(FIRST)
left = int(sys.argv[2])
def die(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
store.connection().set_trace_callback(die)
store.commit(SECOND)
print("survived", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("statement", [1, 2, 4, 6, 8, 10, 12, 14, 99])
def test_whoever_is_killed_between_statements_leaves_a_step_whole_or_undone(tmp_path: Path, statement: int) -> None:
    done = subprocess.run([sys.executable, "-c", DEATH, str(tmp_path), str(statement)], cwd=ROOT, capture_output=True,
                          text=True, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert reopened(tmp_path) == (AFTER if "survived" in done.stdout else BEFORE)
    if statement == 99:
        assert "survived" in done.stdout


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def scribbled(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[200:-200] = os.urandom(len(raw) - 400)
    path.write_bytes(raw)


def text(path: Path) -> None:
    path.write_text("to whom it may concern, " * 50)


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE marks (x)")
    db.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    db.close()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        pytest.param(truncated, "malformed|damaged", id="truncated"),
        pytest.param(scribbled, "malformed|damaged", id="scribbled over"),
        pytest.param(text, "not a database", id="a text"),
        pytest.param(foreign, "not a state of this program", id="of another program"),
        pytest.param(newer, f"format {FORMAT + 1}, this release writes {FORMAT}", id="of a newer release"),
    ],
)
def test_a_file_that_is_no_state_is_set_aside_and_one_of_them_kept(
    tmp_path: Path, damage: Callable[[Path], None], why: str
) -> None:
    for _ in range(2):
        store = Store(tmp_path, [PLAN])
        store.commit(FIRST)
        store.close()
        damage(tmp_path / FILE)
        raw = (tmp_path / FILE).read_bytes()
        store = Store(tmp_path, [PLAN])
        assert store.set_aside is not None
        assert cells(store) == {}
        assert re.search(why, store.set_aside)
        store.commit(FIRST)
        assert cells(store) == {1: 5, 2: 7}
        store.close()
        assert (tmp_path / f"{FILE}.set-aside").read_bytes() == raw
    assert len(list(tmp_path.glob("*.set-aside"))) == 1


def test_an_empty_file_is_a_new_state(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    assert reopened(tmp_path)["mark"] is None


def test_a_disk_that_fails_does_not_cost_a_sound_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, [PLAN])
    store.commit(FIRST)
    store.close()

    def full(*ignored: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as broken:
        broken.setattr("sales_exporter.ledger.store.create", full)
        with pytest.raises(ConfigError, match="disk is full"):
            Store(tmp_path, [PLAN])
    assert reopened(tmp_path) == BEFORE


def test_a_second_owner_is_refused_until_the_first_is_gone(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage\.path .*: in use by another process; give each its own"):
        Store(tmp_path, [PLAN])
    store.close()
    Store(tmp_path, [PLAN]).close()


def test_a_folder_that_cannot_be_written_or_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/state: cannot be made \(Not a directory\)"):
        Store(tmp_path / "file" / "state", [PLAN])
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(ConfigError, match="not writable"):
        Store(tmp_path, [PLAN])


def test_others_see_what_was_committed_when_they_looked(store: Store, tmp_path: Path) -> None:
    store.commit(FIRST)
    looking = Store.looked_at(tmp_path)
    store.commit(SECOND)
    assert contents(looking) == BEFORE
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        looking.connection().execute("DELETE FROM marks")
    looking.close()
    assert contents(store) == AFTER
    looking = Store.looked_at(tmp_path)
    assert contents(looking) == AFTER
    looking.close()


def test_who_looks_holds_up_no_owner_that_starts(store: Store, tmp_path: Path) -> None:
    store.commit(FIRST)
    looking = Store.looked_at(tmp_path)
    store.close()
    assert reopened(tmp_path) == BEFORE
    looking.close()


def test_a_state_without_an_owner_can_be_looked_at(store: Store, tmp_path: Path) -> None:
    store.commit(FIRST)
    store.close()
    looking = Store.looked_at(tmp_path)
    assert contents(looking) == BEFORE
    looking.close()


def test_nothing_to_look_at_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage\.path .*: holds no state; start serve with it first"):
        Store.looked_at(tmp_path)
    text(tmp_path / FILE)
    with pytest.raises(ConfigError, match="not a database"):
        Store.looked_at(tmp_path)


def test_nobody_else_may_read_the_state(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    before = os.umask(0o022)
    try:
        store = Store(folder, [PLAN])
        store.commit(FIRST)
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir() if path.name != "lock"}
        store.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys((FILE, f"{FILE}-wal", f"{FILE}-shm"), "0o600")
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


def test_without_a_folder_the_state_is_gone_with_the_process() -> None:
    store = Store(None, [PLAN])
    store.commit(FIRST)
    store.commit(SECOND)
    assert contents(store) == AFTER
    assert store.size > 0
    store.close()


def test_large_cubes_come_back_whole(store: Store, tmp_path: Path) -> None:
    keys = np.cumsum(np.random.default_rng(1).integers(1, 1 << 40, 120_000))
    counts = np.arange(1, 120_001)
    store.commit(Commit("leads", MARK, {"plan": Tally(keys, counts)}))
    store.close()
    store = Store(tmp_path, [PLAN])
    found = store.cells(PLAN)
    store.close()
    assert np.array_equal(found.keys, keys)
    assert np.array_equal(found.counts, counts)

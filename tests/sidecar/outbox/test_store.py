"""The outbox on disk, and on disks and files that are no good."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sales_exporter.sidecar.outbox.book import Book, Entry
from sales_exporter.sidecar.outbox.rows import OUTBOX, written
from sales_exporter.sidecar.store import Row, Store
from tests.sidecar.outbox.receiving import NOW, alert

pytestmark = pytest.mark.process

FILE = "outbox.sqlite"


def rows(*names: str, size: int = 0) -> list[Row]:
    """Rows of open alerts with as many bytes of words each."""
    words = {f"word_{number}": "x" * 250 for number in range(size // 250)}
    return [written(entry) for entry in Book(["one:9093"]).raise_([alert(name, annotations=words) for name in names],
                                                                  NOW)]


def names(entries: list[Entry]) -> list[str]:
    return sorted(entry.alert.alertname for entry in entries)


@contextlib.contextmanager
def opened(folder: Path | None) -> Iterator[tuple[Store[Entry], list[Entry]]]:
    store = Store(folder, OUTBOX)
    try:
        yield store, store.open()
    finally:
        store.close()


def filled(folder: Path, *alerts: str) -> None:
    with opened(folder) as (store, _):
        store.write(rows(*alerts))
        assert store.state == "disk"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB, where the machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", folder], capture_output=True,
                             check=False)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> None:
    """Another program takes all that is left."""
    with (disk / "others").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path, "A0", "A1", "A2")
    with opened(tmp_path) as (store, found):
        assert names(found) == ["A0", "A1", "A2"]
        store.write(rows("A3"), [alert("A1").fingerprint])
    with opened(tmp_path) as (_, found):
        assert names(found) == ["A0", "A2", "A3"]
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}


def test_without_a_folder_alerts_are_kept_in_memory() -> None:
    with opened(None) as (store, found):
        store.write(rows("A0"))
        assert (found, store.state, store.mend([])) == ([], "none", [])


def test_r31_space_is_held_in_reserve(tmp_path: Path) -> None:
    with opened(tmp_path):
        assert (tmp_path / "outbox.reserve").stat().st_blocks * 512 >= 8 << 20


@pytest.mark.slow
def test_r31_on_a_disk_that_others_filled_the_reserve_is_used_then_memory(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(small_disk) as (store, _):
        store.write(rows("first"))
        fill(small_disk)
        written_till = 0
        while store.state != "memory" and written_till < 100:
            store.write(rows(*(f"A{written_till}-{number}" for number in range(100)), size=2000))
            written_till += 1
            if written_till == 5:
                assert store.state == "reserve"
        # 8 MiB of reserve, half of them for the log beside the file.
        assert 10 < written_till < 100
        store.write(rows("lost"))
    told = [record.getMessage() for record in caplog.records]
    assert told == ["the disk takes no more: the outbox gives up its reserve",
                    "the outbox cannot be written: alerts are kept in memory only"]
    with opened(small_disk) as (store, found):
        assert "first" in names(found)
        assert len(found) > 1000
        assert store.behind or store.state == "reserve"


@pytest.mark.slow
def test_r31_a_disk_with_room_again_gets_all_that_memory_had(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with opened(small_disk) as (store, _):
        store.write(rows("A0", "A1"))
        fill(small_disk)
        while not store.behind:
            store.write(rows(*(f"B{number}" for number in range(1000)), size=2000))
        assert store.mend(rows("A1", "A2")) == []
        assert store.behind
        (small_disk / "others").unlink()
        assert store.mend(rows("A1", "A2")) == []
        assert store.state == "disk"
    assert [record.getMessage() for record in caplog.records][-1] == "the outbox is on disk again"
    with opened(small_disk) as (_, found):
        assert names(found) == ["A1", "A2"]


def test_r31_a_disk_of_1_mib_takes_what_fits(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    with opened(small_disk) as (store, _):
        assert store.state == "reserve"
        store.write(rows("A0"))
        store.write(rows(*(f"B{number}" for number in range(1000)), size=2000))
        assert store.state == "memory"
    with opened(small_disk) as (_, found):
        assert names(found) == ["A0"]


def test_r31_a_quota_is_like_a_full_disk(tmp_path: Path) -> None:
    filled(tmp_path, "A0")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path) as (store, found):
        resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, usual[1]))
        try:
            store.write(rows(*(f"B{number}" for number in range(200)), size=2000))
            assert (names(found), store.state) == (["A0"], "memory")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert store.mend(rows("A0", "B0")) == []
        assert store.state == "disk"
    with opened(tmp_path) as (_, found):
        assert names(found) == ["A0", "B0"]


def test_r31_a_disk_that_can_only_be_read_still_says_what_was_open(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(small_disk, "A0", "A1")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with opened(small_disk) as (store, found):
        assert (names(found), store.state) == (["A0", "A1"], "memory")
        store.write(rows("A2"))
        assert store.mend(rows("A2")) == []
        assert len(caplog.records) == 1
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        store.mend(rows("A2"))
        assert store.state == "disk"
    with opened(small_disk) as (_, found):
        assert names(found) == ["A2"]


def test_r31_a_second_process_leaves_the_alerts_of_the_first_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as (first, _):
        first.write(rows("A0"))
        with opened(tmp_path) as (second, found):
            assert (found, second.state) == ([], "memory")
            first.close()
            # The first one's end makes its alerts the second one's.
            assert names(second.mend(rows("A1"))) == ["A0"]
            assert second.state == "disk"
    with opened(tmp_path) as (_, found):
        assert names(found) == ["A0", "A1"]


@pytest.mark.parametrize("contents", [b"", b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 4080])
def test_r31_a_file_that_is_none_never_blocks_the_start(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / FILE).write_bytes(contents)
    with opened(tmp_path) as (store, found):
        assert (found, store.state, store.set_aside) == ([], "disk", int(bool(contents)))
        store.write(rows("A0"))
    if contents:
        assert (tmp_path / f"{FILE}.set-aside-1").read_bytes() == contents
    with opened(tmp_path) as (_, found):
        assert names(found) == ["A0"]


def test_r31_a_database_of_another_program_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.executescript("CREATE TABLE alerts (fingerprint, checksum, entry); INSERT INTO alerts VALUES (1, 2, 3)")
    with opened(tmp_path) as (store, found):
        assert (found, store.state, store.set_aside) == ([], "disk", 1)
    assert len(caplog.records) == 1
    with contextlib.closing(sqlite3.connect(tmp_path / f"{FILE}.set-aside-1")) as db:
        assert db.execute("SELECT * FROM alerts").fetchall() == [(1, 2, 3)]


def test_r31_a_folder_in_the_way_never_blocks_the_start(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with opened(tmp_path) as (store, found):
        assert (found, store.state) == ([], "memory")


def test_r31_a_file_in_place_of_the_folder_never_blocks_the_start(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with opened(tmp_path / "state") as (store, found):
        assert (found, store.state) == ([], "memory")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_r31_flipped_bytes_never_block_the_start_nor_change_an_alert(tmp_path: Path, seed: int) -> None:
    filled(tmp_path, *(f"A{number}" for number in range(50)))
    damaged = bytearray((tmp_path / FILE).read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.choice([1, 5, 50])):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    (tmp_path / FILE).write_bytes(damaged)
    _taken_up(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_r31_a_truncated_file_never_blocks_the_start(tmp_path: Path, share: float) -> None:
    filled(tmp_path, *(f"A{number}" for number in range(50)))
    os.truncate(tmp_path / FILE, int(share * (tmp_path / FILE).stat().st_size))
    _taken_up(tmp_path)


def _taken_up(folder: Path) -> None:
    """The store opens, with alerts as they were or without them, and works on."""
    whole = {row[0]: row for row in rows(*(f"A{number}" for number in range(50)))}
    with opened(folder) as (store, found):
        assert store.state == "disk"
        for entry in found:
            assert written(entry) == whole[entry.alert.fingerprint]
        kept = names(found)
        assert store.set_aside == int((folder / f"{FILE}.set-aside-1").exists())
        store.write(rows("B"))
    with opened(folder) as (store, again):
        assert names(again) == [*kept, "B"]
        assert store.set_aside == 0

"""The file of a snapshot: whole or not at all, and refused with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sales_exporter.sidecar.history import snapshot
from sales_exporter.sidecar.history.snapshot import SnapshotRefused

STATE = {"one": np.arange(3.0), "two": np.array(["a", "b"])}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "state" / "history.npz"
    snapshot.write(found, "watches", 100.0, STATE)
    return found


def test_what_was_written_is_read(path: Path) -> None:
    at, arrays = snapshot.read(path, "watches", 100.0)
    assert at == 100.0
    assert {name: array.tolist() for name, array in arrays.items()} == {"one": [0.0, 1.0, 2.0], "two": ["a", "b"]}


def test_a_write_that_fails_leaves_the_old_one_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        snapshot.write(path, "watches", 200.0, STATE)
    assert snapshot.read(path, "watches", 100.0)[0] == 100.0
    assert list(path.parent.iterdir()) == [path]


def test_objects_are_not_written(path: Path) -> None:
    with pytest.raises(TypeError, match="array of objects"):
        snapshot.write(path, "watches", 200.0, {"one": np.array([{}])})
    assert snapshot.read(path, "watches", 100.0)[0] == 100.0


@pytest.mark.parametrize(("definition", "oldest", "reason"), [
    ("others", 0.0, "other watches"), ("watches", 101.0, "too old"),
])
def test_what_does_not_fit_is_refused(path: Path, definition: str, oldest: float, reason: str) -> None:
    with pytest.raises(SnapshotRefused, match=reason):
        snapshot.read(path, definition, oldest)


def test_another_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "VERSION", 2)
    with pytest.raises(SnapshotRefused, match="another version"):
        snapshot.read(path, "watches", 0.0)


def test_a_pickle_is_refused(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, version=np.array([{}]), definition=np.array("watches"), at=np.array(1.0))
    with pytest.raises(SnapshotRefused, match="damaged"):
        snapshot.read(path, "watches", 0.0)


def test_a_folder_is_refused(path: Path) -> None:
    with pytest.raises(SnapshotRefused, match="cannot be read"):
        snapshot.read(path.parent, "watches", 0.0)

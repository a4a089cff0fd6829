"""State on disk, for a warm start: one file of arrays, written whole or not at all, without pickles."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.errors import SalesExporterError

VERSION = 1
_HEAD = ("version", "definition", "at")


class SnapshotRefused(SalesExporterError):
    """The snapshot cannot be used; the past is read from Prometheus instead. The message is the reason."""


def write(path: Path, definition: str, at: float, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace the snapshot, so that after a power cut there is the old one or the new one.

    Raises:
        OSError: the disk refused; the old snapshot is still there.
        TypeError: an array holds objects, which only a pickle could.
    """
    if any(array.dtype.hasobject for array in arrays.values()):
        raise TypeError("an array of objects cannot be written")
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Any] = {**arrays, "version": np.array(VERSION), "definition": np.array(definition),
                             "at": np.array(at)}
    draft = path.with_name(path.name + ".new")
    try:
        with draft.open("wb") as file:
            np.savez(file, **parts)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _settle(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def read(path: Path, definition: str, oldest: float) -> tuple[float, dict[str, NDArray[Any]]]:
    """The moment of a snapshot and its arrays.

    Raises:
        SnapshotRefused: there is none, or it is damaged, of another version or definition, or from before ``oldest``.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if int(file["version"]) != VERSION:
                raise SnapshotRefused("it was written by another version")
            if str(file["definition"]) != definition:
                raise SnapshotRefused("it was written for other watches, another interval or another shard")
            at = float(file["at"])
            if not at >= oldest:
                raise SnapshotRefused("it is too old")
            return at, {name: file[name] for name in file.files if name not in _HEAD}
    except FileNotFoundError:
        raise SnapshotRefused("there is none") from None
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        raise SnapshotRefused("it cannot be read, or is damaged") from None


def _settle(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

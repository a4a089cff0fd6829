"""The dead are folded into one file, each exactly once, whoever dies at whatever step of it.

The steps, under the lock of the directory: read the file ``dead`` and those of dead workers; write their sum, with the
ids of what is in it, beside it and put it in place at once; unlink what is in it. A file whose id is in ``dead`` counts
no more, whether it was unlinked or not. Ids are kept until their files are gone, and for as many folds after it as a
reader could sleep through without noticing.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Final

from sales_exporter.instrumentation.workers import format as form
from sales_exporter.instrumentation.workers.format import Header
from sales_exporter.instrumentation.workers.reader import Index, Reader, any_dead, merged, worker_files
from sales_exporter.instrumentation.workers.writer import TEMPORARY

DEAD: Final = "dead"
HISTORY: Final = 1024
"""Ids that the file of the dead remembers."""
BATCH: Final = 64
"""Files that are folded at once, a bound on the memory that it takes."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What is about to be put in place, and which files it then stands for."""

    content: bytes
    gone: tuple[Path, ...]
    left_out: int
    """Series that found no room."""


def fold_dead(directory: Path, limit: int, *, durable: bool = False) -> int:
    """Fold all dead workers. The caller holds the lock. Tells how many series found no room.

    The death of a process at any step loses nothing. That of the machine may lose all, like what lies in the page cache
    of live workers, unless ``durable``: then this waits for the disk, which can take long.

    Raises:
        OSError: the directory cannot be read or written. Nothing is lost; the next fold tries again.
    """
    left_out = 0
    for name in os.listdir(directory):
        if name.startswith(TEMPORARY):
            # Files of workers, and of folds, that died before they gave them a name.
            (directory / name).unlink(missing_ok=True)
    while (fold := prepare(directory, limit)) is not None:
        commit(directory, fold, durable=durable)
        sweep(fold)
        left_out += fold.left_out
    return left_out


def prepare(directory: Path, limit: int) -> Fold | None:
    """Read what is to be folded; nothing when nobody is dead."""
    index = Index()
    dead = Reader(directory / DEAD, None, 0, index)
    if dead.refresh() and not dead.opened:
        raise PermissionError(f"{dead.path} cannot be opened")
    folded, stuck, gone = set(dead.folded), list[bytes](), list[Reader]()
    for path, slot, ident in worker_files(directory):
        if ident in folded:
            with suppress(OSError):
                path.unlink(missing_ok=True)
                continue
            stuck.append(ident)
        elif len(gone) < BATCH and any_dead((path,)):
            reader = Reader(path, ident, slot, index)
            if reader.refresh() and reader.opened and not reader.live:
                gone.append(reader)
    if not gone:
        return None
    content, left_out = _content(index, dead, gone, stuck, limit)
    return Fold(content, tuple(reader.path for reader in gone), left_out)


def commit(directory: Path, fold: Fold, *, durable: bool = False) -> None:
    """Put the sum in place. Before it nothing has happened; after it the files in it count no more."""
    temporary = directory / f"{TEMPORARY}{DEAD}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(fold.content)
        if durable:
            stream.flush()
            os.fsync(file)
    os.replace(temporary, directory / DEAD)
    if durable:
        # Otherwise a crash of the machine could bring back the old sum, without the files unlinked next.
        place = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def sweep(fold: Fold) -> None:
    """Unlink what is in the sum. What cannot be is tried again at the next fold."""
    for path in fold.gone:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _content(index: Index, dead: Reader, gone: list[Reader], stuck: list[bytes], limit: int) -> tuple[bytes, int]:
    columns = [column for reader in (dead, *gone) for column in reader.columns()]
    high = merged(columns)
    # What rounding took away, so that later totals are as exact as if nobody had been folded.
    low = _rest(columns, high)
    ids = [*dead.folded, *(reader.ident for reader in gone if reader.ident is not None)]
    ids = [*stuck, *ids[-max(HISTORY, len(gone)):]]
    parts = [bytes(form.HEADER_SIZE), form.pack(form.FOLDED, b"".join(ids), 0)]
    size, left_out, numbers = sum(map(len, parts)), 0, dict[int, int]()
    for row in sorted(set[int]().union(*(reader.rows() for reader in (dead, *gone)))):
        found = _row(index, row, high, low, numbers)
        if size + len(found) > limit:
            left_out += 1
            continue
        numbers.setdefault(index.rows[row][0], len(numbers))
        parts.append(found)
        size += len(found)
    skipped = dead.header.skipped + sum(reader.damaged for reader in (dead, *gone))
    parts[0] = Header(os.urandom(form.ID_LENGTH), 0, 0, dead.header.folded + len(gone), skipped, size).pack()
    return b"".join(parts), left_out


def _rest(columns: list[Sequence[float]], total: list[float]) -> list[float]:
    try:
        return list(map(fsum, zip(*columns, [-number for number in total], strict=True)))
    except (OverflowError, ValueError):
        return [0.0] * len(total)


def _row(index: Index, row: int, high: list[float], low: list[float], numbers: dict[int, int]) -> bytes:
    metric, _, place = index.rows[row]
    number, found = numbers.get(metric), b""
    if number is None:
        number, found = len(numbers), form.pack(form.METRIC, form.metric_key(index.metrics[metric]), 0)
    cells = place.stop - place.start
    head = form.pack(number, index.keys[row], cells)[:-8 * cells]
    found += head + array("d", high[place]).tobytes()
    return found + head + array("d", low[place]).tobytes() if any(low[place]) else found

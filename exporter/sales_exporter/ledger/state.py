"""One source of the ledger as it stands, and what is told about it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from sales_exporter.ledger.book import Book
from sales_exporter.ledger.cube import Cube
from sales_exporter.ledger.source import Source
from sales_exporter.ledger.store import Mark


@dataclass(frozen=True, slots=True)
class Report:
    """One source as it is told: share of the fill that is done, cells, running totals, and whether it is exact."""

    progress: float
    cells: int
    rows: int
    late: int
    rebuilds: int
    exact: bool
    mismatches: int | None
    """Cells that differed in the last audit; None before the first."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Folding:
    """The ledger as it is told."""

    sources: Mapping[str, Report] = field(default_factory=dict)
    bytes: int = 0
    set_aside: int = 0
    """States on disk that could not be taken over."""


@dataclass(slots=True)
class State:
    """One source as it stands."""

    source: Source
    mark: Mark | None = None
    cubes: dict[str, Cube] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    reason: str = ""
    """Why the source is not exact."""
    rows: int = 0
    late: int = 0
    rebuilds: int = 0
    turn: int = 0
    failures: int = 0
    """Attempts at the next part of the fill that failed."""
    seconds: float = 0.0
    """How long the last fold that had something to fold took, its commit included."""

    def report(self, mismatches: int | None) -> Report:
        """What is told about it."""
        cells = sum(len(cube.tally) for cube in self.cubes.values())
        return Report(self.progress, cells, self.rows, self.late, self.rebuilds,
                      self.mark is not None and self.mark.exact, mismatches, self.seconds)

    def empty(self) -> None:
        """Forget all cells and records."""
        self.cubes = {layout.name: Cube(layout) for layout in self.source.layouts}
        self.books = {layout.name: Book.of(layout) for layout in self.source.books}

    @property
    def ready(self) -> bool:
        """Whether the cells are whole."""
        return self.mark is not None and self.mark.part is None

    @property
    def progress(self) -> float:
        """Share of the first fill that is done."""
        if self.mark is None:
            return 0.0
        return 1.0 if self.mark.part is None else self.mark.part / max(1, len(self.mark.parts))


async def finished(step: Coroutine[Any, Any, None]) -> None:
    """Run a step to its end though the caller is cancelled: disk and memory change together or not at all."""
    task, cancelled = asyncio.ensure_future(step), None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        # The step's own failure is of no interest to who is leaving.
        task.exception()
        raise cancelled
    task.result()

"""A source folded by itself, beside what it gives when it is read anew."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from sales_exporter import config
from sales_exporter.ledger.cube import Cube
from sales_exporter.ledger.fill import recompute
from sales_exporter.ledger.source import Moment, Names, Reads, Source
from sales_exporter.runtime import database
from tests.support.databases import Database

SECONDS = 30.0
Counts = dict[str, dict[int, int]]


class Replica:
    """Cells that follow a source by folding what changed, as the ledger does it."""

    def __init__(self, source: Source, target: Database) -> None:
        self.source = source
        self.names = Names()
        self.due: list[tuple[float, str]] = []
        self.late = 0
        self._database = database.Database(SecretStr(target.reader.dsn), config.Database(statement_timeout=SECONDS))
        self._cubes = {layout.name: Cube(layout) for layout in source.layouts}
        self._at: Moment | None = None

    async def step(self, now: float) -> list[str]:
        """Fill when nothing is there yet, else fold; the keys that were folded."""
        async with self._database.reader(SECONDS) as db:
            snapshot = str((await db.fetch("SELECT pg_current_snapshot()::text AS snapshot"))[0]["snapshot"])
            if self._at is None:
                for part in await self.source.parts(db):
                    self._add(await self.source.read(db, part, Moment(now, snapshot), self.names))
                keys: list[str] = []
            else:
                assert self._at.snapshot is not None
                ripe = {key for at, key in self.due if at < now}
                self.due = [(at, key) for at, key in self.due if at >= now]
                keys = sorted({*await self.source.touched(db, self._at.snapshot, now), *ripe})
                self._add(await self.source.change(db, keys, self._at, Moment(now), self.names))
        self._at = Moment(now, snapshot)
        return keys

    async def anew(self, now: float, snapshot: str | None = None) -> Counts:
        """All cells computed from scratch, of now or as a snapshot saw them."""
        cubes = await recompute(
            self.source, lambda: self._database.reader(SECONDS), Moment(now, snapshot), self.names,
            lambda done, total: None)
        return _counts(cubes)

    async def moved(self, moments: Sequence[float]) -> list[Counts]:
        """The cells at each moment, moved on from those at the first as a replay does it."""
        cubes = await recompute(
            self.source, lambda: self._database.reader(SECONDS), Moment(moments[0]), self.names,
            lambda done, total: None)
        async with self._database.reader(SECONDS) as db:
            changes = await self.source.steps(db, moments, self.names)
        found = [_counts(cubes)]
        for change in changes:
            for name, tally in change.cells.items():
                cubes[name].add(tally)
            found.append(_counts(cubes))
        return found

    @property
    def cells(self) -> Counts:
        """The folded cells."""
        return _counts(self._cubes)

    @property
    def snapshot(self) -> str:
        """What the cells were folded up to."""
        assert self._at is not None
        assert self._at.snapshot is not None
        return self._at.snapshot

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    def _add(self, change: Reads) -> None:
        for name, tally in change.cells.items():
            self._cubes[name].add(tally)
        self.due.extend(change.due)
        self.late += change.late


def _counts(cubes: dict[str, Cube]) -> Counts:
    return {
        name: dict(zip(cube.tally.keys.tolist(), cube.tally.counts.tolist(), strict=True))
        for name, cube in cubes.items()
    }

"""Sources of the ledger: what is read from the database for a set of changed things, and which cells it makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Lock
from typing import Any, ClassVar, Protocol

import numpy as np

from sales_exporter.ledger.book import BookLayout, Revision
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.cube import NOTHING, Layout, Tally
from sales_exporter.ledger.paths import Paths
from sales_exporter.ledger.scheme import Scheme

Row = dict[str, Any]
MOST_NAMES = 65_535
OTHER = "(other)"


class Reading(Protocol):
    """One consistent snapshot of the source: every statement of a pass sees the same rows."""

    async def fetch(self, sql: str, /, **parameters: object) -> list[Row]:
        """Rows of one statement; parameters are ``%(name)s``."""
        ...

    async def columns(self, sql: str, names: Sequence[str], /, **parameters: object) -> Mapping[str, Any]:
        """The rows of one statement by column, for results too large for rows.

        smallint, integer, bigint and timestamptz (microseconds since 1970) come as int64 arrays, boolean as bool,
        double precision as float64, none of them NULL; text comes as a list of str or None.
        """
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """What a reading counts: rows whose transaction is visible in ``snapshot`` and whose business time is before
    ``cutoff`` (epoch seconds). Without a snapshot, all rows that the reading sees."""

    cutoff: float
    snapshot: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A range ``[low, high)`` of a source, small enough for one statement; None is open."""

    low: str | None
    high: str | None


Selection = Part | Sequence[str]
"""Which things: a part of the source, or keys."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Cells by cube, and the keys that will count without another change, with their moment (epoch seconds)."""

    cells: Mapping[str, Tally]
    due: Sequence[tuple[float, str]] = ()
    rows: int = 0
    late: int = 0
    """How many of the rows that are new are older than the last fold by their business time."""
    books: Mapping[str, Revision] = field(default_factory=dict)
    """Records by book."""

    def minus(self, other: Reads) -> Reads:
        """The change from ``other`` to this; rows, dues and records are those of this."""
        return Reads(self._joined(other, -1), self.due, self.rows, self.late, self.books)

    def plus(self, other: Reads) -> Reads:
        """Both together; of two records with one key that of ``other``."""
        books = {**self.books, **other.books}
        books |= {name: self.books[name].plus(other.books[name]) for name in self.books.keys() & other.books.keys()}
        return Reads(
            self._joined(other, 1), [*self.due, *other.due], self.rows + other.rows, self.late + other.late, books)

    def _joined(self, other: Reads, sign: int) -> dict[str, Tally]:
        names = {*self.cells, *other.cells}
        return {name: self.cells.get(name, NOTHING).plus(other.cells.get(name, NOTHING), sign) for name in names}


@dataclass(slots=True)
class Names:
    """Numbers of names, from 1, in order of appearance; 0 is no name. ``fresh`` are those not stored yet."""

    numbers: dict[str, int] = field(default_factory=dict)
    texts: list[str | None] = field(default_factory=lambda: [None])
    fresh: list[tuple[int, str]] = field(default_factory=list)
    paths: Paths = field(default_factory=Paths)
    """The paths of touches, which are sequences of these numbers."""
    _busy: Lock = field(default_factory=Lock, repr=False, compare=False)
    """Folds, fills and audits number names in threads of their own."""

    def numbered(self, texts: Sequence[str | None]) -> Ints:
        """Numbers of names, new ones for those never seen; the names beyond the most share the last number."""
        with self._busy:
            return np.fromiter((self._number(text) for text in texts), dtype=np.int64, count=len(texts))

    def adopt(self, number: int, text: str) -> None:
        """Take over a name that was stored; they come in order of their numbers."""
        if number != len(self.texts):
            raise ValueError("names are not numbered in order")
        self.numbers[text] = number
        self.texts.append(text)

    def text(self, number: int) -> str | None:
        """The name of a number."""
        return self.texts[number] if number < len(self.texts) else OTHER

    def __reduce__(self) -> tuple[Any, ...]:
        """A lock cannot go to another process: texts and paths make the same names there."""
        return _names, (self.texts[1:], self.paths.texts[1:])

    def _number(self, text: str | None) -> int:
        if text is None:
            return 0
        known = self.numbers.get(text)
        if known is None:
            known = len(self.texts)
            if known >= MOST_NAMES:
                return MOST_NAMES
            self.numbers[text] = known
            self.texts.append(text)
            self.fresh.append((known, text))
        return known


def _names(texts: Sequence[str], paths: Sequence[bytes]) -> Names:
    names = Names()
    for number, text in enumerate(texts, 1):
        names.adopt(number, text)
    for number, path in enumerate(paths, 1):
        names.paths.adopt(number, path)
    return names


class Source(ABC):
    """One subject of the ledger. Adding one is one file; it is found by itself."""

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]
    """Relations without which the source is off."""
    uses: ClassVar[tuple[str, ...]] = ()
    """Relations that it reads where they are there."""
    needs: tuple[str, ...] = ("removals",)
    """Relations without which folding it is not exact."""
    layouts: ClassVar[tuple[Layout, ...]] = ()
    books: ClassVar[tuple[BookLayout, ...]] = ()
    """Instead of cells: records that a reading replaces; what was there before need not be asked for."""
    births: ClassVar[tuple[Layout, ...]] = ()
    """Cubes whose first field is of the moment by which parts are cut: what the sampled audit can compare."""
    version: ClassVar[int] = 1
    """Raised whenever its cells mean something else."""
    timeless: ClassVar[bool] = True
    """Whether the cells of a later moment serve an earlier one, because their fields tell what counts when."""
    batch: ClassVar[int] = 5_000
    """Keys of one statement."""

    def __init__(self, scheme: Scheme, relations: frozenset[str]) -> None:
        self.scheme = scheme
        self.relations = relations

    @property
    def definition(self) -> str:
        """Everything that its cells depend on besides the rows."""
        return f"{self.scheme.digest} {self.version} {self.layouts}"

    @abstractmethod
    async def parts(self, db: Reading) -> list[Part]:
        """The whole source in parts of some ten thousand things, for the first fill."""

    @abstractmethod
    async def touched(self, db: Reading, since: str, cutoff: float) -> Sequence[str]:
        """Keys of the things that have a row which is not visible in the snapshot ``since``.

        A row that makes no difference as of ``cutoff`` (epoch seconds), nor at any later moment, may be passed over.
        """

    @abstractmethod
    async def read(self, db: Reading, which: Selection, moment: Moment, names: Names) -> Reads:
        """The cells that these things make at a moment."""

    async def steps(self, db: Reading, moments: Sequence[float], names: Names) -> list[Reads]:
        """The changes from each moment to the next, of rows that are all taken as known; for sources not timeless."""
        between = await self.dated(db, moments[0], moments[-1])
        found = []
        for low, high in pairwise(moments):
            keys = list(dict.fromkeys(key for at, key in between if low <= at < high))
            found.append(await self.change(db, keys, Moment(low), Moment(high), names) if keys else Reads({}))
        return found

    async def dated(self, db: Reading, low: float, high: float) -> Sequence[tuple[float, str]]:
        """Keys of the things that are other ones once a moment in ``[low, high)`` has passed, with that moment."""
        raise NotImplementedError(f"{self.name} serves any moment with the same cells")

    async def change(
        self, db: Reading, keys: Sequence[str], old: Moment, new: Moment, names: Names
    ) -> Reads:
        """How the cells of these things change between two moments; of books, the records as they are now."""
        if self.books:
            return await self.read(db, keys, new, names)
        return (await self.read(db, keys, new, names)).minus(await self.read(db, keys, old, names))

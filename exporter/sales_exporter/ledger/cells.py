"""Cells: counts by named columns, the only form in which business facts reach a collector's samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """A count (or an amount) for each combination of key columns; combinations that are not there count 0.

    ``columns`` names the parts of each key in order. Operations return new cells and never lose a unit:
    whatever ``sum_by`` and ``relabel`` do, ``total`` stays the same.
    """

    columns: tuple[str, ...]
    counts: Mapping[Key, float]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], *columns: str, measure: str = "n") -> Cells:
        """Cells from the rows of a query; rows with the same key are added."""
        return cls(columns, _added((tuple([row[c] for c in columns]), float(row[measure])) for row in rows))

    def where(self, **wanted: str) -> Cells:
        """The cells whose columns have these values; the columns stay.

        Raises:
            KeyError: no such column.
        """
        tests = [(self._place(column), value) for column, value in wanted.items()]
        return Cells(
            self.columns,
            {key: n for key, n in self.counts.items() if all(key[place] == value for place, value in tests)},
        )

    def sum_by(self, *columns: str) -> Cells:
        """Counts added up over all other columns; the columns come in the order asked for.

        Raises:
            KeyError: no such column.
        """
        places = [self._place(column) for column in columns]
        return Cells(columns, _added((tuple([key[p] for p in places]), n) for key, n in self.counts.items()))

    def relabel(self, column: str, rename: Callable[[str], str]) -> Cells:
        """Cells with one column's values renamed; cells that become equal are added.

        Raises:
            KeyError: no such column.
        """
        at = self._place(column)
        names = {value: rename(value) for value in self.values(column)}
        if all(value == name for value, name in names.items()):
            return self
        return Cells(
            self.columns, _added(((*key[:at], names[key[at]], *key[at + 1 :]), n) for key, n in self.counts.items())
        )

    def total(self) -> float:
        """The sum of all counts."""
        return sum(self.counts.values())

    def get(self, *key: str) -> float:
        """The count of one full key, 0 when there is none."""
        return self.counts.get(key, 0.0)

    def values(self, column: str) -> tuple[str, ...]:
        """The distinct values of one column, in order of their first cell.

        Raises:
            KeyError: no such column.
        """
        at = self._place(column)
        return tuple(dict.fromkeys(key[at] for key in self.counts))

    def __iter__(self) -> Iterator[tuple[Key, float]]:
        return iter(self.counts.items())

    def __len__(self) -> int:
        return len(self.counts)

    def _place(self, column: str) -> int:
        try:
            return self.columns.index(column)
        except ValueError:
            raise KeyError(column) from None


def _added(pairs: Iterable[tuple[Key, float]]) -> dict[Key, float]:
    counts: dict[Key, float] = {}
    for key, n in pairs:
        counts[key] = counts.get(key, 0.0) + n
    return counts

"""Arrays with one entry a series: they grow, shrink, are saved and are looked at in parts together."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Slots:
    """Columns by name, the series along the last axis of each. A column is written in place, never replaced."""

    def __init__(self, columns: dict[str, tuple[tuple[int, ...], float, type]], size: int = 0) -> None:
        """``columns``: by name the axes before that of the series, what an empty slot holds, and the kind of number."""
        self._blank = columns
        self.size = size
        self._columns: dict[str, Array] = {name: self._empty(name, size) for name in columns}

    def _empty(self, name: str, count: int) -> Array:
        axes, value, kind = self._blank[name]
        return np.full((*axes, count), value, kind)

    def __getitem__(self, name: str) -> Array:
        return self._columns[name]

    def admit(self, count: int) -> None:
        """Add empty slots at the end."""
        # One by one: all old and new ones together would be twice the memory.
        for name, column in self._columns.items():
            self._columns[name] = np.concatenate((column, self._empty(name, count)), axis=-1)
        self.size += count

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop the slots that are not marked."""
        for name, column in self._columns.items():
            self._columns[name] = np.ascontiguousarray(column[..., which])
        self.size = int(which.sum())

    def part(self, start: int, stop: int) -> Self:
        """Some slots in a row; writing to them writes to these."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part._columns = {name: column[..., start:stop] for name, column in self._columns.items()}
        part.size = min(stop, self.size) - start
        return part

    def saved(self) -> dict[str, Array]:
        """A copy of all columns."""
        return {name: column.copy() for name, column in self._columns.items()}

    def load(self, columns: dict[str, Array]) -> None:
        """Take columns that were saved.

        Raises:
            ValueError: they are not these, or not of these shapes and kinds.
        """
        sizes = {column.shape[-1] if column.ndim else -1 for column in columns.values()}
        if columns.keys() != self._blank.keys() or len(sizes) != 1:
            raise ValueError("the state has other columns")
        size = sizes.pop()
        for name, (axes, _, kind) in self._blank.items():
            if columns[name].shape != (*axes, size) or columns[name].dtype != np.dtype(kind):
                raise ValueError(f"the state's column {name} has another shape or kind")
        self._columns = {name: columns[name].copy() for name in self._blank}
        self.size = size

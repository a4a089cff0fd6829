"""Relations: named columns of one length, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sales_exporter.demo.generator.columns import Column


@dataclass(frozen=True, eq=False)
class Relation:
    """Rows of one relation of the contract. All columns have the same length."""

    name: str
    columns: Mapping[str, Column]

    def __post_init__(self) -> None:
        if len({len(column) for column in self.columns.values()}) > 1:
            raise ValueError(f"columns of {self.name} differ in length")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column: str) -> Column:
        return self.columns[column]

    def copy_bytes(self, rows: slice) -> bytes:
        """Some rows in PostgreSQL's binary COPY format, without the file's header and trailer."""
        parts = [column.fields(rows) for column in self.columns.values()]
        count = len(parts[0][0])
        head = np.empty((count, 2), np.uint8)
        head[:] = np.array([len(parts)], ">i2").view(np.uint8)
        matrix = np.concatenate([head, *(field for field, _ in parts)], axis=1)
        if all(keep is None for _, keep in parts):
            return matrix.tobytes()
        masks = [np.ones(field.shape, np.bool_) if keep is None else keep for field, keep in parts]
        return bytes(matrix[np.concatenate([np.ones(head.shape, np.bool_), *masks], axis=1)].data)


@dataclass(frozen=True, eq=False)
class Tables:
    """Everything that was generated, relation by relation, in the order in which it is loaded.

    ``origin`` is the preset as JSON; it is left in the database, where ``live`` finds it.
    """

    relations: tuple[Relation, ...]
    origin: str

    def __iter__(self) -> Iterator[Relation]:
        return iter(self.relations)

    def __getitem__(self, name: str) -> Relation:
        return next(relation for relation in self.relations if relation.name == name)

    @property
    def rows(self) -> int:
        """Rows of all relations together."""
        return sum(map(len, self.relations))

"""Query results as arrays: one aggregated array a column, decoded from PostgreSQL's binary format without a loop.

A row of Python objects costs about a microsecond a field; an array of a fixed-width type costs a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from psycopg import errors as pg
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import Format

SINCE_1970 = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000."""
_HEADER, _NULLS = 20, slice(4, 8)
_TYPES = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "bool": "?", "timestamptz": ">i8", "float8": ">f8"}


class _Array(Loader):
    """A one-dimensional array without NULLs: each element is its length and its bytes."""

    format = Format.BINARY
    kind: str

    def load(self, data: Any) -> Any:
        raw = bytes(data)
        if any(raw[_NULLS]):
            # Its elements would be of different lengths. Of a class that is told as a breach of the contract.
            raise pg.NullValueNotAllowed("a column that must not be NULL is")
        if len(raw) <= _HEADER:
            return np.zeros(0, dtype=np.dtype(_TYPES[self.kind]).newbyteorder("="))
        values = np.frombuffer(raw, dtype=[("size", ">i4"), ("value", _TYPES[self.kind])], offset=_HEADER)["value"]
        return _plain(values, self.kind)


def _plain(values: Any, kind: str) -> Any:
    if kind == "bool":
        return values.copy()
    if kind == "float8":
        return values.astype(np.float64)
    wide = values.astype(np.int64)
    if kind == "timestamptz":
        # Infinity is the greatest integer there and must not wrap around.
        return np.where(wide > np.iinfo(np.int64).max - SINCE_1970, wide, wide + SINCE_1970)
    return wide


# Made once: psycopg remembers each class of loaders that it was ever given.
_LOADERS = {kind: type(f"{kind.title()}Array", (_Array,), {"kind": kind}) for kind in _TYPES}


def register(adapters: AdaptersMap) -> None:
    """Have arrays of fixed-width types loaded as numpy arrays where results are binary."""
    for kind, loader in _LOADERS.items():
        adapters.register_loader(adapters.types[kind].array_oid, loader)


def aggregated(sql: str, names: Sequence[str]) -> str:
    """A statement with one row: an array of each column."""
    return f"SELECT {', '.join(f'array_agg({name}) AS {name}' for name in names)} FROM ({sql}\n) AS answer"  # noqa: S608


def written(parameter: object) -> object:
    """A parameter as it is given to the driver: a list of texts as one text, which the statement casts to ``text[]``.

    The driver looks through each text of a list on its own. Here that is done for all at once: where one holds what
    must be escaped, the list stays what it is.
    """
    if not isinstance(parameter, list) or not parameter or not all(type(text) is str for text in parameter):
        return parameter
    joined = '","'.join(parameter)
    plain = joined.count('"') == 2 * (len(parameter) - 1) and "\\" not in joined
    return f'{{"{joined}"}}' if plain else parameter


def filled(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The columns of that row; of no rows, empty arrays."""
    return {name: np.zeros(0, dtype=np.int64) if value is None else value for name, value in row.items()}

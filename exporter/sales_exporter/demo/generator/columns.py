"""Columns: compact numpy arrays that know how PostgreSQL's binary COPY wants them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]

_DAYS_TO_2000 = 10_957
_MICROSECONDS_TO_2000 = _DAYS_TO_2000 * 86_400_000_000
_KEY_DIGITS = 9
_TRIPLETS = np.frombuffer("".join(f"{n:03d}" for n in range(1000)).encode(), np.uint8).reshape(1000, 3)


class Column(ABC):
    """One column of a relation: ``values`` is its array, a null is said in each subclass."""

    values: npt.NDArray[np.generic]

    def __len__(self) -> int:
        return len(self.values)

    @property
    @abstractmethod
    def nulls(self) -> Bools:
        """Which rows are null."""

    @abstractmethod
    def decoded(self) -> list[object]:
        """The values as Python objects, null as None."""

    @abstractmethod
    def fields(self, rows: slice) -> tuple[Octets, Bools | None]:
        """Length word and payload of some rows as a matrix, and which of its bytes are sent (None means all)."""


class _Fixed(Column):
    """A column whose payload has one width for all rows."""

    def fields(self, rows: slice) -> tuple[Octets, Bools | None]:
        payload = self._payload(rows)
        count, width = payload.shape
        field = np.empty((count, 4 + width), np.uint8)
        field[:, :4] = np.array([width], ">i4").view(np.uint8)
        field[:, 4:] = payload
        nulls = self.nulls[rows]
        if not nulls.any():
            return field, None
        # A null is the length -1 without a payload.
        field[nulls, :4] = 255
        keep = np.ones(field.shape, np.bool_)
        keep[nulls, 4:] = False
        return field, keep

    @abstractmethod
    def _payload(self, rows: slice) -> Octets: ...


@dataclass(frozen=True, eq=False)
class Key(_Fixed):
    """Text ids ``prefix`` + nine digits; a negative number is null."""

    prefix: str
    values: Ints

    @property
    def nulls(self) -> Bools:
        return self.values < 0

    def decoded(self) -> list[object]:
        return [None if n < 0 else f"{self.prefix}{n:0{_KEY_DIGITS}d}" for n in self.values.tolist()]

    def _payload(self, rows: slice) -> Octets:
        numbers = np.maximum(self.values[rows], 0)
        head = np.frombuffer(self.prefix.encode(), np.uint8)
        payload = np.empty((len(numbers), len(head) + _KEY_DIGITS), np.uint8)
        payload[:, : len(head)] = head
        for place, power in enumerate((1_000_000, 1_000, 1)):
            at = len(head) + 3 * place
            payload[:, at : at + 3] = _TRIPLETS[numbers // power % 1000]
        return payload


@dataclass(frozen=True, eq=False)
class Mixed(_Fixed):
    """Ids of several kinds in one column: ``kinds`` picks each row's letter out of ``letters``; never null."""

    letters: str
    values: Ints
    kinds: Ints

    @property
    def nulls(self) -> Bools:
        return np.zeros(len(self.values), np.bool_)

    def decoded(self) -> list[object]:
        pairs = zip(self.kinds.tolist(), self.values.tolist(), strict=True)
        return [f"{self.letters[kind]}{number:0{_KEY_DIGITS}d}" for kind, number in pairs]

    def _payload(self, rows: slice) -> Octets:
        payload = Key(self.letters[0], self.values[rows])._payload(slice(None))
        payload[:, 0] = np.frombuffer(self.letters.encode(), np.uint8)[self.kinds[rows]]
        return payload


@dataclass(frozen=True, eq=False)
class Word(Column):
    """Text out of a small vocabulary; ``values`` are positions in ``words``, negative is null."""

    words: tuple[str, ...]
    values: npt.NDArray[np.signedinteger[Any]]

    @property
    def nulls(self) -> Bools:
        return self.values < 0

    def decoded(self) -> list[object]:
        return [None if code < 0 else self.words[code] for code in self.values.tolist()]

    @cached_property
    def _fields(self) -> tuple[Octets, Bools]:
        texts = [word.encode() for word in self.words]
        width = max(map(len, texts), default=0)
        fields = np.zeros((len(texts) + 1, 4 + width), np.uint8)
        keep = np.zeros(fields.shape, np.bool_)
        for row, text in enumerate(texts):
            fields[row, : 4 + len(text)] = np.frombuffer(len(text).to_bytes(4, "big") + text, np.uint8)
            keep[row, : 4 + len(text)] = True
        # The last row is the null, which is also what the code -1 picks.
        fields[-1, :4] = 255
        keep[-1, :4] = True
        return fields, keep

    def fields(self, rows: slice) -> tuple[Octets, Bools | None]:
        fields, keep = self._fields
        codes = self.values[rows]
        return fields[codes], keep[codes]


@dataclass(frozen=True, eq=False)
class Moment(_Fixed):
    """timestamptz as ``datetime64[us]`` in UTC, NaT is null."""

    values: npt.NDArray[np.datetime64]

    @classmethod
    def of(cls, seconds: Floats) -> Moment:
        """From epoch seconds, NaN is null."""
        known = np.isfinite(seconds)
        micro = np.rint(np.where(known, seconds, 0.0) * 1e6).astype(np.int64)
        return cls(np.where(known, micro, np.datetime64("NaT").astype(np.int64)).astype("datetime64[us]"))

    @property
    def nulls(self) -> Bools:
        return np.isnat(self.values)

    @property
    def seconds(self) -> Floats:
        """Epoch seconds, NaN where null."""
        return np.where(self.nulls, np.nan, self.values.astype(np.int64) / 1e6)

    def decoded(self) -> list[object]:
        return list(self.values.tolist())

    def _payload(self, rows: slice) -> Octets:
        return _big_endian(self.values[rows].astype(np.int64) - _MICROSECONDS_TO_2000, ">i8")


@dataclass(frozen=True, eq=False)
class Day(_Fixed):
    """date as ``datetime64[D]``, NaT is null."""

    values: npt.NDArray[np.datetime64]

    @classmethod
    def of(cls, seconds: Floats) -> Day:
        """The UTC days of epoch seconds, NaN is null."""
        return cls(Moment.of(seconds).values.astype("datetime64[D]"))

    @property
    def nulls(self) -> Bools:
        return np.isnat(self.values)

    def decoded(self) -> list[object]:
        return list(self.values.tolist())

    def _payload(self, rows: slice) -> Octets:
        return _big_endian(self.values[rows].astype(np.int64) - _DAYS_TO_2000, ">i4")


@dataclass(frozen=True, eq=False)
class Decimal(_Fixed):
    """numeric with a fixed number of decimals as float64, not negative, below 10^12; NaN is null."""

    values: Floats
    decimals: int = 2

    def __post_init__(self) -> None:
        # Rounded here, so that sums over the array are the sums over the stored rows.
        object.__setattr__(self, "values", np.round(self.values, self.decimals))

    @property
    def nulls(self) -> Bools:
        return np.isnan(self.values)

    def decoded(self) -> list[object]:
        return [None if math.isnan(amount) else amount for amount in self.values.tolist()]

    def _payload(self, rows: slice) -> Octets:
        scaled = np.rint(np.nan_to_num(self.values[rows]) * 10**self.decimals).astype(np.int64)
        return _numeric(scaled, self.decimals)


@dataclass(frozen=True, eq=False)
class Number(_Fixed):
    """double precision, NaN is null."""

    values: Floats

    @property
    def nulls(self) -> Bools:
        return np.isnan(self.values)

    def decoded(self) -> list[object]:
        return [None if math.isnan(number) else number for number in self.values.tolist()]

    def _payload(self, rows: slice) -> Octets:
        return _big_endian(self.values[rows], ">f8")


@dataclass(frozen=True, eq=False)
class Flag(_Fixed):
    """boolean as int8 0/1, negative is null."""

    values: npt.NDArray[np.int8]

    @property
    def nulls(self) -> Bools:
        return self.values < 0

    def decoded(self) -> list[object]:
        return [None if bit < 0 else bool(bit) for bit in self.values.tolist()]

    def _payload(self, rows: slice) -> Octets:
        return _big_endian(self.values[rows], "u1")


@dataclass(frozen=True, eq=False)
class Small(_Fixed):
    """smallint; never null."""

    values: npt.NDArray[np.int16]

    @property
    def nulls(self) -> Bools:
        return np.zeros(len(self.values), np.bool_)

    def decoded(self) -> list[object]:
        return list(self.values.tolist())

    def _payload(self, rows: slice) -> Octets:
        return _big_endian(self.values[rows], ">i2")


def _big_endian(values: npt.NDArray[np.generic], kind: str) -> Octets:
    raw = np.ascontiguousarray(values.astype(kind))
    return raw.view(np.uint8).reshape(len(raw), raw.dtype.itemsize)


def _numeric(scaled: Ints, decimals: int) -> Octets:
    """numeric_send's format: base-10000 digits, three groups before the point and as many as needed behind it."""
    groups = -(-decimals // 4)
    whole, fraction = scaled // 10**decimals, scaled % 10**decimals * 10 ** (4 * groups - decimals)
    words = np.empty((len(scaled), 7 + groups), ">i2")
    words[:, :4] = (3 + groups, 2, 0, decimals)
    for place, power in enumerate((100_000_000, 10_000, 1)):
        words[:, 4 + place] = whole // power % 10_000
    for place in range(groups):
        words[:, 7 + place] = fraction // 10_000 ** (groups - 1 - place) % 10_000
    return words.view(np.uint8).reshape(len(scaled), -1)

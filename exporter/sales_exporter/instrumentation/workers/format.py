"""How series lie in the file of a worker: a header, then records that are only ever appended.

    header   72 bytes, see Header. Its last field says how far the records reach; it is written after each record.
    record   crc32 of what follows up to the key's end | number | length of the key | width | key, padded to 8 | doubles

A record whose number is METRIC defines the next metric: [kind, name, help, labels, bounds] as JSON. One whose number is
FOLDED holds the ids of folded files. Any other is a series of the metric with that number: label values as JSON, then
``width`` doubles, which change in place. A series may have several records; its numbers are their sum. All is in the
byte order of the machine, as the files never leave it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from struct import Struct
from sys import byteorder
from typing import Final, NamedTuple
from zlib import crc32

from sales_exporter.errors import SalesExporterError
from sales_exporter.instrumentation.store import width
from sales_exporter.model import Metric

MAGIC: Final = b"sxwork\x00\x01"
"""The last byte is the version."""
ID_LENGTH: Final = 8
METRIC: Final = 0xFFFFFFFF
FOLDED: Final = 0xFFFFFFFE
ZERO: Final = 7
"""Where the header holds a double that is always zero: the number of every series that a file has not."""
USED: Final = 8
"""Which eight bytes of the header say how far the records reach."""

_FIXED = Struct("=8s8sqqqq")
_REST = Struct("=QdQ")
_PREFIX = Struct("=III")
_HEAD = Struct("=IIII")
HEADER_SIZE: Final = _FIXED.size + _REST.size


class Damaged(SalesExporterError):
    """Bytes that no worker wrote in this place."""


class Header(NamedTuple):
    """``started`` is the start of process ``pid`` in ticks since boot, 0 when unknown. Of the file of dead workers:
    ``folded`` counts the files in it, and ``skipped`` those of them that were damaged."""

    ident: bytes
    pid: int
    started: int
    folded: int
    skipped: int
    used: int

    def pack(self) -> bytes:
        """Its bytes."""
        fixed = _FIXED.pack(MAGIC, *self[:5])
        return fixed + _REST.pack(crc32(fixed), 0.0, self.used)

    @classmethod
    def unpack(cls, data: bytes) -> Header:
        """The header at the start of a file.

        Raises:
            Damaged: it is cut off, of another version, or not one.
        """
        if len(data) < HEADER_SIZE:
            raise Damaged("the header is cut off")
        magic, ident, pid, started, folded, skipped = _FIXED.unpack_from(data)
        check, zero, used = _REST.unpack_from(data, _FIXED.size)
        if magic != MAGIC or check != crc32(data[:_FIXED.size]) or zero != 0.0 or used < HEADER_SIZE:
            raise Damaged("the header is not one of this version")
        return cls(ident, pid, started, folded, skipped, used)


Record = tuple[int, bytes, int, int, int]
"""Number, key, width, place of the first double (counted in doubles from the start of the file), end in bytes."""


def pack(number: int, key: bytes, cells: int) -> bytes:
    """A record up to its doubles, which start as zeros."""
    checked = _PREFIX.pack(number, len(key), cells) + key
    return crc32(checked).to_bytes(4, byteorder) + checked + bytes(-len(key) % 8 + 8 * cells)


def records(data: bytes, start: int, end: int) -> Iterator[Record]:
    """The records between two places.

    Raises:
        Damaged: what follows the records told so far is not a whole record.
    """
    while start < end:
        if start + _HEAD.size > len(data):
            raise Damaged("a record is cut off")
        check, number, length, cells = _HEAD.unpack_from(data, start)
        begin = start + _HEAD.size
        stop = begin + length + -length % 8 + 8 * cells
        if stop > end or stop > len(data):
            raise Damaged("a record is cut off")
        key = data[begin:begin + length]
        if check != crc32(data[start + 4:begin + length]):
            raise Damaged("a record is not what was written")
        yield number, key, cells, stop // 8 - cells, stop
        start = stop


def metric_key(metric: Metric) -> bytes:
    """The key of the record that defines a metric."""
    return _json([metric.kind, metric.name, metric.help, metric.labels, metric.bounds])


def labels_key(labels: tuple[str, ...]) -> bytes:
    """The key of the record of a series."""
    return _json(labels)


def metric_of(key: bytes) -> Metric:
    """The metric that a key defines.

    Raises:
        Damaged: none that could be exported.
    """
    try:
        kind, name, text, labels, bounds = json.loads(key)
        if kind not in ("gauge", "counter", "histogram") or type(text) is not str:
            raise ValueError(kind)
        return Metric(kind, name, text, tuple(labels), tuple(map(float, bounds)))
    except (ValueError, TypeError, RecursionError, SalesExporterError) as error:
        raise Damaged("a metric is none") from error


def labels_of(key: bytes, metric: Metric, cells: int) -> tuple[str, ...]:
    """The label values that a key tells.

    Raises:
        Damaged: they, or the width, are not those of a series of the metric.
    """
    try:
        labels = metric.labelled(json.loads(key))
    except (ValueError, TypeError, RecursionError, SalesExporterError) as error:
        raise Damaged("labels are none") from error
    if cells != width(metric):
        raise Damaged("a series is too narrow or too wide")
    return labels


def _json(value: Sequence[object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


"""Reads CSV files record by record and says exactly where one is malformed."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sales_exporter.errors import DataFileError
from sales_exporter.importer.map import Source

Progress = Callable[[int, int, str], None]
"""Hears how much is done, of how much, and what is being done."""


REPORT_EVERY = 20_000
"""Records between two calls of a progress function."""


def silent(_done: int, _total: int, _what: str) -> None:
    """Progress that nobody hears."""


class Record(NamedTuple):
    """One data row: the line it starts on, its number (1 is the first below the header) and its fields."""

    line: int
    number: int
    fields: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file with a header, read as its source says."""

    path: Path
    source: Source
    header: tuple[str, ...]

    def index(self, column: str) -> int:
        """Position of a column.

        Raises:
            DataFileError: the header lacks it or has it twice.
        """
        times = self.header.count(column)
        if times != 1:
            found = "not in the header" if times == 0 else "more than once in the header"
            raise self.error(1, column, f"expected this column, {found}")
        return self.header.index(column)

    def error(self, line: int, column: str, expected: str) -> DataFileError:
        """An error at a place in the file; ``expected`` must not quote the row."""
        where = f"{self.path}:{line}:{column}" if column else f"{self.path}:{line}"
        return DataFileError(f"{where}: {expected}")

    def records(self, what: str, progress: Progress) -> Iterator[Record]:
        """All data rows, blank lines left out.

        Raises:
            DataFileError: wrong number of fields, an open quote, bytes outside the encoding.
        """
        width = len(self.header)
        with _opened(self.path, self.source) as (file, text):
            size = max(1, self.path.stat().st_size)
            records = _records(self.path, self.source, text)
            next(records)
            number = 0
            for line, fields in records:
                if not fields:
                    continue
                number += 1
                if len(fields) != width:
                    raise self.error(line, "", f"expected {width} fields, as in the header, found {len(fields)}")
                if number % REPORT_EVERY == 0:
                    progress(file.tell(), size, what)
                yield Record(line, number, fields)
        progress(size, size, what)


def open_table(path: Path, source: Source) -> Table:
    """The table in a file, its header read.

    Raises:
        DataFileError: unreadable, empty, or without a header.
    """
    with _opened(path, source) as (_, text):
        _, header = next(_records(path, source, text), (1, []))
    names = tuple(name.strip() for name in header)
    if not any(names):
        raise DataFileError(f"{path}:1: expected a header line with the names of the columns")
    if len(names) == 1 and len(names[0].splitlines()) > 1:
        raise DataFileError(f"{path}:1: expected a header line, found a quote that is left open")
    return Table(path, source, names)


@contextlib.contextmanager
def _opened(path: Path, source: Source) -> Iterator[tuple[BinaryIO, io.TextIOWrapper]]:
    """The file, which can tell how far reading has come, and its text."""
    # Spreadsheets put a byte-order mark before UTF-8, which would become part of the first column's name.
    encoding = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}") from None
    with file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
        yield file, text


def _records(path: Path, source: Source, text: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    """Pairs of first line and fields, the header included."""
    lines = _lines(path, source, text)
    reader = csv.reader(lines, delimiter=source.separator, quotechar=source.quote, strict=True)
    start = 1
    try:
        for fields in reader:
            yield start, fields
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataFileError(f"{path}:{start}: {_broken(str(error), source)}") from None


def _broken(said: str, source: Source) -> str:
    if "field larger" in said:
        return f"expected fields of at most {csv.field_size_limit()} characters; is a quote left open?"
    if "unexpected end" in said:
        return "expected a closing quote, found the end of the file"
    if "expected after" in said:
        return f"expected {source.separator!r} or the end of the line after a closing quote"
    return "expected a line of separated values"


def _lines(path: Path, source: Source, text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(text, 1):
            if "\0" in line:
                raise DataFileError(f"{path}:{number}: expected text, found a NUL character")
            yield line
    except UnicodeDecodeError:
        number = _undecodable(path, source) or number + 1
        raise DataFileError(f"{path}:{number}: expected text in the encoding {source.encoding}") from None


def _undecodable(path: Path, source: Source) -> int | None:
    """The first line that does not decode; the decoder itself reads ahead and only knows its block."""
    if "\n".encode(source.encoding)[-1:] != b"\n" or "utf-16" in source.encoding or "utf-32" in source.encoding:
        return None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(source.encoding)
            except UnicodeDecodeError:
                return number
    return None

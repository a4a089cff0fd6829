"""Texts of a file as values that PostgreSQL reads, one converter for each type of the contract."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sales_exporter.contract.relations import ColumnType
from sales_exporter.importer.map import Source

Convert = Callable[[str], str]
"""Text as written in the file to text as PostgreSQL reads it."""

REMEMBERED = 1 << 16
"""Results kept by a converter: dates repeat, and parsing one costs more than finding it again."""

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
_MONEY = re.compile(r"[+-]?[0-9]{1,16}(\.[0-9]+)?")
_SWAP = str.maketrans(",.", ".,")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0+)?")


class Expected(Exception):
    """A value is not what it should be. Says what was expected, never what was found: it may be personal."""


def converter(kind: ColumnType, source: Source, formats: tuple[str, ...] | None = None) -> Convert:
    """The converter of a contract type for texts that are written as ``source`` says, dates as ``formats``."""
    formats, zone = formats or source.dates, ZoneInfo(source.zone)
    made: dict[ColumnType, Convert] = {
        "text": str,
        "boolean": _boolean,
        "numeric": _numeric(_MONEY, "an amount of at most 16 digits before the decimal mark", source),
        "double": _numeric(_NUMBER, "a number", source),
        "int": _integer(source),
        "timestamptz": _remember(partial(_timestamp, formats, zone)),
        "date": _remember(partial(_date, formats, zone)),
    }
    return made[kind]


def later(moment: str, seconds: str) -> str:
    """A converted timestamp, moved by a converted number of seconds."""
    try:
        return (datetime.fromisoformat(moment) + timedelta(seconds=float(seconds))).isoformat()
    except OverflowError:
        raise Expected("a number of seconds that stays within the years 1 to 9999") from None


def parse_moment(text: str, formats: tuple[str, ...], zone: ZoneInfo) -> datetime | None:
    """The first format that fits gives the moment; without an offset it lies in ``zone``. None fits: None."""
    for one in formats:
        try:
            moment = datetime.fromisoformat(text) if one == "iso" else datetime.strptime(text, one)
        except ValueError:
            continue
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return None


def _boolean(text: str) -> str:
    word = text.strip().lower()
    if word in _TRUE:
        return "true"
    if word in _FALSE:
        return "false"
    raise Expected("true or false, yes or no, 1 or 0")


def _numeric(shape: re.Pattern[str], what: str, source: Source) -> Convert:
    mark, group = re.escape(source.decimal), re.escape(source.thousands)
    grouped = re.compile(rf"[+-]?[0-9]{{1,3}}({group}[0-9]{{3}})+({mark}[0-9]+)?")
    expected = f"{what}, e.g. {'1234.56'.replace('.', source.decimal)}"

    def convert(text: str) -> str:
        plain = text.strip()
        if source.thousands and grouped.fullmatch(plain):
            plain = plain.replace(source.thousands, "")
        if source.decimal == ",":
            # A point is no decimal mark in this file: swapped, it fails below.
            plain = plain.translate(_SWAP)
        if shape.fullmatch(plain) is None:
            raise Expected(expected)
        return plain

    return convert


def _integer(source: Source) -> Convert:
    whole = _numeric(_WHOLE, "a whole number", source)

    def convert(text: str) -> str:
        try:
            return whole(text).split(".")[0]
        except Expected:
            raise Expected("a whole number, e.g. 42") from None

    return convert


def _timestamp(formats: tuple[str, ...], zone: ZoneInfo, text: str) -> str:
    moment = parse_moment(text.strip(), formats, zone)
    if moment is None:
        raise Expected(f"a date or time, e.g. {_example(formats)}")
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError:
        raise Expected("a time within the years 1 to 9999") from None


def _date(formats: tuple[str, ...], zone: ZoneInfo, text: str) -> str:
    moment = parse_moment(text.strip(), formats, zone)
    if moment is None:
        raise Expected(f"a date, e.g. {_example(formats)}")
    return moment.date().isoformat()


def _example(formats: tuple[str, ...]) -> str:
    moment = datetime(2024, 12, 31, 17, 30, tzinfo=UTC)
    iso = "2024-12-31 or 2024-12-31 17:30:00"
    return " or ".join(iso if one == "iso" else moment.strftime(one) for one in formats)


def _remember(convert: Convert) -> Convert:
    known: dict[str, str] = {}

    def convert_once(text: str) -> str:
        found = known.get(text)
        if found is None:
            found = convert(text)
            if len(known) >= REMEMBERED:
                known.clear()
            known[text] = found
        return found

    return convert_once

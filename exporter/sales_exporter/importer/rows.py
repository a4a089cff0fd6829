"""Turns records of a file into rows of a relation, as one entry of a map says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from sales_exporter.contract import relations as contract
from sales_exporter.importer import fit
from sales_exporter.importer.files import Progress, Record, Table
from sales_exporter.importer.map import ROW_NUMBER, Column, Condition, Target, placeholders
from sales_exporter.importer.values import Convert, Expected, converter, later

Values = list[str | None]
Cell = Callable[[list[str], int], str | None]
"""Fields and row number of a record to one value, as PostgreSQL reads it."""
Lookups = Callable[[str, str, str], Mapping[str, str | None]]
"""Source, key template and value template to the values of that source by key."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that one entry of a map makes of its file."""

    relation: contract.Relation
    target: Target
    table: Table
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    takes: Callable[[Record], bool]
    unknown: Counter[str] = field(default_factory=Counter)
    """How many rows hold a value outside the documented set, by column; they are loaded all the same."""

    def read(self, progress: Progress) -> Iterator[tuple[int, Values]]:
        """Line and values of each row, in the order of ``columns``.

        Raises:
            DataFileError: the first value that is not what its column takes, with its place.
        """
        what = f"{self.table.path.name} → {self.relation.name}"
        seen: set[tuple[str | None, ...]] = set()
        documented = [(place, self.relation.column(name)) for place, name in enumerate(self.columns)]
        documented = [(place, column) for place, column in documented if column.enum]
        for record in self.table.records(what, progress):
            if not self.takes(record):
                continue
            values = self._values(record)
            if None in values and not self._complete(record, values):
                continue
            if self.target.distinct:
                whole = tuple(values)
                if whole in seen:
                    continue
                seen.add(whole)
            for place, column in documented:
                if values[place] is not None and values[place] not in column.enum:
                    self.unknown[column.name] += 1
            yield record.line, values

    def _values(self, record: Record) -> Values:
        _, number, fields = record
        try:
            return [cell(fields, number) for cell in self.cells]
        except Expected:
            # Found again cell by cell: a try around each would cost every good row.
            for name, cell in zip(self.columns, self.cells, strict=True):
                try:
                    cell(fields, number)
                except Expected as error:
                    raise self.table.error(record.line, self._origin(name), f"expected {error}") from None
            raise

    def _complete(self, record: Record, values: Values) -> bool:
        """False for a row to pass over: entries of distinct rows leave those without a key."""
        empty = [name for name, value in zip(self.columns, values, strict=True) if value is None]
        missing = [name for name in empty if not self.relation.column(name).nullable]
        if self.target.distinct and any(name in self.relation.key for name in missing):
            return False
        for name in missing:
            raise self.table.error(record.line, self._origin(name),
                                   f"expected a value for {self.relation.name}.{name}, found none")
        return True

    def _origin(self, name: str) -> str:
        spec = self.target.columns[name]
        return spec.column or spec.template or name


def make_rows(target: Target, tables: Mapping[str, Table], lookups: Lookups) -> Rows:
    """The rows of one entry of a map, its columns found in the files.

    Raises:
        DataFileError: a file lacks a column that the map names.
    """
    relation = contract.RELATIONS[target.relation]
    table = tables[target.source]
    names = tuple(target.columns)
    cells = tuple(
        _cell(relation.column(name), target.columns[name], table, tables, lookups) for name in names
    )
    return Rows(relation, target, table, names, cells, _filter(target.when, table))


def lookups_in(tables: Mapping[str, Table], progress: Progress) -> Lookups:
    """Reads a lookup file when it is first needed, and keeps its values for the next column.

    The returned function raises:
        DataFileError: a key occurs twice with different values.
    """

    @cache
    def read(source: str, key: str, take: str) -> Mapping[str, str | None]:
        table = tables[source]
        key_of, value_of = _joined(placeholders(key), table), _joined(placeholders(take), table)
        found: dict[str, str | None] = {}
        for line, number, fields in table.records(f"{table.path.name} (lookup)", progress):
            name, value = key_of(fields, number), value_of(fields, number)
            if name is not None and found.setdefault(name, value) != value:
                raise table.error(line, key, "expected each key once, found one again with another value")
        return found

    return read


def _filter(conditions: Mapping[str, Condition], table: Table) -> Callable[[Record], bool]:
    tests = [(table.index(name), _test(condition, table)) for name, condition in conditions.items()]
    return lambda record: all(test(record.fields[place]) for place, test in tests)


def _test(condition: Condition, table: Table) -> Callable[[str], bool]:
    nulls = frozenset(table.source.nulls)
    if condition.empty is not None:
        return (lambda text: text in nulls) if condition.empty else (lambda text: text not in nulls)
    allowed = frozenset(condition.any_of or (condition.equals,))
    return lambda text: text in allowed


def _cell(
    column: contract.Column, spec: Column, table: Table, tables: Mapping[str, Table], lookups: Lookups
) -> Cell:
    if spec.constant:
        fixed = fit.constant(column, spec.value)
        return lambda _fields, _number: fixed
    text, source = _joined(spec.text, table), table.source
    values = spec.values
    if spec.lookup is not None:
        found = lookups(spec.lookup.source, spec.lookup.key, spec.lookup.take)
        other = tables[spec.lookup.source]
        text, source = _looked_up(_replaced(text, values), spec, other, found), other.source
        values = {}
    convert = converter(column.type, source, spec.format)
    cell = text if column.type == "text" else _converted(text, convert)
    if values:
        ready = {name: fit.constant(column, value) for name, value in values.items()}
        cell = _chosen(text, ready, cell)
    if spec.plus_seconds is not None:
        cell = _moved(cell, _joined(placeholders(spec.plus_seconds), table), converter("double", table.source))
    if spec.default is not None:
        cell = _defaulted(cell, fit.constant(column, spec.default))
    return cell


def _joined(parts: tuple[tuple[str, str | None], ...], table: Table) -> Cell:
    """The text of a template; a template with an empty column in it has no value."""
    nulls = frozenset(table.source.nulls)
    if len(parts) == 1 and parts[0][0] == "" and parts[0][1] not in (None, ROW_NUMBER):
        place = table.index(str(parts[0][1]))
        return lambda fields, _number: None if fields[place] in nulls else fields[place]
    places = [(literal, None if name in (None, ROW_NUMBER) else table.index(name), name) for literal, name in parts]

    def join(fields: list[str], number: int) -> str | None:
        made = []
        for literal, place, name in places:
            made.append(literal)
            if place is not None:
                if fields[place] in nulls:
                    return None
                made.append(fields[place])
            elif name == ROW_NUMBER:
                made.append(str(number))
        return "".join(made)

    return join


def _replaced(text: Cell, values: Mapping[str, str | None]) -> Cell:
    def replace(fields: list[str], number: int) -> str | None:
        found = text(fields, number)
        return None if found is None else values.get(found, found)

    return replace


def _chosen(text: Cell, ready: Mapping[str, str | None], otherwise: Cell) -> Cell:
    def choose(fields: list[str], number: int) -> str | None:
        found = text(fields, number)
        return ready[found] if found is not None and found in ready else otherwise(fields, number)

    return choose


def _looked_up(text: Cell, spec: Column, source: Table, found: Mapping[str, str | None]) -> Cell:
    missing = f"a value that {source.path.name} has; replace it under values, or give a default"

    def look_up(fields: list[str], number: int) -> str | None:
        key = text(fields, number)
        if key is None or key in found or spec.accepts_no_match:
            return None if key is None else found.get(key)
        raise Expected(missing)

    return look_up


def _converted(text: Cell, convert: Convert) -> Cell:
    def make(fields: list[str], number: int) -> str | None:
        found = text(fields, number)
        return None if found is None else convert(found)

    return make


def _moved(moment: Cell, seconds: Cell, convert: Convert) -> Cell:
    def move(fields: list[str], number: int) -> str | None:
        start, span = moment(fields, number), seconds(fields, number)
        return None if start is None or span is None else later(start, convert(span))

    return move


def _defaulted(cell: Cell, default: str | None) -> Cell:
    def fill(fields: list[str], number: int) -> str | None:
        found = cell(fields, number)
        return default if found is None else found

    return fill

"""Holds a map against the data contract before a file is opened, and names the key that does not fit."""

from __future__ import annotations

from collections.abc import Iterator

from sales_exporter.contract import relations as contract
from sales_exporter.errors import DataFileError
from sales_exporter.importer.map import Column, Map, Source, Target
from sales_exporter.importer.values import Expected, converter

CANONICAL = Source.model_validate({"file": "-"})
"""How a map writes its own constants, however its files are written: ISO dates in UTC, a decimal point."""

WRITTEN_BY_TRIGGER = {"lead_revisions": "leads is loaded", "removals": "rows are deleted"}
"""Relations that the database writes itself, and when."""


def check(plan: Map, where: str) -> None:
    """Hold a map against the contract; ``where`` names the map in the error.

    Raises:
        DataFileError: the first defect, with its key in the map and what was expected.
    """
    for key, defect in _defects(plan):
        raise DataFileError(f"{where}: {key}: {defect}")


def constant(column: contract.Column, text: str | None) -> str | None:
    """A constant of a map as the contract's type.

    Raises:
        Expected: it is none.
    """
    return None if text is None else converter(column.type, CANONICAL)(text)


def _defects(plan: Map) -> Iterator[tuple[str, str]]:
    shapes: dict[str, tuple[int, frozenset[str]]] = {}
    for place, target in enumerate(plan.relations):
        key = f"relations.{place}"
        relation = contract.RELATIONS.get(target.relation)
        if relation is None:
            known = ", ".join(contract.RELATIONS)
            yield f"{key}.relation", f"the contract has no such relation; it has {known}"
            return
        if occasion := WRITTEN_BY_TRIGGER.get(target.relation):
            yield f"{key}.relation", f"the database writes this relation itself when {occasion}"
        first, names = shapes.setdefault(target.relation, (place, frozenset(target.columns)))
        if odd := sorted(names ^ target.columns.keys()):
            yield f"{key}.columns.{odd[0]}", (
                f"expected the same columns as in relations.{first}, which fills this relation too; "
                "write {value: null} for no value")
        yield from _unfit(key, relation, target)


def _unfit(key: str, relation: contract.Relation, target: Target) -> Iterator[tuple[str, str]]:
    known = {column.name: column for column in relation.columns if column.type != "xid8"}
    for name, spec in target.columns.items():
        if name not in known:
            yield f"{key}.columns.{name}", f"{relation.name} has no such column; it has {', '.join(known)}"
            continue
        yield from ((f"{key}.columns.{name}{part}", defect) for part, defect in _misused(known[name], spec))
    for column in known.values():
        needed = column.name in relation.key or not (column.nullable or column.defaulted)
        if needed and column.name not in target.columns:
            yield f"{key}.columns", f"{column.name} is missing; {relation.name} needs it"


def _misused(column: contract.Column, spec: Column) -> Iterator[tuple[str, str]]:
    moment = column.type in ("timestamptz", "date")
    if spec.format is not None and not moment:
        yield ".format", f"only dates and times have a format; this is {column.type}"
    if spec.plus_seconds is not None and (column.type != "timestamptz" or spec.constant):
        yield ".plus_seconds", "only a time from the file can be moved"
    if spec.constant and (spec.values or spec.lookup or spec.format or spec.default is not None):
        yield "", "a constant value takes nothing else beside it"
    if spec.constant and spec.value is None and not column.nullable:
        yield ".value", "the contract needs a value here"
    stated = {".value": spec.value, ".default": spec.default}
    if spec.lookup is None:
        # With a lookup the replaced text is a key of the other file, in whatever form that has.
        stated |= {f".values.{name}": value for name, value in spec.values.items()}
    for part, text in stated.items():
        try:
            constant(column, text)
        except Expected as error:
            yield part, f"expected {error}"

"""Writes a map to start from: all columns of a relation with what the contract says of them."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from sales_exporter.contract.relations import RELATIONS, Column, Relation
from sales_exporter.errors import DataFileError
from sales_exporter.importer.fit import WRITTEN_BY_TRIGGER
from sales_exporter.importer.map import Source

HEAD = """\
# Map for sales.{name}. Put the names of your file's columns on the right; lines that start with # are optional.
# Instead of a name:
#   {{value: x}}                                the same for all rows
#   {{template: "{{a}}-{{b}}"}}                     made of columns; {{#}} is the row number
#   {{column: a, values: {{"Theirs": ours}}}}     with replaced texts
#   {{column: a, default: x}}                   with something in place of no value
# More: docs/importing.md

sources:
  export:
    file: {name}.csv
"""
BODY = """
relations:
  - relation: {name}
    source: export
    # when: {{a: {{in: [x, y]}}, b: {{empty: false}}}}  # take only rows that meet all of these
    # distinct: true                             # each row once, rows without a key not at all
    columns:
"""


def map_template(name: str) -> str:
    """A commented map for one relation of the contract, in YAML.

    Raises:
        DataFileError: the contract has no such relation, or the database writes it itself.
    """
    relation = RELATIONS.get(name)
    if relation is None or name in WRITTEN_BY_TRIGGER:
        known = ", ".join(other for other in RELATIONS if other not in WRITTEN_BY_TRIGGER)
        raise DataFileError(f"--map-template: no relation of that name can be imported; there are {known}")
    lines = [HEAD.format(name=name), *_source(), BODY.format(name=name), *_columns(relation)]
    return "".join(lines)


def _source() -> Iterator[str]:
    for name, field in Source.model_fields.items():
        if name != "file":
            default = field.default[0] if name == "dates" else field.default
            yield _line(4, f"{name}: {_yaml(default)}", field.description or "", optional=True)


def _columns(relation: Relation) -> Iterator[str]:
    for column in relation.columns:
        if column.type != "xid8":
            needed = column.name in relation.key or not (column.nullable or column.defaulted)
            text = f"{column.name}: {column.name.upper()}"
            yield _line(6, text, _meaning(relation, column), optional=not needed)


def _meaning(relation: Relation, column: Column) -> str:
    parts: list[str] = [column.type]
    if column.name in relation.key:
        parts.append("key" if len(relation.key) == 1 else f"part of the key ({', '.join(relation.key)})")
    if column.enum:
        parts.append(f"one of {', '.join(column.enum)}")
    if column.references:
        parts.append(f"a key of {column.references}")
    if column.nullable:
        parts.append("may be empty")
    return ", ".join(parts)


def _line(indent: int, text: str, comment: str, *, optional: bool) -> str:
    start = " " * indent + ("# " if optional else "") + text
    return f"{start:<46} # {comment}\n"


def _yaml(value: object) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, default_style='"').strip().removesuffix("\n...")

"""The map of an import: which columns of which files become which of the contract. Nothing in it is evaluated."""

from __future__ import annotations

import codecs
import string
import zoneinfo
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from sales_exporter.config import Section, explain, read_yaml
from sales_exporter.errors import ConfigError, DataFileError

ROW_NUMBER = "#"
"""Name, in a template, of the number of a data row: 1 for the first below the header."""


def _plain(value: object) -> object:
    """A YAML scalar as text, as CSV fields are; YAML reads 2018-01-31 as a date and 1 as a number."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case _:
            return value


def _text_keys(value: object) -> object:
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        raise ValueError("put the keys in quotes: YAML reads yes, no, on, off and digits as other than text")
    return value


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _template(text: str) -> str:
    placeholders(text)
    return text


Scalar = Annotated[str | None, BeforeValidator(_plain)]
Text = Annotated[str, BeforeValidator(_plain)]
Template = Annotated[str, BeforeValidator(_plain), Field(min_length=1)]
Formats = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]


def placeholders(template: str) -> tuple[tuple[str, str | None], ...]:
    """The parts of a template: literal text, then the name of the column that follows it, if one does.

    >>> placeholders("{year}-{month}")
    (('', 'year'), ('-', 'month'))

    Raises:
        ValueError: unbalanced braces, an empty name, or something else than a plain name in braces.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        raise ValueError("braces do not match; write {{ and }} for braces that stay") from None
    if any(name is not None and (not name or spec or conversion) for _, name, spec, conversion in parts):
        raise ValueError("expected only {column} or {#} in braces")
    return tuple((literal, name) for literal, name, _, _ in parts)


class Source(Section):
    """One CSV file and how it is written."""

    file: str = Field(min_length=1, description="Name; * and ? stand for what changes between exports.")
    separator: str = Field(",", min_length=1, max_length=1, description="What stands between fields.")
    quote: str = Field('"', min_length=1, max_length=1, description="What stands around fields that hold a separator.")
    encoding: str = Field("utf-8", description="Encoding of the file; a byte-order mark is skipped.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark of numbers.")
    thousands: Literal["", ".", ",", " ", "'"] = Field("", description="Mark between groups of three digits.")
    nulls: tuple[Text, ...] = Field(("",), description="Fields with one of these texts hold no value.")
    dates: Formats = Field(("iso",), description="Formats of dates: iso or strptime codes; the first that fits wins.")
    zone: str = Field("UTC", description="IANA zone of times that name none.")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            known = codecs.lookup(name).name
            "".encode(known)
        except (LookupError, ValueError):
            raise ValueError("no text encoding of that name, such as utf-8 or cp1252") from None
        return known

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no IANA time zone of that name, such as Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def _distinct_marks(self) -> Source:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands must differ")
        if self.separator == self.quote:
            raise ValueError("separator and quote must differ")
        return self


class Lookup(Section):
    """Replaces a value by one from another source: of the row there whose ``key`` equals it, ``take``."""

    source: str = Field(description="Name under sources.")
    key: Template = Field(description="Template over that source's row; must be different in each row.")
    take: Template = Field(description="Template over that source's row that makes the new value.")

    _check = field_validator("key", "take")(_template)


class Column(Section):
    """How one column of a relation is made: a text, then values, lookup, conversion, and a default for none."""

    column: str | None = Field(None, min_length=1, description="Column of the file.")
    template: Template | None = Field(None, description="Text with {column} in it; {#} is the row number.")
    value: Scalar = Field(None, description="The same for all rows.")
    values: Annotated[dict[str, Scalar], BeforeValidator(_text_keys)] = Field(
        default_factory=dict, description="Replaces whole texts; others stay as they are.")
    lookup: Lookup | None = Field(None, description="Replaces the text by one from another file.")
    format: Formats | None = Field(None, description="Formats of this date, not those of the source.")
    plus_seconds: Template | None = Field(None, description="Template of the seconds to add to this time.")
    default: Scalar = Field(None, description="In place of no value, and of a lookup without a match.")

    @field_validator("template", "plus_seconds")
    @classmethod
    def _balanced(cls, template: str | None) -> str | None:
        return None if template is None else _template(template)

    @model_validator(mode="after")
    def _one_origin(self) -> Column:
        if len(self.model_fields_set & {"column", "template", "value"}) != 1:
            raise ValueError("give one of column, template and value")
        return self

    @property
    def constant(self) -> bool:
        """Whether the value is the same for all rows."""
        return "value" in self.model_fields_set

    @property
    def accepts_no_match(self) -> bool:
        """Whether a lookup may find nothing: the map says what stands in then."""
        return "default" in self.model_fields_set

    @property
    def text(self) -> tuple[tuple[str, str | None], ...]:
        """The parts that the text is made of (see placeholders); none for a constant."""
        if self.column is not None:
            return (("", self.column),)
        return placeholders(self.template or "")


class Condition(Section):
    """What a column of the file must hold for its row to be taken."""

    equals: Text | None = Field(None, description="Exactly this text.")
    any_of: tuple[Text, ...] | None = Field(None, alias="in", min_length=1, description="One of these texts.")
    empty: bool | None = Field(None, description="No value (true) or a value (false).")

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        if sum(test is not None for test in (self.equals, self.any_of, self.empty)) != 1:
            raise ValueError("give one of equals, in and empty")
        return self


def _short(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class Target(Section):
    """Rows for one relation from one source. A relation may be filled by several of these."""

    relation: str = Field(description="Relation of the data contract.")
    source: str = Field(description="Name under sources.")
    when: dict[str, Condition] = Field(default_factory=dict, description="Takes the rows that meet all of these.")
    distinct: bool = Field(False, description="Each row once; rows without a key are passed over.")
    columns: dict[str, Annotated[Column, BeforeValidator(_short)]] = Field(
        min_length=1, description="By column of the relation; a text alone is a column of the file.")


class Map(Section):
    """A whole map."""

    sources: dict[str, Source] = Field(min_length=1, description="The files, by a name of your choice.")
    relations: tuple[Target, ...] = Field(min_length=1, description="What they fill.")

    @model_validator(mode="after")
    def _known_sources(self) -> Map:
        for place, target in enumerate(self.relations):
            used = [target.source, *(c.lookup.source for c in target.columns.values() if c.lookup)]
            if unknown := [name for name in used if name not in self.sources]:
                raise ValueError(f"relations.{place}: no source named {unknown[0]!r}")
        return self


def parse(text: str, where: str) -> Map:
    """A map from the text of a YAML file; ``where`` names it in errors.

    Raises:
        DataFileError: one line that names the file, the key and what was expected.
    """
    try:
        tree: dict[str, Any] = read_yaml(text, where)
        return Map.model_validate(tree)
    except ConfigError as error:
        raise DataFileError(str(error)) from None
    except ValidationError as error:
        raise DataFileError(f"{where}: {explain(error)}") from None


def load(path: Path) -> Map:
    """The map in a file.

    Raises:
        DataFileError: unreadable, or as parse.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataFileError(f"{path}: expected UTF-8 text") from None

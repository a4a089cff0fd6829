"""The relations that recorders write, and how rows of them become one statement.

One INSERT from arrays, a parameter for each column, with ON CONFLICT DO NOTHING: a row that is there already is no
error, and a batch whose fate is unknown may be written again. It asks for no right but INSERT on the columns. COPY into
a temporary table would need the right to make one, and was no faster (``benchmarks/recorders.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "timestamptz", "float8", "numeric", "boolean", "smallint"]
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation with the columns that a recorder fills, in the order of a row's values."""

    name: str
    columns: tuple[tuple[str, Kind], ...]

    @property
    def insert(self) -> bytes:
        """The statement. Its parameters are what ``arrays`` makes."""
        names = ", ".join(name for name, _ in self.columns)
        arrays = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(self.columns, 1))
        # Without a conflict target: one would need the right to SELECT its columns.
        return (
            f"INSERT INTO sales.{self.name} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608  (constants)
            " ON CONFLICT DO NOTHING"
        ).encode()

    def arrays(self, rows: Sequence[Row]) -> list[bytes]:
        """The rows as array literals, column by column."""
        return [
            (_texts(values) if kind == "text" else _plain(values)).encode()
            for (_, kind), values in zip(self.columns, zip(*rows, strict=True), strict=True)
        ]


def _texts(values: tuple[object, ...]) -> str:
    if None in values:
        return "{" + ",".join(["NULL" if value is None else f'"{_escaped(str(value))}"' for value in values]) + "}"
    # No text holds NUL (see values.py), so that all of them can be escaped at once.
    return '{"' + _escaped("\0".join(map(str, values))).replace("\0", '","') + '"}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _plain(values: tuple[object, ...]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"


PREDICTIONS = Relation("model_predictions", (
    ("prediction_id", "text"), ("model", "text"), ("version", "text"), ("subject_kind", "text"), ("subject_id", "text"),
    ("predicted_at", "timestamptz"), ("horizon_seconds", "float8"), ("score", "float8"), ("threshold", "float8")))
OUTCOMES = Relation("model_outcomes", (
    ("subject_kind", "text"), ("subject_id", "text"), ("observed_at", "timestamptz"), ("label", "smallint"),
    ("is_final", "boolean")))
CALLS = Relation("calls", (
    ("call_id", "text"), ("lead_id", "text"), ("rep_id", "text"), ("channel_id", "text"), ("carrier", "text"),
    ("agent_kind", "text"), ("direction", "text"), ("started_at", "timestamptz"), ("answered_at", "timestamptz"),
    ("ended_at", "timestamptz"), ("outcome", "text"), ("success", "boolean"), ("talk_seconds", "float8"),
    ("hold_seconds", "float8"), ("wrap_seconds", "float8"), ("first_response_seconds", "float8"),
    ("transferred", "boolean"), ("cost", "numeric"), ("currency", "text")))
JUDGEMENTS = Relation("call_judgements", (
    ("judgement_id", "text"), ("call_id", "text"), ("success", "boolean"), ("judged_at", "timestamptz")))
RELATIONS = (PREDICTIONS, OUTCOMES, CALLS, JUDGEMENTS)

"""One reading: every field of some sections at one moment, by the queries of the dashboards, each asked once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from sales_exporter.api.asked import Chosen, seconds
from sales_exporter.api.dashboards import dashboards, expression
from sales_exporter.api.schema import Breakdown, Figure, Row, State
from sales_exporter.api.table import Field, Ref, Sections
from sales_exporter.api.variables import resolved
from sales_exporter.errors import DeadlineExceeded, SourceError
from sales_exporter.grafana.document import used
from sales_exporter.sidecar.history.answers import Vector
from sales_exporter.sidecar.history.client import Client

Key = tuple[str, ...]
"""Values of the labels that a field is divided by."""
Column = Mapping[Key, float]
Found: TypeAlias = Figure | Breakdown
Reading: TypeAlias = Mapping[str, Mapping[str, Found]]
"""By section and field."""

ROWS = 200
"""Rows of one field at most."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One server at one moment; what is asked twice is answered from the first answer."""

    client: Client
    at: float
    until: float
    """Moment of the event loop at which patience ends."""
    answers: dict[tuple[str, float], asyncio.Future[Vector]] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    """Queries that failed, by reason."""

    async def instant(self, expr: str, ahead: float = 0.0) -> Vector:
        """The answer to a query, at the moment or so many seconds after it; raises as the client does."""
        key = (expr, ahead)
        if key not in self.answers:
            self.answers[key] = asyncio.ensure_future(self._instant(expr, self.at + ahead))
        return await self.answers[key]

    async def listed(self, series: str, label: str) -> tuple[str, ...]:
        """The values of a label, in order; raises as the client does."""
        found = await self.instant(f"group by ({label}) ({series})")
        return tuple(sorted({value for labels in found.labels for name, value in labels if name == label}))

    async def _instant(self, expr: str, at: float) -> Vector:
        try:
            async with asyncio.timeout_at(self.until):
                return await self.client.instant(expr, at)
        except TimeoutError:
            self.failures[DeadlineExceeded.reason] += 1
            raise DeadlineExceeded("no answer in the time of a reading") from None
        except SourceError as error:
            self.failures[error.reason] += 1
            raise


def asking(client: Client, at: float, patience: float) -> Asking:
    """Begin to ask; after ``patience`` seconds what is not answered is an error."""
    return Asking(client, at, asyncio.get_running_loop().time() + patience)


async def read(sections: Sections, chosen: Chosen, asks: Asking) -> Reading:
    """Every field of the sections. What fails is in its state; nothing is raised."""
    async def section(fields: Sequence[Field]) -> dict[str, Found]:
        found = await asyncio.gather(*(_field(one, chosen, asks) for one in fields))
        return {one.name: figure for one, figure in zip(fields, found, strict=True)}

    parts = await asyncio.gather(*(section(fields) for fields in sections.values()))
    return dict(zip(sections, parts, strict=True))


def renewed(new: Reading, old: Reading) -> Reading:
    """The new reading, with the last good number, called stale, where reading failed."""
    def kept(found: Found, before: Found | None) -> Found:
        if found.state != "error" or before is None or before.state not in ("ok", "stale"):
            return found
        return before.model_copy(update={"state": "stale"})

    return {section: {name: kept(found, old.get(section, {}).get(name)) for name, found in fields.items()}
            for section, fields in new.items()}


async def values_of(asked: Field, refs: Iterable[Ref], chosen: Chosen, asks: Asking) -> dict[str, str]:
    """Values of the variables that some queries of a field need; raises as the client does."""
    board = dashboards()[asked.board]
    names = board.needed((ref.panel, ref.query) for ref in refs)
    return await resolved(board, names, chosen.model_dump(exclude_none=True) | dict(asked.chosen), asks.listed)


def depends(refs: Iterable[Ref], values: Mapping[str, str]) -> dict[str, str]:
    """Those variables that the queries themselves name, and what they stand for."""
    names = {name for ref in refs for name in used(dashboards()[ref.board].queries[ref.panel, ref.query])}
    return {name: value for name, value in sorted(values.items()) if name in names}


def ahead_of(asked: Field, values: Mapping[str, str]) -> float:
    """Seconds for which a number is of a later moment than the one it was made at.

    Raises:
        LookupError: the variable that says so has no value, or none that is a length of time.
    """
    return seconds(values[asked.ahead]) if asked.ahead else 0.0


async def _field(asked: Field, chosen: Chosen, asks: Asking) -> Found:
    refs = asked.refs
    try:
        values = await values_of(asked, refs.values(), chosen, asks)
        ahead = ahead_of(asked, values)
        wanted = {part: expression(ref, values) for part, ref in refs.items()}
    except SourceError:
        return _found(asked, {}, {}, "error", asks.at)
    except LookupError:
        # A variable without a value, or a strange one: no series has the label that it is listed from.
        return _found(asked, {}, {}, "no_data", asks.at)
    said = depends(refs.values(), values)
    try:
        vectors = await asyncio.gather(*(asks.instant(expr, ahead) for expr in wanted.values()))
        columns = {part: _column(vector, asked.by) for part, vector in zip(wanted, vectors, strict=True)}
    except SourceError:
        return _found(asked, {}, said, "error", asks.at)
    return _found(asked, columns, said, "ok", asks.at + ahead)


def _column(vector: Vector, by: tuple[str, ...]) -> Column:
    """Values by the labels that a field is divided by. NaN is no value."""
    keys = (tuple(dict(labels).get(name, "") for name in by) for labels in vector.labels)
    return {key: float(value) for key, value in zip(keys, vector.values, strict=True) if not np.isnan(value)}


def _found(asked: Field, columns: Mapping[str, Column], said: dict[str, str], state: State, at: float) -> Found:
    values = columns.get("value", {})
    if state == "ok" and not values:
        state = "no_data"
    as_of = at if values else None
    if asked.by:
        rows = tuple(Row(labels=dict(zip(asked.by, key, strict=True)), **_numbers(columns, key))
                     for key in sorted(values))
        return Breakdown(unit=asked.unit, level=asked.level, as_of=as_of, state=state, variables=said,
                         rows=rows[:ROWS], left_out=max(0, len(rows) - ROWS))
    return Figure(unit=asked.unit, level=asked.level, as_of=as_of, state=state, variables=said,
                  **_numbers(columns, ()))


def _numbers(columns: Mapping[str, Column], key: Key) -> dict[str, float | None]:
    return {part: columns.get(part, {}).get(key) for part in ("value", "lower", "upper", "n")}

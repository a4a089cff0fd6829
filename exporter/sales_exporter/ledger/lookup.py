"""SQL and parts that sources share whose things are independent of each other: calls, predictions."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from sales_exporter.ledger.calendar import SECOND, Ints
from sales_exporter.ledger.rows import REMOVALS, removed, visible
from sales_exporter.ledger.source import Part, Reading


async def ranges(db: Reading, relation: str, moment: str, size: int) -> list[Part]:
    """The whole of a relation in ranges of ``moment``, each of about ``size`` rows and of at least an hour.

    Counting by hour needs no sort of the whole relation, and what was loaded in one go stays together.
    """
    hour = f"date_trunc('hour', {moment})"
    found = await db.columns(
        f"SELECT {hour}::text AS edge, count(*) AS n FROM sales.{relation} GROUP BY {hour} ORDER BY {hour}",  # noqa: S608
        ("edge", "n"))
    edges, held = [], 0
    for edge, n in zip(found["edge"], found["n"], strict=True):
        if held >= size:
            edges.append(str(edge))
            held = 0
        held += int(n)
    return [Part(low, high) for low, high in zip([None, *edges], [*edges, None], strict=True)]


def within(moment: str, part: Part) -> tuple[str, dict[str, str]]:
    """Condition on the column that ranges are made of, and its parameters."""
    # Without an upper bound, so that a moment of infinity lies in the last part.
    above = "" if part.high is None else f" AND {moment} < %(high)s::timestamptz"
    given = {"low": part.low or "-infinity"} | ({} if part.high is None else {"high": part.high})
    return f"{moment} >= %(low)s::timestamptz{above}", given


def between(moment: str) -> str:
    """Condition on a column: from the epoch second ``low`` to before ``high``, which are parameters."""
    return f"{moment} >= to_timestamp(%(low)s) AND {moment} < to_timestamp(%(high)s)"


def of_keys(relation: str, columns: str, keys: str, on: str, relations: Collection[str], *, past: bool) -> str:
    """FROM item: rows of a relation with ``t.place``, ``here`` (exists now) and ``seen`` (snapshot ``old`` saw it).

    ``keys`` is a FROM item named ``t`` with a ``place``; ``on`` compares it with the row ``r``. Each key is one look
    into an index, never a hash of the table; removed rows, of which there are few, are read once. Unless it is about
    the ``past``, all rows are here and seen.
    """
    seen = visible("r.recorded_tx") if past else "true"
    here = f"""
        SELECT t.place, r.* FROM {keys}
         CROSS JOIN LATERAL (SELECT {columns}, true AS here, {seen} AS seen FROM sales.{relation} AS r
                              WHERE {on} OFFSET 0) AS r"""  # noqa: S608  (names of the contract)
    if not past or REMOVALS not in relations:
        return f"({here})"
    return f"""({here}
        UNION ALL
        SELECT t.place, r.* FROM {keys}
          JOIN (SELECT {columns}, false AS here, true AS seen FROM ({removed(relation)}) AS gone
                 WHERE {visible("recorded_tx")} OFFSET 0) AS r ON {on})"""  # noqa: S608  (names of the contract)


def due(keys: Sequence[str], at: Ints, which: Ints, cutoff: int) -> list[tuple[float, str]]:
    """Keys (``which`` says whose each moment is) of what lies in the future, with its moment in epoch seconds.

    ``at`` and ``cutoff`` are microseconds; what never comes (infinity) is never due.
    """
    later = np.flatnonzero((at >= cutoff) & (at < np.iinfo(np.int64).max))
    return [(float(at[i]) / SECOND, keys[int(which[i])]) for i in later]

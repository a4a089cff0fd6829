"""Calls as the ledger counted them: rows by labels and window, and lengths of time by bucket."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors import Row
from sales_exporter.collectors.money import Rates
from sales_exporter.collectors.windows import Windows
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.calls import (
    CALLS,
    COST,
    COSTED,
    DIRECTIONS,
    KINDS,
    MILLION,
    OUTCOMES,
    RESPONSE_BOUNDS,
    RESULTS,
    TALK_BOUNDS,
    TIME_SUMS,
    TIMES,
)
from sales_exporter.ledger.cells import Cells
from sales_exporter.ledger.view import View

KEYS = ("direction", "agent_kind", "outcome", "result", "transferred")
COSTS = ("costed", "cost", "unpriced")
_BITS = 4
"""Of one code, or of a number of windows."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Calls by direction, agent kind, outcome, result, transfer and window; cost by agent kind, result and window."""

    n: Cells
    costed: Cells
    cost: Cells
    unpriced: Cells

    @classmethod
    def of(cls, rows: Iterable[Row], paid: Iterable[Row], windows: Windows) -> Facts:
        """From :func:`counted` and :func:`valued`; a window without calls of a kind seen counts 0."""
        rows = list(rows)
        seen = dict.fromkeys((row["agent_kind"], row["result"]) for row in rows)
        nothing = {"bucket": 0, **dict.fromkeys(COSTS, 0)}
        unpaid = [{"agent_kind": kind, "result": result, **nothing} for kind, result in seen]
        spent = _spread([*paid, *unpaid], windows)
        return cls(
            Cells.of(_spread(rows, windows), *KEYS, "window"),
            *(Cells.of(spent, "agent_kind", "result", "window", measure=name) for name in COSTS),
        )


def counted(view: View, windows: Windows) -> list[Row]:
    """Calls by labels and bucket: the number of windows, from the longest, that hold their hour."""
    columns, n = view.read(CALLS)
    keys = [columns[label] for label in CALLS.labels[1:]]
    found, (sums,) = _grouped([*keys, _buckets(columns["hour"], windows)], [n])
    return [
        {"direction": DIRECTIONS[direction], "agent_kind": KINDS[kind], "outcome": OUTCOMES[outcome],
         "result": RESULTS[result], "transferred": str(bool(transferred)), "bucket": bucket, "n": total}
        for (direction, kind, outcome, result, transferred, bucket), total in zip(found, sums, strict=True)
    ]


def currencies(view: View) -> set[str]:
    """In which calls were paid for."""
    columns, _ = view.read(COSTED)
    texts = (view.names.text(number) for number in np.unique(columns["currency"]).tolist())
    return {text for text in texts if text is not None}


def valued(view: View, windows: Windows, rates: Rates) -> list[Row]:
    """Calls with a cost by agent kind, result and bucket: how many have a rate, what these cost, how many have none."""
    columns, n = view.read(COSTED)
    # The same cells less sums of 0: each sum belongs where its key stands.
    paid, millionths = view.read(COST)
    cost = np.zeros(len(n))
    cost[np.searchsorted(COSTED.pack(**columns), COST.pack(**paid))] = millionths / MILLION
    rate = _rates(view, columns["currency"], columns["day"], rates)
    known = ~np.isnan(rate)
    keys = [columns["kind"], columns["result"], _buckets(columns["hour"], windows)]
    found, (costed, costs, unpriced) = _grouped(
        keys, [np.where(known, n, 0), np.where(known, cost * rate, 0), np.where(known, 0, n)])
    return [
        {"agent_kind": KINDS[kind], "result": RESULTS[result], "bucket": bucket, **dict(zip(COSTS, row, strict=True))}
        for (kind, result, bucket), *row in zip(found, costed, costs, unpriced, strict=True)
    ]


def timed(view: View, what: int) -> list[Row]:
    """Lengths of time by agent kind and bucket, over all days; their sum (seconds) is in one row of each kind."""
    total = _lengths(view, what)
    return [
        {"agent_kind": KINDS[kind], "bucket": bucket, "n": count, "total": total.pop(kind, 0.0)}
        for kind, counts in enumerate(buckets(view, what))
        for bucket, count in enumerate(counts.tolist()) if count
    ]


def buckets(view: View, what: int, since: int | None = None) -> Ints:
    """Lengths of time (TALK or FIRST_RESPONSE) by code of the agent kind and bucket, of calls that began on the
    reporting day ``since`` or later."""
    columns, n = view.read(TIMES, since)
    mine = columns["what"] == what
    size = len((TALK_BOUNDS, RESPONSE_BOUNDS)[what]) + 1
    found = np.zeros((len(KINDS), size), dtype=np.int64)
    np.add.at(found, (columns["kind"][mine], columns["bucket"][mine]), n[mine])
    return found


def _lengths(view: View, what: int) -> dict[int, float]:
    """Seconds by code of the agent kind."""
    columns, n = view.read(TIME_SUMS)
    mine = columns["what"] == what
    # Sums of integers: in floating point a running total could fall by a rounding.
    sums = [int(n[mine & (columns["kind"] == kind)].sum()) for kind in range(len(KINDS))]
    return {kind: total / MILLION for kind, total in enumerate(sums)}


def _rates(view: View, currency: Ints, day: Ints, rates: Rates) -> NDArray[np.float64]:
    """Worth of one unit of each currency on each day; NaN where nobody said it."""
    found = np.full(len(day), math.nan)
    for number in np.unique(currency).tolist():
        text, chosen = view.names.text(number), currency == number
        if text is not None:
            found[chosen] = 1.0 if text == rates.reporting else rates.dated(text, day[chosen])
    return found


def _buckets(hours: Ints, windows: Windows) -> Ints:
    starts = np.array([-1 if hour is None else hour for hour in windows.hours().values()])
    return np.searchsorted(starts, hours, side="right").astype(np.int64)


def _grouped(
    keys: list[Ints], measures: list[NDArray[np.int64] | NDArray[np.float64]]
) -> tuple[list[list[int]], list[list[float]]]:
    """Distinct rows of the key columns, and the sums of each measure by them."""
    code = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        code = (code << _BITS) | key
    _, first, places = np.unique(code, return_index=True, return_inverse=True)
    found = np.stack([key[first] for key in keys], axis=1).tolist()
    return found, [np.bincount(places, weights=one, minlength=len(found)).tolist() for one in measures]


def _spread(rows: Iterable[Row], windows: Windows) -> list[Row]:
    """Each row once for each window, counting 0 where it lies outside."""
    nothing = dict.fromkeys(("n", *COSTS), 0)
    return [
        {**row, "window": window, **({} if place < row["bucket"] else nothing)}
        for row in rows for place, window in enumerate(windows.names)
    ]

"""Answers of the Prometheus query API: JSON in, labels and arrays out. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sales_exporter.errors import ContractViolation
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Labels of a series as the server wrote them, in its order."""

_Row: TypeAlias = tuple[Labels, list[str], list[str]]
"""A series with its moments and samples, as texts."""

_UNREADABLE = (TypeError, ValueError, IndexError, AttributeError, OverflowError)
_DECODER = json.JSONDecoder()
_VALUES = ',"values":[['
_ANNOTATION = "PromQL "
"""How Prometheus 3 begins a warning about the query itself, which says nothing of missing data."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What the server said beside the data."""

    partial: bool = False
    """Whether some store did not answer, so that a missing series may exist."""
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vector:
    """Answer of an instant query: one value per series, NaN for what is no finite number."""

    labels: tuple[Labels, ...]
    values: Floats
    notes: Notes = Notes()

    def ids(self, watch: str) -> list[SeriesId]:
        """The identities of the series as those of a watch."""
        return [SeriesId.of(watch, dict(labels)) for labels in self.labels]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Answer of a range query: (series, times), NaN where there is no finite sample."""

    labels: tuple[Labels, ...]
    values: Floats
    notes: Notes = Notes()

    def ids(self, watch: str) -> list[SeriesId]:
        """The identities of the series as those of a watch."""
        return [SeriesId.of(watch, dict(labels)) for labels in self.labels]


def vector(body: bytes) -> Vector:
    """Read the answer of an instant query. A scalar is one series without labels.

    Raises:
        ContractViolation: not an answer of this API, or one of strings, ranges or native histograms.
    """
    kind, result, notes = _data(body)
    try:
        if kind == "scalar":
            return Vector(((),), _finite(np.array([float(result[1])])), notes)
        if kind != "vector":
            raise ContractViolation(f"the query answers with a {kind}, not with one number per series")
        values = np.array([float(series["value"][1]) for series in result], dtype=np.float64)
        return Vector(tuple(tuple(series["metric"].items()) for series in result), _finite(values), notes)
    except KeyError as error:
        raise _strange(error) from None
    except _UNREADABLE:
        raise ContractViolation("a sample of the answer cannot be read") from None


def matrix(body: bytes, start: float, step: float, count: int) -> Matrix:
    """Read the answer of a range query onto the grid of ``count`` moments from ``start``.

    Raises:
        ContractViolation: as for a vector.
    """
    try:
        kind, rows, notes = _cut(body) or _whole(body)
        if kind != "matrix":
            raise ContractViolation(f"the query answers with a {kind}, not with a range per series")
        values = np.full((len(rows), count), np.nan)
        for row, (_, moments, samples) in zip(values, rows, strict=True):
            if len(samples) == count:
                # As many samples as moments that were asked for: each is where it belongs.
                row[:] = np.fromiter(map(float, samples), np.float64, count)
            else:
                times = np.array([float(moment.strip("],[")) for moment in moments])
                places = np.rint((times - start) / step).astype(np.int64)
                inside = (places >= 0) & (places < count)
                row[places[inside]] = np.array([float(sample) for sample in samples])[inside]
    except KeyError as error:
        raise _strange(error) from None
    except _UNREADABLE:
        raise ContractViolation("a sample of the answer cannot be read") from None
    return Matrix(tuple(labels for labels, _, _ in rows), _finite(values), notes)


def names(body: bytes) -> frozenset[str]:
    """Read a list of label values."""
    found = _tree(body).get("data")
    if not isinstance(found, list):
        raise ContractViolation("the answer holds no list of names")
    return frozenset(str(name) for name in found)


def types(body: bytes) -> Mapping[str, str]:
    """Read metadata: the type of each metric by its name."""
    found = _tree(body).get("data")
    if not isinstance(found, dict):
        raise ContractViolation("the answer holds no metadata")
    return {name: str(entries[0].get("type", "unknown")) for name, entries in found.items() if entries}


def complaint(body: bytes) -> tuple[str, str]:
    """Type and text of an error answer; empty where it is none of this API's."""
    try:
        tree = json.loads(body)
        return str(tree.get("errorType", "")), " ".join(str(tree.get("error", "")).split())[:200]
    except (ValueError, AttributeError):
        return "", ""


def _cut(body: bytes) -> tuple[str, list[_Row], Notes] | None:
    """The answer of a range query cut at its marks, if it is written without spaces, as all servers do.

    It takes a third of the time of reading it as JSON. Within a text a quotation mark is escaped, so no mark can be
    part of a label.
    """
    try:
        head, *parts = body.decode().split('{"metric":')
        if not parts:
            return None
        rows, tail = [], ""
        for part in parts:
            labels, end = _DECODER.raw_decode(part)
            stop = part.index("]]}", end)
            if not part.startswith(_VALUES, end):
                return None
            # 1700000000,"1.5"],[1700000900,"2" and so on: moments before, samples between the quotation marks.
            turns = part[end + len(_VALUES):stop].split('"')
            rows.append((tuple(labels.items()), turns[:-1:2], turns[1::2]))
            tail = part[stop + 3:]
        kind, _, notes = _data((head + tail).encode())
    except (ValueError, AttributeError, RecursionError, ContractViolation):
        return None
    return kind, rows, notes


def _whole(body: bytes) -> tuple[str, list[_Row], Notes]:
    kind, result, notes = _data(body)
    if kind != "matrix":
        return kind, [], notes
    return kind, [(tuple(series["metric"].items()), [str(moment) for moment, _ in series["values"]],
                   [sample for _, sample in series["values"]]) for series in result], notes


def _tree(body: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        raise ContractViolation("not JSON; is the address that of a Prometheus-compatible API?") from None
    if not isinstance(tree, dict) or tree.get("status") != "success":
        raise ContractViolation("not an answer of the Prometheus API")
    return tree


def _data(body: bytes) -> tuple[str, list[Any], Notes]:
    """Type of the result, the result, and what was said beside it."""
    tree = _tree(body)
    data = tree.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("result"), list):
        raise ContractViolation("the answer holds no result")
    warnings = [str(text)[:200] for text in tree.get("warnings") or ()]
    partial = bool(tree.get("isPartial")) or any(not text.startswith(_ANNOTATION) for text in warnings)
    infos = [str(text)[:200] for text in tree.get("infos") or ()]
    return str(data.get("resultType")), data["result"], Notes(partial, (*warnings, *infos))


def _finite(values: Floats) -> Floats:
    values[~np.isfinite(values)] = np.nan
    return values


def _strange(missing: KeyError) -> ContractViolation:
    if missing.args[0] in ("value", "values"):
        return ContractViolation("the query answers with native histograms; take a quantile, sum or count of them")
    return ContractViolation("a series of the answer has no labels")

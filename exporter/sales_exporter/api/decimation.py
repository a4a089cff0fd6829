"""Fewer points that tell the same: by largest triangles (Steinarsson 2013), or every bucket's minimum and maximum.

Samples lie on an even grid; NaN is no sample. The first and the last sample stay, and so does a gap: of each bucket
that has one, one moment without a sample is kept, which a plot shows as a break.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]
Method = Literal["lttb", "minmax"]


def kept(values: Floats, limit: int, method: Method) -> Places:
    """Places of the samples to keep, in order: at most ``limit``, which is 8 or more. None of an empty series."""
    there = np.flatnonzero(~np.isnan(values))
    if not there.size:
        return there
    first, last = int(there[0]), int(there[-1])
    inside = values[first:last + 1]
    if inside.size > limit:
        chosen = _triangles(inside, limit) if method == "lttb" else _extremes(inside, limit)
    else:
        chosen = np.arange(inside.size)
    return chosen + first


def _extremes(values: Floats, limit: int) -> Places:
    gaps = bool(np.isnan(values).any())
    found = [0, values.size - 1]
    for start, stop in _buckets(values.size, (limit - 2) // (3 if gaps else 2)):
        piece = values[start:stop]
        if not np.isnan(piece).all():
            found += [start + int(np.nanargmin(piece)), start + int(np.nanargmax(piece))]
        found += _gap(piece, start)
    return np.unique(found)


def _triangles(values: Floats, limit: int) -> Places:
    """Of each bucket the sample that makes the largest triangle with the one chosen before and the mean of the next."""
    gaps = bool(np.isnan(values).any())
    buckets = list(_buckets(values.size, (limit - 2) // (2 if gaps else 1)))
    places = np.arange(values.size, dtype=np.float64)
    means = [_mean(places[start:stop], values[start:stop]) for start, stop in buckets]
    means.append((float(values.size - 1), float(values[-1])))
    found, before = [0, values.size - 1], (0.0, float(values[0]))
    for number, (start, stop) in enumerate(buckets):
        piece = values[start:stop]
        found += _gap(piece, start)
        after = next(mean for mean in means[number + 1:] if mean is not None)
        if means[number] is not None:
            area = np.abs((before[0] - after[0]) * (piece - before[1])
                          - (before[0] - places[start:stop]) * (after[1] - before[1]))
            best = start + int(np.nanargmax(area))
            found.append(best)
            before = (float(best), float(values[best]))
    return np.unique(found)


def _buckets(size: int, count: int) -> list[tuple[int, int]]:
    """Even parts of what lies between the first sample and the last."""
    edges = np.linspace(1, size - 1, min(max(count, 1), size - 2) + 1).astype(int)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _gap(piece: Floats, start: int) -> list[int]:
    missing = np.flatnonzero(np.isnan(piece))
    return [start + int(missing[0])] if missing.size else []


def _mean(places: Floats, values: Floats) -> tuple[float, float] | None:
    there = ~np.isnan(values)
    return (float(places[there].mean()), float(values[there].mean())) if there.any() else None

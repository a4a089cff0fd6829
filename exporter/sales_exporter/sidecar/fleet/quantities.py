"""Numbers and moments as people write them, by unit."""

from __future__ import annotations

import math
from datetime import UTC, datetime

LONGEST = 256
"""Longest text of an annotation."""
_TIMES = (
    (2 * 86_400.0, 86_400.0, "d"), (7_200.0, 3_600.0, "h"), (120.0, 60.0, "min"), (1.0, 1.0, "s"), (0.0, 1e-3, "ms"),
)
"""Least span, size and name of each unit."""
_BYTES = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (0.0, "B"))


def quantity(value: float, unit: str = "", currency: str = "") -> str:
    """A number with its unit, to three digits; ``s``, ``bytes``, ``ratio`` and ``currency`` are known."""
    if not math.isfinite(value):
        return "unknown"
    if unit == "s":
        return duration(value)
    if unit == "bytes":
        size, name = next((size or 1.0, name) for size, name in _BYTES if abs(value) >= size)
        return f"{digits(value / size)} {name}"
    if unit == "ratio":
        return f"{digits(100 * value)} %"
    return f"{digits(value)} {currency if unit == 'currency' else unit}".rstrip()


def digits(value: float) -> str:
    """Three digits that count, thousands set off, never an exponent."""
    if value == 0:
        return "0"
    places = 2 - math.floor(math.log10(abs(value)))
    text = f"{round(value, places):,.{min(max(places, 0), 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """A span of time in the unit that suits it."""
    size, name = next((size, name) for least, size, name in _TIMES if abs(seconds) >= least)
    return f"{digits(seconds / size)} {name}" if seconds else "0 s"


def moment(at: float) -> str:
    """A moment to the minute."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def line(text: str, longest: int = LONGEST) -> str:
    """Text from outside on one line without what is not printed, cut with an ellipsis."""
    kept = "".join(sign if sign.isprintable() else " " for sign in text)
    one = " ".join(kept.split())
    return one if len(one) <= longest else one[: longest - 1].rstrip() + "…"

"""Durations as Prometheus writes them: ``90s``, ``1h30m``, ``7d``."""

from __future__ import annotations

import re

_UNITS = {"y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds of each unit, the longest first: the order that Prometheus asks for."""
_DURATION = re.compile("".join(rf"(?:([0-9]+){unit})?" for unit in _UNITS))
_WORDS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def seconds(text: str) -> float | None:
    """Seconds of a duration; None when the text is none."""
    found = _DURATION.fullmatch(text) if text else None
    if found is None:
        return None
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    return sum(int(number) * size for number, size in parts if number) / 1_000


def words(length: float) -> str:
    """Seconds for people: ``10 minutes``, ``1 hour 30 minutes``; below a second as a decimal fraction."""
    found, rest = [], length
    for name, size in _WORDS[:-1]:
        number, rest = divmod(rest, size)
        if number:
            found.append(f"{number:.0f} {name}{'' if number == 1 else 's'}")
    if rest or not found:
        found.append(f"{rest:g} second{'' if rest == 1 else 's'}")
    return " ".join(found)

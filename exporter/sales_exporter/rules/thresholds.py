"""The thresholds of the rule pack: one value for each ``family.key``, whose last word says its unit.

==============  ====================================================
``…_ratio``     a share above 0 and up to 1
``…_factor``    how many times, above 0
``…_limit``     a number above 0, in the unit that its comment names
``…_minimum``   the least number of something: a whole one, from 1 on
``…_duration``  a length of time as Prometheus writes it, such as 10m
``…_for``       likewise: how long a condition holds before the alert
==============  ====================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sales_exporter.config import read_yaml
from sales_exporter.errors import ConfigError
from sales_exporter.rules.durations import seconds

Value = int | float | str
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def thresholds(text: str, where: str) -> dict[str, Value]:
    """Thresholds by ``family.key``.

    Raises:
        ConfigError: one line that names ``where``, the key and what was expected.
    """
    found = {name: _valued(value, f"{where}: {name}") for name, value in _flat(text, where)}
    for name, value in found.items():
        other = name.replace("_critical_", "_warning_")
        # What is critical is further out than what is a warning: all pairs are upper limits.
        if other != name and other in found and not name.endswith("_for") and _number(found[other]) >= _number(value):
            raise ConfigError(f"{where}: {name}: {value} is not above {other} ({found[other]}): raise it")
    return found


def overlaid(shipped: Mapping[str, Value], own: Mapping[str, Value], where: str) -> dict[str, Value]:
    """The shipped thresholds with one's own in their place.

    Raises:
        ConfigError: a key is not among the shipped ones.
    """
    for name in own:
        if name not in shipped:
            family = name.partition(".")[0]
            known = sorted(key for key in shipped if key.startswith(f"{family}.")) or sorted(
                {key.partition(".")[0] for key in shipped})
            raise ConfigError(f"{where}: {name}: unknown key; there are {', '.join(known)}")
    return {**shipped, **own}


def dashboards(text: str, where: str) -> dict[str, Value]:
    """Dashboard UID of each family, as ``dashboards.family``.

    Raises:
        ConfigError: a UID cannot be one.
    """
    found: dict[str, Value] = {}
    for family, uid in read_yaml(text, where).items():
        if not isinstance(uid, str) or not _UID.fullmatch(uid):
            raise ConfigError(f"{where}: {family}: expected the UID of a dashboard: small letters, digits and hyphens")
        found[f"dashboards.{family}"] = uid
    return found


def _flat(text: str, where: str) -> list[tuple[str, Any]]:
    found = []
    for family, keys in read_yaml(text, where).items():
        if not isinstance(family, str) or not _NAME.fullmatch(family):
            raise ConfigError(f"{where}: {family}: expected the name of a family, such as api")
        if not isinstance(keys, dict):
            raise ConfigError(f"{where}: {family}: expected keys with values below it")
        for key, value in keys.items():
            if not isinstance(key, str) or not _NAME.fullmatch(key):
                raise ConfigError(f"{where}: {family}.{key}: expected a key of small letters, digits and underscores")
            found.append((f"{family}.{key}", value))
    return found


def _valued(value: Any, where: str) -> Value:
    unit = where.rpartition(".")[2].rpartition("_")[2]
    if unit not in _UNITS:
        raise ConfigError(f"{where}: unknown key: its last word must be its unit, one of {', '.join(_UNITS)}")
    expected, fits = _UNITS[unit]
    if not fits(value):
        raise ConfigError(f"{where}: expected {expected}, not {_shown(value)}")
    found: Value = value
    return found


def _shown(value: Any) -> str:
    return repr(value)[:40] if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"


def _number(value: Value) -> float:
    return (seconds(value) or 0.0) if isinstance(value, str) else value


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive(value: Any) -> bool:
    return _numeric(value) and 0 < value < float("inf")


def _share(value: Any) -> bool:
    return _numeric(value) and 0 < value <= 1


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _duration(value: Any) -> bool:
    return isinstance(value, str) and (seconds(value) or 0.0) > 0


_UNITS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "ratio": ("a share above 0 and up to 1, such as 0.05", _share),
    "factor": ("a number above 0, such as 1.5", _positive),
    "limit": ("a number above 0", _positive),
    "minimum": ("a whole number from 1 on", _whole),
    "duration": ("a duration above 0, such as 10m or 1d", _duration),
    "for": ("a duration above 0, such as 10m or 1d", _duration),
}

"""Rule files as values: what Prometheus reads, for any pack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sales_exporter.errors import ConfigError
from sales_exporter.rules import durations

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SUFFIXES = (".yml", ".yaml")
TEMPLATES = "templates"
"""A folder of this name holds what our rules are rendered from."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule; ``hold`` and ``keep`` are the seconds of ``for`` and ``keep_firing_for``."""

    name: str
    expr: str
    hold: float
    keep: float
    labels: Mapping[str, str] = field(default_factory=dict)
    interval: float | None = None
    """Seconds between two evaluations of its group; None is the server's default."""

    @property
    def title(self) -> str:
        """The name, and the severity that tells two rules of one name apart."""
        severity = self.labels.get("severity", "")
        return f"{self.name} ({severity})" if severity and "{{" not in severity else self.name


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)
    interval: float | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """The rules of some files, in their order."""

    alerts: tuple[Alert, ...]
    recordings: tuple[Recording, ...]

    def named(self, names: Iterable[str]) -> Book:
        """The alerts with these names only, with all recording rules.

        Raises:
            ConfigError: a name is that of no alert.
        """
        wanted, known = list(names), {alert.name for alert in self.alerts}
        for name in wanted:
            if name not in known:
                raise ConfigError(f"no alert is named {name}; there are {', '.join(sorted(known))}")
        return Book(tuple(alert for alert in self.alerts if alert.name in wanted), self.recordings)


def read(paths: Iterable[Path]) -> Book:
    """The rules of files, and of all .yml and .yaml files with rules below folders, templates left out.

    Raises:
        ConfigError: a file cannot be read or holds no rules; one line that names it.
    """
    alerts: list[Alert] = []
    recordings: list[Recording] = []
    for path, groups in _groups(paths):
        for group in groups:
            interval = _seconds(path, group, "interval", None)
            for rule in group.get("rules") or ():
                if "alert" in rule:
                    alerts.append(_alert(path, rule, interval))
                else:
                    recordings.append(Recording(_text(path, rule, "record"), _text(path, rule, "expr"),
                                                _labels(path, rule), interval))
    return Book(tuple(alerts), tuple(recordings))


def _groups(paths: Iterable[Path]) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    for path in paths:
        inside = path.is_dir()
        files = [path] if not inside else sorted(
            file for file in path.rglob("*") if file.suffix in SUFFIXES and TEMPLATES not in file.parts)
        found = [(file, groups) for file in files if (groups := _loaded(file, inside)) is not None]
        if not found:
            raise ConfigError(f"{path}: no rule files there")
        yield from found


def _loaded(path: Path, inside: bool) -> list[dict[str, Any]] | None:
    """The groups of a file; None for a file of a folder that is none with rules."""
    try:
        tree = yaml.load(path.read_text("utf-8"), Loader=_LOADER)  # noqa: S506  (a safe loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        if inside and isinstance(error, yaml.YAMLError):
            return None
        reason = error.strerror if isinstance(error, OSError) else "not YAML"
        raise ConfigError(f"{path}: {reason}") from None
    groups = tree.get("groups") if isinstance(tree, dict) else None
    if not isinstance(groups, list) or any(not isinstance(one, dict) or "rules" not in one for one in groups):
        if inside:
            return None
        raise ConfigError(f"{path}: no groups of rules")
    return groups


def _alert(path: Path, rule: Mapping[str, Any], interval: float | None) -> Alert:
    return Alert(_text(path, rule, "alert"), _text(path, rule, "expr"), _seconds(path, rule, "for", 0.0) or 0.0,
                 _seconds(path, rule, "keep_firing_for", 0.0) or 0.0, _labels(path, rule), interval)


def _labels(path: Path, rule: Mapping[str, Any]) -> dict[str, str]:
    found = rule.get("labels") or {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: labels are no mapping")
    return {str(name): str(value) for name, value in found.items()}


def _text(path: Path, rule: Mapping[str, Any], key: str) -> str:
    found = rule.get(key)
    if not isinstance(found, str | int | float) or isinstance(found, bool):
        raise ConfigError(f"{path}: a rule without {key}")
    return str(found)


def _seconds(path: Path, rule: Mapping[str, Any], key: str, otherwise: float | None) -> float | None:
    found = rule.get(key)
    if found is None:
        return otherwise
    length = durations.seconds(str(found)) if str(found) != "0" else 0.0
    if length is None:
        raise ConfigError(f"{path}: {key}: {found} is no duration")
    return length

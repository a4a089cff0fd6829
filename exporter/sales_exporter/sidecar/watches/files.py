"""Watches from YAML files: the product's own, and those that users add, replace, change or switch off.

A file holds ``watches``, a list, and may hold ``defaults``, keys that hold for each of them. An entry with the name of
a watch that the product ships with replaces it when it has a query; without one it changes the keys that it
gives, and ``enabled: false`` switches the watch off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sales_exporter.config import explain, read_yaml
from sales_exporter.errors import ConfigError
from sales_exporter.sidecar.watches.watch import Watch

_KEYS = ("defaults", "watches")

Entries = dict[str, tuple[str, dict[str, Any]]]
"""By name: where an entry stands, and its keys."""


def shipped() -> tuple[Watch, ...]:
    """The watches that the product ships with, by file and then as they stand in it."""
    return tuple(_watch(where, entry) for where, entry in _shipped().values())


def load(paths: Sequence[Path], defaults: bool = True) -> tuple[Watch, ...]:
    """The watches in force: the product's own, unless ``defaults`` is off, and those of ``paths``.

    Raises:
        ConfigError: one line that names the file, the watch, the key and what to do.
    """
    known = dict(_shipped()) if defaults else {}
    own: Entries = {}
    for path in paths:
        own = _joined(own, _entries(_text(path), str(path)))
    for name, (where, entry) in own.items():
        enabled = entry.get("enabled", True)
        if not isinstance(enabled, bool):
            raise ConfigError(f"{where}: enabled: expected true or false")
        entry = {key: value for key, value in entry.items() if key != "enabled"}  # noqa: PLW2901
        if "query" not in entry:
            if name not in known:
                raise ConfigError(f"{where}: query: missing, and no watch of that name comes with the product; "
                                  "give a query, or mend the name")
            entry = {**known[name][1], **entry}  # noqa: PLW2901
        if enabled:
            known[name] = (where, entry)
        else:
            known.pop(name, None)
    return tuple(_watch(where, entry) for where, entry in known.values())


@cache
def _shipped() -> Entries:
    found: Entries = {}
    for file in sorted(files(__package__).joinpath("default").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yml"):
            found = _joined(found, _entries(file.read_text(encoding="utf-8"), file.name))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text (given as sidecar.watches)") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'} (given as sidecar.watches)") from None


def _joined(known: Entries, more: Iterator[tuple[str, str, dict[str, Any]]]) -> Entries:
    found = dict(known)
    for where, name, entry in more:
        if name in found:
            raise ConfigError(f"{where}: name: given twice, first in {found[name][0].partition(': ')[0]}; "
                              "rename one of them")
        found[name] = (where, entry)
    return found


def _entries(text: str, file: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where it stands, its name and its keys, for each entry of a file."""
    tree = read_yaml(text, file)
    for key in tree:
        if key not in _KEYS:
            raise ConfigError(f"{file}: {key}: unknown key; there are {' and '.join(_KEYS)}")
    defaults, entries = tree.get("defaults", {}), tree.get("watches", [])
    if not isinstance(defaults, dict):
        raise ConfigError(f"{file}: defaults: expected a mapping of keys to values")
    if "name" in defaults or "query" in defaults:
        raise ConfigError(f"{file}: defaults: name and query belong to a watch of its own; move them there")
    if not isinstance(entries, list):
        raise ConfigError(f"{file}: watches: expected a list of watches, each with name and query")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ConfigError(f"{file}: watches.{number}: expected a mapping with name and query")
        name = entry.get("name")
        if not isinstance(name, str):
            raise ConfigError(f"{file}: watches.{number}: name: expected a text such as api_latency")
        # An entry that only changes another watch keeps that one's keys, not the defaults of its own file.
        yield f"{file}: {name}", name, {**defaults, **entry} if "query" in entry else dict(entry)


def _watch(where: str, entry: Mapping[str, Any]) -> Watch:
    try:
        return Watch.model_validate(entry)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from None

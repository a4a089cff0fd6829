"""YAML that is safe to read, and what is wrong with it in one line."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import ValidationError

from sales_exporter.errors import ConfigError

CONFIG_BYTES = 1 << 20
"""Largest configuration file that is read (reliability.md, S7)."""
YAML_DEPTH = 20
"""Deepest nesting of lists and mappings in a configuration file."""


def read_yaml(text: str, where: str) -> dict[str, Any]:
    """A mapping from safe YAML: at most 1 MiB, no aliases (which can grow without bound).

    Raises:
        ConfigError: names the file, the line and what was expected.
    """
    if len(text.encode("utf-8", "surrogatepass")) > CONFIG_BYTES:
        raise ConfigError(f"{where}: larger than 1 MiB")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise ConfigError(f"{where}: line {line}: aliases (*name) are not allowed")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            # The parser takes quadratic time over deep nesting.
            if depth > YAML_DEPTH:
                raise ConfigError(f"{where}: line {line}: nested more than {YAML_DEPTH} deep")
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise ConfigError(f"{where}: {place}not valid YAML: {problem}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: not valid YAML: a value cannot be read") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{where}: expected a mapping of keys to values at the top")
    return tree


def explain(error: ValidationError) -> str:
    """The first defect of a validation as ``key: what was expected``, without the offending value."""
    defect = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in defect["loc"]) or "(top level)"
    if defect["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    return f"{key}: {defect['msg'].removeprefix('Value error, ')}"

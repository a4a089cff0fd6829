"""The folders that come with the package: rules, dashboards, Prometheus' configuration, examples."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from sales_exporter.errors import StackError


def shipped(name: str) -> Path:
    """A folder of the repository's top level, from the installed package or the source tree.

    Raises:
        StackError: neither has it.
    """
    package = Path(str(resources.files("sales_exporter")))
    for home in (package / "shipped", package.parent.parent):
        if (home / name).is_dir():
            return home / name
    raise StackError(f"the folder {name} is missing from this installation; install it again")

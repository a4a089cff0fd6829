"""The dashboards, one module or package each, found by name: ``FOLDER`` is its Grafana folder, ``build()`` makes it."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module

from grafana.source.sdk import model

FOLDERS = ("Executive", "Sales", "Calls", "ML", "Platform", "Alerts")
"""Who may see what is decided by folder; `sales-exporter grafana bootstrap` gives each its team."""


def discover() -> Iterator[tuple[str, Callable[[], model.Dashboard]]]:
    """(folder, builder) of every dashboard.

    Raises:
        ValueError: A module names a folder that no team has.
    """
    for found in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        if module.FOLDER not in FOLDERS:
            raise ValueError(f"{found.name}: the folder {module.FOLDER!r} is none of {', '.join(FOLDERS)}")
        yield module.FOLDER, module.build

"""The subjects of the ledger. A module in this package that holds a subclass of Source is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from sales_exporter.ledger.source import Source


def discover() -> dict[str, type[Source]]:
    """Every source of this package by name, sorted."""
    found: dict[str, type[Source]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Source) and value.__module__ == module.__name__:
                found[value.name] = value
    return dict(sorted(found.items()))

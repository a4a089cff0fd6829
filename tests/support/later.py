"""Large libraries for modules of tests that are read in every run, and run in few."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later:
    """A module that is imported when a test first asks for something in it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        # pytest looks for marks of its own on all that a module of tests holds.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(import_module(self._name), name)

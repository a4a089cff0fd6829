"""Paths and the routes that answer them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sales_exporter.runtime.parts import Route


@dataclass(frozen=True, slots=True)
class Found:
    """A path that is answered: its template, the values of its named pieces, and a route for each method."""

    template: str
    values: Mapping[str, str]
    by_method: Mapping[str, Route]


class Table:
    """All routes of a server.

    Raises:
        ValueError: two routes answer the same method of the same path.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._templates: dict[str, dict[str, Route]] = {}
        shapes: dict[tuple[str, ...], str] = {}
        for route in routes:
            shape = tuple("{}" if _named(piece) else piece for piece in route.path.split("/"))
            if shapes.setdefault(shape, route.path) != route.path:
                raise ValueError(f"{route.path} and {shapes[shape]} are one path")
            by_method = self._templates.setdefault(route.path, {})
            for method in route.methods:
                if by_method.setdefault(method, route) is not route:
                    raise ValueError(f"{method} {route.path} is taken")
        # False sorts before True: a literal piece goes before a named one.
        self._pieces = sorted(((path.split("/"), path) for path in self._templates if "{" in path),
                              key=lambda entry: [_named(piece) for piece in entry[0]])
        self._formal = {_first(route.path) for entry in self._templates.values() for route in entry.values()
                        if route.problems}

    def find(self, path: str) -> Found | None:
        """Who answers a decoded path."""
        if path in self._templates and "{" not in path:
            return Found(path, {}, self._templates[path])
        wanted = path.split("/")
        for pieces, template in self._pieces:
            values = _values(pieces, wanted)
            if values is not None:
                return Found(template, values, self._templates[template])
        return None

    def speaks_problems(self, path: str) -> bool:
        """Whether refusals of this path are problem details."""
        return _first(path) in self._formal


def _named(piece: str) -> bool:
    return piece.startswith("{")


def _first(path: str) -> str:
    return path.lstrip("/").partition("/")[0]


def _values(pieces: list[str], wanted: list[str]) -> dict[str, str] | None:
    """Values of the named pieces, if the path has the template's shape."""
    if len(pieces) != len(wanted):
        return None
    values: dict[str, str] = {}
    for piece, value in zip(pieces, wanted, strict=True):
        if _named(piece):
            if not value or not value.isprintable():
                return None
            values[piece[1:-1]] = value
        elif piece != value:
            return None
    return values

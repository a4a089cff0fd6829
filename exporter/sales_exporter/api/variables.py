"""What the variables of a dashboard stand for: as a browser resolves them, from top to bottom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sales_exporter.api.dashboards import Dashboard, Variable
from sales_exporter.grafana.document import filled, used

Listed = Callable[[str, str], Awaitable[tuple[str, ...]]]
"""The values that a label has on some series, in order."""


async def resolved(board: Dashboard, names: frozenset[str], chosen: Mapping[str, str], listed: Listed
                   ) -> dict[str, str]:
    """Values of the variables named. One that depends on what is unknown, or has no value to take, is missing.

    What is chosen is taken as it is; else all values where there is such a choice; else the default of the dashboard
    if it is among the values that exist, and the first of them if not.
    """
    found: dict[str, str] = {}
    for variable in board.variables:
        if variable.name in names:
            value = await _value(variable, chosen.get(variable.name), found, listed)
            if value is not None:
                found[variable.name] = value
    return found


async def _value(variable: Variable, chosen: str | None, known: Mapping[str, str], listed: Listed) -> str | None:
    if chosen is not None:
        return variable.stated(chosen)
    if variable.all:
        return variable.all
    if not variable.series:
        return variable.default
    if not used(variable.series) <= known.keys():
        return None
    values = await listed(filled(variable.series, known), variable.label)
    return variable.default if variable.default in values else next(iter(values), None)

"""Make a Grafana's teams, folder permissions and start pages what the access file says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sales_exporter.errors import UsageError
from sales_exporter.grafana.access import LEVELS, OTHERS, Access
from sales_exporter.grafana.api import Grafana

EVERYBODY = ("Viewer", "Editor")
"""Roles that those have who are in no team."""


async def bootstrap(grafana: Grafana, access: Access, home: str, *, dry: bool) -> AsyncIterator[str]:
    """Do what is missing, and yield a sentence for each change: a second run has none.

    ``home`` is everybody's start page. With ``dry`` nothing is changed. Teams and folders that the file does not name
    are left alone. Members of teams come from the login, or are added in Grafana.

    Raises:
        UsageError: Grafana does not answer or refuses, or has a folder not yet: dashboards are provisioned first.
    """
    folders = await grafana.folders()
    for name in access.folders.keys() - folders.keys():
        raise UsageError(f"Grafana has no folder {name}: provision the dashboards first (docs/dashboards.md)")
    teams = await grafana.teams()
    for name in access.teams:
        if name not in teams:
            yield f"team {name}: made"
            teams[name] = 0 if dry else await grafana.make_team(name)
    for name, levels in access.folders.items():
        async for change in _folder(grafana, name, folders[name], wanted(levels, teams), dry):
            yield change
    pages: dict[str, tuple[int | None, str]] = {"the organisation": (None, home)}
    pages |= {f"team {name}": (teams[name], team.home) for name, team in access.teams.items()}
    for who, (team, uid) in pages.items():
        # A team that a dry run did not make has no preferences to look at.
        if team == 0 or await grafana.home(team) != uid:
            yield f"{who}: begins with {uid}"
            if not dry:
                await grafana.set_home(team, uid)


async def _folder(grafana: Grafana, name: str, uid: str, items: list[dict[str, Any]], dry: bool) -> AsyncIterator[str]:
    if _grants(await grafana.permissions(uid)) != _grants(items):
        yield f"folder {name}: permissions set"
        if not dry:
            await grafana.grant(uid, items)


def wanted(levels: Mapping[str, str], teams: Mapping[str, int]) -> list[dict[str, Any]]:
    """The permissions of a folder as Grafana takes them."""
    items: list[dict[str, Any]] = [{"teamId": teams[name], "permission": LEVELS[level]}
                                   for name, level in levels.items() if name != OTHERS and level in LEVELS]
    if levels.get(OTHERS) in LEVELS:
        items += [{"role": role, "permission": LEVELS[levels[OTHERS]]} for role in EVERYBODY]
    return items


def _grants(items: list[dict[str, Any]]) -> set[tuple[int, str, int, int]]:
    return {(item.get("teamId") or 0, item.get("role") or "", item.get("userId") or 0, item["permission"])
            for item in items}

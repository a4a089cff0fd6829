"""The parts of Grafana's HTTP API that teams, folders and start pages need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import aiohttp

from sales_exporter.errors import UsageError

TIMEOUT_SECONDS = 15.0
_PAGE = 1000


class Grafana:
    """One Grafana, as an administrator of one organisation. Use it as an asynchronous context manager."""

    def __init__(self, url: str, token: str) -> None:
        """``token`` belongs to a service account with the role Admin."""
        self._url = url.rstrip("/")
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"}, timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._session.close()

    async def teams(self) -> dict[str, int]:
        """Id of each team, by name."""
        found = await self._ask("GET", "/api/teams/search", params={"perpage": str(_PAGE)})
        return {team["name"]: team["id"] for team in found["teams"]}

    async def make_team(self, name: str) -> int:
        """Make a team; returns its id."""
        return int((await self._ask("POST", "/api/teams", {"name": name}))["teamId"])

    async def folders(self) -> dict[str, str]:
        """Uid of each folder at the top, by title."""
        found = await self._ask("GET", "/api/folders", params={"limit": str(_PAGE)})
        return {folder["title"]: folder["uid"] for folder in found}

    async def permissions(self, folder: str) -> list[dict[str, Any]]:
        """What is granted on a folder itself, leaving out what is inherited and what administrators always may."""
        found = await self._ask("GET", f"/api/folders/{folder}/permissions")
        return [item for item in found if not item.get("inherited") and item.get("role") != "Admin"]

    async def grant(self, folder: str, items: list[dict[str, Any]]) -> None:
        """Replace what is granted on a folder."""
        await self._ask("POST", f"/api/folders/{folder}/permissions", {"items": items})

    async def home(self, team: int | None) -> str:
        """Uid of the start page of a team, or of the organisation; empty if none is set."""
        return str((await self._ask("GET", _preferences(team))).get("homeDashboardUID") or "")

    async def set_home(self, team: int | None, uid: str) -> None:
        """Set it, and leave the other preferences alone."""
        await self._ask("PATCH" if team is None else "PUT", _preferences(team), await self._with_home(team, uid))

    async def _with_home(self, team: int | None, uid: str) -> dict[str, Any]:
        if team is None:
            return {"homeDashboardUID": uid}
        # Teams have no PATCH: what is not sent is lost.
        kept = await self._ask("GET", _preferences(team))
        return {**{name: kept[name] for name in ("theme", "timezone", "weekStart") if kept.get(name)},
                "homeDashboardUID": uid}

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None,
                   params: Mapping[str, str] | None = None) -> Any:
        try:
            async with self._session.request(
                method, f"{self._url}{path}", json=body, params=params, allow_redirects=False
            ) as answer:
                if answer.status >= 300:
                    raise UsageError(f"{self._url}{path}: {await _refusal(answer)}")
                return await answer.json()
        except TimeoutError:
            raise UsageError(f"{self._url}{path}: no answer within {TIMEOUT_SECONDS:g} s") from None
        except aiohttp.ContentTypeError:
            raise UsageError(f"{self._url}{path}: the answer is not JSON: is this address a Grafana?") from None
        except aiohttp.ClientError as error:
            raise UsageError(f"{self._url}{path}: {error or type(error).__name__}") from None


def _preferences(team: int | None) -> str:
    return "/api/org/preferences" if team is None else f"/api/teams/{team}/preferences"


async def _refusal(answer: aiohttp.ClientResponse) -> str:
    if answer.status in (401, 403):
        return f"status {answer.status}: give a token of a service account with the role Admin"
    try:
        said = str((await answer.json()).get("message", ""))
    except (aiohttp.ContentTypeError, ValueError, AttributeError):
        said = ""
    return f"status {answer.status}{f': {said}' if said else ''}"

"""A Grafana as far as its HTTP API for teams, folders and preferences goes, answering as the documented one does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "glsa_secret"
ADMIN = {"role": "Admin", "permission": 4, "inherited": False}


@dataclass
class Server:
    """Its state, and every request that would change something."""

    folders: dict[str, str]
    teams: list[dict[str, Any]] = field(default_factory=list)
    grants: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    preferences: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._login])
        app.add_routes([
            web.get("/api/teams/search", self._search), web.post("/api/teams", self._make),
            web.get("/api/folders", self._folders), web.get("/api/folders/{uid}/permissions", self._permissions),
            web.post("/api/folders/{uid}/permissions", self._grant),
            web.get("/api/{who:org|teams/\\d+}/preferences", self._preferences),
            web.patch("/api/{who:org}/preferences", self._patch),
            web.put("/api/{who:teams/\\d+}/preferences", self._put),
        ])
        return app

    @web.middleware
    async def _login(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Invalid API key"}, status=401)
        if request.method != "GET":
            self.changes.append(f"{request.method} {request.path}")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _search(self, request: web.Request) -> web.Response:
        return web.json_response({"totalCount": len(self.teams), "teams": self.teams[:int(request.query["perpage"])]})

    async def _make(self, request: web.Request) -> web.Response:
        name = (await request.json())["name"]
        if any(team["name"] == name for team in self.teams):
            return web.json_response({"message": "Team name taken"}, status=409)
        self.teams.append({"id": len(self.teams) + 1, "name": name})
        return web.json_response({"message": "Team created", "teamId": len(self.teams)})

    async def _folders(self, request: web.Request) -> web.Response:
        return web.json_response([{"uid": uid, "title": title} for title, uid in self.folders.items()])

    async def _permissions(self, request: web.Request) -> web.Response:
        given = self.grants.get(request.match_info["uid"], [
            {"role": "Viewer", "permission": 1}, {"role": "Editor", "permission": 2}])
        inherited = {"role": "Viewer", "permission": 1, "inherited": True}
        items = [{"teamId": 0, "userId": 0, "role": "", **item} for item in given]
        return web.json_response([ADMIN, inherited, *items])

    async def _grant(self, request: web.Request) -> web.Response:
        items = (await request.json())["items"]
        known = {team["id"] for team in self.teams}
        if any(item.get("teamId", 0) not in known for item in items if "teamId" in item):
            return web.json_response({"message": "Failed to find team"}, status=400)
        self.grants[request.match_info["uid"]] = items
        return web.json_response({"message": "Folder permissions updated"})

    async def _preferences(self, request: web.Request) -> web.Response:
        return web.json_response(self.preferences.get(request.match_info["who"], {}))

    async def _patch(self, request: web.Request) -> web.Response:
        who = request.match_info["who"]
        self.preferences[who] = {**self.preferences.get(who, {}), **await request.json()}
        return web.json_response({"message": "Preferences updated"})

    async def _put(self, request: web.Request) -> web.Response:
        self.preferences[request.match_info["who"]] = await request.json()
        return web.json_response({"message": "Preferences updated"})


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    """Its address, for the length of a block."""
    runner = web.AppRunner(server.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

"""Teams, folders and start pages, against a server that answers as Grafana's HTTP API is documented to."""

from __future__ import annotations

from pathlib import Path

import pytest

from grafana.source.boards import FOLDERS
from sales_exporter.errors import ConfigError, UsageError
from sales_exporter.grafana.access import Access, read
from sales_exporter.grafana.api import Grafana
from sales_exporter.grafana.bootstrap import bootstrap
from tests.grafana.boards import ROOT, all_boards
from tests.grafana.server_of_teams import TOKEN, Server, serving
from tests.support.command import call

ACCESS = read(ROOT / "grafana" / "access.yml")


def fresh() -> Server:
    return Server({name: f"uid-{name.lower()}" for name in FOLDERS})


async def done(url: str, access: Access = ACCESS, token: str = TOKEN, *, dry: bool = False) -> list[str]:
    async with Grafana(url, token) as grafana:
        return [change async for change in bootstrap(grafana, access, "sales-home", dry=dry)]


def test_the_shipped_file_names_every_folder_and_start_pages_that_exist():
    assert set(ACCESS.folders) == set(FOLDERS)
    uids = {board["uid"] for board in all_boards().values()}
    assert {team.home for team in ACCESS.teams.values()} <= uids


async def test_everything_is_made_once_and_a_second_run_changes_nothing():
    server = fresh()
    async with serving(server) as url:
        assert len(await done(url)) == 4 + len(FOLDERS) + 5
        assert [team["name"] for team in server.teams] == ["exec", "sales-ops", "ml", "platform"]
        ids = {team["name"]: team["id"] for team in server.teams}
        assert server.grants["uid-ml"] == [
            {"teamId": ids["ml"], "permission": 2}, {"teamId": ids["exec"], "permission": 1},
            {"teamId": ids["platform"], "permission": 1}]
        assert {"role": "Viewer", "permission": 1} in server.grants["uid-alerts"]
        assert server.preferences["org"] == {"homeDashboardUID": "sales-home"}
        assert server.preferences[f"teams/{ids['platform']}"]["homeDashboardUID"] == "sales-api"
        server.changes.clear()
        assert await done(url) == []
        assert server.changes == []


async def test_a_dry_run_tells_the_same_and_changes_nothing():
    server = fresh()
    async with serving(server) as url:
        told = await done(url, dry=True)
        assert server.changes == []
        assert told == await done(url)


async def test_what_somebody_changed_by_hand_is_put_back_and_nothing_else():
    server = fresh()
    server.preferences["teams/1"] = {"theme": "light", "timezone": "utc"}
    async with serving(server) as url:
        await done(url)
        assert server.preferences["teams/1"] == {"theme": "light", "timezone": "utc", "homeDashboardUID": "sales-home"}
        server.teams.append({"id": 9, "name": "guests"})
        server.grants["uid-sales"].append({"userId": 7, "permission": 2})
        assert await done(url) == ["folder Sales: permissions set"]
        assert {"id": 9, "name": "guests"} in server.teams


async def test_dashboards_come_first():
    server = Server({})
    async with serving(server) as url:
        with pytest.raises(UsageError, match="provision the dashboards first"):
            await done(url)
    assert server.changes == []


async def test_a_wrong_token_or_another_server_is_said_plainly():
    async with serving(fresh()) as url:
        with pytest.raises(UsageError, match="role Admin"):
            await done(url, token="wrong")
        with pytest.raises(UsageError, match="status 404"):
            await done(f"{url}/elsewhere")
    with pytest.raises(UsageError, match="api/folders"):
        await done(url)


@pytest.mark.parametrize(("text", "said"), [
    ("teams: {}\nfolders: {}", "teams"), ("teams: [", "no YAML"),
    ("teams: {a: {home: x}}\nfolders: {F: {b: view}}", "F.b"),
    ("teams: {a: {home: x}}\nfolders: {F: {a: admin}}", "folders.F.a"),
    ("teams: {a: {start: x}}\nfolders: {}", "teams.a"),
    ("teams: {a: {home: x}}\nfolders: {F: {others: edit}}", "nothing or view"),
])
def test_a_wrong_access_file_names_the_file_and_the_key(text: str, said: str, tmp_path: Path):
    path = tmp_path / "access.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as refused:
        read(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_a_token_is_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    told = call(monkeypatch, capsys, "grafana", "bootstrap")
    assert told.code == 2
    assert "--token-file" in told.err

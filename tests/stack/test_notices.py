"""A real Alertmanager with the webhooks of docs/notices.md, the web server with users, and a phone that takes notes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import yaml

from sales_exporter.config import Desk
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.runtime.roles import roles
from sales_exporter.sidecar.desk.messenger import Messenger
from sales_exporter.sidecar.desk.model import Event
from sales_exporter.sidecar.outbox import Alert, Alertmanager
from tests.rules.rulebook import ROOT
from tests.support import shop
from tests.support.binaries import Program
from tests.support.clocks import until
from tests.support.inbox import Inbox, inbox
from tests.support.web import Shown, site

pytestmark = pytest.mark.stack

PASSWORD = "password-of-the-tests"
SOON = 30.0
"""Seconds until what should happen has happened: waits are of a second."""


@dataclass
class Desked:
    """The part of the sidecar that Alertmanager talks to, with its history and its phone."""

    phone: Inbox
    messenger: Messenger
    events: list[Event] = field(default_factory=list)
    port: int = 0

    async def record(self, events: Sequence[Event]) -> None:
        """Take events into the history."""
        self.events += events

    def lines(self) -> Counter[tuple[str, str]]:
        """Alert and status of each line of the history."""
        return Counter((one.labels["alertname"], one.why) for one in self.events)

    def titles(self) -> list[str]:
        """What the phone showed."""
        return [letter.document["title"] for letter in self.phone.letters]


@contextlib.asynccontextmanager
async def desked(folder: Path) -> AsyncIterator[Desked]:
    """The server, with a login for Alertmanager that can do nothing else."""
    users = {"alertmanager": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}
    (folder / "web.yml").write_text(yaml.safe_dump({"basic_auth_users": users}))
    (folder / "desk-password").write_text(PASSWORD)
    async with inbox() as phone:
        settings = Desk.model_validate({
            "notifiers": ["alertmanager"], "external_url": "https://desk.example/sales",
            "receivers": {"phones": {"kind": "ntfy", "url": f"{phone.url}/sales-alerts"}}})
        found = Desked(phone, Messenger(folder / "desk", settings, SystemClock()))
        sending = asyncio.create_task(found.messenger.notices.run())
        hook = found.messenger.webhook(found.record)
        async with site(Shown(), parts=[hook], roles=lambda login: roles(settings, login),
                        config=folder / "web.yml") as (_, found.port):
            yield found
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await found.messenger.close()


def _configure(folder: Path, port: int) -> None:
    """The shipped routes, which wait for a second, with the documented webhooks to a port."""
    folder.mkdir()
    page = (ROOT / "docs/notices.md").read_text()
    (example,) = re.findall(r"```yaml\n# alertmanager.yml\n(.+?)```", page, re.S)
    example = example.replace("127.0.0.1:18881", f"127.0.0.1:{port}").replace(
        "/etc/alertmanager/secrets", str(folder.parent))
    tree = yaml.safe_load(re.sub(r"(group_wait|group_interval): \S+", r"\1: 1s",
                                 (ROOT / "prometheus/alertmanager.yml").read_text()))
    tree["receivers"] = [one for one in tree["receivers"] if one["name"] != "sales-ops"]
    tree["receivers"] += yaml.safe_load(example)["receivers"]
    tree["templates"] = [str(ROOT / "prometheus/templates/*.tmpl")]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(tree))


@contextlib.asynccontextmanager
async def alertmanaging(program: Program, folder: Path, port: int) -> AsyncIterator[str]:
    """An Alertmanager that has told nobody anything yet, with the shipped routes and the documented webhooks."""
    _configure(folder, port)
    with contextlib.ExitStack() as stack:
        # It waits for its start, which the server in this loop must not.
        yield await asyncio.to_thread(stack.enter_context, shop.server(
            "alertmanager", program, folder, f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/state", "--cluster.listen-address="))


async def push(url: str, *alerts: Alert) -> None:
    """Hand alerts to an Alertmanager."""
    sink = Alertmanager(url, aiohttp.ClientSession, SystemClock())
    await sink.send(alerts)
    await sink.close()


def alert(name: str, ends_at: float | None = None) -> Alert:
    """An alert whose start is the same each time."""
    return Alert(name, "critical", START, {"summary": f"{name}."}, team="sales-ops", category="business",
                 cluster="eu", tenant="acme", ends_at=ends_at)


START = float(int(time.time())) - 60


async def test_what_alertmanager_tells_is_in_the_history_and_on_phones(alertmanager: Program, tmp_path: Path) -> None:
    async with desked(tmp_path) as desk, alertmanaging(alertmanager, tmp_path / "one", desk.port) as url:
        await push(url, alert("SalesLeadsFell"))
        await until(lambda: bool(desk.events and desk.phone.letters), SOON)
        await push(url, alert("SalesLeadsFell", time.time()))
        await until(lambda: len(desk.events) == 2 and len(desk.phone.letters) == 2, SOON)
        told = desk.phone.letters[0].document
        link = await desk.messenger.links.use(told["actions"][0]["url"].removeprefix("https://desk.example/sales/act/"))
    fingerprint = alert("SalesLeadsFell").fingerprint
    assert [(one.fingerprint, one.kind, one.by, one.why, one.starts_at) for one in desk.events] == [
        (fingerprint, "notified", "sales-ops", status, START) for status in ("firing", "resolved")]
    assert desk.titles() == ["Critical: SalesLeadsFell.", "Resolved: SalesLeadsFell."]
    assert (told["click"], told["priority"]) == (f"https://desk.example/sales/alerts/{fingerprint}", 5)
    assert (link.fingerprint, link.receiver) == (fingerprint, "phones")


async def test_r33_an_alertmanager_that_forgot_what_it_told_tells_nothing_new(
    alertmanager: Program, tmp_path: Path
) -> None:
    first, second = alert("SalesLeadsFell"), alert("SalesDealsFell")
    async with desked(tmp_path) as desk:
        async with alertmanaging(alertmanager, tmp_path / "one", desk.port) as url:
            await push(url, first, second)
            await until(lambda: desk.lines().total() == 2 and len(desk.phone.letters) == 2, SOON)
        async with alertmanaging(alertmanager, tmp_path / "two", desk.port) as url:
            await push(url, second, first, alert("SalesWinsFell"))
            # The last one is news: what came with it or before it has been looked at.
            await until(lambda: ("SalesWinsFell", "firing") in desk.lines() and len(desk.phone.letters) == 3, SOON)
            await push(url, alert("SalesLeadsFell", time.time()))
            await until(lambda: ("SalesLeadsFell", "resolved") in desk.lines() and len(desk.phone.letters) == 4, SOON)
    assert set(desk.lines().values()) == {1}
    assert len(set(desk.phone.keys)) == 4

"""The alert desk as people see it: by keyboard, on a phone, while others act, and when the sidecar restarts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import bcrypt
import numpy as np
import pytest

from sales_exporter.api.part import Api
from sales_exporter.config import Settings
from sales_exporter.runtime.clock import Clock, SystemClock
from sales_exporter.runtime.forms import Forms
from sales_exporter.runtime.roles import roles
from sales_exporter.sidecar.backtest.course import Course
from sales_exporter.sidecar.desk.desk import Desk
from sales_exporter.sidecar.desk.model import Acknowledge, Actor, Case, Flapping
from sales_exporter.sidecar.desk.policy import Document, Policy
from sales_exporter.sidecar.desk.seam import AlertDesk
from sales_exporter.sidecar.outbox import Alert, Outbox
from sales_exporter.sidecar.pages.bands import Bands
from sales_exporter.sidecar.pages.chart import Band
from sales_exporter.sidecar.pages.pages import Pages
from sales_exporter.sidecar.pages.signed import SignedLinks
from sales_exporter.sidecar.series import SeriesId
from tests.browser.conftest import SHOTS, WIDTHS
from tests.browser.driver import Tab, driven
from tests.support.cases import ANOMALY, DOWN, NOW, OPEN, OVER, SNOOZED, TAKEN, case, events
from tests.support.clocks import FakeClock
from tests.support.desk import MemoryDesk
from tests.support.links import Known
from tests.support.web import Shown, site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

MARA, LENA = Actor("mara", "cli"), Actor("lena", "api")
LONG = case("SalesAnomalyOfAnUnbrokenName" * 4, "page", minutes=9_000_000, owner="x" * 80, labels={
    "team": "y" * 60, "entity": "z" * 200}, annotations={"summary": "w" * 250, "value": "v" * 40, "note": "u" * 250})
PAGES = {
    "open": "/alerts", "filtered": "/alerts?severity=warning&team=sales-ops", "alert": f"/alerts/{ANOMALY.fingerprint}",
    "taken": f"/alerts/{TAKEN.fingerprint}", "snoozed": f"/alerts/{SNOOZED.fingerprint}",
    "over": f"/alerts/{OVER.fingerprint}", "history": "/alerts/history?range=30d", "runbook": "/runbooks/SalesAnomaly",
    "long": f"/alerts/{LONG.fingerprint}",
    "link": "/act/good", "refused": "/act/bad", "unknown": "/alerts/0000000000000000",
}
STATUSES = {"refused": 410, "unknown": 404}


class Drawn(Bands):
    """A range for alerts on leads, without any Prometheus."""

    def __init__(self) -> None:
        """Nothing is read."""

    async def of(self, case: Case) -> Band | str | None:
        """Leads as they went."""
        if case.labels.get("watch") != "leads":
            return "There is no chart: Prometheus did not answer in time." if "watch" in case.labels else None
        at = np.arange(288)
        expected = (24 + 6 * np.sin(at / 60)).astype(np.float32)
        level = np.where(at < 246, expected + 2.5 * np.sin(at * 1.7), 3.0).astype(np.float32)
        course = Course(SeriesId("leads", (("channel", "email"),)), NOW - 17_280, 60.0, level, level, expected,
                        expected - 6, expected + 7)
        return Band(course, NOW, "", "EUR", "new leads per hour")


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with driven() as found:
        yield found


@contextlib.asynccontextmanager
async def served(desk: AlertDesk, tab: Tab | None = None, *, port: int = 0, external_url: str | None = None,
                 clock: Clock | None = None, config: Path | None = None) -> AsyncIterator[str]:
    """The address of pages and API, for the length of a block; a tab leaves them before they end."""
    settings = Settings.model_validate({"sidecar": {"desk": {"without_login": "responder", "responders": ["mara"]},
                                                    "prometheus": {"url": "http://127.0.0.1:1"}}})
    clock = clock or FakeClock(NOW)
    api = Api(lambda: settings.sidecar, desk, clock)
    pages = Pages(desk, lambda: settings, Drawn(), Forms(b"k" * 32, clock), clock)
    running = asyncio.create_task(api.run())
    async with site(Shown(), parts=[api, pages, SignedLinks(pages, Known())], clock=clock, external_url=external_url,
                    roles=lambda login: roles(settings.sidecar.desk, login), config=config,
                    listen_address=(f"127.0.0.1:{port}",)) as (host, taken):
        yield f"http://{host}:{taken}"
        if tab is not None:
            await tab("leave")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def company() -> MemoryDesk:
    """A desk with alerts in every state and a past."""
    desk = MemoryDesk([*OPEN, OVER, LONG], sorted((*events(ANOMALY), *(
        replace(event, number=event.number - 100) for event in events(TAKEN))), key=lambda event: event.at))
    desk.flapping = (Flapping(ANOMALY.fingerprint, ANOMALY.labels, 14, 540.0),)
    return desk


@pytest.mark.parametrize(("width", "scheme"), [*((width, "light") for width in (*WIDTHS, 320)), *(
    (width, "dark") for width in WIDTHS)])
async def test_every_page_is_drawn_without_a_complaint_and_cuts_nothing_off(tab: Tab, width: int, scheme: str) -> None:
    wrong = {}
    async with served(company(), tab) as url:
        for name, path in PAGES.items():
            await tab.fresh(width, scheme)
            status = await tab("open", url=url + path)
            await tab("shot", file=str(SHOTS / f"alerts-{name}-{width}-{scheme}.png"))
            cut, complaints = await tab("cut"), await tab("complaints")
            expected = [] if status == 200 else [one for one in complaints if f"status of {status}" in one]
            if (cut != {"texts": [], "overflow": 0} or complaints != expected or status != STATUSES.get(name, 200)
                    or (width < 500 and await tab("small"))):
                wrong[name] = (status, cut, complaints, await tab("small"))
    assert wrong == {}


async def test_an_alert_is_acknowledged_by_keyboard_alone(tab: Tab) -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, tab) as url:
        await tab.fresh()
        await tab("open", url=f"{url}/alerts")
        visited = []
        while not visited or visited[-1] != f"take-{DOWN.fingerprint}":
            await tab("press", key="Tab")
            visited.append(await tab("focused"))
            assert len(visited) < 12, visited
        assert await tab("ring") == "solid"
        await tab("press", key="Enter")
        await tab("shown", text="Acknowledged: nobody else is called")
    assert visited[0] == "Skip to the contents"
    assert (await desk.case(DOWN.fingerprint)).state == "acknowledged"


async def test_what_another_does_is_shown_at_once_without_loading_the_page(tab: Tab) -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, tab) as url:
        await tab.fresh()
        await tab("open", url=f"{url}/alerts")
        await tab("shown", text="live")
        await tab("mark")
        await desk.act(DOWN.fingerprint, Acknowledge("looking"), MARA)
        await tab("shown", text="mara")
        assert await tab("title") == "Open alerts · sales-exporter"
        desk.put(case("SalesNoNewLeads", minutes=0), "fired", Actor("", "desk"))
        await tab("shown", text="SalesNoNewLeads fires.")
        assert await tab("title") == "(1) Open alerts · sales-exporter"
        assert await tab("marked")


async def test_what_somebody_is_writing_stays_while_others_act(tab: Tab) -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, tab) as url:
        await tab.fresh()
        await tab("open", url=f"{url}/alerts/{DOWN.fingerprint}")
        await tab("click", selector="#words")
        await tab("type", text="I think that")
        await desk.act(DOWN.fingerprint, Acknowledge(), LENA)
        await tab("shown", text="lena has it.")
        await tab("type", text=" it is the disk")
        assert await tab("value", selector="#words") == "I think that it is the disk"
        await tab("click", selector="#do-comment")
        await tab("shown", text="somebody commented on the page")
    assert (await desk.case(DOWN.fingerprint)).comment == "I think that it is the disk"


async def test_enter_in_a_field_does_nothing_that_was_not_asked_for(tab: Tab) -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, tab) as url:
        for field in ("owner", "name"):
            await tab.fresh()
            await tab("open", url=f"{url}/alerts/{DOWN.fingerprint}")
            await tab("click", selector=f"#{field}")
            await tab("type", text="lena")
            await tab("press", key="Enter")
            await tab("shown", text="Nothing was done")
    assert await desk.case(DOWN.fingerprint) == DOWN


async def test_after_a_restart_of_the_server_the_page_follows_again(tab: Tab) -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk) as url:
        await tab.fresh()
        await tab("open", url=f"{url}/alerts")
        await tab("shown", text="live")
        await tab("mark")
    await tab("shown", text="reconnecting")
    await desk.act(DOWN.fingerprint, Acknowledge(), MARA)
    async with served(desk, tab, port=int(url.rpartition(":")[2])):
        await tab("shown", text="mara")
        await tab("gone", text="reconnecting")
        assert await tab("marked")


async def test_everything_works_without_scripts(tab: Tab) -> None:
    desk = MemoryDesk([ANOMALY])
    async with served(desk, tab) as url:
        await tab.fresh(scripts=False)
        await tab("open", url=f"{url}/alerts/{ANOMALY.fingerprint}")
        await tab("click", selector="#do-snooze")
        await tab("shown", text="Snoozed: nobody hears of it until then.")
    assert (await desk.case(ANOMALY.fingerprint)).until == NOW + 3_600


async def test_a_signed_link_acts_when_its_button_is_pressed(tab: Tab) -> None:
    desk = MemoryDesk([DOWN])
    async with served(desk, tab) as url:
        await tab.fresh(390)
        await tab("open", url=f"{url}/act/good")
        assert (await desk.case(DOWN.fingerprint)).state == "firing"
        await tab("click", selector="#name")
        await tab("type", text="mara")
        await tab("press", key="Enter")
        await tab("shown", text="Done")
    assert (await desk.case(DOWN.fingerprint)).acknowledged_by == "mara (phones)"


async def test_behind_a_prefix_the_page_acts_and_follows(tab: Tab) -> None:
    desk = MemoryDesk([DOWN, ANOMALY])
    async with served(desk, tab, external_url="http://sales.example/desk") as url:
        await tab.fresh()
        await tab("open", url=f"{url}/desk/alerts")
        await tab("shown", text="live")
        await tab("click", selector=f"#take-{DOWN.fingerprint}")
        await tab("shown", text="Acknowledged: nobody else is called")
        assert (await tab("url")).startswith(f"{url}/desk/alerts?done=")
        await tab("shown", text="live")
        await desk.act(ANOMALY.fingerprint, Acknowledge(), MARA)
        await tab("shown", text="mara")


@contextlib.asynccontextmanager
async def working(clock: Clock) -> AsyncIterator[tuple[Outbox, Desk]]:
    """A real desk over an outbox that sends nowhere."""
    outbox = Outbox(None, [], clock)
    desk = Desk(None, Policy(Document(), "UTC"), [], outbox, clock, aiohttp.ClientSession)
    tasks = [asyncio.create_task(outbox.run()), asyncio.create_task(desk.run())]
    try:
        yield outbox, desk
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await desk.close()
        await outbox.close()


async def test_with_the_real_desk_an_alert_shows_up_is_taken_and_ends(tab: Tab) -> None:
    clock = SystemClock()
    one = Alert("SalesAnomaly", "critical", clock.now() - 600, {"summary": "Leads fell."}, team="sales-ops")
    async with working(clock) as (outbox, desk), served(desk, tab, clock=clock) as url:
        await tab.fresh()
        await tab("open", url=f"{url}/alerts")
        await tab("shown", text="Nothing is known to fire")
        await outbox.raise_([one])
        await tab("shown", text="Leads fell.")
        await tab("click", selector=f"#take-{one.fingerprint}")
        await tab("shown", text="somebody")
        await tab("open", url=f"{url}/alerts/{one.fingerprint}")
        await tab("shown", text="somebody has it.")
        await tab("click", selector="#do-resolve")
        await tab("shown", text="somebody resolved it on the page")
        await tab("open", url=f"{url}/alerts")
        await tab("shown", text="Nothing is known to fire")
    assert not outbox.active()


@pytest.mark.parametrize(("login", "may"), [("mara", "may act"), ("guest", "looks only")])
async def test_who_logs_in_sees_who_they_are_and_what_they_may(
    tab: Tab, tmp_path: Path, login: str, may: str
) -> None:
    desk, config = MemoryDesk([DOWN, TAKEN]), tmp_path / "web.yml"
    config.write_text(json.dumps({"basic_auth_users": {login: bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}}))
    shown = base64.b64encode(f"{login}:secret".encode()).decode()
    async with served(desk, tab, config=config) as url:
        await tab.fresh(headers={"Authorization": f"Basic {shown}"})
        await tab("open", url=f"{url}/alerts")
        await tab("shown", text="live")
        assert (await tab("text", selector=".login")).split(maxsplit=1) == [login, may]
        await desk.act(DOWN.fingerprint, Acknowledge(), LENA)
        await tab("shown", text="lena")
        await tab("shot", file=str(SHOTS / f"alerts-login-{login}-1280-light.png"))

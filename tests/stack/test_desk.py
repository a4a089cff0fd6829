"""The alert desk with real Alertmanagers: what people decide is done there, once, and what happens there is seen."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.desk.desk import Desk
from sales_exporter.sidecar.desk.model import Acknowledge, Actor, Case, Notice, Resolve, Snooze, Unacknowledge
from sales_exporter.sidecar.desk.policy import Document, Policy
from sales_exporter.sidecar.outbox import Alert, Alertmanager, Outbox, Timing
from tests.rules.stack import Page, eventually
from tests.sidecar.outbox.alertmanagers import Cluster, cluster
from tests.support.binaries import Program

pytestmark = [pytest.mark.stack, pytest.mark.slow]

BOB = Actor("bob", "api")
GROUP_WAIT = 1.0
QUIET = 5.0
"""Seconds in which a notice that should not come would have come: several flushes of a group."""


def alert(name: str = "SalesLeadsFell", severity: str = "critical", **fields: Any) -> Alert:
    return Alert(name, severity, time.time(), cluster="demo", tenant="default", team="sales-ops", category="business",
                 **fields)


def policy(*steps: dict[str, object]) -> Policy:
    rules = [{"name": "quick", "matchers": {"severity": ["warning", "critical"]}, "steps": steps}] if steps else []
    return Policy(Document.model_validate({"policies": rules}), "UTC")


@dataclass
class Station:
    """A desk and its outbox at work."""

    outbox: Outbox
    desk: Desk
    told: list[Notice] = field(default_factory=list)

    async def case(self, fingerprint: str, state: str) -> Case:
        """Wait until a case is in a state."""
        async def there() -> Case | None:
            with contextlib.suppress(LookupError):
                case = await self.desk.case(fingerprint)
                return case if case.state == state else None
            return None

        found = await eventually(there, f"the case is {state}")
        assert found is not None
        return found


@contextlib.asynccontextmanager
async def station(folder: Path, servers: Cluster, *steps: dict[str, object]) -> AsyncIterator[Station]:
    """A desk over these Alertmanagers, for the length of a block."""
    clock, told = SystemClock(), list[Notice]()

    async def tell(notices: Sequence[Notice]) -> None:
        told.extend(notices)

    outbox = Outbox(folder / "outbox", [Alertmanager(url, aiohttp.ClientSession, clock) for url in servers.urls], clock,
                    Timing(interval=1.0))
    desk = Desk(folder / "desk", policy(*steps), servers.urls, outbox, clock, aiohttp.ClientSession, tell)
    tasks = [asyncio.create_task(outbox.run()), asyncio.create_task(desk.run())]
    try:
        yield Station(outbox, desk, told)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await desk.close()
        await outbox.close()


async def silences(servers: Cluster, number: int = 0, state: str = "active") -> list[dict[str, Any]]:
    """Those that stand at one Alertmanager."""
    async with servers.session.get(f"{servers.urls[number]}/api/v2/silences") as answer:
        return [one for one in await answer.json() if one["status"]["state"] == state]


async def shown(servers: Cluster, fingerprint: str, state: str, number: int = 0) -> None:
    """Wait until an Alertmanager shows an alert as active or suppressed."""
    async def there() -> bool:
        return any(one["fingerprint"] == fingerprint and one["status"]["state"] == state
                   for one in await servers.shown(number))

    await eventually(there, f"the alert is {state}")


async def heard(inbox: Page, name: str, status: str = "firing", receiver: str = "sales-ops") -> None:
    """Wait until a receiver was told."""
    async def there() -> bool:
        return bool(inbox.told(receiver, name, status))

    await eventually(there, f"{receiver} is told that {name} is {status}")


async def test_an_alert_is_a_case_and_told_in_time(alertmanager: Program, tmp_path: Path) -> None:
    inbox = Page("")
    async with cluster(tmp_path, alertmanager, inbox) as servers, station(tmp_path / "state", servers) as at:
        began = time.monotonic()
        one = alert()
        await at.outbox.raise_([one])
        await heard(inbox, one.alertname)
        assert time.monotonic() - began < GROUP_WAIT + 5
        case = await at.case(one.fingerprint, "firing")
        assert (case.pushed, dict(case.labels), case.starts_at) == (True, one.labels, one.starts_at)

        async def everywhere() -> bool:
            return (await at.desk.case(one.fingerprint)).receivers == ("sales-ops",)

        await eventually(everywhere, "its receiver is known")


async def test_an_acknowledged_alert_is_told_no_more_and_its_end_is_told_by_the_desk(
    alertmanager: Program, tmp_path: Path
) -> None:
    inbox, one = Page(""), alert()
    async with cluster(tmp_path, alertmanager, inbox) as servers, station(tmp_path / "state", servers) as at:
        await at.outbox.raise_([one])
        await heard(inbox, one.alertname)
        await at.case(one.fingerprint, "firing")
        await shown(servers, one.fingerprint, "active")
        await eventually(lambda: _receivers(at, one), "the desk has seen it there")
        await at.desk.act(one.fingerprint, Acknowledge("on it"), BOB)
        await shown(servers, one.fingerprint, "suppressed")
        [silence] = await silences(servers)
        assert (silence["createdBy"], silence["comment"]) == ("bob", "ACK! bob: on it")
        assert {part["name"]: part["value"] for part in silence["matchers"]} == one.labels
        await at.outbox.resolve([one.fingerprint], time.time())
        await at.case(one.fingerprint, "resolved")
        await asyncio.sleep(QUIET)
        assert inbox.told("sales-ops", one.alertname, "resolved") == []
        assert [(notice.kind, notice.case.fingerprint) for notice in at.told] == [("resolved", one.fingerprint)]


async def _receivers(at: Station, one: Alert) -> bool:
    return bool((await at.desk.case(one.fingerprint)).receivers)


async def test_given_back_the_alert_is_told_of_again(alertmanager: Program, tmp_path: Path) -> None:
    inbox, one = Page(""), alert()
    async with cluster(tmp_path, alertmanager, inbox) as servers, station(tmp_path / "state", servers) as at:
        await at.outbox.raise_([one])
        await at.case(one.fingerprint, "firing")
        for _ in range(2):
            await at.desk.act(one.fingerprint, Acknowledge(), BOB)
            await shown(servers, one.fingerprint, "suppressed")
            await at.desk.act(one.fingerprint, Unacknowledge(), BOB)
            await shown(servers, one.fingerprint, "active")
        assert await silences(servers) == []
        assert (await at.desk.case(one.fingerprint)).state == "firing"


async def test_nobody_takes_it_and_another_team_is_told_until_somebody_does(
    alertmanager: Program, tmp_path: Path
) -> None:
    inbox, one = Page(""), alert()
    step = {"after": "3s", "team": "exec"}
    async with (cluster(tmp_path, alertmanager, inbox) as servers,
                station(tmp_path / "state", servers, step) as at):
        began = time.monotonic()
        await at.outbox.raise_([one])
        await heard(inbox, one.alertname, receiver="exec")
        assert 3 <= time.monotonic() - began < 3 + 5 + GROUP_WAIT + 5
        [told] = inbox.told("exec", one.alertname)
        assert told["labels"] == {**one.labels, "team": "exec", "escalation": "1"}
        assert [case.fingerprint for case in at.desk.cases()] == [one.fingerprint]
        await at.desk.act(one.fingerprint, Acknowledge(), BOB)
        await heard(inbox, one.alertname, "resolved", "exec")
        [over] = inbox.told("exec", one.alertname, "resolved")
        assert over["annotations"]["escalation"] == "bob has acknowledged the alert, which lasts."


async def test_resolved_by_hand_a_pushed_alert_ends_and_that_is_told(alertmanager: Program, tmp_path: Path) -> None:
    inbox, one = Page(""), alert()
    async with cluster(tmp_path, alertmanager, inbox) as servers, station(tmp_path / "state", servers) as at:
        await at.outbox.raise_([one])
        await heard(inbox, one.alertname)
        await at.case(one.fingerprint, "firing")
        case = await at.desk.act(one.fingerprint, Resolve("mended"), BOB)
        assert case.state == "resolved"
        assert at.outbox.active() == []
        await heard(inbox, one.alertname, "resolved")
        assert await at.desk.admitted([one], ()) == []
        await asyncio.sleep(QUIET)
        assert (await at.desk.case(one.fingerprint)).state == "resolved"
        assert await at.desk.admitted([], ()) == []
        assert await at.desk.admitted([one], ()) == [one]


async def test_the_alert_of_a_rule_is_muted_until_it_ends(alertmanager: Program, tmp_path: Path) -> None:
    inbox, one = Page(""), alert()
    async with cluster(tmp_path, alertmanager, inbox) as servers, station(tmp_path / "state", servers) as at:
        await raised(servers, one)
        await at.case(one.fingerprint, "firing")
        case = await at.desk.act(one.fingerprint, Resolve("known"), BOB)
        assert (case.state, case.pushed, case.ends_at) == ("resolved", False, None)
        await shown(servers, one.fingerprint, "suppressed")
        [silence] = await silences(servers)
        assert silence["comment"] == "CLOSED! bob: known"


async def raised(servers: Cluster, one: Alert) -> None:
    """As Prometheus does it, without the outbox."""
    sink = Alertmanager(servers.urls[0], aiohttp.ClientSession, SystemClock())
    await sink.send([one])
    await sink.close()


async def test_a_silence_that_is_extended_keeps_its_id(alertmanager: Program, tmp_path: Path) -> None:
    inbox, one = Page(""), alert()
    async with cluster(tmp_path, alertmanager, inbox) as servers, station(tmp_path / "state", servers) as at:
        await at.outbox.raise_([one])
        await at.case(one.fingerprint, "firing")
        await at.desk.act(one.fingerprint, Acknowledge("first"), BOB)
        await shown(servers, one.fingerprint, "suppressed")
        [before] = await silences(servers)
        await at.desk.act(one.fingerprint, Snooze(3600, "second"), BOB)

        async def reworded() -> bool:
            return [silence["comment"] for silence in await silences(servers)] == ["SNOOZE! bob: second"]

        await eventually(reworded, "the silence has other words and another end")
        [after] = await silences(servers)
        assert (after["id"], after["startsAt"]) == (before["id"], before["startsAt"])
        assert await silences(servers, state="expired") == []


async def test_a_restart_finds_the_acknowledgement_and_its_silence(alertmanager: Program, tmp_path: Path) -> None:
    inbox, one = Page(""), alert()
    async with cluster(tmp_path, alertmanager, inbox) as servers:
        async with station(tmp_path / "state", servers) as at:
            await at.outbox.raise_([one])
            await at.case(one.fingerprint, "firing")
            await at.desk.act(one.fingerprint, Acknowledge("on it"), BOB)
            await shown(servers, one.fingerprint, "suppressed")
        async with station(tmp_path / "state", servers) as at:
            assert (await at.desk.case(one.fingerprint)).acknowledged_by == "bob"
            await asyncio.sleep(QUIET)
            assert len(await silences(servers)) == 1


async def test_what_another_tool_does_is_seen(alertmanager: Program, tmp_path: Path) -> None:
    inbox, one = Page(""), alert()
    async with cluster(tmp_path, alertmanager, inbox) as servers, station(tmp_path / "state", servers) as at:
        await at.outbox.raise_([one])
        await at.case(one.fingerprint, "firing")
        await at.desk.act(one.fingerprint, Acknowledge(), BOB)
        await shown(servers, one.fingerprint, "suppressed")
        [silence] = await silences(servers)
        async with servers.session.delete(f"{servers.urls[0]}/api/v2/silence/{silence['id']}") as answer:
            assert answer.status == 200
        await at.case(one.fingerprint, "firing")
        assert await silences(servers) == []


async def test_in_a_cluster_one_silence_mutes_at_both_and_apart_each_has_one(
    alertmanager: Program, tmp_path: Path
) -> None:
    for apart in (False, True):
        inbox, one, folder = Page(""), alert(), tmp_path / str(apart)
        folder.mkdir()
        async with (cluster(folder, alertmanager, inbox, size=2, apart=apart) as servers,
                    station(folder / "state", servers) as at):
            await at.outbox.raise_([one])
            await at.case(one.fingerprint, "firing")
            await at.desk.act(one.fingerprint, Acknowledge(), BOB)
            await shown(servers, one.fingerprint, "suppressed", 0)
            await shown(servers, one.fingerprint, "suppressed", 1)
            await asyncio.sleep(QUIET)
            ids = {silence["id"] for number in (0, 1) for silence in await silences(servers, number)}
            assert len(ids) == (2 if apart else 1)


async def test_one_that_hangs_does_not_hold_up_the_other(alertmanager: Program, tmp_path: Path) -> None:
    inbox, one = Page(""), alert()
    async with cluster(tmp_path, alertmanager, inbox, size=2) as servers, hanging() as deaf:
        servers.ports[0] = deaf
        async with station(tmp_path / "state", servers) as at:
            began = time.monotonic()
            await at.outbox.raise_([one])
            await at.case(one.fingerprint, "firing")
            await at.desk.act(one.fingerprint, Acknowledge(), BOB)
            await shown(servers, one.fingerprint, "suppressed", 1)
            assert time.monotonic() - began < 5
            assert sorted(at.desk.facts().up.values()) == [False, True]


@contextlib.asynccontextmanager
async def hanging() -> AsyncIterator[int]:
    """The port of a server that takes connections and never answers."""
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()

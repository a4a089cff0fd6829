"""The outbox with real Alertmanagers: what is decided is told, once, and its end too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.outbox import Alert, Alertmanager, Outbox, Timing
from sales_exporter.sidecar.outbox.sink import Rejected
from tests.rules.stack import Page, eventually
from tests.sidecar.outbox.alertmanagers import Cluster, cluster
from tests.support.binaries import Program
from tests.support.strategies import HOSTILE

pytestmark = pytest.mark.stack

WHERE = {"cluster": "demo", "tenant": "default", "team": "platform", "category": "api"}


def alert(name: str, severity: str = "critical", **fields: Any) -> Alert:
    return Alert(name, severity, time.time() - 60, **{**WHERE, **fields})


@contextlib.asynccontextmanager
async def pushing(folder: Path, servers: Cluster, interval: float = 1.0) -> AsyncIterator[Outbox]:
    """An outbox that sends to all of them, for the length of a block."""
    clock = SystemClock()
    outbox = Outbox(folder, [Alertmanager(url, aiohttp.ClientSession, clock) for url in servers.urls], clock,
                    Timing(interval=interval))
    task = asyncio.create_task(outbox.run())
    try:
        yield outbox
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.close()


async def told(inbox: Page, name: str, status: str = "firing") -> list[dict[str, Any]]:
    """Wait until the inbox was told about an alert."""
    async def heard() -> list[dict[str, Any]]:
        return inbox.told("platform", name, status)

    return await eventually(heard, f"the inbox is told that {name} is {status}")


async def fired(servers: Cluster, inbox: Page, outbox: Outbox) -> Alert:
    """Raise an alert, and wait until the inbox was told and the Alertmanager has noted on disk that it was."""
    one = alert("SalesLeadsFell")
    await outbox.raise_([one])
    await told(inbox, "SalesLeadsFell")
    heard = time.time()

    async def noted() -> bool:
        log = servers.folder / "0/nflog"
        return log.exists() and log.stat().st_size > 0 and log.stat().st_mtime > heard + 0.2

    await eventually(noted, "the notice is noted on disk")
    return one


async def test_r27_an_alertmanager_that_was_killed_still_tells_the_end_and_fires_once(
    alertmanager: Program, tmp_path: Path
) -> None:
    inbox = Page("")
    async with cluster(tmp_path, alertmanager, inbox) as servers, pushing(tmp_path / "state", servers) as outbox:
        one = await fired(servers, inbox, outbox)
        await servers.kill(0)
        await outbox.resolve([one.fingerprint], time.time())
        await servers.start(0)
        await told(inbox, "SalesLeadsFell", "resolved")
        assert len(inbox.told("platform", "SalesLeadsFell")) == 1


async def test_r27_an_alertmanager_that_is_killed_as_it_takes_the_end_still_tells_it(
    alertmanager: Program, tmp_path: Path
) -> None:
    inbox = Page("")
    async with cluster(tmp_path, alertmanager, inbox) as servers, pushing(tmp_path / "state", servers) as outbox:
        one = await fired(servers, inbox, outbox)
        await outbox.resolve([one.fingerprint], time.time())
        async with asyncio.timeout(20):
            while any(queue.pending for queue in outbox.facts().queues.values()):  # noqa: ASYNC110  (no event tells)
                await asyncio.sleep(0.001)
        # It lives in its memory only now, and its group is flushed within a second.
        await servers.kill(0)
        await servers.start(0)
        await told(inbox, "SalesLeadsFell", "resolved")
        assert len(inbox.told("platform", "SalesLeadsFell")) == 1


async def test_r24_an_alert_that_was_over_before_the_alertmanager_returned_is_told_with_its_end(
    alertmanager: Program, tmp_path: Path
) -> None:
    inbox = Page("")
    async with cluster(tmp_path, alertmanager, inbox) as servers, pushing(tmp_path / "state", servers) as outbox:
        await servers.kill(0)
        over, lasting = alert("SalesOver"), alert("SalesLasting")
        await outbox.raise_([over, lasting])
        await outbox.resolve([over.fingerprint], time.time())
        assert [queue.pending for queue in outbox.facts().queues.values()] == [2]
        await servers.start(0)
        began = time.monotonic()
        (first,) = await told(inbox, "SalesOver")
        # One resend interval, the group_wait of a second, and a little.
        assert time.monotonic() - began < 1 + 1 + 5
        await told(inbox, "SalesLasting")
        (last, *_) = await told(inbox, "SalesOver", "resolved")
        assert first["startsAt"] == last["startsAt"]
        assert first["fingerprint"] == over.fingerprint
        assert [one["labels"]["alertname"] for one in await servers.shown()] == ["SalesLasting"]


async def test_a_changed_severity_is_told_without_a_gap(alertmanager: Program, tmp_path: Path) -> None:
    inbox = Page("")
    async with cluster(tmp_path, alertmanager, inbox) as servers, pushing(tmp_path / "state", servers) as outbox:
        await outbox.raise_([alert("SalesLeadsFell", "warning")])
        await told(inbox, "SalesLeadsFell")
        gap = asyncio.create_task(_unshown(servers))
        await outbox.raise_([alert("SalesLeadsFell", "critical")])

        async def only_critical() -> bool:
            return [one["labels"]["severity"] for one in await servers.shown()] == ["critical"]

        await eventually(only_critical, "the critical one alone is shown")
        gap.cancel()
        assert await asyncio.gather(gap, return_exceptions=True) != [True]


async def _unshown(servers: Cluster) -> bool:
    """True as soon as nothing is shown."""
    while await servers.shown():  # noqa: ASYNC110  (no event tells)
        await asyncio.sleep(0.01)
    return True


async def test_r29_with_one_of_three_alertmanagers_dead_the_others_tell_on_time_and_once(
    alertmanager: Program, tmp_path: Path
) -> None:
    inbox = Page("")
    async with (cluster(tmp_path, alertmanager, inbox, size=3) as servers,
                pushing(tmp_path / "state", servers) as outbox):
        await servers.kill(2)
        one = alert("SalesLeadsFell")
        began = time.monotonic()
        await outbox.raise_([one])
        await told(inbox, "SalesLeadsFell")
        # The group_wait of a second, two peers' turns of 2 s, and a second more.
        assert time.monotonic() - began < 1 + 4 + 1
        queues = outbox.facts().queues
        assert [queues[url.removeprefix("http://")].pending for url in servers.urls] == [0, 0, 1]
        await outbox.resolve([one.fingerprint], time.time())
        await told(inbox, "SalesLeadsFell", "resolved")
        await servers.start(2)

        async def accepted() -> bool:
            return all(queue.pending == 0 for queue in outbox.facts().queues.values())

        await eventually(accepted, "the one that was dead has heard of all")
        assert len(inbox.told("platform", "SalesLeadsFell")) <= 2
        assert outbox.active() == []


async def test_r29_alertmanagers_that_cannot_hear_each_other_tell_once_each(
    alertmanager: Program, tmp_path: Path
) -> None:
    inbox = Page("")
    async with (cluster(tmp_path, alertmanager, inbox, size=2, apart=True) as servers,
                pushing(tmp_path / "state", servers) as outbox):
        one = alert("SalesLeadsFell")
        await outbox.raise_([one])

        async def told_by_both(status: str) -> bool:
            return len(inbox.told("platform", "SalesLeadsFell", status)) == 2

        await eventually(lambda: told_by_both("firing"), "both tell that it fires")
        await outbox.resolve([one.fingerprint], time.time())
        await eventually(lambda: told_by_both("resolved"), "both tell that it ended")
        assert len(inbox.told("platform", "SalesLeadsFell")) == 2


async def test_s8_hostile_text_arrives_as_text(alertmanager: Program, tmp_path: Path) -> None:
    inbox = Page("")
    alerts = [alert(f"SalesHostile{number}", entity=text, annotations={"description": text})
              for number, text in enumerate(HOSTILE)]
    async with cluster(tmp_path, alertmanager, inbox) as servers, pushing(tmp_path / "state", servers) as outbox:
        await outbox.raise_(alerts)

        async def all_shown() -> dict[str, dict[str, Any]]:
            found = {one["fingerprint"]: one for one in await servers.shown()}
            return found if len(found) == len(alerts) else {}

        found = await eventually(all_shown, "every alert is shown")
        for one in alerts:
            # Alertmanager's name for these labels is ours.
            seen = found[one.fingerprint]
            assert seen["labels"] == one.labels
            assert seen["annotations"] == one.annotations
        assert outbox.facts().failures == {servers.urls[0].removeprefix("http://"): {}}
        for one in alerts:
            (notice, *_) = await told(inbox, one.alertname)
            assert notice["annotations"].get("description", "") == one.annotations["description"]
        assert "\\r" not in json.dumps(inbox.notices)


async def test_r25_a_batch_with_one_bad_alert_delivers_the_others(alertmanager: Program, tmp_path: Path) -> None:
    inbox = Page("")
    clock = SystemClock()
    good = [alert(f"SalesGood{number}") for number in range(8)]
    # As a defect of ours would make it: an end before its start.
    bad = alert("SalesBad").lasting(time.time(), time.time() - 600)
    async with cluster(tmp_path, alertmanager, inbox) as servers:
        sink = Alertmanager(servers.urls[0], aiohttp.ClientSession, clock)
        outcome = await sink.send([*good[:3], bad, *good[3:]])
        await sink.close()
        assert outcome == Rejected(frozenset({3}), "invalid")
        assert len(await servers.shown()) == 8

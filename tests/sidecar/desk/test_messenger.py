"""Notices, links and webhook as the sidecar holds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sales_exporter.config import Desk
from sales_exporter.sidecar.desk.messenger import Messenger
from sales_exporter.sidecar.desk.model import Event
from tests.sidecar.desk.telling import HOME, NOW, notice
from tests.support.clocks import FakeClock

pytestmark = pytest.mark.process

FINGERPRINT = "25c2cdb12d31dc50"


def settings(*names: str) -> Desk:
    return Desk.model_validate({"external_url": HOME, "receivers": {
        name: {"kind": "webhook", "url": "http://127.0.0.1:9/"} for name in names}})


async def record(events: Sequence[Event]) -> None:
    """Nobody reads it."""


async def test_a_restart_keeps_what_waits_and_the_links_that_were_sent(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    first = Messenger(tmp_path, settings("chat"), clock)
    await first.notices.send([notice()])
    token = first.links.acknowledge(FINGERPRINT, "chat").rpartition("/")[2]
    await first.close()
    second = Messenger(tmp_path, settings("chat"), clock)
    assert second.notices.facts().queues["chat"].pending == 1
    assert (await second.links.use(token)).receiver == "chat"
    await second.close()


async def test_a_reload_changes_the_receivers_and_nothing_else(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    messenger = Messenger(tmp_path, settings("chat", "pager"), clock)
    await messenger.notices.send([notice()])
    await messenger.renew(settings("chat", "phones"))
    pending = {one.labels[0]: one.value for one in messenger.samples() if one.metric.name == "sales_notice_pending"}
    assert pending == {"chat": 1, "phones": 0}
    await messenger.close()


async def test_without_a_folder_it_works_in_memory() -> None:
    messenger = Messenger(None, settings("chat"), FakeClock(NOW))
    await messenger.notices.send([notice()])
    assert [route.path for route in messenger.webhook(record).routes] == ["/notify/alertmanager", "/notify/ntfy"]
    assert messenger.notices.facts().state == "none"
    await messenger.close()

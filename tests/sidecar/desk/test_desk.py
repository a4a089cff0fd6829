"""The desk over an outbox, without Alertmanagers: what it keeps, tells, publishes and holds back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sales_exporter.sidecar.desk import metrics
from sales_exporter.sidecar.desk.desk import Desk
from sales_exporter.sidecar.desk.instances import EVERY
from sales_exporter.sidecar.desk.model import Acknowledge, Event, Notice, Resolve, Snooze, Wanted
from sales_exporter.sidecar.desk.policy import Policy
from sales_exporter.sidecar.desk.seam import AlertDesk, UnknownAlert
from sales_exporter.sidecar.desk.seen import ORIGIN
from sales_exporter.sidecar.outbox import Alert, Outbox
from tests.sidecar.desk.bench import ACK, BOB, EMPTY, LEADS, NOW, policy
from tests.support.clocks import FakeClock

pytestmark = pytest.mark.process

LEADS_FELL = Alert("SalesLeadsFell", "critical", NOW, {"summary": "Leads fell."}, team="sales-ops", service="leads")
SPEND_ROSE = Alert("SalesSpendRose", "warning", NOW, team="sales-ops", service="spend")


class Office:
    """A desk, its outbox, its clock, and what it told."""

    def __init__(self, folder: Path | None, policy: Policy) -> None:
        self.clock = FakeClock(NOW)
        self.told: list[Notice] = []
        self.failing = self.waiting = False
        self.free = asyncio.Event()
        self.free.set()
        self.outbox = Outbox(None if folder is None else folder / "outbox", [], self.clock)
        self.desk = Desk(None if folder is None else folder / "desk", policy, [], self.outbox, self.clock,
                         aiohttp.ClientSession, self._tell)

    async def raised(self, *alerts: Alert) -> None:
        """They fire, and were seen."""
        await self.outbox.raise_(alerts)
        await self.desk.round()

    async def kinds(self) -> list[str]:
        """What has happened, the oldest first."""
        return [event.kind for event in reversed(await self.desk.history(Wanted()))]

    def values(self, name: str) -> dict[tuple[str, ...], Any]:
        """Samples of a metric by their labels."""
        return {sample.labels: sample.value for sample in metrics.samples(self.desk.facts(), "http://desk")
                if sample.metric.name == name}

    async def _tell(self, notices: Sequence[Notice]) -> None:
        if self.failing:
            raise OSError("no disk")
        self.waiting = True
        await self.free.wait()
        self.told += notices


@contextlib.asynccontextmanager
async def office(folder: Path | None = None, policy: Policy = EMPTY) -> AsyncIterator[Office]:
    made = Office(folder, policy)
    try:
        yield made
    finally:
        await made.desk.close()
        await made.outbox.close()


async def test_it_is_what_pages_and_the_api_ask() -> None:
    async with office() as at:
        seam: AlertDesk = at.desk
        assert seam.cases() == []
        with pytest.raises(UnknownAlert):
            await seam.case(LEADS)


async def test_what_was_decided_is_on_disk_when_it_is_answered(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.raised(LEADS_FELL)
        answer = await at.desk.act(LEADS, ACK, BOB)
        assert (answer.state, answer.acknowledged_by) == ("acknowledged", "bob")
    async with office(tmp_path) as at:
        assert await at.desk.case(LEADS) == answer
        assert await at.kinds() == ["fired", "acknowledged"]


async def test_a_case_that_is_over_is_still_known(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.raised(LEADS_FELL)
        await at.outbox.resolve([LEADS], NOW)
        await at.desk.round()
    async with office(tmp_path) as at:
        assert (await at.desk.case(LEADS)).state == "resolved"
        assert at.desk.cases() == []


async def test_resolved_by_hand_it_is_resolved_in_the_outbox_and_held_back() -> None:
    async with office() as at:
        await at.raised(LEADS_FELL)
        await at.desk.act(LEADS, Resolve("mended"), BOB)
        assert at.outbox.active() == []
        assert await at.desk.admitted([LEADS_FELL, SPEND_ROSE], ()) == [SPEND_ROSE]
        assert await at.desk.admitted([], {"SalesLeadsFell"}) == []
        assert await at.desk.admitted([LEADS_FELL], ()) == []
        assert await at.desk.admitted([], ()) == []
        assert await at.desk.admitted([LEADS_FELL], ()) == [LEADS_FELL]


async def test_what_is_held_back_stays_so_over_a_restart(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.raised(LEADS_FELL)
        await at.desk.act(LEADS, Resolve(), BOB)
    async with office(tmp_path) as at:
        assert await at.desk.admitted([LEADS_FELL], ()) == []


async def test_a_resolve_that_was_kept_but_not_carried_out_is_carried_out_later(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.raised(LEADS_FELL)
        await at.desk.act(LEADS, Resolve(), BOB)
        await at.outbox.raise_([LEADS_FELL.lasting(NOW, None)])
        await at.desk.round()
        assert at.outbox.active() == []


async def test_an_escalation_is_pushed_as_a_copy_and_ends_when_somebody_has_it() -> None:
    async with office(policy=policy({"after": "15m", "team": "exec"})) as at:
        await at.raised(LEADS_FELL)
        await at.clock.advance(900)
        await at.desk.round()
        await at.desk.round()
        original, copy = at.outbox.active()
        assert (original.team, copy.team, copy.escalation) == ("sales-ops", "exec", "1")
        assert copy.annotations[ORIGIN] == LEADS
        assert [case.fingerprint for case in at.desk.cases()] == [LEADS]
        assert at.values("sales_alert_escalations_total") == {("critical",): 1, ("warning",): 0}
        await at.desk.act(LEADS, ACK, BOB)
        await at.desk.round()
        assert at.outbox.active() == [original]
        assert await at.kinds() == ["fired", "escalated", "acknowledged"]


async def test_a_copy_whose_alert_nobody_knows_ends() -> None:
    async with office() as at:
        await at.outbox.raise_([Alert("SalesLeadsFell", "critical", NOW, {ORIGIN: LEADS}, escalation="1")])
        await at.desk.round()
        assert at.outbox.active() == []
        assert at.desk.cases() == []


async def test_whoever_listens_hears_of_the_newest_state_of_each_case() -> None:
    async with office() as at, at.desk.changes() as changes:
        await at.raised(LEADS_FELL, SPEND_ROSE)
        await at.desk.act(LEADS, ACK, BOB)
        await at.desk.act(LEADS, Acknowledge("nearly done"), BOB)
        heard = [await anext(changes), await anext(changes)]
        assert {case.fingerprint: case.comment for case in heard} == {
            LEADS: "nearly done", SPEND_ROSE.fingerprint: ""}
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        assert not waiting.done()
        await at.desk.act(LEADS, Snooze(60), BOB)
        assert (await waiting).state == "snoozed"


async def test_whoever_does_not_listen_holds_nobody_up() -> None:
    async with office() as at, at.desk.changes(), at.desk.changes() as changes:
        await at.raised(LEADS_FELL)
        assert (await anext(changes)).fingerprint == LEADS


async def test_the_end_of_what_was_acknowledged_is_told_even_if_no_alertmanager_ever_showed_it() -> None:
    async with office() as at:
        await at.raised(LEADS_FELL)
        await at.desk.act(LEADS, ACK, BOB)
        await at.outbox.resolve([LEADS], NOW)
        await at.desk.round()
        assert [notice.kind for notice in at.told] == ["resolved"]


async def test_a_snooze_ends_with_a_notice_on_time() -> None:
    async with office() as at:
        await at.raised(LEADS_FELL)
        await at.desk.act(LEADS, Snooze(60), BOB)
        await at.clock.advance(59)
        await at.desk.round()
        assert at.told == []
        await at.clock.advance(1)
        await at.desk.round()
        assert [notice.kind for notice in at.told] == ["woken"]


async def test_notices_that_cannot_be_kept_do_not_stop_the_desk(caplog: pytest.LogCaptureFixture) -> None:
    async with office() as at:
        at.failing = True
        await at.raised(LEADS_FELL)
        await at.desk.act(LEADS, Snooze(60), BOB)
        await at.clock.advance(60)
        await at.desk.round()
        assert (await at.desk.case(LEADS)).state == "firing"
        assert "notices of the alert desk broke" in caplog.text


async def test_what_somebody_does_while_notices_are_stored_is_not_overwritten(tmp_path: Path) -> None:
    async with office(tmp_path) as at:
        await at.raised(LEADS_FELL)
        await at.desk.act(LEADS, Snooze(60), BOB)
        await at.clock.advance(60)
        at.free.clear()
        look = asyncio.create_task(at.desk.round())
        while not at.waiting:  # noqa: ASYNC110  (the thread of the history tells no event)
            await asyncio.sleep(0.001)
        await at.desk.act(LEADS, ACK, BOB)
        at.free.set()
        await look
    async with office(tmp_path) as at:
        assert (await at.desk.case(LEADS)).state == "acknowledged"


async def test_what_others_saw_goes_into_the_history() -> None:
    async with office() as at:
        await at.desk.note([Event(NOW, LEADS, "notified", "platform", "webhook", "firing")])
        assert await at.kinds() == ["notified"]


async def test_the_numbers_are_those_of_the_cases() -> None:
    async with office() as at:
        await at.raised(LEADS_FELL, SPEND_ROSE)
        await at.clock.advance(120)
        await at.desk.act(LEADS, ACK, BOB)
        active = at.values("sales_alert_active")
        assert {labels for labels, value in active.items() if value} == {
            ("critical", "sales-ops", "acknowledged"), ("warning", "sales-ops", "firing")}
        assert active["critical", "sales-ops", "firing"] == 0
        assert at.values("sales_alert_acknowledged") == {
            ("SalesLeadsFell", "critical", "sales-ops", "leads", ""): 1}
        [to_ack] = at.values("sales_alert_time_to_ack_seconds").values()
        assert (sum(to_ack.counts), to_ack.total) == (1, 120.0)
        await at.outbox.resolve([LEADS], NOW)
        await at.desk.round()
        assert list(at.values("sales_alert_time_to_resolve_seconds")) == [("critical",)]
        assert at.values("sales_desk_storage_state")["none",] == 1


async def test_a_second_acknowledgement_is_not_timed_again() -> None:
    async with office() as at:
        await at.raised(LEADS_FELL)
        await at.desk.act(LEADS, ACK, BOB)
        await at.clock.advance(60)
        await at.desk.act(LEADS, Acknowledge("I take over"), BOB)
        [to_ack] = at.values("sales_alert_time_to_ack_seconds").values()
        assert sum(to_ack.counts) == 1


async def test_other_settings_hold_after_a_reload() -> None:
    async with office() as at:
        await at.raised(LEADS_FELL)
        assert (await at.desk.case(LEADS)).next_step_at is None
        await at.desk.renew(policy({"after": "5m", "team": "exec"}), ["http://127.0.0.1:1"], at.outbox)
        assert (await at.desk.case(LEADS)).next_step_at == NOW + 300
        assert at.values("sales_desk_alertmanager_up") == {("127.0.0.1:1",): 0}


async def test_it_looks_every_few_seconds() -> None:
    async with office(policy=policy({"after": "1m", "team": "exec"})) as at:
        running = asyncio.create_task(at.desk.run())
        async with at.desk.changes() as changes:
            await at.clock.advance(1)
            await at.outbox.raise_([LEADS_FELL])
            # The thread of the history answers when it likes; then time passes for the next look.
            heard = asyncio.ensure_future(anext(changes))
            while not heard.done():
                await asyncio.sleep(0.001)
                await at.clock.advance(EVERY)
            assert heard.result().fingerprint == LEADS
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

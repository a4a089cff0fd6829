"""Notices over time: stored, told to whom they concern, tried again, and never told twice without a reason."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from sales_exporter.sidecar.desk import notice_report
from sales_exporter.sidecar.desk.letters import LETTERS, PARKED_FOR
from sales_exporter.sidecar.desk.notices import OWN_KNOWN, RELAYED_KNOWN, Notices
from sales_exporter.sidecar.outbox.sink import Delivered, Rejected, Retry
from sales_exporter.sidecar.store import Store
from tests.sidecar.desk.telling import NOW, Heard, message, notice, receiver, telling
from tests.support.clocks import FakeClock, settle, until


async def test_everybody_whose_team_it_is_is_told_once() -> None:
    ops, ml, every = Heard(), Heard(), Heard()
    receivers = [receiver(ops, "ops", "sales-ops"), receiver(ml, "ml", "ml", "exec"),
                 receiver(every, "every", phone=False)]
    async with telling(receivers, FakeClock(NOW)) as notices:
        await notices.send([notice(), notice()])
        await notices.send([notice()])
        await settle()
        assert ops.titles == every.titles == ["Escalated: Fewer leads than expected."]
        assert ml.tried == []
    assert ops.closed


async def test_an_alert_without_a_team_concerns_those_who_want_all() -> None:
    ops, every = Heard(), Heard()
    async with telling([receiver(ops, "ops", "sales-ops"), receiver(every, "every")], FakeClock(NOW)) as notices:
        await notices.send([notice(labels={"alertname": "A"})])
        await settle()
        assert (len(ops.taken), len(every.taken)) == (0, 1)


async def test_a_notice_that_names_receivers_goes_to_these_whatever_their_teams() -> None:
    ops, ml, chat = Heard(), Heard(), Heard()
    receivers = [receiver(ops, "ops", "sales-ops"), receiver(ml, "ml", "ml"), receiver(chat, "chat", phone=False)]
    async with telling(receivers, FakeClock(NOW)) as notices:
        await notices.send([replace(notice(), to=("ml", "chat"))])
        await settle()
    assert [len(sink.taken) for sink in (ops, ml, chat)] == [0, 1, 1]


async def test_a_key_that_can_stand_in_a_header_is_that_of_the_notice() -> None:
    sink = Heard()
    async with telling([receiver(sink)], FakeClock(NOW)) as notices:
        await notices.send([notice("a" * 64), notice("resolved/1"), notice("A" * 64)])
        await settle()
    first, *others = [one.key for one in sink.taken]
    assert first == "a" * 64
    assert len({first, *others}) == 3


async def test_other_receivers_take_over_while_what_waits_for_one_that_stays_is_kept() -> None:
    gone, stays, new = Heard(), Heard(), Heard()
    notices = Notices(None, [receiver(gone, "gone"), receiver(stays, "stays")], FakeClock(NOW))
    await notices.send([notice("1")])
    await notices.renew([receiver(stays, "stays"), receiver(new, "new")])
    assert {name: queue.pending for name, queue in notices.facts().queues.items()} == {"stays": 1, "new": 0}
    assert gone.closed
    await notices.close()


async def test_what_alertmanager_tells_goes_to_phones_only_and_is_told_again_after_a_while() -> None:
    phone, pager, clock = Heard(), Heard(), FakeClock(NOW)
    async with telling([receiver(phone), receiver(pager, "pager", phone=False)], clock) as notices:
        await notices.relay([message(1)])
        await notices.relay([message(1)])
        await clock.advance(RELAYED_KNOWN - 1)
        await notices.relay([message(1)])
        await settle()
        assert (len(phone.taken), len(pager.taken)) == (1, 0)
        await clock.advance(1)
        await notices.relay([message(1, at=clock.now())])
        await settle()
        assert len(phone.taken) == 2


async def test_r25_a_receiver_that_is_away_is_tried_with_longer_and_longer_pauses() -> None:
    sink, clock = Heard(), FakeClock(NOW)
    sink.answer = Retry("unreachable")
    async with telling([receiver(sink)], clock, chance=Random(25)) as notices:
        await notices.send([notice()])
        moments: list[float] = []
        for step in range(1_200):
            moments += [step / 4] * (len(sink.tried) - len(moments))
            await clock.advance(0.25)
        pauses = [later - first for first, later in itertools.pairwise(moments)]
        # Between half and all of 1, 2, 4 … 60 seconds, measured to a quarter of a second.
        wanted = [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert all(full / 2 - 0.25 <= pause <= full + 0.25 for pause, full in zip(pauses, wanted, strict=False))
        assert 7 <= len(pauses) <= 12
        sink.answer = Delivered()
        await clock.advance(60)
        assert len(sink.taken) == 1
        assert {one.key for one in sink.tried} == {sink.taken[0].key}
        facts = notices.facts()
        assert facts.failures["phones"] == {"unreachable": len(moments)}
        assert facts.queues["phones"].pending == 0


async def test_r25_pauses_of_two_receivers_differ() -> None:
    sinks, clock = [Heard(), Heard()], FakeClock(NOW)
    for sink in sinks:
        sink.answer = Retry("server")
    receivers = [receiver(sink, name) for sink, name in zip(sinks, "ab", strict=True)]
    async with telling(receivers, clock, chance=Random(25)) as notices:
        await notices.send([notice()])
        seen = set()
        for _ in range(2_000):
            await clock.advance(0.1)
            seen.add((len(sinks[0].tried), len(sinks[1].tried)))
        assert any(first != second for first, second in seen)


async def test_r25_retry_after_is_honoured() -> None:
    sink, clock = Heard(), FakeClock(NOW)
    sink.answer = Retry("throttled", 120.0)
    async with telling([receiver(sink)], clock) as notices:
        await notices.send([notice()])
        await clock.advance(119)
        assert len(sink.tried) == 1
        sink.answer = Delivered()
        await clock.advance(1)
        assert len(sink.taken) == 1


async def test_r25_a_receiver_that_is_away_holds_up_no_other() -> None:
    away, there, clock = Heard(), Heard(), FakeClock(NOW)
    away.answer = Retry("timeout")
    async with telling([receiver(away, "away"), receiver(there, "there")], clock) as notices:
        await notices.send([notice(f"escalated/{number}") for number in range(10)])
        await until(lambda: len(there.taken) == 10)


async def test_r25_a_notice_that_is_refused_is_parked_and_the_next_one_taken(caplog: pytest.LogCaptureFixture) -> None:
    sink, clock = Heard(), FakeClock(NOW)
    sink.answer = Rejected(frozenset({0}), "invalid")
    async with telling([receiver(sink)], clock) as notices:
        await notices.send([notice("escalated/1")])
        await settle()
        sink.answer = Delivered()
        await notices.send([notice("escalated/2")])
        await settle()
        assert len(sink.taken) == 1
        queue = notices.facts().queues["phones"]
        assert (queue.pending, queue.parked) == (0, 1)
        await clock.advance(PARKED_FOR)
        assert len(sink.taken) == 2
    assert [record.getMessage() for record in caplog.records] == ["a notice was refused and is parked"]


async def test_a_defect_of_a_sink_ends_no_queue(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Heard):
        async def send(self, message):
            if not self.tried:
                self.tried.append(message)
                raise ZeroDivisionError
            return await super().send(message)

    sink, clock = Broken(), FakeClock(NOW)
    async with telling([receiver(sink)], clock) as notices:
        await notices.send([notice()])
        await clock.advance(2)
        assert len(sink.taken) == 1
        assert notices.facts().failures["phones"] == {"internal": 1}
    assert "sending a notice broke" in caplog.text


@pytest.mark.process
async def test_what_waits_is_sent_after_a_restart_and_what_was_sent_is_not(tmp_path: Path) -> None:
    sink, clock = Heard(), FakeClock(NOW)
    async with telling([receiver(sink)], clock, tmp_path) as notices:
        await notices.send([notice("resolved/1", "resolved")])
        await until(lambda: bool(sink.taken))
        sink.answer = Retry("unreachable")
        await notices.send([notice("escalated/1"), notice("escalated/2", step=2)])
        assert notices.facts().state == "disk"
    sink, clock = Heard(), FakeClock(NOW + 3_600)
    async with telling([receiver(sink)], clock, tmp_path) as notices:
        await until(lambda: len(sink.taken) == 2)
        assert [one.step for one in sink.taken] == [1, 2]
        # The desk does not know whether it told of this before it was killed.
        await notices.send([notice("resolved/1", "resolved")])
        await settle()
        assert len(sink.taken) == 2


@pytest.mark.process
async def test_what_was_sent_is_forgotten_in_the_end(tmp_path: Path) -> None:
    sink, clock = Heard(), FakeClock(NOW)
    async with telling([receiver(sink)], clock, tmp_path) as notices:
        await notices.send([notice()])
        await until(lambda: bool(sink.taken))
        clock.jump(OWN_KNOWN)
        await notices.send([notice("escalated/2", step=2)])
    store = Store(tmp_path, LETTERS)
    assert [letter.message.step for letter in store.open()] == [2]
    store.close()


async def test_more_than_may_wait_are_dropped_and_counted() -> None:
    sink, clock = Heard(), FakeClock(NOW)
    sink.answer = Retry("unreachable")
    async with telling([receiver(sink)], clock, bound=3) as notices:
        await notices.send([notice(f"escalated/{number}") for number in range(5)])
        facts = notices.facts()
        assert (facts.queues["phones"].pending, facts.dropped["phones"]) == (3, 2)
        samples = {(one.metric.name, *one.labels): one.value for one in notice_report.of(facts, NOW + 60)}
    assert samples["sales_notice_pending", "phones"] == 3
    assert samples["sales_notice_dropped_total", "phones"] == 2
    assert samples["sales_notice_oldest_pending_seconds", "phones"] == 60
    assert samples["sales_notice_storage_state", "none"] == 1
    assert {metric.name for metric in notice_report.METRICS} == {name for name, *_ in samples}


@pytest.mark.process
async def test_r31_a_folder_that_cannot_be_used_leaves_notices_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("")
    sink, clock = Heard(), FakeClock(NOW)
    caplog.set_level(logging.ERROR)
    async with telling([receiver(sink)], clock, tmp_path / "state") as notices:
        await notices.send([notice()])
        await until(lambda: bool(sink.taken))
        assert notices.facts().state == "memory"
    assert [record.getMessage() for record in caplog.records] == [
        "the notices cannot be written: letters are kept in memory only"]

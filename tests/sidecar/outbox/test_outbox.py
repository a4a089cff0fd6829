"""The outbox as a whole, with the disk and a clock of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from sales_exporter.sidecar.outbox import Alert, Outbox
from sales_exporter.sidecar.outbox.report import METRICS, of
from sales_exporter.sidecar.outbox.sink import REASONS, Rejected, Retry
from tests.sidecar.outbox.receiving import FAR, NOW, Inbox, alert, running
from tests.support.clocks import FakeClock, settle, until

ONE = alert().fingerprint


def outbox(folder: Path | None, clock: FakeClock, *sinks: Inbox, **settings: int) -> Outbox:
    return Outbox(folder, sinks, clock, chance=Random(7), **settings)


async def test_an_alert_is_sent_at_once_and_every_30_seconds() -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    async with running(outbox(None, clock, inbox)) as box:
        await clock.advance(5)
        await box.raise_([alert(starts_at=NOW + 5)])
        await settle()
        assert inbox.spans() == [(5, 5 + FAR)]
        await clock.advance(85)
        assert inbox.spans() == [(5, at + FAR) for at in (5, 30, 60, 90)]


async def test_a_resolve_is_sent_at_once_and_for_15_minutes() -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    async with running(outbox(None, clock, inbox)) as box:
        await box.raise_([alert()])
        await clock.advance(10)
        inbox.taken.clear()
        await box.resolve([ONE], NOW + 8)
        await settle()
        assert inbox.spans() == [(0, 8)]
        await clock.advance(2000)
        assert set(inbox.spans()) == {(0, 8)}
        assert 30 <= len(inbox.spans()) <= 32
        assert box.active() == []


async def test_what_is_decided_is_on_disk_when_raising_returns(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    first = outbox(tmp_path, clock, Inbox())
    await first.raise_([alert("A0"), alert("A1")])
    await first.resolve([alert("A0").fingerprint], NOW)
    # Not run, not flushed: only closed, so that the file is free.
    await first.close()
    again = outbox(tmp_path, FakeClock(NOW + 500), Inbox())
    assert again.active() == [alert("A1")]
    await again.close()


async def test_a_restart_sends_what_was_open_with_its_start(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    async with running(outbox(tmp_path, clock, Inbox())) as box:
        await box.raise_([alert(starts_at=NOW - 77)])
        await settle()
    inbox = Inbox()
    clock = FakeClock(NOW + 500)
    async with running(outbox(tmp_path, clock, inbox)) as box:
        await box.raise_([alert(starts_at=NOW + 400)])
        await settle()
        assert set(inbox.spans()) == {(-77, 500 + FAR)}


@pytest.mark.slow
async def test_r24_an_alertmanager_that_was_away_for_a_day_is_told_within_one_interval() -> None:
    clock, away, there = FakeClock(NOW), Inbox("away:9093"), Inbox("there:9093")
    away.answer = Retry("unreachable")
    async with running(outbox(None, clock, away, there)) as box:
        await box.raise_([alert("SalesLasting"), alert("SalesOver")])
        await clock.advance(600)
        await box.resolve([alert("SalesOver").fingerprint], NOW + 590)
        await clock.advance(86_400)
        assert there.spans("SalesOver")[-1] == (0, 590)
        assert len(away.batches) < 86_400 / 12
        away.answer = Inbox().answer
        await clock.advance(30)
        assert {one.alertname for one in away.taken} == {"SalesLasting", "SalesOver"}
        # Over before it was accepted: firing first, or Alertmanager would never tell.
        assert [end > 87_000 for _, end in away.spans("SalesOver")] == [True] * len(away.spans("SalesOver"))
        await clock.advance(90)
        assert away.spans("SalesOver")[-1] == (0, 590)
        assert away.spans("SalesLasting")[-1][1] == pytest.approx(clock.now() - NOW + FAR, abs=30)


@pytest.mark.slow
async def test_r24_10_000_pending_alerts_are_held_over_a_restart_and_told_within_one_interval(tmp_path: Path) -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    inbox.answer = Retry("unreachable")
    async with running(outbox(tmp_path, clock, inbox)) as box:
        await box.raise_([alert(f"A{number}") for number in range(10_000)])
        await clock.advance(60)
    clock, inbox = FakeClock(NOW + 3600), Inbox()
    inbox.answer = Retry("unreachable")
    async with running(outbox(tmp_path, clock, inbox)) as box:
        await clock.advance(300)
        assert box.facts().queues["one:9093"].pending == 10_000
        inbox.answer = Inbox().answer
        await clock.advance(30)
        await until(lambda: len(inbox.taken) >= 10_000)
        assert {one.alertname for one in inbox.taken} == {f"A{number}" for number in range(10_000)}
        assert {one.starts_at for one in inbox.taken} == {NOW}


async def test_r24_above_the_bound_the_oldest_resolved_alert_goes_first(tmp_path: Path) -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    inbox.answer = Retry("unreachable")
    box = outbox(tmp_path, clock, inbox, bound=3)
    await box.raise_([alert("A0"), alert("A1"), alert("A2")])
    await box.resolve([alert("A1").fingerprint], NOW)
    await box.raise_([alert("A3")])
    assert {one.alertname for one in box.active()} == {"A0", "A2", "A3"}
    assert box.facts().dropped == {"resolved": 1}
    await box.close()
    again = outbox(tmp_path, clock, inbox, bound=3)
    assert {one.alertname for one in again.active()} == {"A0", "A2", "A3"}
    await again.close()


async def test_r25_the_pause_grows_to_one_interval_with_jitter_and_names_its_reason(
    caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock, inbox = FakeClock(NOW), Inbox()
    asked: list[float] = []
    inbox.answer = Retry("server")

    async def send(alerts: list[Alert]) -> Retry:
        asked.append(clock.monotonic())
        return Retry("server")

    inbox.send = send  # type: ignore[assignment,method-assign]
    async with running(outbox(None, clock, inbox)) as box:
        await box.raise_([alert()])
        await clock.advance(600)
        assert box.facts().failures == {"one:9093": {"server": len(asked)}}
        pauses = [after - before for before, after in pairwise(asked)]
    for pause, longest in zip(pauses, [1, 2, 4, 8, 16, *[30] * 100], strict=False):
        assert longest / 2 <= pause <= longest
    assert len({round(pause, 3) for pause in pauses[5:]}) > 5
    assert [record.getMessage() for record in caplog.records] == ["alerts are not taken; they wait"]


async def test_r25_retry_after_is_honoured() -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    inbox.answer = Retry("throttled", 120.0)
    async with running(outbox(None, clock, inbox)) as box:
        await box.raise_([alert()])
        await clock.advance(119)
        assert len(inbox.batches) == 1
        await clock.advance(2)
        assert len(inbox.batches) == 2


async def test_r25_a_refused_alert_is_parked_and_its_neighbours_go_on() -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    inbox.answer = Rejected(frozenset({1}), "invalid")
    async with running(outbox(None, clock, inbox)) as box:
        await box.raise_([alert("A0"), alert("A1"), alert("A2")])
        await settle()
        facts = box.facts()
        assert facts.failures == {"one:9093": {"invalid": 1}}
        assert (facts.queues["one:9093"].pending, facts.queues["one:9093"].parked) == (0, 1)
        inbox.answer = Inbox().answer
        await clock.advance(60)
        assert {one.alertname for one in inbox.taken} == {"A0", "A2"}
        await clock.advance(600)
        assert {one.alertname for one in inbox.taken} == {"A0", "A1", "A2"}
        assert box.facts().queues["one:9093"].parked == 0


async def test_r29_an_alertmanager_that_hangs_holds_up_no_other() -> None:
    clock, deaf, well = FakeClock(NOW), Inbox("deaf:9093"), Inbox("well:9093")
    deaf.gate.clear()
    async with running(outbox(None, clock, deaf, well)) as box:
        await box.raise_([alert("A0")])
        await settle()
        await box.raise_([alert("A1")])
        await settle()
        assert [one.alertname for one in well.taken] == ["A0", "A1"]
        assert len(deaf.batches) == 1
        deaf.gate.set()
        await clock.advance(30)
        assert {one.alertname for one in deaf.taken} == {"A0", "A1"}


async def test_a_sink_that_breaks_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    clock, inbox = FakeClock(NOW), Inbox()

    async def broken(alerts: list[Alert]) -> Retry:
        raise ZeroDivisionError

    inbox.send = broken  # type: ignore[assignment,method-assign]
    async with running(outbox(None, clock, inbox)) as box:
        await box.raise_([alert()])
        await settle()
        assert box.facts().failures == {"one:9093": {"internal": 1}}
        del inbox.send  # type: ignore[misc]
        await clock.advance(2)
        assert len(inbox.taken) == 1


async def test_a_changed_severity_leaves_no_gap() -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    async with running(outbox(None, clock, inbox)) as box:
        await box.raise_([alert(severity="warning")])
        await clock.advance(45)
        inbox.batches.clear()
        await box.raise_([alert(severity="critical")])
        await settle()
        (batch,) = inbox.batches
        assert [(one.severity, one.ends_at) for one in batch] == [("critical", NOW + 45 + FAR), ("warning", NOW + 45)]
        assert [one.severity for one in box.active()] == ["critical"]


async def test_a_severity_that_changes_between_two_batches_leaves_no_gap() -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    async with running(outbox(None, clock, inbox)) as box:
        await box.raise_([*(alert(f"A{number}") for number in range(600)), alert(severity="warning")])
        await settle()
        inbox.gate.clear()
        await clock.advance(30)
        inbox.taken.clear()
        await box.raise_([alert(severity="critical")])
        inbox.gate.set()
        await settle()
        assert [one.severity for one in inbox.taken if one.alertname == "SalesLeadsFell"] == ["critical", "warning"]


async def test_the_end_of_the_process_sends_the_last_news(tmp_path: Path) -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    inbox.gate.clear()
    box = outbox(tmp_path, clock, inbox)
    task = asyncio.create_task(box.run())
    await box.raise_([alert()])
    await settle()
    assert len(inbox.batches) == 1
    task.cancel()
    await settle()
    inbox.gate.set()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert inbox.spans() == [(0, FAR)]
    await box.close()
    assert inbox.closed


async def test_the_end_of_the_process_waits_two_seconds_at_most() -> None:
    clock, inbox = FakeClock(NOW), Inbox()
    inbox.gate.clear()
    box = outbox(None, clock, inbox)
    task = asyncio.create_task(box.run())
    await box.raise_([alert()])
    await settle()
    task.cancel()
    await settle()
    await clock.advance(1.9)
    assert not task.done()
    await clock.advance(0.2)
    assert task.done()
    await box.close()


async def test_r31_a_disk_that_refuses_leaves_alerts_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    clock, inbox = FakeClock(NOW), Inbox()
    async with running(outbox(tmp_path / "state", clock, inbox)) as box:
        await box.raise_([alert()])
        await settle()
        assert len(inbox.taken) == 1
        assert box.facts().storage == "memory"
        await clock.advance(60)
        assert len(caplog.records) == 1
        (tmp_path / "state").unlink()
        # The disk has its own time: whenever it has answered, the next interval tries again.
        async with asyncio.timeout(20):
            while box.facts().storage != "disk":
                await clock.advance(30)
                await asyncio.sleep(0.01)
    again = outbox(tmp_path / "state", clock, inbox)
    assert again.active() == [alert()]
    await again.close()


async def test_the_outbox_reports_on_itself(tmp_path: Path) -> None:
    clock, taking, away = FakeClock(NOW), Inbox("taking:9093"), Inbox("away:9093")
    away.answer = Retry("unreachable")
    async with running(outbox(tmp_path, clock, taking, away)) as box:
        await box.raise_([alert()])
        await settle()
        found = {(one.metric.name, *one.labels): one.value for one in of(box.facts(), NOW + 40)}
    assert found == {
        ("sales_outbox_pending_alerts", "taking:9093"): 0.0,
        ("sales_outbox_parked_alerts", "taking:9093"): 0.0,
        ("sales_outbox_oldest_pending_seconds", "taking:9093"): 0.0,
        ("sales_outbox_pending_alerts", "away:9093"): 1.0,
        ("sales_outbox_parked_alerts", "away:9093"): 0.0,
        ("sales_outbox_oldest_pending_seconds", "away:9093"): 40.0,
        **{("sales_alert_push_failures_total", where, reason): float((where, reason) == ("away:9093", "unreachable"))
           for where in ("taking:9093", "away:9093") for reason in REASONS},
        ("sales_outbox_open_alerts",): 1.0,
        ("sales_outbox_dropped_alerts_total", "open"): 0.0,
        ("sales_outbox_dropped_alerts_total", "resolved"): 0.0,
        ("sales_outbox_storage_state", "disk"): 1.0,
        ("sales_outbox_storage_state", "reserve"): 0.0,
        ("sales_outbox_storage_state", "memory"): 0.0,
        ("sales_outbox_storage_state", "none"): 0.0,
        ("sales_outbox_files_set_aside_total",): 0.0,
    }
    assert {name for name, *_ in found} == {metric.name for metric in METRICS}

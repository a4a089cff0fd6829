"""The sidecar seen from outside, with a process that answers from a script: alerts, failures, snapshots, reloads."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from sales_exporter.config import Settings, build
from sales_exporter.errors import ConfigError
from sales_exporter.model import gauge
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.sidecar.desk.model import Acknowledge, Actor, Resolve, Unacknowledge, Wanted
from sales_exporter.sidecar.outbox import Alert, Outbox
from sales_exporter.sidecar.process import Failed, Progress
from sales_exporter.sidecar.report import PARTS, Part, Report, Save, Tick
from sales_exporter.sidecar.settings import checked
from sales_exporter.sidecar.sidecar import Sidecar
from tests.support.clocks import FakeClock, until

pytestmark = [pytest.mark.process]

NOW = 1_700_000_050.0
"""20 s past a full minute, 10 s past the start of its tick."""
SAID = gauge("sales_said", "For a test.", "part")
SHOWN = 'sales_said{part="anomalies"}'
LEADS = Alert("SalesAnomaly", "warning", NOW, watch="leads")
SPEND = Alert("SalesAnomaly", "warning", NOW, watch="spend")

DIE = "die"


class Clock(FakeClock):
    """Counts who sleeps. The other process gets one of its own."""

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.sleeping = 0

    async def sleep(self, seconds: float) -> None:
        self.sleeping += 1
        try:
            await super().sleep(seconds)
        finally:
            self.sleeping -= 1

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.now(),))


def work(answers: Sequence[object], diary: Path, pipe: Connection, plan: object) -> None:
    """Gives the answers to ticks in turn, the last one again and again, and notes every question."""
    number = 0
    with contextlib.suppress(EOFError, OSError):
        while True:
            question = pipe.recv()
            with diary.open("a") as lines:
                lines.write(f"{type(question).__name__} {getattr(question, 'at', '')}\n")
            if isinstance(question, Save):
                pipe.send(None)
                continue
            answer = answers[min(number, len(answers) - 1)]
            number += 1
            if answer == DIE:
                os._exit(3)
            if number == 1:
                pipe.send(Progress("reading the past", 1, 2))
            assert isinstance(question, Tick)
            pipe.send(answer)


def report(*alerts: Alert, unsettled: frozenset[str] = frozenset(), broken: str = "", **rest: Any) -> Report:
    """What a tick found; every part says its name."""
    parts = {name: Part(None, 0.1, "it broke") if name == broken
             else Part(Renderer().render([SAID(1, part=name)]), 0.1) for name in PARTS}
    return Report(at=NOW, seconds=0.5, parts=parts, alerts=alerts, unsettled=unsettled, **rest)


class Running:
    """A sidecar that runs, and the minutes that pass."""

    def __init__(self, folder: Path, answers: Sequence[object], **own: Any) -> None:
        self.clock = Clock(NOW)
        self.diary = folder / "diary"
        self.tree: dict[str, Any] = {"storage": {"path": str(folder)},
                                     "sidecar": {"interval": 60, "alertmanagers": [], **own}}
        self.sidecar = Sidecar(self.load, self.clock, partial(work, answers, self.diary))

    def load(self) -> Settings:
        return build(self.tree, "test")

    def asked(self, what: str) -> list[str]:
        """Questions of a kind so far."""
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(what)]

    def value(self, series: str) -> float | None:
        """Of what a scrape says now."""
        text = self.sidecar.exposition("text", False, None).decode()
        found = [line for line in text.splitlines() if line.rpartition(" ")[0] == series]
        return float(found[0].rpartition(" ")[2]) if found else None

    @property
    def done(self) -> int:
        """Ticks that have ended."""
        return int(sum(self.value(f'sales_sidecar_ticks_total{{result="{result}"}}') or 0
                       for result in ("ok", "partial", "failed")))

    async def minute(self) -> None:
        """A minute passes, with its tick."""
        before = self.done
        await self.rested()
        await self.clock.advance(60)
        await until(lambda: self.done > before, 30)

    async def rested(self) -> None:
        """Ticks, outbox, desk, its numbers and notices sleep: time that passes before they do is lost on them."""
        await until(lambda: self.clock.sleeping == 5, 30)


@contextlib.asynccontextmanager
async def running(folder: Path, *answers: object, **own: Any) -> AsyncIterator[Running]:
    """The first tick has ended when it begins."""
    made = Running(folder, answers, **own)
    task = asyncio.create_task(made.sidecar.run())
    try:
        await until(lambda: made.done > 0, 30)
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def watches(found: Sequence[Alert]) -> list[str]:
    return sorted(one.watch for one in found)


async def test_the_alerts_of_a_report_are_raised_and_resolved_when_they_are_gone(tmp_path: Path) -> None:
    async with running(tmp_path, report(LEADS), report(LEADS, SPEND), report(SPEND)) as made:
        assert watches(made.sidecar.active()) == ["leads"]
        await made.minute()
        assert watches(made.sidecar.active()) == ["leads", "spend"]
        await made.minute()
        assert watches(made.sidecar.active()) == ["spend"]
        assert made.value('sales_sidecar_ticks_total{result="ok"}') == 3


async def test_each_tick_is_of_the_full_minute_that_has_arrived(tmp_path: Path) -> None:
    async with running(tmp_path, report()) as made:
        await made.minute()
        assert made.asked("Tick") == ["1700000040.0", "1700000100.0"]


async def test_alerts_of_before_a_start_are_not_resolved_before_it_is_settled(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox", [], Clock(NOW - 300))
    await box.raise_([SPEND.lasting(NOW - 300, None)])
    await box.close()
    async with running(tmp_path, report(LEADS, unsettled=frozenset({"SalesAnomaly"})), report(LEADS)) as made:
        assert watches(made.sidecar.active()) == ["leads", "spend"]
        await made.minute()
        assert watches(made.sidecar.active()) == ["leads"]


async def test_what_is_unsettled_of_one_kind_holds_up_no_other(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox", [], Clock(NOW - 300))
    await box.raise_([SPEND.lasting(NOW - 300, None)])
    await box.close()
    async with running(tmp_path, report(LEADS, unsettled=frozenset({"SalesModelDrift"}))) as made:
        assert watches(made.sidecar.active()) == ["leads"]


async def test_a_finding_that_was_resolved_by_hand_is_not_raised_by_the_next_tick_but_when_it_comes_again(
    tmp_path: Path
) -> None:
    async with running(tmp_path, report(LEADS), report(LEADS), report(), report(LEADS)) as made:
        await until(lambda: bool(made.sidecar.desk.cases()))
        await made.sidecar.desk.act(LEADS.fingerprint, Resolve("mended"), Actor("bob", "page"))
        assert made.sidecar.active() == []
        await made.minute()
        assert made.sidecar.active() == []
        await made.minute()
        await made.minute()
        assert watches(made.sidecar.active()) == ["leads"]


async def test_a_tick_does_not_end_what_escalation_pushed(tmp_path: Path) -> None:
    policy = tmp_path / "escalation.yml"
    policy.write_text("policies: [{name: quick, steps: [{after: 90s, team: exec}]}]")
    async with running(tmp_path, report(LEADS), desk={"escalation": str(policy)}) as made:
        for _ in range(3):
            await made.minute()
        await until(lambda: len(made.sidecar.active()) == 2)
        await made.minute()
        assert [(one.escalation, one.team) for one in made.sidecar.active()] == [("", ""), ("1", "exec")]
        assert made.value('sales_alert_escalations_total{severity="warning"}') == 1


async def test_the_desk_stays_over_a_reload_and_follows_the_new_policy(tmp_path: Path) -> None:
    policy = tmp_path / "escalation.yml"
    policy.write_text("policies: []")
    async with running(tmp_path, report(LEADS), desk={"escalation": str(policy)}) as made:
        desk = made.sidecar.desk
        await until(lambda: bool(desk.cases()))
        await desk.act(LEADS.fingerprint, Acknowledge("on it"), Actor("bob", "page"))
        await desk.act(LEADS.fingerprint, Unacknowledge(), Actor("bob", "page"))
        assert desk.cases()[0].next_step_at is None
        policy.write_text("policies: [{name: slow, steps: [{after: 1h, team: exec}]}]")
        await made.sidecar.reload()
        await until(lambda: desk.cases()[0].next_step_at is not None, 30)
        assert made.sidecar.desk is desk
        assert [event.kind for event in await desk.history(Wanted())] == ["unacknowledged", "acknowledged", "fired"]


def test_a_policy_that_is_wrong_is_refused(tmp_path: Path) -> None:
    policy = tmp_path / "escalation.yml"
    policy.write_text("policies: [{name: x, steps: [{after: soon, team: exec}]}]")
    with pytest.raises(ConfigError, match=r"escalation.yml: policies.0.steps.0.after: expected a length of time"):
        checked(build({"sidecar": {"desk": {"escalation": str(policy)}}}, "test"))


async def test_without_push_what_an_earlier_life_pushed_ends(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox", [], Clock(NOW - 300))
    await box.raise_([SPEND.lasting(NOW - 300, None)])
    await box.close()
    async with running(tmp_path, report(LEADS), push=False) as made:
        assert made.sidecar.active() == []


async def test_without_push_nothing_is_raised(tmp_path: Path) -> None:
    async with running(tmp_path, report(LEADS), push=False) as made:
        assert made.sidecar.active() == []
        assert made.value("sales_sidecar_push") == 0


async def test_r13_a_failed_tick_keeps_alerts_and_series_for_three_intervals_and_is_counted(tmp_path: Path) -> None:
    failed = Failed("timeout", "no answer")
    async with running(tmp_path, report(LEADS), failed) as made:
        shown = [made.value(SHOWN)]
        for _ in range(4):
            await made.minute()
            shown.append(made.value(SHOWN))
        assert shown == [1, 1, 1, 1, None]
        assert made.value('sales_sidecar_ticks_total{result="failed"}') == 4
        assert watches(made.sidecar.active()) == ["leads"]


async def test_r13_a_part_that_failed_makes_a_tick_partial_and_keeps_its_series(tmp_path: Path) -> None:
    async with running(tmp_path, report(), report(broken="drift", failures={("leads", "query"): 1})) as made:
        await made.minute()
        assert made.value('sales_sidecar_ticks_total{result="partial"}') == 1
        assert made.value('sales_sidecar_query_failures_total{watch="leads",reason="query"}') == 1
        assert made.value('sales_said{part="drift"}') == 1


async def test_a_process_that_dies_is_started_anew_at_the_next_tick(tmp_path: Path) -> None:
    async with running(tmp_path, report(LEADS), DIE) as made:
        first = made.sidecar.worker_pid
        await made.minute()
        assert made.value('sales_sidecar_ticks_total{result="failed"}') == 1
        assert watches(made.sidecar.active()) == ["leads"]
        await made.minute()
        assert made.value('sales_sidecar_ticks_total{result="ok"}') == 2
        assert made.value("sales_sidecar_worker_restarts_total") == 1
        assert made.sidecar.worker_pid != first


async def test_a_snapshot_is_asked_for_every_ten_minutes_and_at_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, report()) as made:
        for _ in range(9):
            await made.minute()
        assert len(made.asked("Save")) == 0
        await made.minute()
        await until(lambda: len(made.asked("Save")) == 1)
        # It was asked; whoever is stopped before the answer loses the process that would save again.
        await made.rested()
    assert len(made.asked("Save")) == 2


async def test_a_reload_takes_the_new_settings_and_another_process_and_keeps_the_alerts(tmp_path: Path) -> None:
    async with running(tmp_path, report(LEADS)) as made:
        first, made.tree["sidecar"]["interval"] = made.sidecar.worker_pid, 30
        await made.sidecar.reload()
        await until(lambda: made.value("sales_sidecar_tick_interval_seconds") == 30 and made.done > 0, 30)
        assert made.sidecar.worker_pid != first
        assert watches(made.sidecar.active()) == ["leads"]
        assert len(made.asked("Save")) == 1


async def test_a_bad_configuration_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    async with running(tmp_path, report()) as made:
        made.tree["sidecar"]["interval"] = -1
        with pytest.raises(ConfigError):
            await made.sidecar.reload()
        await made.minute()
        assert made.value("sales_sidecar_tick_interval_seconds") == 60


@pytest.mark.parametrize("own", [
    {"shard": "3/2"}, {"watches": ["nowhere.yml"]}, {"false_alarm_budget": "0 per week"},
    {"desk": {"without_login": "responder"}, "listen_address": [":18881"]},
])
def test_settings_that_cannot_be_worked_with_are_refused(own: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        checked(build({"sidecar": own}, "test"))

"""Calls of a live writer: dialled, ended, judged later."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from sales_exporter.demo.generator.calls import (
    ANSWERED,
    AT_ONCE,
    CARRIERS,
    DENIED,
    LABELLED,
    LATER,
    OUTCOMES,
    SUCCESS,
    Calls,
    answer_chance,
    call_rates,
    dial,
)
from sales_exporter.demo.generator.live.agenda import Agenda, Batch, moment, names
from sales_exporter.demo.generator.live.funnel import OpenLead
from sales_exporter.demo.generator.preset import DAY, HOUR
from sales_exporter.demo.generator.quality import turned
from sales_exporter.demo.generator.world import World


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A call out of the database that was answered and has no verdict yet."""

    call_id: str
    started: float
    ai: bool
    inbound: bool
    score: float | None


class Voice:
    """The calls of one writer."""

    def __init__(self, world: World, rng: np.random.Generator, agenda: Agenda, rate: float, speed: float) -> None:
        """``rate`` multiplies the number of calls; ``speed`` divides the time until a verdict."""
        self._world, self._rng, self._agenda, self._speed = world, rng, agenda, speed
        self._model = next(model for model in world.preset.models if model.subject_kind == "call")
        self._per_second = world.preset.leads * world.preset.calls_per_lead / (world.preset.days * DAY) * rate
        self._call_ids, self._judgement_ids, self._prediction_ids = names("C"), names("J"), names("P")

    def ring(self, start: float, end: float, leads: list[OpenLead]) -> None:
        """Plan the calls that start in [start, end), a stretch of at most an hour; most are about one of ``leads``."""
        rng = self._rng
        rate = float(call_rates(self._world, np.array([(start + end) / 2]))[0])
        count = rng.poisson(rate * self._per_second * (end - start))
        if not count:
            return
        picks = [leads[rng.integers(len(leads))] if leads and rng.random() < 0.9 else None for _ in range(count)]
        started = np.sort(rng.uniform(start, end, count))
        channel = np.array([-1 if lead is None else lead.channel for lead in picks])
        calls = dial(self._world, rng, started, np.full(count, -1), channel)
        ended = calls.ended
        for row, lead in enumerate(picks):
            what = partial(self._end, calls, row, None if lead is None else lead.lead_id)
            self._agenda.add(float(ended[row]), what)

    def await_verdict(self, call: Unjudged, now: float) -> None:
        """Plan the verdict of a call that an earlier run wrote."""
        if self._rng.random() >= LATER / (1 - AT_ONCE):
            return
        base = SUCCESS["ai" if call.ai else "human"]
        chance = float(answer_chance(np.array([call.ai]), np.array([call.inbound]))[0])
        believed = base if call.score is None else min(1.0, call.score / (chance * LABELLED))
        turn = float(turned(self._world.preset, self._model, np.array([call.started]))[0])
        success = bool(self._rng.random() < base + (believed - base) * turn)
        when = now + self._rng.exponential(8 * HOUR / self._speed)
        if when - call.started < self._model.horizon_days * DAY:
            self._agenda.add(when, partial(self._judge, call.call_id, success, when))

    def _end(self, calls: Calls, row: int, lead_id: str | None, batch: Batch) -> None:
        call_id = next(self._call_ids)
        ended = float(calls.ended[row])
        self._write(calls, row, call_id, lead_id, batch)
        success = bool(calls.success[row])
        if bool(calls.at_once[row]):
            denied = success and self._rng.random() < DENIED
            self._write_outcome(call_id, success, ended, not denied, batch)
            if denied:
                when = ended + 60 + self._rng.exponential(6 * HOUR / self._speed)
                self._agenda.add(when, partial(self._judge, call_id, False, when))
        elif np.isfinite(calls.judged[row]):
            when = ended + (float(calls.judged[row]) - ended) / self._speed
            self._agenda.add(when, partial(self._judge, call_id, success, when))

    def _judge(self, call_id: str, success: bool, when: float, batch: Batch) -> None:
        batch.add("call_judgements", judgement_id=next(self._judgement_ids), call_id=call_id, success=success,
                  judged_at=moment(when))
        self._write_outcome(call_id, success, when, True, batch)

    def _write_outcome(self, call_id: str, success: bool, when: float, final: bool, batch: Batch) -> None:
        batch.add("model_outcomes", subject_kind="call", subject_id=call_id, observed_at=moment(when),
                  label=int(success), is_final=final)

    def _write(self, calls: Calls, row: int, call_id: str, lead_id: str | None, batch: Batch) -> None:
        answered = bool(calls.outcome[row] == ANSWERED)
        started, channel, model = float(calls.started[row]), int(calls.channel[row]), self._model

        def spent(seconds: float) -> float | None:
            return round(float(seconds), 3) if answered and np.isfinite(seconds) else None

        batch.add(
            "calls", call_id=call_id, lead_id=lead_id, rep_id=self._world.reps[calls.rep[row]].rep_id,
            channel_id=None if channel < 0 else self._world.preset.channels[channel].channel_id,
            carrier=CARRIERS[calls.carrier[row]], agent_kind="ai" if calls.ai[row] else "human",
            direction="inbound" if calls.inbound[row] else "outbound", started_at=moment(started),
            answered_at=moment(started + float(calls.ring[row])) if answered else None,
            ended_at=moment(float(calls.ended[row])), outcome=OUTCOMES[calls.outcome[row]],
            success=bool(calls.success[row]) if calls.at_once[row] else None, talk_seconds=spent(calls.talk[row]),
            hold_seconds=spent(calls.hold[row]), wrap_seconds=spent(calls.wrap[row]),
            first_response_seconds=spent(calls.response[row]), transferred=bool(calls.transferred[row]),
            cost=round(float(calls.cost[row]), 6), currency="EUR",
        )
        batch.add("model_predictions", prediction_id=next(self._prediction_ids), model=model.name,
                  version=model.versions[-1], subject_kind="call", subject_id=call_id, predicted_at=moment(started),
                  horizon_seconds=model.horizon_days * DAY, score=round(float(calls.believed[row]), 6),
                  threshold=model.threshold)

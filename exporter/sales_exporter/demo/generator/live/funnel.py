"""Leads of a live writer: they arrive, are touched, move on, become deals and end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np

from sales_exporter.demo.generator.columns import Bools, Floats
from sales_exporter.demo.generator.deals import LOST_REASONS, amounts
from sales_exporter.demo.generator.leads import SWING, rates, share_out, sources
from sales_exporter.demo.generator.live.agenda import Agenda, Batch, moment, names
from sales_exporter.demo.generator.marketing import TOUCH_KINDS
from sales_exporter.demo.generator.models import REPORTED_LOSSES
from sales_exporter.demo.generator.preset import DAY, HOUR
from sales_exporter.demo.generator.quality import CEILING, feature, quality, swing, touch, turned
from sales_exporter.demo.generator.season import Hours
from sales_exporter.demo.generator.stages import (
    CONTACT,
    LEAD,
    LOST,
    PROPOSAL,
    QUALIFIED,
    STAGES,
    WON,
    slowed,
    within,
)
from sales_exporter.demo.generator.world import World, price
from sales_exporter.stats.special import ndtr, ndtri

LATE_MEAN = 600.0
"""Mean seconds by which a late row is recorded late."""


@dataclass(slots=True, eq=False)
class OpenLead:
    """A lead that has not ended.

    ``base`` and ``believed``: its deal's win probability without and with its feature. ``qualified``: whether it has
    been so far that it is (or, for a test lead, would be) a deal.
    """

    lead_id: str
    created: float
    channel: int
    rep: int
    is_test: bool
    stage: int
    entered: float
    base: float
    believed: float
    qualified: bool = False
    touches: list[int] = field(default_factory=list)


class Funnel:
    """The leads of one writer. Its draws follow the same probabilities as the generated past."""

    def __init__(self, world: World, rng: np.random.Generator, agenda: Agenda, rate: float, speed: float) -> None:
        """``rate`` multiplies arrivals; ``speed`` divides waiting times."""
        self._world, self._rng, self._agenda, self._rate, self._speed = world, rng, agenda, rate, speed
        self._quality = quality(world.preset)
        self._sources = sources(world.preset, world)
        self._model = next(model for model in world.preset.models if model.subject_kind == "lead")
        self._timely = within(world.preset, self._model.horizon_days * DAY)
        self._per_second = leads_per_second(world)
        self._lead_ids, self._ids = names("L"), {letter: names(letter) for letter in "THP"}
        self.open: dict[str, OpenLead] = {}

    def arrive(self, start: float, end: float, batch: Batch) -> None:
        """Leads that arrive in [start, end), a stretch of at most an hour."""
        world, rng = self._world, self._rng
        weights = rates(world, self._quality, np.array([(start + end) / 2]))[0]
        count = rng.poisson(weights.sum() * self._per_second * self._rate * (end - start))
        if not count:
            return
        created = np.sort(rng.uniform(start, end, count))
        source = rng.choice(len(weights), size=count, p=weights / weights.sum())
        channel = self._sources.channel[source]
        extras, members = touch(rng, self._quality, channel)
        rep = share_out(world, rng, created)
        base = self._base(rep, members)
        believed = base * (1 + feature(rng, count) * swing(base, SWING))
        for row in range(count):
            none = channel[row] == len(world.preset.channels)
            lead = OpenLead(
                next(self._lead_ids), float(created[row]), -1 if none else int(channel[row]), int(rep[row]),
                bool(rng.random() < world.preset.tests), LEAD, float(created[row]), float(base[row]),
                float(believed[row]), touches=[int(one) for one in extras[row] if one >= 0],
            )
            self._write_arrival(lead, int(self._sources.campaign[source[row]]), batch)
            self.follow(lead, lead.created)

    def follow(self, lead: OpenLead, now: float) -> None:
        """Plan the rest of an open lead, given that it has not left its stage before ``now``."""
        self.open[lead.lead_id] = lead
        due = lead.entered + self._wait(lead, now - lead.entered)
        late = self._rng.exponential(LATE_MEAN) if self._rng.random() < self._world.preset.late else 0.0
        self._agenda.add(due + late, partial(self._move, lead, due))

    def known(self, channels: set[str], rep: int, score: float | None, channel: int) -> tuple[float, float]:
        """``base`` and ``believed`` of a lead out of the database, from its touches and its score."""
        members = np.array([[one.channel_id in channels for one in self._world.preset.channels]])
        base = float(self._base(np.array([rep]), members)[0])
        if score is None:
            return base, base
        return base, min(CEILING, score / (self._quality.qualify[channel] * self._timely))

    def _base(self, rep: np.typing.NDArray[np.int64], members: Bools) -> Floats:
        return np.minimum(self._world.skill[rep] * self._quality.multiplier(members), CEILING)

    def _wait(self, lead: OpenLead, elapsed: float) -> float:
        """The whole wait in the stage: log-normal, given that it is longer than ``elapsed``."""
        stage = self._world.preset.stages[lead.stage]
        slow = float(slowed(self._world, np.array([lead.stage]), np.array([lead.entered]))[0])
        scale = stage.median * DAY * slow / self._speed
        past = float(ndtr(math.log(elapsed / scale) / stage.sigma)) if elapsed > 0 else 0.0
        level = past + (1 - past) * self._rng.random()
        if level >= 1.0 - 1e-12:
            return elapsed + self._rng.exponential(HOUR / self._speed)
        return scale * math.exp(stage.sigma * float(ndtri(max(level, 1e-12))))

    def _move(self, lead: OpenLead, when: float, batch: Batch) -> None:
        target = self._next(lead)
        self._write_transition(lead, target, when, batch)
        if not lead.is_test:
            self._write_deal(lead, target, when, batch)
        lead.stage, lead.entered = target, when
        lead.qualified = lead.qualified or QUALIFIED <= target < WON
        if target < WON:
            self.follow(lead, when)
            return
        del self.open[lead.lead_id]
        timely = when - lead.created <= self._model.horizon_days * DAY and not lead.is_test
        if timely and (target == WON or self._rng.random() < REPORTED_LOSSES):
            batch.add("model_outcomes", subject_kind="lead", subject_id=lead.lead_id, observed_at=moment(when),
                      label=int(target == WON), is_final=True)

    def _next(self, lead: OpenLead) -> int:
        preset, rng = self._world.preset, self._rng
        if lead.stage in (QUALIFIED, PROPOSAL) and rng.random() < preset.regressions:
            return lead.stage - 1
        if rng.random() >= self._passes(lead, lead.stage):
            return LOST
        skips = lead.stage in (LEAD, CONTACT) and rng.random() < preset.skipped / 2
        if skips and rng.random() < self._passes(lead, lead.stage + 1):
            return lead.stage + 2
        return WON if lead.stage == PROPOSAL else lead.stage + 1

    def _passes(self, lead: OpenLead, stage: int) -> float:
        """Probability that a lead which leaves ``stage`` is not lost then."""
        if stage == CONTACT and lead.qualified:
            return 1.0  # it only went back, and comes again
        preset = self._world.preset
        qualify = self._quality.qualify[lead.channel]
        contacted = 1 - (1 - qualify) * preset.lost_at_lead
        turn = float(turned(preset, self._model, np.array([lead.created]))[0])
        win = lead.base + (lead.believed - lead.base) * turn
        proposed = win + (1 - win) * (1 - preset.lost_at_qualified)
        return float((contacted, qualify / contacted, proposed, win / proposed)[stage])

    def _write_arrival(self, lead: OpenLead, campaign: int, batch: Batch) -> None:
        world = self._world
        own = {
            "channel_id": None if lead.channel < 0 else world.preset.channels[lead.channel].channel_id,
            "campaign_id": None if campaign < 0 else world.campaigns[campaign].campaign_id,
        }
        batch.add("leads", lead_id=lead.lead_id, created_at=moment(lead.created), **own,
                  rep_id=world.reps[lead.rep].rep_id, is_test=lead.is_test)
        self._write_transition(lead, LEAD, lead.created, batch)
        if lead.channel >= 0:
            self._write_touch(lead, lead.channel, lead.created - self._rng.exponential(HOUR), batch, own["campaign_id"])
        for channel in lead.touches:
            when = lead.created + self._rng.exponential(3 * DAY / self._speed)
            self._agenda.add(when, partial(self._touch, lead, channel, when))
        if not lead.is_test:
            when = lead.created + self._rng.uniform(20, 240)
            self._agenda.add(when, partial(self._predict, lead, when))

    def _touch(self, lead: OpenLead, channel: int, when: float, batch: Batch) -> None:
        if lead.lead_id in self.open and channel in lead.touches:
            lead.touches.remove(channel)
            self._write_touch(lead, channel, when, batch)

    def _write_touch(
        self, lead: OpenLead, channel: int, when: float, batch: Batch, campaign: str | None = None
    ) -> None:
        batch.add("touches", touch_id=next(self._ids["H"]), lead_id=lead.lead_id, occurred_at=moment(when),
                  channel_id=self._world.preset.channels[channel].channel_id, campaign_id=campaign,
                  kind=TOUCH_KINDS[self._rng.integers(len(TOUCH_KINDS))])

    def _predict(self, lead: OpenLead, when: float, batch: Batch) -> None:
        model = self._model
        score = self._quality.qualify[lead.channel] * self._timely * lead.believed
        batch.add("model_predictions", prediction_id=next(self._ids["P"]), model=model.name,
                  version=model.versions[-1], subject_kind="lead", subject_id=lead.lead_id, predicted_at=moment(when),
                  horizon_seconds=model.horizon_days * DAY, score=round(float(score), 6), threshold=model.threshold)

    def _write_transition(self, lead: OpenLead, target: int, when: float, batch: Batch) -> None:
        first = target == LEAD
        if target >= WON:
            # What was still to touch the lead did so before it ended: the win probability counts on it.
            for channel in lead.touches:
                self._write_touch(lead, channel, self._rng.uniform(lead.entered, when), batch)
            lead.touches.clear()
        batch.add("stage_transitions", transition_id=next(self._ids["T"]), lead_id=lead.lead_id,
                  from_stage=None if first else STAGES[lead.stage], to_stage=STAGES[target], occurred_at=moment(when),
                  rep_id=None if first or lead.rep < 0 else self._world.reps[lead.rep].rep_id,
                  reason="returned" if not first and target < lead.stage else None)

    def _write_deal(self, lead: OpenLead, target: int, when: float, batch: Batch) -> None:
        deal_id = f"D{lead.lead_id[1:]}"
        if not lead.qualified and QUALIFIED <= target < WON:
            preset, rng = self._world.preset, self._rng
            currencies, shares = zip(*preset.currencies, strict=True)
            currency = str(rng.choice(currencies, p=shares))
            amount = float(amounts(preset, rng, self._world.sizes[[lead.rep]])[0]) / price(currency)
            batch.add("deals", deal_id=deal_id, lead_id=lead.lead_id, opened_at=moment(when), stage=STAGES[target],
                      rep_id=None if lead.rep < 0 else self._world.reps[lead.rep].rep_id, status="open",
                      amount=round(amount, 2), currency=currency,
                      expected_close_on=moment(when + 18 * DAY / self._speed).date())
        if not lead.qualified:
            return
        status = {WON: "won", LOST: "lost"}.get(target, "open")
        reason = LOST_REASONS[self._rng.integers(len(LOST_REASONS))] if target == LOST else None
        batch.add("deal_moves", deal_id=deal_id, stage=STAGES[target], status=status, lost_reason=reason,
                  closed_at=None if status == "open" else moment(when))


@cache
def leads_per_second(world: World) -> float:
    """Arrivals a second where ``rates`` sum to 1."""
    hours = Hours.between(world.preset.start, world.preset.end)
    weights = rates(world, quality(world.preset), hours.middles).sum(axis=1)
    return float(world.preset.leads / (weights * hours.lengths).sum())

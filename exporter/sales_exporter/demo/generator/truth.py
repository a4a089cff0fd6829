"""What statistics must find in generated data, as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np

from sales_exporter.demo.generator.deals import Deals
from sales_exporter.demo.generator.leads import Leads
from sales_exporter.demo.generator.marketing import daily_spend, expected_revenue, mean_amount
from sales_exporter.demo.generator.models import released
from sales_exporter.demo.generator.preset import DAY
from sales_exporter.demo.generator.quality import drift_start, quality
from sales_exporter.demo.generator.stages import within
from sales_exporter.demo.generator.world import World


@dataclass(frozen=True, slots=True)
class ChannelTruth:
    """A channel; ``channel_id`` is null for leads without one.

    ``conversion``: probability that a lead of the channel is ever won. ``effect``: what a touch of the channel adds to
    the win probability of any lead. ``touched``: leads that it touches. ``incremental_wins``: wins that its touches are
    expected to have caused (effects add up, so this is also its Shapley value). Money is in the reporting currency.
    """

    channel_id: str | None
    leads: int
    conversion: float
    effect: float
    touched: int
    incremental_wins: float
    spend_per_day: float
    roi: float | None


@dataclass(frozen=True, slots=True)
class RepTruth:
    """A rep: ``skill`` is the true win probability of the ``deals``, ``size`` the factor on their amounts."""

    rep_id: str
    kind: str
    skill: float
    size: float
    deals: int


@dataclass(frozen=True, slots=True)
class StageTruth:
    """Waiting time of a stage: log-normal, seconds. Leads that tie in contact (``Preset.tied``) wait 0 there."""

    stage: str
    median_seconds: float
    sigma: float


@dataclass(frozen=True, slots=True)
class ModelTruth:
    """A model's version, when it is in use, and when the world stops following the model (null: never)."""

    model: str
    version: str
    released: str
    replaced: str | None
    drift: str | None
    drift_severity: float


@dataclass(frozen=True, slots=True)
class IncidentTruth:
    """An incident; ``end`` is null while it lasts."""

    kind: str
    subject: str
    start: str
    end: str | None
    factor: float


@dataclass(frozen=True, slots=True)
class Truth:
    """The known truth of a data set. Times are ISO 8601 in UTC."""

    seed: int
    start: str
    until: str
    conversion: float
    """Win probability of a lead, over all but test leads."""
    timely: float
    """Share of the wins that come within the lead model's horizon."""
    revenue_per_day: float
    mean_amount: float
    currency: str
    channels: tuple[ChannelTruth, ...]
    reps: tuple[RepTruth, ...]
    stages: tuple[StageTruth, ...]
    models: tuple[ModelTruth, ...]
    incidents: tuple[IncidentTruth, ...]

    def to_json(self) -> str:
        """Indented JSON with the fields' names as keys."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


def tell(world: World, leads: Leads, deals: Deals) -> Truth:
    """The truth of a data set."""
    preset = world.preset
    horizon = next(model.horizon_days for model in preset.models if model.subject_kind == "lead")
    chance = chances(world, leads)
    return Truth(
        preset.seed, moment(preset.start), moment(preset.end), float(chance[~leads.is_test].mean()),
        within(preset, horizon * DAY), expected_revenue(preset, world), mean_amount(world), "EUR",
        _channels(world, leads), _reps(world, deals),
        tuple(StageTruth(one.name, one.median * DAY, one.sigma) for one in preset.stages), _models(world),
        tuple(
            IncidentTruth(one.kind, one.subject, moment(one.start),
                          None if math.isinf(one.end) else moment(one.end), one.factor)
            for one in world.episodes
        ),
    )


def moment(seconds: float) -> str:
    """ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def chances(world: World, leads: Leads) -> np.typing.NDArray[np.float64]:
    """Win probability of each lead, given its channels and its rep, before anything else is known."""
    found = quality(world.preset)
    return np.asarray(found.qualify[leads.channel] * world.skill[leads.rep] * found.multiplier(leads.members))


def _channels(world: World, leads: Leads) -> tuple[ChannelTruth, ...]:
    preset, found, real = world.preset, quality(world.preset), ~leads.is_test
    reach = found.qualify[leads.channel] * world.skill[leads.rep] / found.norm
    expected = found.expected[leads.channel] / found.norm * world.skill[leads.rep] * found.qualify[leads.channel]
    cost = daily_spend(world)
    told = []
    for number in [*range(len(preset.channels)), -1]:
        mine = real & (leads.channel == number)
        conversion = float(expected[mine].mean()) if mine.any() else 0.0
        if number < 0:
            told.append(ChannelTruth(None, int(mine.sum()), conversion, 0.0, 0, 0.0, 0.0, None))
            continue
        one = preset.channels[number]
        touched = real & leads.members[:, number]
        caused = found.effects[number] * reach
        told.append(ChannelTruth(
            one.channel_id, int(mine.sum()), conversion, float(caused[real].mean()), int(touched.sum()),
            float(caused[touched].sum()), float(cost[number]), one.roi,
        ))
    return tuple(told)


def _reps(world: World, deals: Deals) -> tuple[RepTruth, ...]:
    counts = np.bincount(deals.rep[deals.rep >= 0], minlength=len(world.reps))
    return tuple(
        RepTruth(rep.rep_id, rep.kind, rep.skill, rep.size, int(count))
        for rep, count in zip(world.reps, counts, strict=True)
    )


def _models(world: World) -> tuple[ModelTruth, ...]:
    preset = world.preset
    told = []
    for model in preset.models:
        drift = drift_start(preset, model)
        for number, version in enumerate(model.versions):
            start, end = released(preset, model, number)
            hit = drift is not None and start <= drift < end
            told.append(ModelTruth(
                model.name, version, moment(start), None if math.isinf(end) else moment(end),
                moment(drift) if hit and drift is not None else None, model.drift_severity if hit else 0.0,
            ))
    return tuple(told)

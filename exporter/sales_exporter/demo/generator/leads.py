"""Leads: when they arrive, from where, who works on them, how good they are and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_exporter.demo.generator.columns import Bools, Floats, Ints
from sales_exporter.demo.generator.preset import Preset
from sales_exporter.demo.generator.quality import Quality, feature, quality, swing, touch, turned
from sales_exporter.demo.generator.season import LEAD_HOURS, WEEKDAYS, Hours, arrivals, profile
from sales_exporter.demo.generator.stages import Path, walk
from sales_exporter.demo.generator.world import World, stream

SWING = 0.6
"""How far a lead's feature moves its win probability at most."""


@dataclass(frozen=True, slots=True)
class Leads:
    """All leads in order of arrival, with what only the generator knows. −1 in an index means none."""

    created: Floats
    channel: Ints
    campaign: Ints
    rep: Ints
    is_test: Bools
    extras: Ints
    """Channels of the further touches, leads x most touches."""
    members: Bools
    """Which channels touch the lead, leads x channels."""
    believed: Floats
    """Win probability as a calibrated model sees it."""
    probability: Floats
    """Win probability of the lead's deal as it is; differs from ``believed`` after the drift."""
    qualifies: Bools
    wins: Bools
    path: Path

    def __len__(self) -> int:
        return len(self.created)


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything a lead can come from: a channel with one of its campaigns, a channel alone, or nowhere."""

    channel: Ints
    campaign: Ints


def sources(preset: Preset, world: World) -> Sources:
    """The sources of a world. Channel position ``len(channels)`` is a lead without a channel."""
    pairs = [(campaign.channel, number) for number, campaign in enumerate(world.campaigns)]
    pairs += [(number, -1) for number, channel in enumerate(preset.channels) if channel.roi is None]
    pairs.append((len(preset.channels), -1))
    table = np.array(pairs, np.int64)
    return Sources(table[:, 0], table[:, 1])


def campaign_weights(world: World, moments: Floats) -> Floats:
    """What part of its channel each campaign (columns) has at each moment (rows); running campaigns sum to 1."""
    weights = np.zeros((len(moments), len(world.campaigns)))
    for number, campaign in enumerate(world.campaigns):
        ends = np.inf if campaign.ends is None else campaign.ends
        weights[:, number] = campaign.weight * ((moments >= campaign.starts) & (moments < ends))
    for channel in range(len(world.preset.channels)):
        mine = [number for number, campaign in enumerate(world.campaigns) if campaign.channel == channel]
        if mine:
            weights[:, mine] /= weights[:, mine].sum(axis=1, keepdims=True)
    return weights


def rates(world: World, found: Quality, moments: Floats) -> Floats:
    """Relative lead arrivals at some moments (rows) by source (columns), incidents included."""
    preset, origin = world.preset, sources(world.preset, world)
    shares = np.append(found.mix * (1 - preset.without_channel), preset.without_channel)
    weights = np.tile(shares[origin.channel], (len(moments), 1))
    named = origin.campaign >= 0
    weights[:, named] *= campaign_weights(world, moments)
    for place in np.flatnonzero(named):
        subject = world.campaigns[origin.campaign[place]].campaign_id
        weights[:, place] *= world.during("dead_campaign", subject, moments)
    grown = 1 + preset.growth * np.clip((moments - preset.start) / (preset.end - preset.start), 0, 1)
    season = profile(moments, WEEKDAYS, LEAD_HOURS) * grown * world.during("leads_outage", "all", moments)
    return np.asarray(weights * season[:, None])


def leads(world: World) -> Leads:
    """All leads of a world and everything that becomes of them, also what lies beyond the end of the data."""
    preset, found = world.preset, quality(world.preset)
    rng = stream(preset, "leads")
    hours = Hours.between(preset.start, preset.end)
    created, source = arrivals(rng, hours, rates(world, found, hours.middles), preset.leads)
    origin = sources(preset, world)
    channel = origin.channel[source]
    is_test = rng.random(len(created)) < preset.tests
    extras, members = touch(rng, found, channel)
    qualifies = rng.random(len(created)) < found.qualify[channel]
    rep = assign(world, stream(preset, "assignment"), created, qualifies & ~is_test)
    believed, probability = chances(world, found, created, rep, members)
    wins = qualifies & (rng.random(len(created)) < probability)
    path = walk(world, stream(preset, "path"), created, qualifies, wins)
    none = channel == len(preset.channels)
    return Leads(
        created, np.where(none, -1, channel), origin.campaign[source], rep, is_test, extras, members, believed,
        probability, qualifies, wins, path,
    )


def assign(world: World, rng: np.random.Generator, created: Floats, deals: Bools) -> Ints:
    """The rep of each lead, −1 for none; independent of the channel, so that skill and channel do not mix."""
    staff = world.preset.staff
    rep = share_out(world, rng, created)
    if staff.deals is None:
        return rep
    rep[deals] = -1
    wanted = rng.integers(staff.deals[0], staff.deals[1] + 1, len(world.reps))
    free = rng.permutation(np.flatnonzero(deals))
    places = rng.permutation(np.repeat(np.arange(len(wanted)), wanted))[: len(free)]
    rep[free[: len(places)]] = places
    return rep


def share_out(world: World, rng: np.random.Generator, moments: Floats) -> Ints:
    """A rep who works at each moment, by weight."""
    changes = sorted({moment for rep in world.reps for moment in (rep.starts, rep.ends) if moment is not None})
    rep = np.empty(len(moments), np.int64)
    stretch = np.searchsorted(changes, moments, side="right")
    for part in np.unique(stretch):
        at = changes[part - 1] if part else -np.inf
        weights = np.array([
            one.weight * (one.starts <= at and (one.ends is None or one.ends > at)) for one in world.reps
        ])
        mine = stretch == part
        rep[mine] = rng.choice(len(weights), size=int(mine.sum()), p=weights / weights.sum())
    return rep


def chances(
    world: World, found: Quality, created: Floats, rep: Ints, members: Bools
) -> tuple[Floats, Floats]:
    """Win probability of each lead's deal as a model believes it and as it is."""
    model = next(model for model in world.preset.models if model.subject_kind == "lead")
    base = np.minimum(world.skill[rep] * found.multiplier(members), 0.95)
    seen = feature(stream(world.preset, "lead feature"), len(created)) * swing(base, SWING)
    turn = turned(world.preset, model, created)
    return base * (1 + seen), base * (1 + seen * turn)

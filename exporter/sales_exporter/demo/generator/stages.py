"""The way of each lead through the stages: waits, losses, skipped stages, returns and ties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from sales_exporter.demo.generator.columns import Bools, Floats, Ints
from sales_exporter.demo.generator.preset import DAY, Preset
from sales_exporter.demo.generator.world import World
from sales_exporter.stats.special import ndtri

LEAD, CONTACT, QUALIFIED, PROPOSAL, WON, LOST = range(6)
STAGES = ("lead", "contact", "qualified", "proposal", "won", "lost")
STEPS = 8
"""Most stages on one way: four, one return of two, one end, and one spare."""
_PLAIN, _SKIP_CONTACT, _SKIP_QUALIFIED, _RETURN_QUALIFIED, _RETURN_PROPOSAL = range(5)


@dataclass(frozen=True, slots=True)
class Path:
    """``stages``: stage of each step (leads × STEPS, −1 = no more); ``entered``: epoch seconds of its entry, or NaN."""

    stages: npt.NDArray[np.int8]
    entered: Floats

    def first(self, wanted: tuple[int, ...]) -> Floats:
        """When each lead first came into one of some stages; NaN when it never does."""
        times = np.where(np.isin(self.stages, wanted), self.entered, np.inf).min(axis=1)
        return np.where(np.isfinite(times), times, np.nan)

    @property
    def ended(self) -> Floats:
        """When each lead is won or lost."""
        return self.first((WON, LOST))

    def at(self, moment: float) -> Ints:
        """The stage in which each lead is at a moment."""
        steps = (self.entered < moment).sum(axis=1) - 1
        return np.asarray(self.stages[np.arange(len(steps)), np.maximum(steps, 0)], np.int64)


def _way(last: int, won: bool, variant: int) -> tuple[int, ...]:
    way = list(range(last + 1))
    if variant == _SKIP_CONTACT and last >= QUALIFIED:
        way.remove(CONTACT)
    if variant == _SKIP_QUALIFIED and last >= PROPOSAL:
        way.remove(QUALIFIED)
    if variant == _RETURN_QUALIFIED and last >= QUALIFIED:
        way[QUALIFIED:QUALIFIED] = [QUALIFIED, CONTACT]
    if variant == _RETURN_PROPOSAL and last >= PROPOSAL:
        way[PROPOSAL:PROPOSAL] = [PROPOSAL, QUALIFIED]
    return (*way, WON if won else LOST)


def _ways() -> Iterator[list[int]]:
    for last, won, variant in product(range(4), (False, True), range(5)):
        way = _way(last, won, variant)
        yield [*way, *[-1] * (STEPS - len(way))]


_WAYS = np.array(list(_ways()), np.int8)


def walk(world: World, rng: np.random.Generator, created: Floats, qualifies: Bools, wins: Bools) -> Path:
    """The way of each lead, given whether it becomes a deal and whether the deal is won."""
    preset, leads = world.preset, len(created)
    early = np.where(rng.random(leads) < preset.lost_at_lead, LEAD, CONTACT)
    late = np.where(rng.random(leads) < preset.lost_at_qualified, QUALIFIED, PROPOSAL)
    last = np.where(wins, PROPOSAL, np.where(qualifies, late, early))
    odds = [preset.skipped / 2, preset.skipped / 2, preset.regressions, preset.regressions]
    variant = rng.choice(5, size=leads, p=[1 - sum(odds), *odds])
    stages = _WAYS[(last * 2 + wins) * 5 + variant]
    return Path(stages, _entries(world, rng, created, stages))


def _entries(world: World, rng: np.random.Generator, created: Floats, stages: npt.NDArray[np.int8]) -> Floats:
    preset, leads = world.preset, len(created)
    medians = np.array([stage.median * DAY for stage in preset.stages])
    sigmas = np.array([stage.sigma for stage in preset.stages])
    # A tie: contact and the stage after it are entered in the same moment.
    tied = rng.random(leads) < preset.tied
    entered = np.full(stages.shape, np.nan)
    entered[:, 0] = created
    for step in range(1, STEPS):
        more = np.flatnonzero(stages[:, step] >= 0)
        left, since = stages[more, step - 1], entered[more, step - 1]
        wait = medians[left] * np.exp(sigmas[left] * rng.standard_normal(len(more)))
        wait *= slowed(world, left, since)
        wait[tied[more] & (left == CONTACT)] = 0.0
        entered[more, step] = since + wait
    return entered


def slowed(world: World, stage: npt.NDArray[np.signedinteger[Any]], since: Floats) -> Floats:
    """What a slow stage multiplies the wait of those who entered ``stage`` at ``since`` with."""
    factors = np.ones(len(since))
    for episode in world.episodes:
        if episode.kind == "slow_stage":
            mine = (stage == STAGES.index(episode.subject)) & (since >= episode.start) & (since < episode.end)
            factors[mine] *= episode.factor
    return factors


def within(preset: Preset, seconds: float) -> float:
    """Probability that a won lead is won within ``seconds`` of its arrival, by integration over a fixed grid."""
    grid = ndtri((np.arange(20_000) + 0.5) / 20_000)
    rng = np.random.default_rng(0)
    total = sum(
        stage.median * DAY * np.exp(stage.sigma * rng.permutation(grid)) for stage in preset.stages
    )
    return float(np.mean(total <= seconds))

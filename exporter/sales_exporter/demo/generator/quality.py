"""What a lead is worth: which channels touch it, and how probable its win is. All expectations are exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_exporter.demo.generator.columns import Bools, Floats, Ints
from sales_exporter.demo.generator.preset import DAY, Model, Preset

CEILING = 0.95
"""No win is more probable than this."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Channel effects of a preset. Position ``len(channels)`` stands for leads without a channel."""

    preset: Preset
    effects: Floats
    mix: Floats
    expected: Floats
    """Mean of ``raw`` by the channel of the lead."""
    norm: float
    """Mean of ``raw`` over the deals, so that a rep's skill is the win probability of the rep's deals."""
    qualify: Floats

    def multiplier(self, members: Bools) -> Floats:
        """Factor on the win probability of leads that the channels ``members`` (leads × channels) have touched."""
        return np.asarray((self.preset.base_effect + members @ self.effects) / self.norm)


def quality(preset: Preset) -> Quality:
    """The channel effects of a preset."""
    effects = np.array([channel.effect for channel in preset.channels])
    shares = np.array([channel.share for channel in preset.channels])
    mix = shares / shares.sum()
    extra = np.array(preset.extra_touches)
    touched = (extra[:, None] * (1 - (1 - mix) ** np.arange(len(extra))[:, None])).sum(axis=0)
    without = preset.base_effect + float(touched @ effects)
    expected = np.append(without + effects * (1 - touched), without)
    lead_shares = np.append(mix * (1 - preset.without_channel), preset.without_channel)
    qualify = np.array([channel.qualify for channel in preset.channels])
    qualify = np.append(qualify, mix @ qualify)
    deals = lead_shares * qualify
    return Quality(preset, effects, mix, expected, float(deals @ expected / deals.sum()), qualify)


def touch(rng: np.random.Generator, found: Quality, channel: Ints) -> tuple[Ints, Bools]:
    """Further touches of leads and the set of channels that touch them.

    Args:
        channel: position of each lead's own channel, ``len(channels)`` for none.

    Returns:
        Channel positions of the further touches (leads × most touches, −1 = none), and membership (leads × channels).
    """
    preset, leads = found.preset, len(channel)
    most, kinds = len(preset.extra_touches) - 1, len(preset.channels)
    count = rng.choice(len(preset.extra_touches), size=leads, p=preset.extra_touches)
    picks = np.searchsorted(np.cumsum(found.mix), rng.random((leads, most)), side="right").clip(max=kinds - 1)
    picks = np.where(np.arange(most) < count[:, None], picks, -1)
    members = np.zeros((leads, kinds + 1), np.bool_)
    rows = np.arange(leads)
    members[rows, channel] = True
    for place in range(most):
        members[rows, picks[:, place]] = True
    # The last position collected the leads without a channel and the touches that do not exist.
    return picks, members[:, :kinds]


def feature(rng: np.random.Generator, count: int) -> Floats:
    """What a model sees of a subject beyond its base probability: arcsine-distributed on (−1, 1), mean 0."""
    return np.sin(np.pi * (rng.random(count) - 0.5))


def swing(base: Floats, most: float) -> Floats:
    """How far the feature may move a base probability up and down without leaving (0, CEILING)."""
    return np.minimum(most, CEILING / np.maximum(base, 1e-9) - 1)


def turned(preset: Preset, model: Model, moments: Floats) -> Floats:
    """What multiplies the feature's effect in the world: 1, and 1 − 2 × severity from the drift's first moment on."""
    start = drift_start(preset, model)
    if start is None:
        return np.ones(len(moments))
    return np.where(moments >= start, 1 - 2 * model.drift_severity, 1.0)


def drift_start(preset: Preset, model: Model) -> float | None:
    """Epoch seconds (a UTC midnight) at which the world stops following the model."""
    if model.drift_days_before is None:
        return None
    return float((preset.end - model.drift_days_before * DAY) // DAY * DAY)

"""Attribution by Shapley values of a game in which channels can be taken out of the journeys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import comb

import numpy as np

from sales_exporter.stats.attribution.journeys import Credit, Floats, Ints, Journeys, share_out

MOST_CHANNELS = 62
MOST_EXACT = 12
"""Channels of one lead up to which all of its 2^n coalitions are computed."""
PRIOR = 20.0
"""Journeys that a set's own conversion rate must outweigh against the additive fit, and wins its own deal size."""
PAIRS = 200
"""Sampled permutations for a lead with more channels, each with its reverse."""
_ROWS = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class _Sets:
    """What happened to the leads by the set of channels that touched them, ascending bit masks.

    ``rate`` is the set's smoothed conversion rate, ``worth`` the number of its leads times the mean size of its
    deals in cents. Sets that nobody took convert by ``base`` + the sum of their channels' ``effects``.
    """

    masks: Ints
    rate: Floats
    worth: Floats
    base: float
    effects: Floats

    def rates(self, masks: Ints, sums: Floats) -> Floats:
        """Conversion rates of any sets; ``sums`` are the sums of their effects."""
        place = np.minimum(np.searchsorted(self.masks, masks), self.masks.size - 1)
        known = self.masks[place] == masks
        return np.where(known, self.rate[place], np.where(masks == 0, 0.0, np.clip(self.base + sums, 0, 1)))


def shapley(journeys: Journeys, seed: int = 0, exact_up_to: int = MOST_EXACT) -> Credit:
    """Revenue in proportion to the Shapley values of the channels, none below 0.

    The game: a coalition S is worth the revenue expected from these same leads if only the channels in S had touched
    them. A lead that the set T touched then converts at the rate (won / all) of leads touched by exactly T and S,
    deals keep the mean size of T's, and order and repetition do not matter. So v(S) = sum over T of n(T) x size(T) x
    rate(T and S): frequent channels count as often as they touched, but only for what they add to the rate. If
    effects add up, a channel's value is its effect times the leads it touched. Leads without a touch give rate({}),
    what is won anyway, which no channel is paid for; if there are none, it is 0. Rates are shrunk by 20 leads, to
    the weighted least squares fit of additive effects, which also stands for sets that nobody took, and rate({})
    to 0. Unlike the game of converted journeys alone, whose value is an equal split of each among its channels, this
    one sees what was not won. It is observational: leads that differ for other reasons than their channels mislead it.

    The game is a sum of one game for each T, so the values are exact for leads with up to ``exact_up_to`` channels,
    whatever the number of channels in all. Larger T are sampled by permutations (``seed``) and give the ``error``.
    A channel without a won lead gets nothing.

    Sources: L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games II (1953) 307-317; rates
    by channel sets: X. Shao, L. Li, "Data-driven multi-touch attribution models", KDD (2011) 258-264; the game of
    converted journeys: K. Zhao, S. H. Mahboobi, S. R. Bagheri, "Shapley value methods for attribution modeling in
    online advertising" (arXiv:1804.05327); sampling: J. Castro, D. Gomez, J. Tejada, Computers & Operations Research 36
    (2009) 1726-1730.

    Raises:
        ValueError: more than 62 channels.
    """
    if journeys.channels > MOST_CHANNELS:
        raise ValueError(f"{journeys.channels} channels are more than {MOST_CHANNELS}; join the rare ones")
    if not journeys.channel.size:
        return share_out(journeys, np.zeros(journeys.channels))
    sets = _sets(journeys)
    values, variances = np.zeros(journeys.channels), np.zeros(journeys.channels)
    rng = np.random.default_rng(seed)
    for members, worth in _by_size(sets, journeys.channels, exact_up_to):
        if members.shape[1] <= exact_up_to:
            np.add.at(values, members, worth[:, None] * _exact(sets, members))
            continue
        for codes, weight in zip(members, worth, strict=True):
            mean, variance = _sampled(sets, codes, rng)
            values[codes] += weight * mean
            variances[codes] += weight**2 * variance
    has_won = np.zeros(journeys.channels, np.bool_)
    has_won[journeys.channel[journeys.wins[journeys.owner] > 0]] = True
    return share_out(journeys, np.where(has_won, values, 0).clip(min=0), np.sqrt(np.where(has_won, variances, 0)))


def _sets(journeys: Journeys) -> _Sets:
    """Leads, wins and revenue by set of channels, and what they say about rates."""
    mask = journeys.once(_masks)
    won, lost, cents = (part.astype(np.float64) for part in (journeys.wins, journeys.losses, journeys.revenue))
    taken = won + lost > 0
    masks, place = np.unique(mask[taken], return_inverse=True)
    wins, revenue = np.bincount(place, won[taken]), np.bincount(place, cents[taken])
    leads = np.bincount(place, (won + lost)[taken])
    member = (masks[:, None] >> np.arange(journeys.channels)) & 1
    design = np.column_stack([np.ones(masks.size), member])
    root = np.sqrt(leads)
    base, *effects = np.linalg.lstsq(design * root[:, None], wins / root, rcond=None)[0].tolist()
    fitted = np.where(masks == 0, 0.0, np.clip(design @ np.array([base, *effects]), 0, 1))
    mean_size = revenue.sum() / max(wins.sum(), 1.0)
    size = (revenue + PRIOR * mean_size) / (wins + PRIOR)
    return _Sets(masks, (wins + PRIOR * fitted) / (leads + PRIOR), leads * size, float(base), np.array(effects))


def _masks(journeys: Journeys) -> Ints:
    mask = np.zeros(len(journeys.paths), np.int64)
    np.bitwise_or.at(mask, journeys.owner, np.int64(1) << journeys.channel)
    return mask


def _by_size(sets: _Sets, channels: int, exact_up_to: int) -> Iterator[tuple[Ints, Floats]]:
    """Channel codes (sets x size) and worth of the sets of each size, in blocks whose coalitions fit into memory."""
    member = ((sets.masks[:, None] >> np.arange(channels)) & 1).astype(np.bool_)
    sizes = member.sum(axis=1)
    for size in np.unique(sizes[sizes > 0]).tolist():
        mine = np.flatnonzero(sizes == size)
        codes = np.nonzero(member[mine])[1].reshape(-1, size)
        rows = max(1, _ROWS >> min(size, exact_up_to))
        for start in range(0, mine.size, rows):
            block = slice(start, start + rows)
            yield codes[block], sets.worth[mine[block]]


def _exact(sets: _Sets, members: Ints) -> Floats:
    """Shapley values, in wins of one lead, of the games of sets of one size (sets x size)."""
    inside, weights = _coalitions(members.shape[1])
    masks = (np.int64(1) << members) @ inside.T
    rates = sets.rates(masks, sets.effects[members] @ inside.T)
    return np.asarray(rates @ weights)


@cache
def _coalitions(size: int) -> tuple[Ints, Floats]:
    """Membership of all coalitions of ``size`` players (2^size x size), and what their worth counts for each player."""
    inside = (np.arange(1 << size)[:, None] >> np.arange(size)) & 1
    count = inside.sum(axis=1)
    joined = np.array([0.0, *(1 / (size * comb(size - 1, others)) for others in range(size))])
    left = np.array([*(1 / (size * comb(size - 1, others)) for others in range(size)), 0.0])
    return inside, np.where(inside == 1, joined[count][:, None], -left[count][:, None])


def _sampled(sets: _Sets, codes: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Estimated Shapley values of the game of one set, and the variances of the estimates."""
    order = rng.permuted(np.tile(np.arange(codes.size), (PAIRS, 1)), axis=1)
    mean = (_marginals(sets, codes, order) + _marginals(sets, codes, order[:, ::-1])) / 2
    return mean.mean(axis=0), mean.var(axis=0, ddof=1) / PAIRS


def _marginals(sets: _Sets, codes: Ints, order: Ints) -> Floats:
    """What each channel adds when it joins in the given orders (orders x channels)."""
    joining = codes[order]
    masks = np.cumsum(np.int64(1) << joining, axis=1)
    rates = sets.rates(masks, np.cumsum(sets.effects[joining], axis=1))
    nobody = sets.rates(np.zeros(1, np.int64), np.zeros(1))
    added = np.diff(rates, axis=1, prepend=np.broadcast_to(nobody, (len(order), 1)))
    found = np.empty_like(added)
    np.put_along_axis(found, order, added, axis=1)
    return found

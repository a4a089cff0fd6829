"""Attribution by removal from a Markov chain of touches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sales_exporter.stats.attribution.journeys import Credit, Floats, Ints, Journeys, share_out

ORDERS = (1, 2, 3)
MOST_STATES = 4_000
"""States of the chain above which its inverse would take more than about ten seconds."""
State = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """Transition probabilities: ``start`` -> state, ``moves`` state -> state, ``wins`` state -> won; else lost.

    ``newest`` is the channel of the last touch of each state.
    """

    start: Floats
    moves: Floats
    wins: Floats
    newest: Ints


def markov(journeys: Journeys, order: int = 1) -> Credit:
    """Revenue in proportion to the removal effect of each channel.

    A state is the last ``order`` touches; all touched paths, won or not, give the transitions. The removal effect is
    the share of the chain's conversion probability that is lost if every transition into the channel leads to no
    conversion instead. It needs the paths that were not won: a chain of won paths alone shows who is on all of them.

    Source: E. Anderl, I. Becker, F. von Wangenheim, J. H. Schumann, "Mapping the customer journey: lessons learned
    from graph-based online attribution modeling", International Journal of Research in Marketing 33 (2016) 457-474.

    Raises:
        ValueError: the order is not 1, 2 or 3, or the chain has more than 4,000 states (take a lower order).
    """
    if order not in ORDERS:
        raise ValueError(f"order must be 1, 2 or 3, not {order}")
    chain = _chain(journeys, order)
    return share_out(journeys, _removal_effects(chain, journeys.channels))


def _removal_effects(chain: _Chain, channels: int) -> Floats:
    """Share of the conversion probability that is lost without each channel.

    Without a channel exactly those conversions are lost that pass one of its states: the probability of entering
    the channel first in a state, times the conversion probability from there. One inverse serves all channels.
    """
    visits_from = np.linalg.inv(np.eye(chain.newest.size) - chain.moves)
    converts = visits_from @ chain.wins
    visits = chain.start @ visits_from
    whole = float(chain.start @ converts)
    effects = np.zeros(channels)
    for channel in np.unique(chain.newest) if whole > 0 else ():
        mine = np.flatnonzero(chain.newest == channel)
        # Expected visits are first entries followed by returns.
        entries = np.linalg.solve(visits_from[np.ix_(mine, mine)].T, visits[mine])
        effects[channel] = max(0.0, float(entries @ converts[mine]) / whole)
    return effects


def _chain(journeys: Journeys, order: int) -> _Chain:
    routes = journeys.once(_ROUTES[order])
    # A path without a touch has no state beyond the start, and tells nothing.
    leads = np.where(routes.touched, journeys.wins + journeys.losses, 0).astype(np.float64)
    wins = np.where(routes.touched, journeys.wins, 0).astype(np.float64)
    size = len(routes.newest)
    arrivals = leads[routes.path]
    passing = np.bincount(routes.after, arrivals, size)
    code = np.flatnonzero(passing[1:] > 0) + 1
    if len(code) > MOST_STATES:
        raise ValueError(f"{len(code)} states are more than {MOST_STATES}; take a lower order")
    place = np.zeros(size, np.int64)
    place[code] = np.arange(1, len(code) + 1)
    wide = len(code) + 1
    taken = arrivals > 0
    pair = place[routes.before[taken]] * wide + place[routes.after[taken]]
    leaving = np.array([leads.sum(), *passing[code]])
    steps = np.bincount(pair, arrivals[taken], wide * wide).reshape(wide, wide)
    moves = steps / np.where(leaving > 0, leaving, 1)[:, None]
    won = np.bincount(place[routes.last], wins, wide)[1:] / leaving[1:]
    return _Chain(moves[0, 1:], moves[1:, 1:], won, routes.newest[code])


@dataclass(frozen=True, slots=True, eq=False)
class _Routes:
    """The states that the paths pass, numbered from 1 in order of appearance; 0 is the start.

    ``path``, ``before`` and ``after`` tell of each step of each path; ``last`` is where a path ends; ``newest`` is the
    channel of the last touch of a state, and without a meaning for the start.
    """

    touched: NDArray[np.bool_]
    path: Ints
    before: Ints
    after: Ints
    last: Ints
    newest: Ints


def _routes(journeys: Journeys, order: int) -> _Routes:
    code: dict[State, int] = {(): 0}
    after, last = [], []
    for path in journeys.paths:
        states = [code.setdefault(path[max(0, end - order) : end], len(code)) for end in range(1, len(path) + 1)]
        after += states
        last.append(states[-1] if states else 0)
    ahead = np.array(after, np.int64)
    first = np.diff(journeys.owner, prepend=-1) > 0
    before = np.where(first, 0, np.roll(ahead, 1))
    newest = np.array([state[-1] if state else 0 for state in code], np.int64)
    ends = np.array(last, np.int64)
    return _Routes(ends > 0, journeys.owner, before, ahead, ends, newest)


_ROUTES = {order: partial(_routes, order=order) for order in ORDERS}

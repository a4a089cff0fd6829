"""Attribution by removal from a Markov chain of touches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

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
    steps: Counter[tuple[State, State]] = Counter()
    won: Counter[State] = Counter()
    leaving: Counter[State] = Counter()
    for path, wins, losses in zip(journeys.paths, journeys.won, journeys.lost, strict=True):
        if not path or not wins + losses:
            continue
        states = [path[max(0, end - order) : end] for end in range(len(path) + 1)]
        for pair in pairwise(states):
            steps[pair] += wins + losses
        for state in states:
            leaving[state] += wins + losses
        won[states[-1]] += wins
    code = {state: number for number, state in enumerate(state for state in leaving if state)}
    if len(code) > MOST_STATES:
        raise ValueError(f"{len(code)} states are more than {MOST_STATES}; take a lower order")
    start, moves, wins_by = np.zeros(len(code)), np.zeros((len(code), len(code))), np.zeros(len(code))
    for (before, after), count in steps.items():
        row = moves[code[before]] if before else start
        row[code[after]] = count / leaving[before]
    for state, count in won.items():
        wins_by[code[state]] = count / leaving[state]
    return _Chain(start, moves, wins_by, np.array([state[-1] for state in code], np.int64))

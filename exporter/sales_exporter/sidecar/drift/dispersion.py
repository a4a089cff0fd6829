"""How much more days differ than independent decisions would: campaigns and weekdays make those of a day alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.verdicts import Floats

DAY = 86_400.0
ASSUMED = 3.0
"""Days without excess that are put to those seen."""
FIELDS = ("day", "right", "total", "last_right", "last_total", "excess", "pairs")


class Dispersion:
    """Factor by which the variance of a day's share exceeds the binomial one, by stream; never below 1.

    From the differences of neighbouring days, so that one drop of the level hardly counts. Evidence is worth the less
    the larger the factor is: dividing counts by it makes a quasi-likelihood.

    Source: R. W. M. Wedderburn, "Quasi-likelihood functions, generalized linear models, and the Gauss-Newton method",
    Biometrika 61 (1974) 439-447; J. von Neumann, "Distribution of the ratio of the mean square successive difference to
    the variance", Annals of Mathematical Statistics 12 (1941) 367-395.
    """

    def __init__(self, streams: int) -> None:
        self._of = {name: np.zeros(streams) for name in FIELDS}

    @property
    def pairs(self) -> Floats:
        """Pairs of days that it is known from."""
        return self._of["pairs"]

    @property
    def factor(self) -> Floats:
        """By what is known so far, less what chance alone brings when there is no excess.

        The mean of n squared differences of neighbours has a variance of about 3 / n.
        """
        size = self._of["pairs"] + ASSUMED
        return np.asarray(np.maximum((self._of["excess"] + ASSUMED) / size - np.sqrt(3 / size), 1.0))

    def take(self, at: float, right: Floats, total: Floats) -> None:
        """Take in new decisions, (streams,): those of the same day (UTC) are one share."""
        mine, day = self._of, at // DAY
        over = (mine["day"] < day) & (total > 0)
        self._close(over & (mine["total"] > 0))
        for name, part in (("right", right), ("total", total)):
            mine[name] = np.where(over, 0.0, mine[name]) + part
        mine["day"] = np.where(total > 0, day, mine["day"])

    def grow(self, streams: int) -> None:
        """Add streams of which nothing is known."""
        self._of = {name: np.concatenate([part, np.zeros(streams)]) for name, part in self._of.items()}

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop the streams that are not marked."""
        self._of = {name: part[which] for name, part in self._of.items()}

    def forget(self, which: NDArray[np.bool_]) -> None:
        """Begin marked streams anew."""
        for part in self._of.values():
            part[which] = 0.0

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays by name, to be put back by ``restored``."""
        return {f"{prefix}.{name}": part.copy() for name, part in self._of.items()}

    @classmethod
    def restored(cls, prefix: str, state: Mapping[str, NDArray[Any]]) -> Self:
        """From such arrays."""
        found = cls(0)
        found._of = {name: np.array(state[f"{prefix}.{name}"], dtype=np.float64) for name in FIELDS}
        return found

    def _close(self, ended: NDArray[np.bool_]) -> None:
        """Compare the days that ended with those before them."""
        mine = self._of
        both = ended & (mine["last_total"] > 0)
        n, m = np.where(both, mine["total"], 1.0), np.where(both, mine["last_total"], 1.0)
        pooled = (mine["right"] + mine["last_right"]) / (n + m)
        # Where all or none are right, nothing says how days differ.
        told = both & (pooled > 0) & (pooled < 1)
        variance = np.where(told, pooled * (1 - pooled), 1.0) * (1 / n + 1 / m)
        step = (mine["right"] / n - mine["last_right"] / m) ** 2 / variance
        mine["excess"] = mine["excess"] + np.where(told, step, 0.0)
        mine["pairs"] = mine["pairs"] + told
        for name in ("right", "total"):
            mine[f"last_{name}"] = np.where(ended, mine[name], mine[f"last_{name}"])

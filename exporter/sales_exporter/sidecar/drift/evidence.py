"""Evidence of drops in many streams, with what is remembered of each moment at which one may have begun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.stats import evalues

MONTH = 30 * 86_400.0
REMEMBERED = ("since", "right", "total")


class Evidence:
    """One e-detector a row. Of the moment at which a drop began it keeps the time and the outcomes known by then, as
    means over all such moments, weighed by how well each explains what came since."""

    def __init__(self, rows: int) -> None:
        self.log = evalues.nothing(rows)
        self.begun = {name: np.zeros(self.log.shape) for name in REMEMBERED}

    def gather(self, weights: Floats, months: Floats, ratios: Floats, now: Mapping[str, Floats]) -> None:
        """Take in a batch that came in ``months``; ``now`` is what to remember of drops that begin with it, (rows,)."""
        fresh = evalues.begun(weights, months)
        with np.errstate(invalid="ignore"):
            share = np.exp(fresh - np.logaddexp(self.log, fresh))
        share = np.nan_to_num(share, nan=0.0)
        for name, kept in self.begun.items():
            self.begun[name] = kept + share * (now[name][:, None] - kept)
        self.log = evalues.gathered(self.log, fresh, ratios)

    @property
    def e(self) -> Floats:
        """E-values, (rows,)."""
        return evalues.e_values(self.log)

    def remembered(self, name: str) -> Floats:
        """What is remembered of the beginning of a drop, (rows,); NaN without evidence."""
        top = self.log.max(axis=1, keepdims=True)
        weight = np.exp(self.log - np.where(np.isfinite(top), top, 0.0))
        whole = weight.sum(axis=1)
        mean = np.full(len(whole), np.nan)
        np.divide((weight * self.begun[name]).sum(axis=1), whole, out=mean, where=whole > 0)
        return mean

    def grow(self, rows: int) -> None:
        """Add rows without evidence."""
        more = Evidence(rows)
        self.log = np.concatenate([self.log, more.log])
        self.begun = {name: np.concatenate([kept, more.begun[name]]) for name, kept in self.begun.items()}

    def part(self, rows: NDArray[np.intp]) -> Evidence:
        """Evidence of some rows alone."""
        found = Evidence(0)
        found.log, found.begun = self.log[rows], {name: kept[rows] for name, kept in self.begun.items()}
        return found

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop the rows that are not marked."""
        self.log = self.log[which]
        self.begun = {name: kept[which] for name, kept in self.begun.items()}

    def forget(self, which: NDArray[np.bool_]) -> None:
        """Begin marked rows anew."""
        self.log[which] = -np.inf

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays by name, to be put back by ``restore``."""
        return {f"{prefix}.log": self.log.copy(),
                **{f"{prefix}.{name}": kept.copy() for name, kept in self.begun.items()}}

    @classmethod
    def restored(cls, prefix: str, state: Mapping[str, NDArray[Any]]) -> Evidence:
        """From such arrays."""
        found = cls(0)
        found.log = np.array(state[f"{prefix}.log"], dtype=np.float64)
        found.begun = {name: np.array(state[f"{prefix}.{name}"], dtype=np.float64) for name in REMEMBERED}
        return found

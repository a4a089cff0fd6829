"""A detector that judges nothing and remembers everything: what reached a detector, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.verdicts import NONE, Floats, Verdicts


class Recorder:
    """Keeps every sample in (slots, moments), learned or judged."""

    channels = ("none",)

    def __init__(self) -> None:
        self.times = np.empty(0)
        self.past = np.empty((0, 0))
        self.judged: list[float] = []

    @property
    def size(self) -> int:
        return len(self.past)

    def admit(self, count: int) -> None:
        self.past = np.concatenate([self.past, np.full((count, len(self.times)), np.nan)])

    def keep(self, which: NDArray[np.bool_]) -> None:
        self.past = self.past[which]

    def learn(self, times: Floats, values: Floats) -> None:
        assert values.shape == (self.size, len(times))
        assert (np.diff(np.concatenate([self.times[-1:], times])) > 0).all(), "time went back"
        self.times, self.past = np.concatenate([self.times, times]), np.concatenate([self.past, values], axis=1)

    def update(self, at: float, values: Floats) -> Verdicts:
        self.learn(np.array([at]), values[:, None])
        self.judged.append(at)
        blank = np.full(self.size, np.nan)
        return Verdicts(np.zeros(self.size), np.ones(self.size), blank, blank, blank, blank,
                        np.full(self.size, NONE, np.int8))

    def state(self) -> Mapping[str, NDArray[Any]]:
        return {"times": self.times, "past": self.past}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        if set(state) != {"times", "past"}:
            raise ValueError("not a state of a recorder")
        self.times, self.past = state["times"], state["past"]
        return self

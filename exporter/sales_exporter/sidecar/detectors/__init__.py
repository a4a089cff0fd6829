"""Detectors of anomalies. Whatever here is a ``Detector`` is put through the conformance suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.verdicts import Floats, Verdicts

Arrays = Mapping[str, NDArray[Any]]
"""A detector's whole state: what a snapshot on disk holds."""


class Detector(Protocol):
    """Judges many series at once. Its parameters are in its constructor, and nothing else steers it.

    Series live in slots 0 … n-1. Time is in epoch seconds and never goes back: an update at or before the last one
    changes nothing and repeats the last verdicts. NaN is a missing sample, never zero and never made up.
    """

    channels: tuple[str, ...]
    """Names of the views of a series, for the reason that an alert gives."""

    @property
    def size(self) -> int:
        """Slots in use."""
        ...

    def admit(self, count: int) -> None:
        """Add empty slots at the end."""
        ...

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop the slots that are not marked; those that stay move together, in order."""
        ...

    def learn(self, times: Floats, values: Floats) -> None:
        """Take in a past, (n, len(times)), without judging it: what updates one by one would leave behind."""
        ...

    def update(self, at: float, values: Floats) -> Verdicts:
        """Judge one sample of each slot, then take it in; causal."""
        ...

    def state(self) -> Arrays:
        """Everything needed to go on."""
        ...

    def restore(self, state: Arrays) -> Self:
        """Go on from such a state.

        Raises:
            ValueError: it was written by another kind or version, or with other parameters.
        """
        ...

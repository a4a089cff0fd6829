"""Whether training a model anew pays, and why."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sales_exporter.config import DriftSettings
from sales_exporter.sidecar.detectors import Arrays
from sales_exporter.sidecar.drift.evidence import MONTH
from sales_exporter.sidecar.drift.report import DriftReport
from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.stats.special import ndtr

DAY = 86_400.0
NO_REASON = -1


class Advice(NamedTuple):
    """One row per stream. ``reason`` is an index into ``KINDS``, ``NO_REASON`` without a recommendation; ``since`` is
    when it was first given (epoch seconds; NaN).

    ``gain`` is what a month brings that is as good as it was before: right decisions, and ``value`` what they are worth
    (NaN where decisions have no stated value). ``confidence`` is the probability that the training pays.
    """

    reason: NDArray[np.int64]
    since: Floats
    gain: Floats
    value: Floats
    confidence: Floats

    @property
    def recommended(self) -> NDArray[np.bool_]:
        """Which models to train anew."""
        return np.asarray(self.reason != NO_REASON)


class Adviser:
    """Recommends a training while a model drifts and what it lost is, with the stated confidence, worth the cost.

    What it says stays for one maturity period at least: labels that could show the contrary take as long. It holds
    one row for each stream of the judge.
    """

    def __init__(self, settings: DriftSettings) -> None:
        self.settings = settings
        self._reason = np.zeros(0, dtype=np.int64)
        self._since, self._held = np.zeros(0), np.zeros(0)

    def admit(self, count: int) -> None:
        """Add streams at the end."""
        self._reason = np.concatenate([self._reason, np.full(count, NO_REASON)])
        self._since = np.concatenate([self._since, np.full(count, np.nan)])
        self._held = np.concatenate([self._held, np.full(count, -np.inf)])

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop the streams that are not marked."""
        self._reason, self._since, self._held = self._reason[which], self._since[which], self._held[which]

    def advise(self, report: DriftReport) -> Advice:
        """What to do about a report."""
        loss, settings = report.loss, self.settings
        confidence = np.nan_to_num(
            ndtr((loss.size - break_even(report.volume, settings)) / loss.deviation), nan=0.0)
        pays = report.active.any(axis=1) & (confidence >= settings.confidence)
        why = np.where(report.active[:, 1], 1, 0)
        self._held = np.where(pays, report.at, self._held)
        stays = pays | (report.at - self._held < settings.maturity_days * DAY)
        self._since = np.where(stays, np.where(self._reason == NO_REASON, report.at, self._since), np.nan)
        self._reason = np.where(pays, why, np.where(stays, self._reason, NO_REASON))
        gain = np.maximum(loss.size, 0.0) * report.volume
        worth = np.nan if settings.decision_value is None else settings.decision_value
        return Advice(self._reason.copy(), self._since.copy(), gain, gain * worth, np.asarray(confidence))

    def state(self) -> Arrays:
        """Everything needed to go on."""
        return {"reason": self._reason.copy(), "since": self._since.copy(), "held": self._held.copy()}

    def restore(self, state: Arrays) -> Self:
        """Go on from such a state.

        Raises:
            ValueError: it is of something else.
        """
        if set(state) != {"reason", "since", "held"} or len({part.shape for part in state.values()}) > 1:
            raise ValueError("this is no state of advice on training")
        self._reason, self._since, self._held = (np.array(state[name]) for name in ("reason", "since", "held"))
        return self


def break_even(volume: Floats, settings: DriftSettings) -> Floats:
    """Loss of accuracy from which on a training pays for itself in the stated time; never below the least that counts.

    ``volume`` is decisions a month. Where decisions have no stated value, the least that counts.
    """
    if settings.decision_value is None:
        return np.full(len(volume), settings.least_loss)
    worth = volume * (settings.payback_days * DAY / MONTH) * settings.decision_value
    needed = np.full(len(volume), np.inf)
    np.divide(settings.retraining_cost, worth, out=needed, where=worth > 0)
    return np.asarray(np.maximum(needed, settings.least_loss))

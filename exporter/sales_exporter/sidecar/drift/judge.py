"""Model drift: whether the accuracy of each model fell below its floor, or below what it used to be."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sales_exporter.sidecar.detectors import Arrays
from sales_exporter.sidecar.drift.dispersion import Dispersion
from sales_exporter.sidecar.drift.evidence import MONTH, Evidence
from sales_exporter.sidecar.drift.report import BASELINE, FLOOR, KINDS, DriftReport, Loss
from sales_exporter.sidecar.drift.totals import Totals, new
from sales_exporter.sidecar.verdicts import Floats
from sales_exporter.stats import evalues

VERSION = 1
LEAST_KNOWN = 100
"""Labels without which there is no baseline to fall from."""
LEAST_PAIRS = 10
"""Pairs of days that must show how much days differ anyway, before one of them can be a drop from the others."""
OVERALL = 0.5
"""Weight of all decisions together where there are segments; these share the rest."""
CALM = 0.1
"""Drift is over once its e-value is below this share of the limit, for one maturity period."""


class ModelDrift:
    """Judges many models at once from running totals of decisions whose labels are settled.

    Only give it cohorts all of whose labels are known: early labels are biased, as a reply comes early and "no reply"
    only when the time is over. ``alpha`` is the number of false alarms that one model may have a month, of each kind;
    ``budget`` that of all together: whichever is stricter sets the limit. ``maturity`` (seconds) is how long a label
    takes: drift is not over before. Every stream has ``segments`` (decisions for and against, say).

    A new version of a model is a new stream, so its reference begins anew. Time is in epoch seconds: an update at or
    before the last one changes nothing. NaN is what was not read.
    """

    def __init__(self, alpha: float, budget: float, maturity: float, segments: int = 1) -> None:
        self.alpha, self.budget, self.maturity, self.segments = alpha, budget, maturity, segments
        self._floor, self._baseline, self._dispersion = Evidence(0), Evidence(0), Dispersion(0)
        self._floors = np.zeros(0)
        self._taken = Totals.unseen(0, segments)
        self._judged = np.zeros(0)
        self._active = np.zeros((0, len(KINDS)), dtype=bool)
        self._began, self._high = np.zeros((0, len(KINDS))), np.zeros((0, len(KINDS)))
        self._flow, self._since = np.zeros(0), np.zeros(0)
        self._at = -np.inf

    @property
    def size(self) -> int:
        """Streams."""
        return len(self._floors)

    @property
    def limit(self) -> float:
        """The e-value from which on there is drift."""
        return max(1 / self.alpha, self._watched / self.budget)

    @property
    def _watched(self) -> int:
        return self.size + int(np.isfinite(self._floors).sum())

    def admit(self, floors: ArrayLike) -> None:
        """Add streams at the end, each with the accuracy that is asked of it; NaN if none is."""
        asked = np.asarray(floors, dtype=np.float64)
        count = len(asked)
        self._floors = np.concatenate([self._floors, asked])
        self._floor.grow(count)
        self._baseline.grow(count * self._parts)
        self._dispersion.grow(count)
        unseen = Totals.unseen(count, self.segments)
        self._taken = Totals(*(np.concatenate(pair) for pair in zip(self._taken, unseen, strict=True)))
        self._judged = np.concatenate([self._judged, np.full(count, np.nan)])
        self._active = np.concatenate([self._active, np.zeros((count, len(KINDS)), dtype=bool)])
        self._began = np.concatenate([self._began, np.full((count, len(KINDS)), np.nan)])
        self._high = np.concatenate([self._high, np.full((count, len(KINDS)), -np.inf)])
        self._flow = np.concatenate([self._flow, np.zeros(count)])
        self._since = np.concatenate([self._since, np.full(count, np.nan)])

    def ask(self, floors: ArrayLike) -> None:
        """Ask other accuracies of the streams; evidence against a floor that was changed begins anew."""
        asked = np.asarray(floors, dtype=np.float64)
        self._floor.forget(~((asked == self._floors) | (np.isnan(asked) & np.isnan(self._floors))))
        self._floors = asked

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop the streams that are not marked; those that stay move together, in order."""
        self._floor.keep(which)
        self._baseline.keep(np.repeat(which, self._parts))
        self._dispersion.keep(which)
        self._taken = Totals(*(part[which] for part in self._taken))
        self._floors, self._judged, self._active = self._floors[which], self._judged[which], self._active[which]
        self._high, self._began = self._high[which], self._began[which]
        self._flow, self._since = self._flow[which], self._since[which]

    def update(self, at: float, right: ArrayLike, total: ArrayLike) -> DriftReport:
        """Take in running totals, (streams, segments) or (streams,), as read at a moment, and judge."""
        shape = (self.size, self.segments)
        read = Totals(*(np.asarray(part, dtype=np.float64).reshape(shape) for part in (right, total)))
        if at > self._at:
            known = self._taken
            fresh, self._taken = new(known, read)
            came = np.asarray(fresh.total.sum(axis=1))
            if came.any():
                self._gather(at, known, fresh)
            self._remember(at, came, np.any(np.isfinite(self._taken.total), axis=1))
            self._at = at
            self._decide(at)
        return self._report()

    def state(self) -> Arrays:
        """Everything needed to go on."""
        return {
            "version": np.array([VERSION]), "with": np.array([self.alpha, self.budget, self.maturity, self.segments]),
            "at": np.array([self._at]), "floors": self._floors.copy(), "judged": self._judged.copy(),
            "active": self._active.copy(), "began": self._began.copy(), "high": self._high.copy(),
            "flow": self._flow.copy(), "since": self._since.copy(), "right": self._taken.right.copy(),
            "total": self._taken.total.copy(),
            **self._floor.state(FLOOR), **self._baseline.state(BASELINE), **self._dispersion.state("dispersion"),
        }

    def restore(self, state: Arrays) -> Self:
        """Go on from such a state.

        Raises:
            ValueError: it was written by another version, or with other parameters.
        """
        mine = self.state()
        if set(state) != set(mine) or any(not np.array_equal(state[name], mine[name]) for name in ("version", "with")):
            raise ValueError("the state of the drift judge is of another version or has other parameters")
        if state[f"{FLOOR}.log"].shape[1:] != mine[f"{FLOOR}.log"].shape[1:]:
            raise ValueError("the state of the drift judge looks for other drops")
        kept: dict[str, NDArray[Any]] = {name: np.array(value) for name, value in state.items()}
        self._at, self._floors, self._judged = float(kept["at"][0]), kept["floors"], kept["judged"]
        self._active, self._began, self._high = kept["active"], kept["began"], kept["high"]
        self._flow, self._since = kept["flow"], kept["since"]
        self._taken = Totals(kept["right"], kept["total"])
        self._floor, self._baseline = Evidence.restored(FLOOR, kept), Evidence.restored(BASELINE, kept)
        self._dispersion = Dispersion.restored("dispersion", kept)
        return self

    @property
    def _parts(self) -> int:
        """Rows of baseline evidence of one stream: all decisions, and each segment if there are several."""
        return 1 if self.segments == 1 else 1 + self.segments

    def _gather(self, at: float, known: Totals, fresh: Totals) -> None:
        """Evidence of new outcomes, of both kinds; counts are worth the less the more days differ anyway."""
        months = np.where(np.isfinite(self._judged), at - self._judged, 0.0) / MONTH
        since = np.where(np.isfinite(self._judged), self._judged, at)
        excess, told = self._dispersion.factor, self._dispersion.pairs >= LEAST_PAIRS
        segments = [np.nan_to_num(part) for part in (*known, *fresh)]
        sums = [part.sum(axis=1) for part in segments]
        self._dispersion.take(at, sums[2], sums[3])
        stated = np.isfinite(self._floors)
        floors = np.where(stated, self._floors, 0.0)
        self._floor.gather(
            evalues.drops(floors), np.where(stated & (sums[3] > 0), months, 0.0),
            evalues.against_floor(sums[2] / excess, sums[3] / excess, floors),
            {"since": since, "right": sums[0], "total": sums[1]})
        rows = [self._by_part(whole, part) for whole, part in zip(sums, segments, strict=True)]
        share = np.divide(rows[0], rows[1], out=np.zeros_like(rows[0]), where=rows[1] > 0)
        judged = (rows[1] >= LEAST_KNOWN) & (rows[3] > 0) & np.repeat(told, self._parts)
        right, total, more_right, more = (part / np.repeat(excess, self._parts) for part in rows)
        self._baseline.gather(
            evalues.drops(share), np.where(judged, np.repeat(months, self._parts), 0.0),
            evalues.against_baseline(more_right, more, right, total),
            {"since": np.repeat(since, self._parts), "right": rows[0], "total": rows[1]})

    def _by_part(self, whole: Floats, segments: Floats) -> Floats:
        parts = whole[:, None] if self._parts == 1 else np.column_stack([whole, segments])
        return np.asarray(parts.ravel())

    def _remember(self, at: float, came: Floats, seen: NDArray[np.bool_]) -> None:
        """How many labels come, over about a month, and when the last did."""
        lapse = at - self._at if np.isfinite(self._at) else 0.0
        self._flow = self._flow * np.exp(-lapse / MONTH) + came
        self._since = np.where(np.isnan(self._since) & seen, at, self._since)
        self._judged = np.where(seen & ((came > 0) | np.isnan(self._judged)), at, self._judged)

    def _decide(self, at: float) -> None:
        """Hysteresis: drift begins at the limit, and is over when its e-value has been low for a maturity period."""
        e = self._e()
        calm = e < CALM * self.limit
        self._high = np.where(calm, self._high, at)
        over = calm & (at - self._high >= self.maturity)
        active = (e >= self.limit) | (self._active & ~over)
        self._began = np.where(active, np.where(self._active, self._began, at), np.nan)
        self._active = active

    def _e(self) -> Floats:
        parts = self._baseline.e.reshape(self.size, self._parts)
        weights = np.full(self._parts, (1 - OVERALL) / max(self.segments, 1))
        weights[0] = OVERALL if self._parts > 1 else 1.0
        return np.column_stack([self._floor.e, parts @ weights])

    def _report(self) -> DriftReport:
        """What is said of each stream."""
        whole = self._baseline.part(np.arange(self.size) * self._parts)
        expected = np.exp(-np.maximum(self._at - self._since, 0.0) / MONTH)
        with np.errstate(divide="ignore", invalid="ignore"):
            volume = self._flow / (1 - expected)
        right, total = (np.nansum(part, axis=1) for part in self._taken)
        return DriftReport(
            at=self._at, e=self._e(), limit=self.limit, active=self._active.copy(),
            began=self._began.copy(), losses=(_below(self._floor, self._floors), _below(whole, None)),
            volume=np.where(np.isfinite(volume), volume, np.nan), right=right, total=total,
        )


def _below(evidence: Evidence, floors: Floats | None) -> Loss:
    """What was lost against the floors, or against what was known when the drop began."""
    now, deviation = evalues.dropped_to(evidence.log)
    if floors is None:
        right, total = evidence.remembered("right"), evidence.remembered("total")
        before = np.divide(right, total, out=np.full_like(total, np.nan), where=total > 0)
        deviation = np.sqrt(deviation**2 + before * (1 - before) / np.maximum(total, 1))
    else:
        before = floors
    return Loss(before, now, deviation, evidence.remembered("since"))

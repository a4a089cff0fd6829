"""How rare what a channel sees is, by its own past: the largest separate peaks, and a tail fitted to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors.pace import DAY, WEEK, Reals, Tick
from sales_exporter.sidecar.detectors.slots import Slots
from sales_exporter.stats.extremes import Tail, fit, survival, value_at

Indices = NDArray[np.intp]
MINUTE, BLOCK = 60.0, 7_200.0
"""Of each two hours the largest value is a candidate; it is a peak when the blocks beside hold none larger."""
PEAKS = 16
"""Kept of each channel: over four weeks, what comes about four times a week or less."""
_PLACES = np.arange(PEAKS, dtype=np.int8)[:, None]
FEWEST = 5
"""Peaks below which nothing is rare."""
KEPT = 6 * WEEK
RECORDS = 5
"""Peaks that count for a channel of records: what a series did a dozen times may lie far below what it did five."""
YOUNG = 3 * DAY
"""Until then peaks enter as high as they are."""
SEASONED = DAY
"""Watched for less than this, nothing is a record that stood."""
LEAST_SHARE = 0.25
"""Of the time watched: so long must a record have stood that beating it counts."""
LEAST_LEAD = 0.05
"""Of the range of a channel: what comes as near as that to a peak does not beat it."""


class Tails(Slots):
    """Peaks of every channel (c, n)."""

    def __init__(self, records: NDArray[np.bool_], fleeting: NDArray[np.bool_], reach: float, least_scale: float,
                 poison: float, size: int = 0) -> None:
        """``records`` and ``fleeting``: which channels (c) are such.

        ``reach``: how many times rarer than once in the time seen a thing may be called.

        ``poison``: alarms a week; a peak enters no higher than this rare, so that past incidents hide no next one.
        """
        channels = records.size
        number = ((channels,), -np.inf, np.float32)
        super().__init__({
            "block": number, "candidate": number, "before": number, "threshold": number,
            "lowest": number, "highest": number, "floor": ((channels,), np.inf, np.float32),
            "peaks": ((PEAKS, channels), -np.inf, np.float32), "born": ((PEAKS, channels), 0.0, np.float32),
            "scale": ((channels,), 1.0, np.float32), "shape": ((channels,), 0.2, np.float32),
            "count": ((channels,), 0.0, np.float32), "watched": ((2,), 0.0, np.float64),
            "number": ((), -1.0, np.float64), "fitted": ((), -1.0, np.float64),
            "changed": ((channels,), False, np.bool_), "grain": ((), np.inf, np.float32),
        }, size)
        self._records, self._fleeting = records, fleeting.astype(np.intp)
        self._reach, self._least_scale, self._poison = reach, least_scale, poison

    def rates(self, values: Reals) -> Reals:
        """How often a week each channel (c, n) is to peak so high; ``inf`` where it is common or nothing is known."""
        rates = np.full(values.shape, np.inf, np.float32)
        odd = (values > self["threshold"]) & (self["count"] >= FEWEST)
        channel, series = np.nonzero(odd)
        if channel.size:
            weeks = np.maximum(self["watched"][self._fleeting[channel], series], 1.0) / WEEK
            tail = self._tail(channel, series)
            rare = tail.peaks / weeks * survival(tail, values[channel, series])
            rates[channel, series] = np.maximum(rare, 1 / (weeks * self._reach))
        return rates

    def stood(self, tick: Tick, values: Reals) -> Reals:
        """How long the record stood that each channel (c, n) beats now, in powers of ten of the least time that counts.

        0 where none is beaten, or one that stood for less than a quarter of the time watched; at most 0.6.
        """
        found = np.zeros(values.shape, np.float32)
        highest = self["highest"]
        lead = np.where(highest > self["floor"], LEAST_LEAD * (highest - self["floor"]), 0)
        beaten = values - lead
        # The peaks of the last hours are not among the others yet.
        recent = np.maximum(np.maximum(self["block"], self["candidate"]), self["before"])
        seasoned = (self["watched"] > SEASONED)[self._fleeting]
        channel, series = np.nonzero((beaten > recent) & (beaten >= self["lowest"]) & np.isfinite(highest) & seasoned)
        if channel.size:
            days = np.broadcast_to(tick.at / DAY, tick.seen.shape)[series]
            above = self["peaks"][:, channel, series] >= beaten[channel, series]
            last = np.where(above, self["born"][:, channel, series], -np.inf).max(axis=0)
            share = np.minimum((days - last) * DAY / self["watched"][self._fleeting[channel], series], 1)
            found[channel, series] = np.log10(np.maximum(share / LEAST_SHARE, 1))
        return found

    def learn(self, tick: Tick, values: Reals, least: Reals) -> None:
        """Take in what the channels (c, n) see; ``least`` is the smallest scale of the tail of a record."""
        # From a mean to samples all is new; samples more often than each minute are of the same kind.
        cadence = np.maximum(tick.cadence, np.float32(MINUTE))
        finer = (cadence < self["grain"] / 2) & (tick.number >= 10)
        if finer.any():
            self._forget(finer)
            np.copyto(self["grain"], cadence, where=finer)
        block = np.floor(tick.at / BLOCK)
        ended = tick.seen & (block != self["number"]) & (self["number"] >= 0)
        if ended.any():
            self._end_block(ended, np.broadcast_to(tick.at, ended.shape), least)
        np.copyto(self["number"], block, where=tick.seen)
        self["watched"][:] = np.minimum(self["watched"] + tick.elapsed, KEPT)
        np.maximum(self["block"], values, out=self["block"])

    def _forget(self, finer: NDArray[np.bool_]) -> None:
        """Samples come faster than before: what single ones showed so far says nothing of them."""
        fleeting = self._fleeting.astype(np.bool_)
        where = np.ix_(fleeting, finer)
        for name in ("block", "candidate", "before", "threshold", "lowest", "highest"):
            self[name][where] = -np.inf
        self["floor"][where] = np.inf
        self["peaks"][np.ix_(np.full(PEAKS, True), fleeting, finer)] = -np.inf
        self["count"][where], self["watched"][1, finer] = 0, 0

    def _tail(self, channel: Indices | np.intp, series: Indices) -> Tail:
        return Tail(*(self[name][channel, series] for name in ("threshold", "scale", "shape", "count")))

    def _end_block(self, ended: NDArray[np.bool_], at: Reals, least_record: Reals) -> None:
        block, candidate, before = self["block"], self["candidate"], self["before"]
        peak = ended & (candidate >= block) & (candidate > before) & (candidate > self["lowest"])
        # Channel by channel: the peaks of one fit the processor's cache, those of all do not.
        for channel in np.flatnonzero(peak.any(axis=1)):
            series = np.flatnonzero(peak[channel])
            self._add(channel, series, at[series] / DAY)
        np.minimum(self["floor"], block, out=self["floor"], where=ended & (block > -np.inf))
        np.copyto(before, candidate, where=ended)
        np.copyto(candidate, block, where=ended)
        np.copyto(block, -np.inf, where=ended)
        day = np.floor(at / DAY)
        due = ended & (day != self["fitted"])
        if due.any():
            np.copyto(self["fitted"], day, where=due)
            changed = self["changed"] & due
            for channel in np.flatnonzero(changed.any(axis=1)):
                series = np.flatnonzero(changed[channel])
                self._fit(channel, series, day[series], least_record[series])

    def _add(self, channel: np.intp, series: Indices, day: Reals) -> None:
        """Put a peak of some series in the place of the lowest."""
        height, peaks = self["candidate"][channel, series], self["peaks"]
        watched = self["watched"][self._fleeting[channel], series]
        tail = self._tail(channel, series)
        share = np.minimum((self._poison / WEEK * watched).astype(np.float32) / np.maximum(tail.peaks, 1), 1)
        limit = np.maximum(value_at(tail, share), self["highest"][channel, series] + tail.scale)
        height = np.where((watched > YOUNG) & (tail.peaks >= FEWEST), np.minimum(height, limit), height)
        columns = np.take(peaks[:, channel], series, axis=1)
        # What argmin would find, by functions that numpy has in vector form.
        lowest = np.where(columns == columns.min(axis=0), _PLACES, np.int8(PEAKS)).min(axis=0)
        columns[lowest, np.arange(series.size)] = height
        peaks[lowest, channel, series], self["born"][lowest, channel, series] = height, day
        self["lowest"][channel, series] = columns.min(axis=0)
        self["highest"][channel, series] = np.maximum(self["highest"][channel, series], height)
        self["changed"][channel, series] = True

    def _fit(self, channel: np.intp, series: Indices, day: Reals, least_record: Reals) -> None:
        """Forget peaks that are too old, and fit the tails of series that have new ones."""
        peaks = np.take(self["peaks"][:, channel], series, axis=1)
        past = np.take(self["born"][:, channel], series, axis=1) < day - KEPT / DAY
        if past.any():
            peaks[past] = -np.inf
            self["peaks"][:, channel, series] = peaks
        peaks.sort(axis=0)
        self["lowest"][channel, series], self["highest"][channel, series] = peaks[0], peaks[-1]
        tail = fit(peaks, self._least_scale)
        if self._records[channel]:
            tail = fit(peaks[-RECORDS:], least_record, tail.shape)
        for name, column in zip(("threshold", "scale", "shape", "count"), tail, strict=True):
            self[name][channel, series] = column
        self["changed"][channel, series] = False

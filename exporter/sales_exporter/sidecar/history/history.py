"""The history of every watched series: filled once, kept up by ticks, saved for a warm start."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sales_exporter.errors import SourceError
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.detectors import Detector
from sales_exporter.sidecar.history import reading, snapshot
from sales_exporter.sidecar.history.client import Client, QueryRejected
from sales_exporter.sidecar.history.patience import Patience
from sales_exporter.sidecar.history.ranges import pieces
from sales_exporter.sidecar.history.slots import Marks, Slots
from sales_exporter.sidecar.history.snapshot import SnapshotRefused
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats, Verdicts
from sales_exporter.sidecar.watches.watch import Watch

DAY = 86_400.0
SHARE = 0.8
"""Part of the interval that the queries of a tick may take."""
_STATE = "detector_"
_STRETCH = 500
"""Moments that are judged between two words on how far it is."""
_BLUR = 1.5
"""Seconds by which a difference of clocks is known no better."""

Progress = Callable[[int, int], None]
"""Told the moments that are done and how many there are."""
Replayed = Callable[[float, tuple[SeriesId, ...], Floats, Verdicts, Floats], None]
"""Told each moment of the past that was judged: when, the series by slot, their values, verdicts, and the cases behind
ratios (NaN where none are known)."""
Blank = Callable[[Sequence[SeriesId], Floats], Marks]
"""Which values (series, times) of the past must not teach: those of incidents that users marked."""


def delay(interval: float) -> float:
    """Seconds behind the grid at which a tick starts: what is scraped at its moment has arrived by then.

    Ten, as long as a scrape may take by default; but who ticks more often than each 40 s wants to know sooner.
    """
    return min(10.0, interval / 4)


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is read, how often, and by whom."""

    interval: float = 60.0
    """Seconds between two ticks."""
    past: float = 28 * DAY
    """Seconds that are read at the start."""
    shard: tuple[int, int] = (1, 1)
    """Number of this process, from 1, and how many share the series."""
    series: int = 20_000
    """Series held at most."""
    absence: float = 7 * DAY
    """Seconds without a sample after which a series is forgotten."""

    @property
    def delay(self) -> float:
        """Seconds after which the scrapes of a moment have arrived: ticks look that far back."""
        return delay(self.interval)


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick found, a row per slot."""

    at: float
    ids: tuple[SeriesId, ...]
    values: Floats
    cases: Floats
    """Cases behind each ratio; NaN where its watch has no denominator, or none came."""
    known: Marks
    """Where the server answered in full: NaN there is the absence of a sample, elsewhere it is ignorance."""
    verdicts: Verdicts | None
    """None when nothing was answered; the detector then waits until the gap can be read."""
    errors: Mapping[str, SourceError]
    """By watch: why it was not answered."""
    partial: frozenset[str]
    """Watches whose answers lack some store's series."""
    seconds: float


class History:
    """Owns the slots and the detector. Not for concurrent use: one fill, tick, save or load at a time."""

    def __init__(self, client: Client, watches: Sequence[Watch], detector: Callable[[], Detector], clock: Clock,
                 scope: Scope | None = None, blank: Blank | None = None) -> None:
        self._client = client
        self._watches = tuple(watches)
        self._factory = detector
        self._clock = clock
        self._scope = scope or Scope()
        self._blank = blank
        self._slots = Slots(self._scope.shard, self._scope.series)
        self._patience = Patience()
        self._standing: dict[str, SourceError] = {}
        self._apart = 0.0
        self.detector = detector()
        self.last: float | None = None
        """The newest moment that the detector has taken in."""
        self.failures: Counter[tuple[str, str]] = Counter()
        """Failed queries by watch and reason, those of the fill included."""

    @property
    def ids(self) -> tuple[SeriesId, ...]:
        """The series by slot."""
        return self._slots.ids

    @property
    def left_out(self) -> Mapping[str, int]:
        """Series without a slot because of a limit, by watch."""
        return self._slots.left_out

    def due(self) -> float:
        """The moment that can be asked for now: on the grid of the interval, and old enough to be complete."""
        interval = self._scope.interval
        return math.floor((self._clock.now() - self._scope.delay) / interval) * interval

    async def fill(self, progress: Progress | None = None, replayed: Replayed | None = None,
                   replay: float = 0.0) -> Mapping[str, SourceError]:
        """Read the past into a new detector, up to shortly before the moment that is due.

        Returns the watches of which something could not be read.
        The last ``replay`` seconds of it are judged moment by moment, and ``replayed`` is told.

        Raises:
            SourceError: the server answers nothing at all; try again later.
        """
        # A first answer, if only to learn how far the server's clock is from ours.
        first = await reading.ask(self._client, self._watches, self.due(), math.inf)
        if first.errors and not first.values:
            raise next(iter(first.errors.values()))
        self._count(first.errors)
        # What is due now is left to be judged, and the moment before, should a minute have passed meanwhile.
        until = self._there(self.due()) - 2 * self._scope.interval
        self._slots, self.detector = Slots(self._scope.shard, self._scope.series), self._factory()
        reading.place(first, self._watches, self._slots, until)
        broken = {name for name, error in first.errors.items() if isinstance(error, QueryRejected)}
        watches = [watch for watch in self._watches if watch.name not in broken]
        replaying = None if replayed is None else (until - replay, replayed)
        errors = await self._learn(watches, until - self._scope.past, until, progress, replaying)
        self._forget(until)
        self.last = until
        return {**errors, **first.errors}

    async def tick(self, at: float) -> Tick:
        """Read one moment and have it judged. Moments missed since the last tick are learned first, unjudged.

        ``at`` is by our clock; where the server's runs apart, the tick is of the moment that is due there.
        """
        started, interval, at = self._clock.monotonic(), self._scope.interval, self._there(at)
        watches = [watch for watch in self._watches if not self._patience.resting(watch.name)]
        asked = await reading.ask(self._client, watches, at, SHARE * interval)
        self._settle(watches, asked)
        if asked.values and self.last is not None and at - self.last > 1.5 * interval:
            await self._learn(watches, max(self.last, at - interval - self._scope.past), at - interval, None)
            self.last = at - interval
        self._forget(at)
        now = reading.place(asked, watches, self._slots, at)
        self.detector.admit(len(self._slots) - self.detector.size)
        verdicts = None
        if asked.values and (self.last is None or at > self.last):
            verdicts, self.last = self.detector.update(at, now.values), at
        return Tick(at, self._slots.ids, now.values, now.cases, now.known, verdicts, dict(self._standing),
                    asked.partial, self._clock.monotonic() - started)

    def save(self, path: Path) -> None:
        """Write a snapshot; raises OSError when the disk refuses."""
        if self.last is None:
            raise ValueError("there is nothing to save before the first fill or tick")
        state = {_STATE + name: array for name, array in self.detector.state().items()}
        snapshot.write(path, self.definition, self.last, {**self._slots.dump(), **state})

    def load(self, path: Path) -> None:
        """Go on from a snapshot; the next tick learns what happened since.

        Raises:
            SnapshotRefused: the reason why it cannot be used; nothing has changed.
        """
        at, arrays = snapshot.read(path, self.definition, self.due() - self._scope.past / 2)
        if at > self.due() + self._scope.interval:
            raise SnapshotRefused("it is from the future")
        state = {name.removeprefix(_STATE): array for name, array in arrays.items() if name.startswith(_STATE)}
        slots = Slots(self._scope.shard, self._scope.series)
        try:
            slots.load(arrays["ids"], arrays["seen"])
            detector = self._factory().restore(state)
        except (ValueError, LookupError, TypeError) as error:
            raise SnapshotRefused(f"its parts do not fit: {error}") from None
        if detector.size != len(slots):
            raise SnapshotRefused("its parts do not fit: another number of series")
        self._slots, self.detector, self.last = slots, detector, at

    async def _learn(self, watches: Sequence[Watch], after: float, until: float, progress: Progress | None,
                     replaying: tuple[float, Replayed] | None = None) -> dict[str, SourceError]:
        parts = pieces(after, until, self._scope.interval, self._width())
        errors: dict[str, SourceError] = {}
        begun, total = 0, sum(part.count for part in parts)
        for part in parts:
            if progress is not None:
                progress(begun, total)
            values, failed = await reading.piece(self._client, watches, self._slots, part, self._clock)
            self.detector.admit(len(self._slots) - self.detector.size)
            cases = np.broadcast_to(np.nan, values.shape)
            if replaying is not None and part.times[-1] >= replaying[0] and any(watch.denominator for watch in watches):
                cases = await reading.piece_of_cases(self._client, watches, self._slots, part, self._clock)
            if values.size and not np.isnan(values).all():
                for done in self._take(part.times, values, cases, replaying):
                    if progress is not None:
                        progress(begun + done, total)
            begun += part.count
            self._count(failed)
            errors |= failed
        if progress is not None:
            progress(total, total)
        return errors

    def _take(self, times: Floats, values: Floats, cases: Floats,
              replaying: tuple[float, Replayed] | None) -> Iterator[int]:
        """Have the detector learn a piece of the past, and judge what of it is to be replayed; yields how far it is."""
        if self._blank is not None:
            values = np.where(self._blank(self._slots.ids, times), np.nan, values)
        since, told = replaying if replaying is not None else (math.inf, None)
        first = int(np.searchsorted(times, since))
        if first:
            self.detector.learn(times[:first], values[:, :first])
        for column in range(first, times.size):
            if column % _STRETCH == 0:
                yield column
            verdicts = self.detector.update(float(times[column]), values[:, column])
            if told is not None:
                told(float(times[column]), self._slots.ids, values[:, column], verdicts, cases[:, column])

    def _there(self, at: float) -> float:
        """A moment of our clock by the server's, in whole intervals; what the delay makes up for is no difference."""
        skew, interval, slack = self._client.skew, self._scope.interval, self._scope.delay / 2
        low, high = (math.floor((skew + slack + error) / interval) for error in (-_BLUR, _BLUR))
        if abs(skew) < slack - _BLUR:
            self._apart = 0.0
        # On the verge of one interval more or less, it stays as it was.
        elif low == high:
            self._apart = low * interval
        return at + self._apart

    def _width(self) -> int:
        """Series to expect in an answer; at least an eighth of all, since the answers to a piece are held together."""
        largest = max(Counter(one.watch for one in self._slots.ids).values(), default=1)
        return max(largest, len(self._slots) // 8)

    def _forget(self, at: float) -> None:
        """Give up the slots of series that have been away for long."""
        kept = self._slots.seen >= at - self._scope.absence
        if not kept.all():
            self._slots.keep(kept)
            self.detector.keep(kept)

    def _settle(self, watches: Sequence[Watch], asked: reading.Asked) -> None:
        """Note who failed. The error of a watch stands until it is answered again."""
        failed = asked.errors.keys() - asked.values.keys()
        self._patience.note(failed, asked.values)
        self._count(asked.errors)
        names = {watch.name for watch in watches}
        self._standing = {name: error for name, error in self._standing.items() if name not in names} | asked.errors

    def _count(self, errors: Mapping[str, SourceError]) -> None:
        for name, error in errors.items():
            self.failures[name, error.reason] += 1

    @property
    def definition(self) -> str:
        """What a snapshot has to agree with: everything that changes the meaning of a slot's samples."""
        parts = [[watch.name, watch.query, watch.kind, watch.series] for watch in self._watches]
        text = json.dumps([parts, self._scope.interval, self._scope.shard, self._scope.series])
        return hashlib.sha256(text.encode()).hexdigest()

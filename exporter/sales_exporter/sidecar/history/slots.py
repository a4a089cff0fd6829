"""Which series is in which slot of the detector."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.history.answers import Labels
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats

Places = NDArray[np.intp]
Marks = NDArray[np.bool_]

NOWHERE = -1
"""Place of a series that is another shard's, or above a limit."""
_STRANGERS = 20_000
"""Series of a watch that are remembered by their labels, slots of other shards included."""


class Slots:
    """Gives series slots in the order in which they come, as far as shard and limits allow."""

    def __init__(self, shard: tuple[int, int], limit: int) -> None:
        """``shard`` is this process's number, from 1, and how many there are; ``limit`` holds for all series."""
        self._number, self._shards = shard
        self._limit = limit
        self._ids: list[SeriesId] = []
        self._slots: dict[SeriesId, int] = {}
        # As the server writes the labels: most of the time of a tick would else go into sorting them again.
        self._known: dict[str, dict[Labels, int]] = {}
        self._frozen: tuple[SeriesId, ...] | None = None
        self._watches: dict[str, int] = {}
        self._owners: Places = np.empty(0, np.intp)
        self.seen: Floats = np.empty(0)
        """When each series last had a sample."""
        self.left_out: Counter[str] = Counter()
        """Series that have no slot because of a limit, by watch, in its last answer."""

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> tuple[SeriesId, ...]:
        """The series by slot."""
        if self._frozen is None:
            self._frozen = tuple(self._ids)
        return self._frozen

    def of(self, watch: str) -> Marks:
        """Which slots belong to a watch."""
        return np.equal(self._owners, self._watches.get(watch, NOWHERE))

    def place(self, watch: str, limit: int, series: Sequence[Labels]) -> Places:
        """The slots of a watch's series, new ones at the end; ``NOWHERE`` for those that get none."""
        known = self._known.setdefault(watch, {})
        places = [known.get(labels) for labels in series]
        self.left_out.pop(watch, None)
        if None not in places:
            return np.array(places, dtype=np.intp)
        if len(known) > _STRANGERS:
            known.clear()
        room = limit - int(self.of(watch).sum())
        for number, place in enumerate(places):
            if place is None:
                before = len(self._ids)
                places[number] = found = self._find(watch, series[number], room)
                room -= len(self._ids) - before
                if found is not None:
                    known[series[number]] = found
        if None in places:
            self.left_out[watch] = places.count(None)
        new = len(self._ids) - len(self.seen)
        self.seen = np.concatenate([self.seen, np.full(new, -np.inf)])
        self._owners = np.concatenate([self._owners, np.full(new, self._number_of(watch), np.intp)])
        return np.array([NOWHERE if place is None else place for place in places], dtype=np.intp)

    def find(self, watch: str, series: Sequence[Labels]) -> Places:
        """The slots of series as far as they have one; gives none away."""
        known, slots = self._known.get(watch, {}), self._slots
        places = [known[labels] if labels in known else slots.get(SeriesId.of(watch, dict(labels)), NOWHERE)
                  for labels in series]
        return np.array(places, dtype=np.intp)

    def note(self, places: Places, at: float | Floats) -> None:
        """These series have a sample at that moment."""
        self.seen[places] = np.maximum(self.seen[places], at)

    def keep(self, which: Marks) -> None:
        """Drop the slots that are not marked."""
        self._set([one for one, kept in zip(self._ids, which, strict=True) if kept], self.seen[which])

    def dump(self) -> dict[str, NDArray[np.generic]]:
        """What a snapshot holds of it."""
        text = json.dumps([[one.watch, one.labels] for one in self._ids]).encode()
        return {"ids": np.frombuffer(text, dtype=np.uint8), "seen": self.seen}

    def load(self, ids: NDArray[np.uint8], seen: Floats) -> None:
        """Go on from such a snapshot.

        Raises:
            ValueError: it is damaged.
        """
        found = [SeriesId(watch, tuple((name, value) for name, value in labels))
                 for watch, labels in json.loads(ids.tobytes())]
        if len(found) != len(seen) or len(set(found)) != len(found):
            raise ValueError("the list of series is damaged")
        self._set(found, seen)

    def _set(self, ids: list[SeriesId], seen: Floats) -> None:
        self._ids, self.seen, self._frozen = ids, seen, None
        self._slots = {one: number for number, one in enumerate(ids)}
        self._owners = np.array([self._number_of(one.watch) for one in ids], np.intp)
        self._known.clear()

    def _number_of(self, watch: str) -> int:
        return self._watches.setdefault(watch, len(self._watches))

    def _find(self, watch: str, labels: Labels, room: int) -> int | None:
        """The slot of a series, maybe a new one; ``NOWHERE`` for another shard's, None where a limit is reached."""
        wanted = SeriesId.of(watch, dict(labels))
        if wanted in self._slots:
            return self._slots[wanted]
        if wanted.number % self._shards != self._number - 1:
            return NOWHERE
        if room <= 0 or len(self._ids) >= self._limit:
            return None
        self._slots[wanted] = len(self._ids)
        self._ids.append(wanted)
        self._frozen = None
        return len(self._ids) - 1

"""What is still to happen, and the rows of what has happened."""

from __future__ import annotations

import heapq
import itertools
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

Row = dict[str, object]
Action = Callable[["Batch"], None]


class Batch:
    """Rows by relation that are written in one transaction. ``deal_moves`` is no relation but updates of deals."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = defaultdict(list)

    def add(self, relation: str, **row: object) -> None:
        """Add one row."""
        self.rows[relation].append(row)

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))


class Agenda:
    """Actions with the moment (epoch seconds) at which each is due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Action]] = []
        self._number = itertools.count()

    def add(self, when: float, what: Action) -> None:
        """Do ``what`` at ``when``; of two at one moment the one that was added first comes first."""
        heapq.heappush(self._heap, (when, next(self._number), what))

    def run(self, until: float, batch: Batch) -> None:
        """Do everything that is due before ``until``, also what is added meanwhile."""
        while self._heap and self._heap[0][0] < until:
            heapq.heappop(self._heap)[2](batch)

    def __len__(self) -> int:
        return len(self._heap)


def moment(seconds: float) -> datetime:
    """Epoch seconds as the driver wants them."""
    return datetime.fromtimestamp(seconds, UTC)


def names(letter: str) -> Iterator[str]:
    """Endless ids that no other writer or run makes; those of one writer sort in their order."""
    run = secrets.token_hex(6)
    return (f"{letter}-{run}-{number:09d}" for number in itertools.count())

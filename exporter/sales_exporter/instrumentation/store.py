"""Where the numbers of one process live: a row of numbers for each series, changed in place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol
from weakref import WeakSet

from sales_exporter.model import Distribution, Metric, Sample


class Cell(Protocol):
    """The numbers of one series. A counter or a gauge has one; a histogram a count for each bucket, then the sum.

    ``cell[i] += x`` with ``i`` computed before is never torn between threads: the interpreter does not change over
    between reading and writing an item.
    """

    def __getitem__(self, place: int, /) -> float:
        """One number."""
        ...

    def __setitem__(self, place: int, value: float, /) -> None:
        """Change one number."""
        ...


class Store(Protocol):
    """Hands out the cell of each series, and tells all series at a scrape."""

    def cell(self, metric: Metric, labels: tuple[str, ...]) -> Cell:
        """The cell of one series of this process, made of zeros when it is new. Not called twice for one series."""
        ...

    def rows(self) -> Iterator[tuple[Metric, tuple[str, ...], Sequence[float]]]:
        """Every series with its numbers; of all processes where several share the store."""
        ...

    def extra(self) -> Iterator[Sample]:
        """What the store tells of itself, such as damaged files."""
        ...

    def on_reset(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the cells handed out so far are no longer this process's: it was forked.

        Whoever keeps cells forgets them then, and asks again.
        """
        ...


class LocalStore:
    """The series of one process, in memory. A forked child begins with none: its parent's are the parent's."""

    def __init__(self) -> None:
        self._rows: list[tuple[Metric, tuple[str, ...], list[float]]] = []
        self._callbacks: list[Callable[[], None]] = []
        _stores.add(self)

    def cell(self, metric: Metric, labels: tuple[str, ...]) -> Cell:
        """As the protocol says."""
        found = [0.0] * width(metric)
        self._rows.append((metric, labels, found))
        return found

    def rows(self) -> Iterator[tuple[Metric, tuple[str, ...], Sequence[float]]]:
        """As the protocol says."""
        return iter(tuple(self._rows))

    def extra(self) -> Iterator[Sample]:
        """Nothing."""
        return iter(())

    def on_reset(self, callback: Callable[[], None]) -> None:
        """As the protocol says; whoever holds a lock makes a new one then, for a thread of the parent's may hold it."""
        self._callbacks.append(callback)

    def after_fork(self) -> None:
        """In the child: begin anew."""
        self._rows = []
        for callback in self._callbacks:
            callback()


_stores: WeakSet[LocalStore] = WeakSet()


def _after_fork() -> None:
    for store in tuple(_stores):
        store.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def width(metric: Metric) -> int:
    """How many numbers a series of the metric has."""
    return len(metric.bounds) + 2 if metric.kind == "histogram" else 1


def sample(metric: Metric, labels: tuple[str, ...], numbers: Sequence[float]) -> Sample:
    """The sample of one row."""
    if metric.kind != "histogram":
        return Sample(metric, labels, numbers[0])
    return Sample(metric, labels, Distribution(tuple(map(int, numbers[:-1])), numbers[-1]))


def samples(store: Store) -> list[Sample]:
    """All samples of a store, the series of one metric together."""
    groups: dict[str, list[Sample]] = {}
    for metric, labels, numbers in store.rows():
        groups.setdefault(metric.name, []).append(sample(metric, labels, numbers))
    return [*chain.from_iterable(groups.values()), *store.extra()]

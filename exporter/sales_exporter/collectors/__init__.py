"""Collectors: one file is one subsystem, from its SQL to its samples.

A module in this package that holds a subclass of Collector is found by itself; nothing else registers it.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from sales_exporter.config import Business
from sales_exporter.ledger.state import Folding
from sales_exporter.ledger.view import View
from sales_exporter.model import Metric, Sample

Row = dict[str, Any]
"""One row of a query: column name to value, as psycopg adapts it (numeric is Decimal, timestamptz is datetime)."""


class Reader(Protocol):
    """Reads one consistent snapshot of the source: all fetches of a pass see the same rows."""

    async def fetch(self, sql: str, /, **parameters: object) -> list[Row]:
        """Rows of one statement; parameters are ``%(name)s``.

        Raises:
            SourceError: unavailable, over the deadline, over the row budget, or outside the contract.
        """
        ...

    async def relations(self) -> frozenset[str]:
        """Names of the contract's relations that exist and may be read."""
        ...


@runtime_checkable
class Folds(Protocol):
    """What folds the values of one label; a collector that keeps one in an attribute has it counted."""

    label: str
    overflow: int


@dataclass(frozen=True, slots=True)
class Pass:
    """How the last passes of one collector went; what the self collector reports."""

    interval: float
    success: bool | None = None
    """None before the first pass, and while a relation that the collector needs is absent."""
    reason: str = ""
    detail: str = ""
    duration: float = 0.0
    last_success: float | None = None
    skipped: int = 0
    series: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How the webhook intake does. Counts run since the start of the process."""

    events: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By source and result."""
    written: Mapping[str, int] = field(default_factory=dict)
    """Rows by relation."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Failed writes by reason."""
    waiting: int = 0
    bytes: int = 0
    limit: int = 0
    """Events that may wait at most."""
    dead_letters: int | None = None
    """None before the database told."""
    oldest: float | None = None
    """When the event came that waits longest, in epoch seconds."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a pass may use. ``now`` is the moment of evaluation (epoch seconds): the clock's, or the replay's."""

    now: float
    db: Reader
    business: Business
    ledger: View = field(default_factory=View)
    folding: Folding = field(default_factory=Folding)
    relations: frozenset[str] = frozenset()
    dear: float | None = None
    """Seconds for which what is dear to compute is kept whatever has changed; set where a whole past is evaluated."""
    passes: Mapping[str, Pass] = field(default_factory=dict)
    wall: float = 0.0
    replay: bool = False
    overflow: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    dips: int = 0
    reload: tuple[bool, float] = (True, 0.0)
    arrivals: Arrivals | None = None
    """None when there is no intake."""


class Collector(ABC):
    """One subsystem. Instances may keep state between passes (top-k hysteresis), never global state."""

    name: ClassVar[str]
    interval: ClassVar[float] = 60.0
    metrics: ClassVar[tuple[Metric, ...]]
    reads: ClassVar[tuple[str, ...]] = ()
    """Relations without which this collector is switched off, visibly."""
    folds: ClassVar[tuple[str, ...]] = ()
    """Sources of the ledger whose cells it reads; until they are filled it waits, visibly."""
    always_folds: ClassVar[bool] = False
    """Whether the ledger is folded before a pass though it waits for no source."""
    after_others: ClassVar[bool] = False
    """Whether the first pass waits for the first passes of the others: a report on them would be empty before."""

    @property
    def overflow(self) -> Mapping[str, int]:
        """Running count, by label, of values that this collector folded into ``(other)``."""
        folds = [value for value in vars(self).values() if isinstance(value, Folds)]
        return {label: sum(fold.overflow for fold in folds if fold.label == label) for label in
                {fold.label for fold in folds}}

    @abstractmethod
    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """All samples of one pass."""


def discover() -> dict[str, type[Collector]]:
    """Every collector of this package by name, sorted."""
    found: dict[str, type[Collector]] = {}
    for module in _modules():
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Collector) and value.__module__ == module.__name__:
                found[value.name] = value
    return dict(sorted(found.items()))


def _modules() -> Iterator[Any]:
    for info in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{info.name}")

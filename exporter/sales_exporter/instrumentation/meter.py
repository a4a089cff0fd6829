"""Families of series with a bound on how many there are, and a guard: an application never pays for our mistakes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from threading import Lock

from sales_exporter.instrumentation.store import Cell, LocalStore, Store, samples
from sales_exporter.model import Distribution, Exemplar, Metric, Sample, counter

log = logging.getLogger(__name__)

OTHER, UNKNOWN = "(other)", "unknown"
SERIES_LIMIT = 1000
"""Label sets of one metric by default."""

ERRORS = counter(
    "instrumentation_errors_total", "Surprises within the instrumentation, by the place where they came up. The "
    "application was left alone each time, and the label that could not be made is unknown.", "where")
OVERFLOW = counter(
    "instrumentation_label_overflow_total", "Observations that went to the label value (other), because the metric "
    "has as many label sets as it may have.", "metric")


class Family:
    """The series of one metric. Those beyond the limit share the value ``(other)`` of the labels that fold."""

    def __init__(self, store: Store, metric: Metric, folds: Iterable[str], limit: int) -> None:
        self.metric = metric
        self._store = store
        self._limit = limit
        self._overflow: Cell | None = None
        self._folds = tuple(metric.labels.index(label) for label in folds)
        self._cells: dict[tuple[str, ...], Cell] = {}
        self._busy = Lock()

    def cell(self, *labels: str) -> Cell:
        """The cell of a label set; one that is shared, and counted, when there are too many."""
        found = self._cells.get(labels)
        return found if found is not None else self._fresh(labels)

    def has(self, *labels: str) -> bool:
        """Whether the label set has, or may still get, a cell of its own: whether it may be kept."""
        return labels in self._cells or len(self._cells) < self._limit

    def forget(self) -> None:
        """Let go of all cells: the process was forked, and they are its parent's."""
        self._cells, self._overflow, self._busy = {}, None, Lock()

    def _fresh(self, labels: tuple[str, ...]) -> Cell:
        with self._busy:
            if self._overflow is None:
                # Not before a series is needed: a store of several workers is made before they are forked.
                self._overflow = self._store.cell(OVERFLOW, (self.metric.name,))
            if labels not in self._cells and len(self._cells) >= self._limit:
                self._overflow[0] += 1
                # An empty value says that something did not happen, and goes on to say so: no error stays no error.
                labels = tuple(OTHER if value and i in self._folds else value for i, value in enumerate(labels))
            found = self._cells.get(labels)
            if found is None:
                # Checks the labels: too long and unprintable values are mended here, once.
                clean = self.metric.labelled(labels)
                found = self._cells[labels] = self._store.cell(self.metric, clean)
            return found


class Meter:
    """All families of one application. Safe to use from any thread."""

    def __init__(self, store: Store | None = None, limit: int = SERIES_LIMIT) -> None:
        self.store = store or LocalStore()
        self._limit = limit
        self._families: dict[str, Family] = {}
        self._exemplars: dict[tuple[str, tuple[str, ...]], dict[int, Exemplar]] = {}
        self._told: set[str] = set()
        self._busy = Lock()
        self.store.on_reset(self._forget)

    def family(self, metric: Metric, *folds: str) -> Family:
        """The family of a metric; ``folds`` are the labels that become ``(other)`` above the limit."""
        with self._busy:
            found = self._families.get(metric.name)
            if found is None:
                found = self._families[metric.name] = Family(self.store, metric, folds, self._limit)
            return found

    def failed(self, where: str, error: BaseException) -> None:
        """Count a surprise; the first one of each place is logged. ``where`` is a word of ours. Never raises."""
        try:
            if where not in self._told:
                self._told.add(where)
                log.warning("instrumentation failed in %s: %s", where, type(error).__name__)
            self.family(ERRORS).cell(where)[0] += 1
        except Exception:
            # Not even that works: the log has said it.
            return

    def exemplify(self, metric: Metric, labels: tuple[str, ...], bucket: int, exemplar: Exemplar) -> None:
        """Show an exemplar with a bucket of a histogram, until the next one."""
        self._exemplars.setdefault((metric.name, labels), {})[bucket] = exemplar

    def samples(self) -> list[Sample]:
        """What a scrape shows."""
        found = samples(self.store)
        if self._exemplars:
            found = [self.exemplified(one) for one in found]
        return found

    def exemplified(self, sample: Sample) -> Sample:
        """A sample with the exemplars that are known of it."""
        known = self._exemplars.get((sample.metric.name, sample.labels))
        if known is None or not isinstance(sample.value, Distribution):
            return sample
        shown = tuple(known.get(bucket) for bucket in range(len(sample.value.counts)))
        return sample._replace(value=replace(sample.value, exemplars=shown))

    def _forget(self) -> None:
        self._busy, self._exemplars = Lock(), {}
        for family in self._families.values():
            family.forget()

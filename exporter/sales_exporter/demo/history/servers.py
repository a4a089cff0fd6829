"""The made-up past of servers about themselves: what real ones say on two pages, carried back.

A total rises with the load by what it rose between the two pages, a gauge stays what it was, and a moment is always
now. So names, labels and relations between numbers are the servers' own; only the course of time is invented.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from sales_exporter.collectors import discover, exporter, source
from sales_exporter.demo.history.faults import Fault, Floats, factor, of_kind
from sales_exporter.runtime.past import NOT_EVALUATED
from sales_exporter.stats.special import ndtr

BY, EVERY = "webhook", 900.0
"""The integration that sends notices, and the mean seconds between two of them. Invented, as are the next two."""
SECONDS, SIGMA = 0.12, 0.6
"""Median seconds that a notice is under way, and the deviation of their logarithm."""
PASS = 0.05
"""Seconds that a pass of a collector takes. Invented."""
_LATENCY = "alertmanager_notification_latency_seconds"
_BOUND = re.compile(r'le="([^"]+)"')
_CLOCKS = ("_timestamp_seconds", "_last_evaluation_timestamp_seconds")
_TOTALS = ("counter", "histogram", "summary")


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a page: two readings, and whether it only rises."""

    name: str
    labels: Mapping[str, str]
    first: float
    second: float
    rising: bool

    @property
    def key(self) -> str:
        """Name and labels, as a page has them."""
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in self.labels.items())
        return f"{self.name}{{{labels}}}"


@dataclass(frozen=True, slots=True)
class Page:
    """What one server said, twice."""

    lines: tuple[Line, ...]
    seconds: float
    """Between the two readings."""

    @classmethod
    def of(cls, first: str, second: str, seconds: float) -> Page:
        """From two pages in Prometheus' text format. A series that is new on the second one is taken as constant."""
        before = {(name, tuple(sorted(labels.items()))): value for name, labels, value, _ in _samples(first)}
        return cls(tuple(
            Line(name, labels, before.get((name, tuple(sorted(labels.items()))), value), value, rising)
            for name, labels, value, rising in _samples(second)), seconds)

    def only(self, wanted: Callable[[str], bool]) -> Page:
        """The series with such names."""
        return Page(tuple(line for line in self.lines if wanted(line.name)), self.seconds)

    def past(self, when: Floats, load: Floats) -> dict[str, Floats]:
        """The values at each moment by ``name{labels}``; ``load`` has the mean 1."""
        step = float(when[1] - when[0])
        grown = np.cumsum(load) * step / self.seconds
        return {line.key: _course(line, when, grown) for line in self.lines}


def own(name: str) -> bool:
    """Whether a series of the exporter's page is about the exporter, its source or its ledger."""
    return name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") not in _business()


def without_source(found: dict[str, Floats], when: Floats, faults: Sequence[Fault]) -> dict[str, Floats]:
    """The exporter's own numbers, with the times in which PostgreSQL did not answer it."""
    for fault in of_kind(faults, "source_lost"):
        at = fault.at(when)
        for key, values in found.items():
            name = key.partition("{")[0]
            if name in (source.UP.name, exporter.SUCCESS.name) and _reads_source(key):
                found[key] = np.where(at, 0.0, values)
            elif name == exporter.LAST.name and _reads_source(key):
                found[key] = np.where(at, min(fault.start, float(values[-1])), values)
    return found


def notified(found: dict[str, Floats], when: Floats, faults: Sequence[Fault], rng: np.random.Generator
             ) -> dict[str, Floats]:
    """Alertmanager's numbers with notices by the integration ``BY``, as the one whose pages were read sent none.

    Poisson numbers of them, log-normally long under way; in a fault one more each minute, of which a share fails.
    """
    step = float(when[1] - when[0])
    faulty = [fault for fault in of_kind(faults, "notifications_failing") if fault.subject == BY]
    share = factor(faulty, "notifications_failing", when, 0.0)
    sent = rng.poisson(step / EVERY, len(when)) + np.round((share > 0) * step / 60)
    totals = {"alertmanager_notifications_total": sent, "alertmanager_notification_requests_total": sent,
              "alertmanager_notifications_failed_total": np.floor(sent * share),
              "alertmanager_notification_requests_failed_total": np.floor(sent * share),
              f"{_LATENCY}_count": sent, f"{_LATENCY}_sum": sent * SECONDS * np.exp(SIGMA**2 / 2)}
    changed = {}
    for key, values in found.items():
        name, _, labels = key.partition("{")
        bound = _BOUND.search(labels)
        more = totals.get(name)
        if bound and name == f"{_LATENCY}_bucket":
            more = sent * ndtr(np.log(max(float(bound[1]), 1e-9) / SECONDS) / SIGMA)
        changed[key] = values if more is None or f'integration="{BY}"' not in labels else values + np.cumsum(more)
    return changed


def _reads_source(key: str) -> bool:
    return not any(f'collector="{name}"' in key for name in ("system", "exporter", "ledger", "source"))


def _business() -> frozenset[str]:
    return frozenset(metric.name for name, kind in discover().items() if name not in NOT_EVALUATED - {"system"}
                     for metric in kind.metrics if not metric.name.startswith("process_"))


def _course(line: Line, when: Floats, grown: Floats) -> Floats:
    if line.rising:
        rise = (line.second - line.first) * grown
        whole = line.first.is_integer() and line.second.is_integer()
        return np.asarray(line.second + (np.floor(rise) if whole else rise))
    if line.name == exporter.DURATION.name:
        # What two looks during a start say of it is how busy the machine was.
        return np.full(len(when), PASS)
    if line.name.endswith(_CLOCKS):
        return when.copy()
    return np.full(len(when), line.second)


def _samples(page: str) -> Iterator[tuple[str, Mapping[str, str], float, bool]]:
    """Name, labels, value, and whether it only rises. Quantiles of summaries, which may be NaN, are left out."""
    for family in text_string_to_metric_families(page):
        for one in family.samples:
            total = family.type in _TOTALS and not one.name.endswith("_created")
            if "quantile" not in one.labels and not one.name.endswith("_created"):
                yield one.name, one.labels, float(one.value), total


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

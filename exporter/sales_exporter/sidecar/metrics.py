"""What the sidecar says about itself, and which findings stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sales_exporter.model import Sample, counter, gauge

LAST_TICK = gauge("sales_sidecar_last_tick_timestamp_seconds", "The moment that the last good tick judged.")
TICK_SECONDS = gauge("sales_sidecar_tick_duration_seconds", "Length of the last tick, queries included.")
INTERVAL = gauge("sales_sidecar_tick_interval_seconds", "Seconds between two ticks.")
TICKS = counter("sales_sidecar_ticks_total", "Ticks, by how they went: ok, partial (a watch's query failed), failed.",
                "result")
SERIES = gauge("sales_sidecar_series", "Watched series: judged, still learning, or refused because of a limit.",
               "state")
QUERIES = counter("sales_sidecar_query_failures_total", "Queries of watches that failed, by reason.", "watch", "reason")
HISTORY = gauge("sales_sidecar_history_ratio", "Share of the past that is read, from 0 to 1; 1 when judging goes on.")
RESTARTS = counter("sales_sidecar_worker_restarts_total", "Times that the judging process was started anew.")
PUSH = gauge("sales_sidecar_push", "1 when the sidecar pushes alerts, 0 when rules over its metrics raise them.")
SNAPSHOT = gauge("sales_sidecar_snapshot_timestamp_seconds", "When the state was last written to disk.")
FINDING = gauge("sales_finding_active", "1 while a finding stands: an anomaly, drift, advice to retrain, or a capacity "
                "that runs out. The labels are those of the alert.",
                "kind", "severity", "team", "category", "service", "entity", "watch")

RESULTS = ("ok", "partial", "failed")


@dataclass(frozen=True, slots=True)
class State:
    """What there is to say. Times are epoch seconds; None: not yet."""

    interval: float
    push: bool
    last_tick: float | None = None
    seconds: float = 0.0
    history: float = 0.0
    ticks: Mapping[str, int] = field(default_factory=dict)
    series: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    restarts: int = 0
    snapshot: float | None = None


def samples(state: State) -> Iterator[Sample]:
    """The state as samples."""
    yield INTERVAL(state.interval)
    yield PUSH(float(state.push))
    yield HISTORY(state.history)
    yield RESTARTS(state.restarts)
    yield from (TICKS(state.ticks.get(result, 0), result=result) for result in RESULTS)
    yield from (SERIES(count, state=name) for name, count in state.series.items())
    yield from (QUERIES(count, watch=watch, reason=reason) for (watch, reason), count in state.failures.items())
    if state.last_tick is not None:
        yield LAST_TICK(state.last_tick)
        yield TICK_SECONDS(state.seconds)
    if state.snapshot is not None:
        yield SNAPSHOT(state.snapshot)

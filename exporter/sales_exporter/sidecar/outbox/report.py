"""The outbox about itself, as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sales_exporter.model import Sample, counter, gauge
from sales_exporter.sidecar.outbox.book import Queue
from sales_exporter.sidecar.outbox.sink import REASONS
from sales_exporter.sidecar.store import STATES, State

FAILURES = counter("sales_alert_push_failures_total", "Requests that an Alertmanager did not answer or take "
                   "(unreachable, timeout, throttled, server, internal), and alerts that it refused (invalid, "
                   "unauthorized, client, redirect).", "alertmanager", "reason")
PENDING = gauge("sales_outbox_pending_alerts", "Alerts, or ends of alerts, that an Alertmanager has not taken yet.",
                "alertmanager")
PARKED = gauge("sales_outbox_parked_alerts", "Alerts that an Alertmanager refused; they are tried again every ten "
               "minutes.", "alertmanager")
OLDEST = gauge("sales_outbox_oldest_pending_seconds", "Age of the oldest that is pending; 0 when nothing is.",
               "alertmanager")
OPEN = gauge("sales_outbox_open_alerts", "Alerts that last.")
DROPPED = counter("sales_outbox_dropped_alerts_total", "Alerts forgotten because more were held than may be, by "
                  "whether they were over (resolved) or not (open).", "state")
STORAGE = gauge("sales_outbox_storage_state", "1 for where alerts are kept: disk; reserve (on disk, but the space held "
                "in reserve is gone); memory (the disk refuses: a restart loses them); none (no folder is set).",
                "state")
SET_ASIDE = counter("sales_outbox_files_set_aside_total", "Damaged or foreign files that were put aside.")

METRICS = (FAILURES, PENDING, PARKED, OLDEST, OPEN, DROPPED, STORAGE, SET_ASIDE)


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say. ``queues`` and ``failures`` are by the Alertmanager's host and port."""

    queues: Mapping[str, Queue]
    failures: Mapping[str, Mapping[str, int]]
    open: int
    dropped: Mapping[str, int]
    storage: State
    set_aside: int


def of(facts: Facts, now: float) -> Iterator[Sample]:
    """Samples of the outbox at a moment, in epoch seconds."""
    for name, queue in facts.queues.items():
        yield PENDING(queue.pending, alertmanager=name)
        yield PARKED(queue.parked, alertmanager=name)
        yield OLDEST(0.0 if queue.oldest is None else max(0.0, now - queue.oldest), alertmanager=name)
    for name, reasons in facts.failures.items():
        for reason in REASONS:
            yield FAILURES(reasons.get(reason, 0), alertmanager=name, reason=reason)
    yield OPEN(facts.open)
    for state in ("open", "resolved"):
        yield DROPPED(facts.dropped.get(state, 0), state=state)
    for place in STATES:
        yield STORAGE(float(place == facts.storage), state=place)
    yield SET_ASIDE(facts.set_aside)

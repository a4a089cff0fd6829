"""The desk's notices about themselves, as metrics."""

from __future__ import annotations

from collections.abc import Iterator

from sales_exporter.model import Sample, counter, gauge
from sales_exporter.sidecar.desk.notices import Facts
from sales_exporter.sidecar.outbox.sink import REASONS
from sales_exporter.sidecar.store import STATES

PENDING = gauge("sales_notice_pending", "Notices of the alert desk that a receiver has not taken yet.", "receiver")
PARKED = gauge("sales_notice_parked", "Notices that a receiver refused; they are tried again every ten minutes for a "
               "day.", "receiver")
OLDEST = gauge("sales_notice_oldest_pending_seconds", "Age of the oldest notice that a receiver has not taken; 0 when "
               "there is none.", "receiver")
SENT = counter("sales_notice_sent_total", "Notices that a receiver has taken.", "receiver")
FAILURES = counter("sales_notice_failures_total", "Attempts that a receiver did not answer or take, by reason.",
                   "receiver", "reason")
DROPPED = counter("sales_notice_dropped_total", "Notices that a receiver was never told of: more were held than may "
                  "be, or they were refused for a day.", "receiver")
STORAGE = gauge("sales_notice_storage_state", "1 for where notices are kept: disk; reserve (on disk, but the space "
                "held in reserve is gone); memory (the disk refuses: a restart loses them); none (no folder is set).",
                "state")
SET_ASIDE = counter("sales_notice_files_set_aside_total", "Damaged or foreign files that were put aside.")

METRICS = (PENDING, PARKED, OLDEST, SENT, FAILURES, DROPPED, STORAGE, SET_ASIDE)


def of(facts: Facts, now: float) -> Iterator[Sample]:
    """Samples of what there is to report; ``now`` in epoch seconds."""
    for name, queue in facts.queues.items():
        yield PENDING(queue.pending, receiver=name)
        yield PARKED(queue.parked, receiver=name)
        yield OLDEST(max(0.0, now - queue.oldest) if queue.oldest is not None else 0.0, receiver=name)
        yield SENT(facts.sent[name], receiver=name)
        yield DROPPED(facts.dropped[name], receiver=name)
        for reason in REASONS:
            yield FAILURES(facts.failures[name].get(reason, 0), receiver=name, reason=reason)
    for state in STATES:
        yield STORAGE(float(state == facts.state), state=state)
    yield SET_ASIDE(facts.set_aside)

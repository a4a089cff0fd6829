"""The alert desk about alerts and itself, as metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sales_exporter.model import Distribution, Sample, counter, gauge, histogram
from sales_exporter.sidecar.desk.model import Case, Event
from sales_exporter.sidecar.desk.record import Record
from sales_exporter.sidecar.store import STATES, State

BOUNDS = (60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0, 604_800.0)
"""Seconds, from a minute to a week."""

ACTIVE = gauge("sales_alert_active", "Alerts that are not over, by what people have done about them: firing (nobody "
               "has it), acknowledged, snoozed.", "severity", "team", "state")
ACKNOWLEDGED = gauge("sales_alert_acknowledged", "Alerts that somebody has, by the labels that alerts have in common.",
                     "alertname", "severity", "team", "service", "entity")
SINCE = gauge("sales_alert_started_timestamp_seconds", "When an alert that is not over began. Its page on the alert "
              "desk is /alerts/ and its fingerprint.",
              "fingerprint", "alertname", "severity", "team", "service", "entity", "state")
INFO = gauge("sales_desk_info", "1, with the address of the alert desk's pages as people open them.", "url")
TO_ACK = histogram("sales_alert_time_to_ack_seconds", "From the moment that the desk saw an alert until somebody had "
                   "it.", "severity", bounds=BOUNDS)
TO_RESOLVE = histogram("sales_alert_time_to_resolve_seconds", "From the moment that the desk saw an alert until it "
                       "was over, or was closed by hand.", "severity", bounds=BOUNDS)
ESCALATIONS = counter("sales_alert_escalations_total", "Steps of the escalation policy that were taken, by the "
                      "severity that the alert had.", "severity")
UP = gauge("sales_desk_alertmanager_up", "Whether an Alertmanager answered the desk the last time.", "alertmanager")
POLLS = counter("sales_desk_poll_failures_total", "Looks at an Alertmanager that failed.", "alertmanager", "reason")
ORDERS = counter("sales_desk_silence_failures_total", "Silences that an Alertmanager did not make or end when it was "
                 "asked to; they are tried again.", "alertmanager")
STORAGE = gauge("sales_desk_storage_state", "1 for where cases and history are kept: disk; reserve (on disk, but the "
                "space held in reserve is gone); memory (the disk refuses: a restart loses them); none (no folder is "
                "set).", "state")
SET_ASIDE = counter("sales_desk_files_set_aside_total", "Damaged or foreign files that were put aside.")

_OPEN = ("firing", "acknowledged", "snoozed")


@dataclass(slots=True)
class _Lengths:
    """Lengths of time, by bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def shown(self) -> Distribution:
        return Distribution(tuple(self.counts), self.total)


@dataclass(slots=True)
class Tally:
    """Counts what happens, from the start of the process on."""

    to_ack: dict[str, _Lengths] = field(default_factory=dict)
    to_resolve: dict[str, _Lengths] = field(default_factory=dict)
    escalations: Counter[str] = field(default_factory=Counter)

    def count(self, events: Iterable[Event], records: Mapping[str, Record]) -> None:
        """Take in events that have just happened."""
        for event in events:
            record, severity = records.get(event.fingerprint), event.labels.get("severity", "")
            if event.kind == "escalated":
                self.escalations[severity] += 1
            elif record is None or record.case.starts_at != event.starts_at:
                continue
            elif event.kind == "acknowledged" and record.case.acknowledged_at == event.at:
                self.to_ack.setdefault(severity, _Lengths()).add(event.at - record.seen_at)
            elif event.kind == "closed" or (event.kind == "resolved" and not record.closed):
                self.to_resolve.setdefault(severity, _Lengths()).add(event.at - record.seen_at)


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say; by the Alertmanager's host and port where there is a mapping."""

    cases: tuple[Case, ...]
    tally: Tally
    up: Mapping[str, bool]
    polls_failed: Mapping[str, Mapping[str, int]]
    orders_failed: Mapping[str, int]
    storage: State
    set_aside: int


def samples(facts: Facts, url: str) -> Iterator[Sample]:
    """Samples of the desk at this moment; ``url`` is where people open its pages."""
    yield INFO(1, url=url)
    yield from _alerts(facts.cases)
    for severity, lengths in facts.tally.to_ack.items():
        yield TO_ACK(lengths.shown(), severity=severity)
    for severity, lengths in facts.tally.to_resolve.items():
        yield TO_RESOLVE(lengths.shown(), severity=severity)
    for severity in sorted({"critical", "warning", *facts.tally.escalations}):
        yield ESCALATIONS(facts.tally.escalations[severity], severity=severity)
    for name, up in facts.up.items():
        yield UP(float(up), alertmanager=name)
        yield ORDERS(facts.orders_failed.get(name, 0), alertmanager=name)
        for reason, count in facts.polls_failed.get(name, {}).items():
            yield POLLS(count, alertmanager=name, reason=reason)
    for place in STATES:
        yield STORAGE(float(place == facts.storage), state=place)
    yield SET_ASIDE(facts.set_aside)


def _alerts(cases: Iterable[Case]) -> Iterator[Sample]:
    places, taken = Counter[tuple[str, str, str]](), Counter[tuple[str, ...]]()
    for case in cases:
        team = case.labels.get("team", "")
        service, entity = case.labels.get("service", ""), case.labels.get("entity", "")
        yield SINCE(case.starts_at, fingerprint=case.fingerprint, alertname=case.alertname, severity=case.severity,
                    team=team, service=service, entity=entity, state=case.state)
        places.update({(case.severity, team, state): 0 for state in _OPEN})
        places[case.severity, team, case.state] += 1
        if case.state == "acknowledged":
            taken[case.alertname, case.severity, team, service, entity] += 1
    for (severity, team, state), count in places.items():
        yield ACTIVE(count, severity=severity, team=team, state=state)
    for labels, count in taken.items():
        yield ACKNOWLEDGED(count, **dict(zip(ACKNOWLEDGED.labels, labels, strict=True)))

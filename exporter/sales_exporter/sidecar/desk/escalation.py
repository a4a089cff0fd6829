"""Escalation of one alert: when the next step is due, what it changes, and the copy that Alertmanager gets. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from sales_exporter.sidecar.desk.model import Case, Event, Notice
from sales_exporter.sidecar.desk.notice import notice
from sales_exporter.sidecar.desk.policy import Policy, Step
from sales_exporter.sidecar.desk.record import Record
from sales_exporter.sidecar.desk.seen import ORIGIN
from sales_exporter.sidecar.outbox.alert import CUT, LABELS, Alert

WORDS = "escalation"
"""Annotation of a copy that says why it is there."""
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_URL = re.compile(r"(https?://|/)[!-~]*\Z")


def clocked(policy: Policy, record: Record, now: float) -> Record:
    """The record with its clock started or stopped as its state asks for, and the moment of its next step."""
    if not record.waits:
        record = replace(record, waiting_since=None, repeat_at=None)
        # A mute by other alerts only stops the clock: copies and steps stay until somebody has it.
        if record.case.step and (record.case.state != "firing" or record.case.silenced):
            record = replace(record, turn=record.turn + 1, repeats=0).with_case(step=0)
    elif record.waiting_since is None:
        record = replace(record, waiting_since=now)
    due = _next(policy, record)
    return record if due == record.case.next_step_at else record.with_case(next_step_at=due)


def step(policy: Policy, record: Record, now: float) -> tuple[Record, list[Event], list[Notice]]:
    """Take the next step, or repeat the last one, if its time has come; one of them, at most."""
    case = record.case
    times = [at for at in (case.next_step_at, record.repeat_at) if at is not None]
    rule = policy.rule(case.labels) if times and min(times) <= now else None
    if rule is None or not record.waits:
        return record, [], []
    if case.next_step_at is not None and case.next_step_at <= now:
        taken = rule.steps[case.step]
        record = replace(record, repeats=0, repeat_at=now + taken.repeat if taken.repeat is not None else None,
                         told=tuple(dict.fromkeys((*record.told, *taken.notify)))).with_case(step=case.step + 1)
        record = record.with_case(next_step_at=_next(policy, record))
        words = f"step {case.step + 1} of {rule.name}: {_words(taken)}"
        event = Event(now, case.fingerprint, "escalated", rule.name, "policy", words, case.labels, case.starts_at)
        return record, [event], _notices(record, taken, now)
    if record.repeat_at is not None and record.repeat_at <= now and 0 < case.step <= len(rule.steps):
        last = rule.steps[case.step - 1]
        record = replace(record, repeats=record.repeats + 1,
                         repeat_at=now + last.repeat if last.repeat is not None else None)
        return record, [], _notices(record, last, now)
    return record, [], []


def copy(policy: Policy, record: Record) -> Alert | None:
    """The alert as the steps that were taken want it told: with their severity and team; None before the first."""
    case, rule = record.case, policy.rule(record.case.labels)
    taken = rule.steps[:case.step] if rule is not None and record.shown else ()
    if not any(one.copies for one in taken):
        return None
    number = max(index for index, one in enumerate(taken, start=1) if one.copies)
    labels: dict[str, Any] = {name: case.labels.get(name, "") for name in LABELS}
    # Alertmanager takes alerts without a name, the outbox does not.
    labels |= {"alertname": case.alertname or "(none)", "entity": _entity(case), "escalation": str(number),
               "severity": case.severity or "warning"}
    for one in taken:
        labels |= {"severity": one.raise_severity_to or labels["severity"], "team": one.team or labels["team"]}
    since = record.waiting_since if record.waiting_since is not None else case.starts_at
    annotations = {name: text for name, text in case.annotations.items() if _NAME.match(name)}
    annotations |= {ORIGIN: case.fingerprint, WORDS: f"Nobody has acknowledged this {_severity(case)} alert of team "
                                                     f"{case.labels.get('team', '') or '(none)'} in time."}
    return Alert(**labels, starts_at=since, annotations=annotations,
                 generator_url=case.generator_url if _URL.match(case.generator_url) else "")


def ended(copied: Alert, case: Case | None) -> Alert:
    """A copy with the words that its end is told with: it may end though the alert does not."""
    if case is None or case.state == "resolved":
        words = "The alert is over."
    elif case.state == "acknowledged":
        words = f"{case.acknowledged_by or 'Somebody'} has acknowledged the alert, which lasts."
    else:
        words = "Escalation has ended; the alert lasts."
    return replace(copied, annotations={**copied.annotations, WORDS: words})


def _next(policy: Policy, record: Record) -> float | None:
    rule = policy.rule(record.case.labels)
    if rule is None or record.waiting_since is None or record.case.step >= len(rule.steps):
        return None
    return policy.due(rule.steps[record.case.step], record.waiting_since)


def _notices(record: Record, taken: Step, now: float) -> list[Notice]:
    if not taken.notify:
        return []
    case = record.case
    words = f"Nobody has acknowledged {case.alertname}, step {case.step} of its escalation."
    return [notice("escalated", record, now, words, step=case.step, to=taken.notify)]


def _words(taken: Step) -> str:
    parts = [f"severity {taken.raise_severity_to}" if taken.raise_severity_to is not None else "",
             f"team {taken.team}" if taken.team is not None else "",
             f"told {', '.join(taken.notify)}" if taken.notify else ""]
    return ", ".join(part for part in parts if part)


def _entity(case: Case) -> str:
    """What the alert is about: its entity, and the labels that only rules give."""
    more = ", ".join(f"{name}={text}" for name, text in sorted(case.labels.items()) if name not in LABELS)
    text = ", ".join(part for part in (case.labels.get("entity", ""), more) if part)
    # Two alerts must not become one because a long text is cut.
    return text if len(text) <= CUT else f"{text[:CUT - 20]}… {case.fingerprint}"


def _severity(case: Case) -> str:
    return case.severity or "unclassified"

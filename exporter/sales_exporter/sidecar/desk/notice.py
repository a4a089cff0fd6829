"""Notices that the desk owes people: their keys, which survive a restart, and which ends have to be told."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from sales_exporter.sidecar.desk.model import Notice
from sales_exporter.sidecar.desk.record import Record


def notice(kind: Literal["resolved", "escalated", "woken"], record: Record, now: float, text: str, step: int = 0,
           to: tuple[str, ...] = ()) -> Notice:
    """A notice about a record as it is. Made again from the same record after a crash, it has the same key."""
    case = record.case
    said = json.dumps([case.fingerprint, round(case.starts_at * 1000), kind, step, record.turn, record.repeats])
    return Notice(hashlib.sha256(said.encode()).hexdigest(), kind, case, now, text, step, to)


def muted_at_the_end(record: Record) -> bool:
    """Whether people know of an alert whose end Alertmanager tells nobody, since a silence mutes it.

    Whoever acted on it knows of it. The silence of somebody else may have been there before the alert.
    """
    return record.muting is not None or (record.heard and record.case.silenced)

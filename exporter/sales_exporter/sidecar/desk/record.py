"""What the desk keeps of one alert: its case, and what nobody but the desk needs to know. As text, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from sales_exporter.sidecar.desk.model import Case

PAST = 16
"""Ids of past silences that are remembered."""
Muting = Literal["acknowledged", "snoozed", "closed"]
"""Why a silence of ours stands."""


@dataclass(frozen=True, slots=True)
class Record:
    """One alert, open or over. Times are epoch seconds."""

    case: Case
    begun: float
    """Its start as the Alertmanagers show it: one that restarts may name a later one for the same firing."""
    seen_at: float
    """When the desk saw it first."""
    shown: bool = True
    """Whether it lasts, whatever people have said about it."""
    closed: bool = False
    """Resolved by hand, though it lasts."""
    heard: bool = False
    """Whether it was shown and nothing muted it: somebody may have been told, and waits for the end."""
    told: tuple[str, ...] = ()
    """Receivers of the desk that escalation told."""
    waiting_since: float | None = None
    """Since when nobody has it and nothing mutes it: the clock of escalation."""
    turn: int = 0
    """Grows with every action, so that what is told after it is not taken for a repetition."""
    repeats: int = 0
    """How often the last step was repeated."""
    repeat_at: float | None = None
    muted_by: str = ""
    """Who acknowledged, snoozed or closed it, and the words: what the silence says."""
    words: str = ""
    silences: tuple[str, ...] = ()
    """Ids of silences of ours that should stand."""
    past: tuple[str, ...] = ()
    """Ids of those that should not, any more: news of their end may take a while to come round."""
    silence_ends: float | None = None
    """The end that we gave to ours last; one that ended earlier was ended by somebody."""
    asked_at: float | None = None
    """When a silence was last asked for: another Alertmanager gets a moment to hear of it."""
    foreign: str = ""
    """Id of a silence of somebody else that mutes it."""
    held_since: float | None = None
    """Since when a finding that was resolved by hand is not raised again, since it still stands."""

    @property
    def muting(self) -> Muting | None:
        """Why a silence of ours should stand; None when none should."""
        if not self.shown:
            return None
        if self.closed:
            return "closed"
        return self.case.state if self.case.state in ("acknowledged", "snoozed") else None

    @property
    def waits(self) -> bool:
        """Whether the clock of escalation runs: it lasts, nobody has it, and nothing mutes it."""
        return (self.shown and self.case.state == "firing" and not self.case.silenced and not self.case.inhibited)

    def without_silences(self) -> Record:
        """The same with all silences past."""
        return replace(self, silences=(), past=(*self.past, *self.silences)[-PAST:], silence_ends=None, asked_at=None)

    def with_case(self, **changed: Any) -> Record:
        """The same with other fields of the case."""
        return replace(self, case=replace(self.case, **changed))


_CASE = {one.name for one in fields(Case)}
_OWN = {one.name for one in fields(Record)} - {"case"}


def written(record: Record) -> str:
    """A record as JSON."""
    case = {name: getattr(record.case, name) for name in _CASE}
    case |= {"labels": dict(record.case.labels), "annotations": dict(record.case.annotations)}
    return json.dumps({"case": case, **{name: getattr(record, name) for name in _OWN}})


def read(text: str) -> Record:
    """A record from its JSON. Fields that this version does not know are left out, those that lack are as usual.

    Raises:
        ValueError: it is none.
    """
    try:
        tree = json.loads(text)
        case = {name: _plain(value) for name, value in tree.pop("case").items() if name in _CASE}
        return Record(Case(**case), **{name: _plain(value) for name, value in tree.items() if name in _OWN})
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("no record of ours") from error


def _plain(value: object) -> Any:
    return tuple(value) if isinstance(value, list) else dict(value) if isinstance(value, Mapping) else value

"""Which alerts are open, what each Alertmanager has been told of them, and what it is to be told next. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sales_exporter.sidecar.outbox.alert import Alert

BOUND = 10_000
"""Alerts held at most; above it those that are over go first, the oldest before the others."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long things are said, in seconds."""

    interval: float = 30.0
    """Between two sends of an alert that lasts."""
    resolved_for: float = 900.0
    """For so long is a resolve repeated after its first acceptance."""
    parked_for: float = 600.0
    """After so long is an alert that was refused tried again."""

    @property
    def horizon(self) -> float:
        """How far in the future the end of a firing alert lies: Prometheus' own rule."""
        return 4 * self.interval

    @property
    def hold(self) -> float:
        """How long an alert that was over before its acceptance is shown as firing: longer than the group_wait."""
        return 2 * self.interval


USUAL = Timing()


@dataclass(slots=True)
class Told:
    """What one Alertmanager has been told of an alert. Epoch seconds, but for ``parked_until``, which is monotonic."""

    starts_at: float
    accepted_at: float | None = None
    resolved_at: float | None = None
    parked_until: float | None = None
    fresh: bool = True
    """There is news that does not wait for the next round."""


@dataclass(slots=True)
class Entry:
    """One alert. ``stored`` once it is kept as well as it can be; before that nothing is sent."""

    alert: Alert
    told: dict[str, Told]
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """One alert on its way to one Alertmanager: the entry as it was, and the alert as it is sent."""

    entry: Entry
    of: Alert
    alert: Alert
    resolved: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """How much one Alertmanager is still to be told."""

    pending: int
    parked: int
    oldest: float | None
    """Start of the oldest alert, or end of the oldest resolve, that is pending; epoch seconds."""


@dataclass(slots=True)
class Book:
    """All alerts by fingerprint. Nothing here waits or writes; each change answers what has to be kept anew."""

    targets: Sequence[str]
    timing: Timing = USUAL
    bound: int = BOUND
    entries: dict[str, Entry] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def restore(self, entries: Iterable[Entry]) -> None:
        """Take in what a file held and this book does not. A target that is new hears of what still lasts."""
        for entry in entries:
            known = {name: told for name, told in entry.told.items() if name in self.targets}
            if entry.alert.ends_at is None:
                known |= {name: Told(entry.alert.starts_at) for name in self.targets if name not in known}
            entry.told, entry.stored = known, True
            self.entries.setdefault(entry.alert.fingerprint, entry)

    def open_alerts(self) -> list[Alert]:
        """Alerts that last."""
        return [entry.alert for entry in self.entries.values() if entry.alert.ends_at is None]

    def raise_(self, alerts: Iterable[Alert], now: float) -> list[Entry]:
        """Open alerts, or renew the words of open ones. The earliest start is kept. An open alert that differs in
        severity only ends now. Returns what changed.
        """
        changed: dict[int, Entry] = {}
        subjects = {entry.alert.subject: entry for entry in self.entries.values() if entry.alert.ends_at is None}
        for alert in alerts:
            new = alert.lasting(min(alert.starts_at, now), None)
            before = subjects.get(new.subject)
            if before is not None and before.alert.fingerprint != new.fingerprint:
                _end(before, now, now)
                changed[id(before)] = before
            entry = self._opened(new)
            subjects[new.subject] = entry
            if not entry.stored:
                changed[id(entry)] = entry
        return list(changed.values())

    def resolve(self, fingerprints: Iterable[str], at: float, now: float) -> list[Entry]:
        """End open alerts. Those that are unknown or over stay as they are. Returns what changed."""
        found = [self.entries[name] for name in dict.fromkeys(fingerprints) if name in self.entries]
        lasting = [entry for entry in found if entry.alert.ends_at is None]
        for entry in lasting:
            _end(entry, at, now)
        return lasting

    def due(self, target: str, now: float, monotonic: float, everything: bool) -> list[Entry]:
        """What to tell a target now: news, and with ``everything`` whatever is repeated. What it has never heard of
        comes first, so that a new severity is there before the old one goes.
        """
        found = []
        for entry in self.entries.values():
            told = entry.told.get(target)
            if (entry.stored and told is not None and (everything or told.fresh) and not self._done(entry, told, now)
                    and (told.parked_until is None or told.parked_until <= monotonic)):
                found.append((told.accepted_at is not None, entry))
        return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]

    def parcel(self, entry: Entry, target: str, now: float) -> Parcel:
        """An alert as a target is to be told of it at this moment."""
        told, alert = entry.told[target], entry.alert
        if alert.ends_at is None or self._held(told, alert.ends_at, now):
            return Parcel(entry, alert, alert.lasting(told.starts_at, now + self.timing.horizon), False)
        # Never in the future, whatever the clock did: that would be firing.
        end = max(told.starts_at, min(alert.ends_at, now))
        return Parcel(entry, alert, alert.lasting(told.starts_at, end), True)

    def accepted(self, target: str, parcels: Iterable[Parcel], now: float) -> list[Entry]:
        """Note what a target has taken. Returns what changed; what was taken before does not."""
        changed = []
        for parcel in parcels:
            told = parcel.entry.told[target]
            told.parked_until = None
            # What changed on the way is still news.
            told.fresh &= parcel.entry.alert is not parcel.of
            if told.starts_at != parcel.alert.starts_at:
                continue
            heard, over = told.accepted_at is not None, parcel.entry.alert.ends_at is not None
            if parcel.resolved and heard and over and told.resolved_at is None:
                told.resolved_at = now
                changed.append(parcel.entry)
            elif not parcel.resolved and not heard:
                told.accepted_at = now
                changed.append(parcel.entry)
        return changed

    def parked(self, target: str, parcels: Iterable[Parcel], monotonic: float) -> None:
        """Set aside what a target has refused."""
        for parcel in parcels:
            told = parcel.entry.told[target]
            told.parked_until, told.fresh = monotonic + self.timing.parked_for, False

    def forget(self, now: float) -> list[str]:
        """Drop what every target knows to be over, and what is above the bound. Returns the fingerprints."""
        over = [name for name, entry in self.entries.items()
                if entry.alert.ends_at is not None and all(self._done(entry, one, now) for one in entry.told.values())]
        for name in over:
            del self.entries[name]
        surplus = len(self.entries) - self.bound
        if surplus > 0:
            gone = sorted(self.entries, key=lambda name: _worth(self.entries[name]))[:surplus]
            for name in gone:
                self.dropped["open" if self.entries.pop(name).alert.ends_at is None else "resolved"] += 1
            over += gone
        return over

    def queue(self, target: str, now: float) -> Queue:
        """How much a target is still to be told."""
        waiting, parked = [], 0
        for entry, told in self._of(target):
            if told.parked_until is not None and not self._done(entry, told, now):
                parked += 1
            elif told.accepted_at is None or (entry.alert.ends_at is not None and told.resolved_at is None):
                end = entry.alert.ends_at
                waiting.append(told.starts_at if told.accepted_at is None or end is None else end)
        return Queue(len(waiting), parked, min(waiting, default=None))

    def _of(self, target: str) -> Iterator[tuple[Entry, Told]]:
        return ((entry, entry.told[target]) for entry in self.entries.values() if target in entry.told)

    def _opened(self, alert: Alert) -> Entry:
        """The entry of an alert that is raised, renewed, or raised again after its end."""
        entry = self.entries.get(alert.fingerprint)
        if entry is None:
            entry = Entry(alert, {name: Told(alert.starts_at) for name in self.targets})
            self.entries[alert.fingerprint] = entry
            return entry
        if entry.alert.ends_at is None:
            renewed = alert.lasting(min(alert.starts_at, entry.alert.starts_at), None)
            if renewed != entry.alert:
                for told in entry.told.values():
                    told.starts_at = min(told.starts_at, renewed.starts_at)
                entry.alert, entry.stored = renewed, False
            return entry
        # Whoever has not heard of the last time hears of both as one; for the others this is a new alert.
        unheard = {name: told.starts_at for name, told in entry.told.items() if told.accepted_at is None}
        entry.told = {name: Told(min(unheard.get(name, alert.starts_at), alert.starts_at)) for name in self.targets}
        entry.alert, entry.stored = alert, False
        return entry

    def _held(self, told: Told, end: float, now: float) -> bool:
        """Whether an alert that is over is still shown as firing, since the target had not heard of it in time."""
        if told.accepted_at is None:
            return True
        return told.accepted_at >= end and 0 <= now - told.accepted_at < self.timing.hold

    def _done(self, entry: Entry, told: Told, now: float) -> bool:
        """Whether nothing is left to be told."""
        end = entry.alert.ends_at
        if end is None:
            return False
        # Distance, not order: a clock that was set back must not repeat a resolve for a day.
        since = told.resolved_at if told.resolved_at is not None else end if told.parked_until is not None else now
        return abs(now - since) >= self.timing.resolved_for


def _end(entry: Entry, at: float, now: float) -> None:
    start = entry.alert.starts_at
    entry.alert, entry.stored = entry.alert.lasting(start, max(start, min(at, now))), False
    for told in entry.told.values():
        told.fresh = True


def _worth(entry: Entry) -> tuple[bool, bool, float]:
    """Order of dropping: what everybody knows to be over, what is over, what lasts; the oldest first."""
    end = entry.alert.ends_at
    known: Collection[Told] = [one for one in entry.told.values() if one.resolved_at is None]
    return (end is None, bool(known), end if end is not None else entry.alert.starts_at)

"""Which messages wait for which receiver, and which have arrived. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from sales_exporter.sidecar.desk.message import Message
from sales_exporter.sidecar.store import Form, Row, sealed, unsealed

BOUND = 2_000
"""Letters held at most; above it those that have arrived go first, the oldest before the others."""
PARKED_FOR = 600.0
"""Seconds after which a letter that was refused is tried again."""
GIVEN_UP_AFTER = 86_400.0
"""Seconds for which one that is refused is tried at all."""


@dataclass(slots=True)
class Letter:
    """One message to one receiver. ``stored`` once it is kept as well as it can be; before that it is not sent."""

    receiver: str
    message: Message
    added_at: float
    known_for: float
    """Seconds from ``added_at`` for which a repetition is known to be one."""
    number: int = 0
    """Its place in the order in which letters came."""
    sent_at: float | None = None
    parked_until: float | None = None
    """Monotonic; forgotten at a restart."""
    stored: bool = False

    @property
    def name(self) -> str:
        """Of all letters, only a repetition has the same."""
        return f"{self.receiver}/{self.message.key}"


@dataclass(frozen=True, slots=True)
class Queue:
    """What one receiver is still to be told: how many, how many of them it refused, and since when (epoch seconds)."""

    pending: int
    parked: int
    oldest: float | None


@dataclass(slots=True)
class Letters:
    """All letters by name, in the order in which they came. Each change answers what has to be kept anew."""

    receivers: Sequence[str]
    bound: int = BOUND
    entries: dict[str, Letter] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    """By receiver: above the bound, or refused for too long."""
    last: int = 0
    """Number of the newest letter."""

    def restore(self, letters: Iterable[Letter]) -> None:
        """Take in what a file held and this book does not. Those to receivers that are gone are left out."""
        for letter in sorted(letters, key=lambda one: one.number):
            if letter.receiver in self.receivers:
                letter.stored = True
                self.entries.setdefault(letter.name, letter)
                self.last = max(self.last, letter.number)

    def add(self, receiver: str, message: Message, now: float, known_for: float) -> Letter | None:
        """A letter for a receiver; None when it is known already."""
        letter = Letter(receiver, message, now, known_for, self.last + 1)
        before = self.entries.get(letter.name)
        if before is not None and not _forgettable(before, now):
            return None
        self.last = letter.number
        self.entries.pop(letter.name, None)
        self.entries[letter.name] = letter
        return letter

    def next(self, receiver: str, monotonic: float) -> Letter | None:
        """The oldest that can be sent now."""
        return next((one for one in self._waiting(receiver)
                     if one.stored and (one.parked_until is None or one.parked_until <= monotonic)), None)

    def wait(self, receiver: str, monotonic: float) -> float:
        """Seconds after which to look again without any news."""
        parked = [one.parked_until for one in self._waiting(receiver) if one.parked_until is not None]
        return max(0.0, min(parked, default=monotonic + PARKED_FOR) - monotonic)

    def refused(self, letter: Letter, now: float, monotonic: float) -> None:
        """Set one aside, or give it up when that has gone on for too long."""
        letter.parked_until = monotonic + PARKED_FOR
        # Distance, not order: the clock may have been set back.
        if abs(now - letter.added_at) >= GIVEN_UP_AFTER and self.entries.pop(letter.name, None) is not None:
            self.dropped[letter.receiver] += 1

    def forget(self, now: float) -> list[str]:
        """Drop what has arrived and will not be repeated, and what is above the bound. Returns the names."""
        gone = [name for name, letter in self.entries.items() if _forgettable(letter, now)]
        for name in gone:
            del self.entries[name]
        surplus = len(self.entries) - self.bound
        if surplus > 0:
            # Stable: of equals the oldest.
            for letter in sorted(self.entries.values(), key=lambda one: one.sent_at is None)[:surplus]:
                del self.entries[letter.name]
                self.dropped[letter.receiver] += letter.sent_at is None
                gone.append(letter.name)
        return gone

    def forget_strangers(self) -> list[str]:
        """Drop letters to receivers that are gone. Returns the names."""
        gone = [name for name, letter in self.entries.items() if letter.receiver not in self.receivers]
        for name in gone:
            del self.entries[name]
        return gone

    def queue(self, receiver: str) -> Queue:
        """What a receiver is still to be told."""
        waiting = self._waiting(receiver)
        parked = sum(one.parked_until is not None for one in waiting)
        return Queue(len(waiting) - parked, parked, min((one.added_at for one in waiting), default=None))

    def _waiting(self, receiver: str) -> list[Letter]:
        return [one for one in self.entries.values() if one.receiver == receiver and one.sent_at is None]


def _forgettable(letter: Letter, now: float) -> bool:
    return letter.sent_at is not None and abs(now - letter.added_at) >= letter.known_for


def written(letter: Letter) -> Row:
    """A letter as text, but for what a restart may forget."""
    text = json.dumps({"receiver": letter.receiver, "message": asdict(letter.message), "added_at": letter.added_at,
                       "known_for": letter.known_for, "number": letter.number, "sent_at": letter.sent_at})
    return sealed(letter.name, text)


def read(row: tuple[object, ...]) -> Letter:
    """A letter from its row.

    Raises:
        ValueError: it is not what was written.
    """
    name, text = unsealed(row)
    try:
        fields = json.loads(text)
        message = fields.pop("message")
        letter = Letter(message=Message(**{**message, "lines": tuple(message["lines"])}), **fields, stored=True)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("no letter of ours") from error
    if letter.name != name:
        raise ValueError("another letter's name")
    return letter


LETTERS: Form[Letter] = Form("notices", "letters", written, read, reserved=1 << 20)

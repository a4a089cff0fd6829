"""Months of alerts that come, change, go and come back, with Alertmanagers that are away and restarts between."""

from __future__ import annotations

import random

import pytest

from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.outbox.book import Book, Timing
from sales_exporter.sidecar.outbox.rows import read, written
from tests.sidecar.outbox.receiving import NOW, alert

pytestmark = pytest.mark.slow

TARGETS = ("one:9093", "two:9093", "three:9093")
TIMING = Timing()
NAMES = ("A0", "A1", "A2", "A3")


class Shown:
    """One Alertmanager, as its API behaves, and what was raised since it was last told of anything."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.unheard: set[tuple[str, str]] = set()

    def take(self, told: Alert, now: float) -> None:
        assert told.ends_at is not None
        assert told.starts_at <= min(told.ends_at, now)
        if told.ends_at > now:
            self.alerts[told.fingerprint] = told
        else:
            # A resolve of what it does not know is ignored.
            self.alerts.pop(told.fingerprint, None)

    def firing(self, now: float) -> set[tuple[str, str]]:
        return {(one.alertname, one.severity) for one in self.alerts.values() if (one.ends_at or 0) > now}


class World:
    """The outbox's book with what is true, and Alertmanagers that come and go."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = NOW
        self.book = Book(TARGETS, TIMING)
        self.servers = {name: Shown() for name in TARGETS}
        self.away: set[str] = set()
        self.true: dict[str, str] = {}

    def step(self) -> None:
        """Something happens, and half a minute passes."""
        name = self.chance.choice(NAMES)
        event = self.chance.random()
        if event < 0.3:
            severity = self.chance.choice(["warning", "critical"])
            self._stored(self.book.raise_([alert(name, severity, self.now - self.chance.uniform(-5, 60))], self.now))
            if self.true.get(name) != severity:
                for server in self.servers.values():
                    server.unheard.add((name, severity))
            self.true[name] = severity
        elif event < 0.55 and name in self.true:
            over = alert(name, self.true.pop(name)).fingerprint
            self._stored(self.book.resolve([over], self.now - self.chance.uniform(-5, 60), self.now))
        elif event < 0.65:
            self.away ^= {self.chance.choice(TARGETS)}
        elif event < 0.7:
            entries = [read(written(entry)) for entry in self.book.entries.values()]
            self.book = Book(TARGETS, TIMING)
            self.book.restore(entries)
        self.round()

    def round(self) -> None:
        """A round to all who are there."""
        for target in set(TARGETS) - self.away:
            for entry in self.book.due(target, self.now, self.now, everything=True):
                parcel = self.book.parcel(entry, target, self.now)
                before = self.servers[target].firing(self.now)
                self.servers[target].take(parcel.alert, self.now)
                self.book.accepted(target, [parcel], self.now)
                # Whatever is true and was shown in any form stays shown in some form.
                subjects = {name for name, _ in self.servers[target].firing(self.now)}
                assert {name for name, _ in before} & set(self.true) <= subjects
            # Over by now or not: it is shown to each as firing.
            assert self.servers[target].unheard <= self.servers[target].firing(self.now)
            self.servers[target].unheard.clear()
        self.book.forget(self.now)
        self.now += TIMING.interval

    def _stored(self, entries: list) -> None:
        for entry in entries:
            entry.stored = True


@pytest.mark.parametrize("seed", range(12))
def test_every_alert_is_shown_by_everyone_and_in_the_end_only_what_is_true(seed: int) -> None:
    world = World(seed)
    for _ in range(500):
        world.step()
    assert {(one.alertname, one.severity) for one in world.book.open_alerts()} == set(world.true.items())
    world.away = set()
    for _ in range(4):
        world.round()
    for server in world.servers.values():
        assert server.firing(world.now) == set(world.true.items())
    for _ in range(40):
        world.round()
    assert {entry.alert.alertname for entry in world.book.entries.values()} == set(world.true)

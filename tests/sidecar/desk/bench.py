"""Alertmanagers that are only told of, and a book that looks at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sales_exporter.sidecar.desk.book import Book
from sales_exporter.sidecar.desk.model import Acknowledge, Action, Actor, Case, Event, Notice
from sales_exporter.sidecar.desk.outcome import Outcome
from sales_exporter.sidecar.desk.policy import Document, Policy
from sales_exporter.sidecar.desk.seen import Poll, Seen, Silence, merged
from sales_exporter.sidecar.desk.silences import Expire, Order, Put
from sales_exporter.sidecar.outbox import Alert
from sales_exporter.sidecar.outbox.identity import fingerprint

NOW = 1_700_000_000.0
"""A Tuesday, 22:13:20 in UTC."""
HOUR = 3_600.0
BOB, EVE = Actor("bob", "page"), Actor("eve", "cli")
LABELS = {"alertname": "SalesLeadsFell", "severity": "critical", "team": "sales-ops", "service": "leads"}
LEADS = fingerprint(LABELS)
ACK = Acknowledge("on it")
EMPTY = Policy(Document(), "UTC")


def policy(*steps: Mapping[str, object], **matchers: str) -> Policy:
    """One rule with these steps."""
    return Policy(Document.model_validate({"policies": [{"name": "usual", "matchers": matchers, "steps": steps}]}),
                  "UTC")


def seen(starts_at: float = NOW, labels: Mapping[str, str] = LABELS, **fields: object) -> Seen:
    """An alert as an Alertmanager shows it."""
    return replace(Seen(dict(labels), {"summary": "Leads fell."}, starts_at), **fields)  # type: ignore[arg-type]


@dataclass
class Alertmanager:
    """What one shows; silences that it was asked for stand at once."""

    alerts: list[Seen] = field(default_factory=list)
    silences: dict[str, Silence] = field(default_factory=dict)
    started_at: float = NOW - HOUR
    answers: bool = True


@dataclass
class Bench:
    """A book, the Alertmanagers that it sees, and all that came of it."""

    policy: Policy = EMPTY
    now: float = NOW
    servers: dict[str, Alertmanager] = field(default_factory=lambda: {"one:9093": Alertmanager()})
    pushed: list[Alert] = field(default_factory=list)
    clustered: bool = True
    events: list[Event] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.book = Book(self.policy)

    @property
    def server(self) -> Alertmanager:
        """The first one."""
        return next(iter(self.servers.values()))

    @property
    def case(self) -> Case:
        """The case of the usual alert."""
        return self.book.records[LEADS].case

    @property
    def kinds(self) -> list[str]:
        """What has happened so far."""
        return [event.kind for event in self.events]

    @property
    def standing(self) -> list[tuple[str, float]]:
        """Comment and seconds left of each silence that stands at the first server."""
        return [(one.comment, one.ends_at - self.now) for one in self.server.silences.values()
                if one.state == "active" and one.ends_at > self.now]

    def fires(self, **fields: object) -> None:
        """All servers show the usual alert."""
        for server in self.servers.values():
            server.alerts = [seen(**fields)]  # type: ignore[arg-type]

    def ends(self) -> None:
        """No server shows an alert."""
        for server in self.servers.values():
            server.alerts = []

    def restart(self) -> None:
        """Another process goes on with what was kept."""
        self.book = Book(self.policy, self.book.records.values())

    def look(self, seconds: float = 5.0) -> None:
        """So much later, look, and do what follows."""
        self.now += seconds
        polls = [self._poll(name, server) for name, server in self.servers.items() if server.answers]
        silent = [name for name, server in self.servers.items() if not server.answers]
        sight = merged(polls, self.pushed, self.now, silent)
        self.took(self.book.observe(sight, self.now))
        self.took(self.book.due(self.now))
        for order in self.book.orders(sight, self.now):
            self.orders.append(order)
            self._carry_out(order)

    def act(self, action: Action, by: Actor = BOB) -> None:
        """Somebody does something with the usual alert."""
        self.took(self.book.act(LEADS, action, by, self.now))

    def took(self, out: Outcome) -> None:
        """Note what came of it."""
        self.events += out.events
        self.notices += out.notices

    def _poll(self, name: str, server: Alertmanager) -> Poll:
        for one in server.silences.values():
            if one.ends_at <= self.now:
                server.silences[one.id] = replace(one, state="expired")
        muting = {one.id: one.fingerprint for one in server.silences.values() if one.state == "active"}
        shown = {fingerprint(one.labels): one for one in server.alerts}
        shown = {key: replace(one, instances=frozenset({name}), silenced_by=one.silenced_by | {
                     silence for silence, of in muting.items() if of == key})
                 for key, one in shown.items()}
        return Poll(name, server.started_at, shown, tuple(server.silences.values()))

    def _carry_out(self, order: Order) -> None:
        to = [server for name, server in self.servers.items()
              if name == order.instance or (self.clustered and server.answers)]
        if isinstance(order, Expire):
            for server in to:
                server.silences[order.id] = replace(server.silences[order.id], state="expired", ends_at=self.now)
            self.took(self.book.done(order, order.id, self.now))
            return
        name = order.id or f"silence-{len(self.orders)}"
        made = silence(name, order, self.now)
        for server in to:
            before = server.silences.get(name)
            server.silences[name] = made if before is None else replace(
                made, starts_at=before.starts_at, began=before.began)
        self.took(self.book.done(order, name, self.now))


def silence(name: str, order: Put, now: float) -> Silence:
    """What an order makes."""
    return Silence(name, "active", order.fingerprint, f"at {now}", now, order.ends_at, order.by, order.comment)


def foreign(id_: str = "theirs", fingerprint: str = "", comment: str = "maintenance") -> Silence:
    """A silence of somebody else, which stands for an hour."""
    return Silence(id_, "active", fingerprint, "then", NOW, NOW + HOUR, "carol", comment)

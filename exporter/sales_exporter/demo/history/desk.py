"""What the real alert desk would have shown of alerts of the past, with somebody on call who takes some of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from sales_exporter.demo.history.faults import Floats
from sales_exporter.rules.firing import Episode
from sales_exporter.rules.replay import Outcome, Span
from sales_exporter.runtime.blocks import Series, columns
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.sidecar.desk import metrics
from sales_exporter.sidecar.desk.book import Book
from sales_exporter.sidecar.desk.model import Acknowledge, Actor, Case
from sales_exporter.sidecar.desk.outcome import Outcome as Done
from sales_exporter.sidecar.desk.policy import load
from sales_exporter.sidecar.desk.seen import HEARTBEAT, Seen, Sight
from sales_exporter.sidecar.outbox.identity import fingerprint

AT, URL = "alertmanager:9093", "http://127.0.0.1:18881"
TAKEN, AFTER = 0.6, 900.0
"""Share of the alerts that somebody takes, and how long that takes on average, in seconds."""


def shown(outcomes: Iterable[Outcome], span: Span, seed: int) -> list[Series]:
    """Every series that the desk would have published at each moment of the span."""
    firings, rng = list(_firings(outcomes)), np.random.default_rng(seed)
    patience = [rng.exponential(AFTER) if rng.random() < TAKEN else np.inf for _ in firings]
    book, tally, renderer = Book(load(None, (), "UTC", ())), metrics.Tally(), Renderer()
    grid = span.grid(0)
    found: dict[str, Floats] = {}
    for place in range(grid.count):
        now = grid.at(place)
        there = [(one, wait) for one, wait in zip(firings, patience, strict=True) if _fires(one, now)]
        sight = Sight({name: seen for (name, seen, _), _ in there}, settled=frozenset({AT}), silences={AT: ()})
        done = [book.observe(sight, now), book.due(now)]
        done += [book.act(name, Acknowledge(), Actor("on call", "page"), now) for (name, seen, _), wait in there
                 if now - seen.starts_at >= wait and book.records[name].case.state == "firing"]
        _count(tally, book, done)
        for key, value in renderer.values(tuple(metrics.samples(_facts(book.cases(), tally), URL))).items():
            found.setdefault(key, np.full(grid.count, np.nan))[place] = value
    return columns(found, round(span.step))


Firing = tuple[str, Seen, float | None]
"""Fingerprint, what Alertmanager shows, and when it was over."""


def _firings(outcomes: Iterable[Outcome]) -> Iterator[Firing]:
    for outcome in outcomes:
        for one in outcome.fired:
            labels = {**dict(one.labels), "alertname": outcome.alert.name}
            if one.fired is not None and outcome.alert.name != HEARTBEAT:
                yield fingerprint(labels), _seen(labels, one, one.fired), one.until


def _seen(labels: dict[str, str], one: Episode, began: float) -> Seen:
    return Seen(labels, {}, began, receivers=(labels.get("team", ""),), instances=frozenset({AT}))


def _fires(firing: Firing, now: float) -> bool:
    _, seen, until = firing
    return seen.starts_at <= now and (until is None or now < until)


def _count(tally: metrics.Tally, book: Book, done: Iterable[Done]) -> None:
    for one in done:
        tally.count(one.events, book.records)


def _facts(cases: list[Case], tally: metrics.Tally) -> metrics.Facts:
    return metrics.Facts(tuple(cases), tally, {AT: True}, {}, {}, "disk", 0)

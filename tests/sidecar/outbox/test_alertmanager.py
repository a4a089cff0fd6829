"""What the sink makes of each answer, against a server on loopback."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sales_exporter.demo.postgres import free_port
from sales_exporter.sidecar.outbox import Alert, Alertmanager
from sales_exporter.sidecar.outbox.sink import Delivered, Outcome, Rejected, Retry
from tests.sidecar.outbox.receiving import NOW, alert, receiver
from tests.support.clocks import FakeClock

pytestmark = pytest.mark.process

ALERTS = [alert(f"A{number}").lasting(NOW, NOW + 120) for number in range(8)]
ALL = frozenset(range(8))


@contextlib.asynccontextmanager
async def sink(address: str, **settings: float) -> AsyncIterator[Alertmanager]:
    found = Alertmanager(address, aiohttp.ClientSession, FakeClock(NOW), **settings)
    try:
        yield found
    finally:
        await found.close()


async def answered(status: int, alerts: list[Alert] = ALERTS, **headers: str) -> tuple[Outcome, int]:
    """The outcome of one send to a server that always answers so, and how often it was asked."""
    asked: Counter[str] = Counter()

    def answer(request: web.Request, body: Any) -> web.Response:
        asked[request.path] += 1
        return web.Response(status=status, headers={name.replace("_", "-"): text for name, text in headers.items()})

    async with receiver(answer) as address, sink(address) as one:
        outcome = await one.send(alerts)
    return outcome, asked.total()


@pytest.mark.parametrize(("status", "headers", "outcome"), [
    (200, {}, Delivered()),
    (202, {}, Delivered()),
    (429, {}, Retry("throttled")),
    (429, {"Retry_After": "17"}, Retry("throttled", 17.0)),
    (503, {"Retry_After": formatdate(NOW + 25, usegmt=True)}, Retry("server", 25.0)),
    (503, {"Retry_After": formatdate(NOW - 25, usegmt=True)}, Retry("server", 0.0)),
    (503, {"Retry_After": "99999999"}, Retry("server", 3600.0)),
    (503, {"Retry_After": "soon"}, Retry("server")),
    (503, {"Retry_After": "-5"}, Retry("server")),
    (408, {}, Retry("timeout")),
    (425, {}, Retry("throttled")),
    (500, {}, Retry("server")),
    (502, {}, Retry("server")),
    (504, {}, Retry("server")),
    (401, {}, Rejected(ALL, "unauthorized")),
    (403, {}, Rejected(ALL, "unauthorized")),
    (404, {}, Rejected(ALL, "client")),
    (405, {}, Rejected(ALL, "client")),
    (410, {}, Rejected(ALL, "client")),
    (302, {"Location": "/api/v2/alerts"}, Rejected(ALL, "redirect")),
    (307, {"Location": "/api/v2/alerts"}, Rejected(ALL, "redirect")),
])
async def test_r25_each_answer_has_its_outcome_after_one_request(
    status: int, headers: dict[str, str], outcome: Outcome
) -> None:
    assert await answered(status, **headers) == (outcome, 1)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_r25_an_alert_that_is_refused_alone_is_rejected(status: int) -> None:
    assert await answered(status, ALERTS[:1]) == (Rejected(frozenset({0}), "invalid"), 1)


@pytest.mark.parametrize("bad", [set(), {3}, {0, 7}, {4, 5, 6}, set(range(8))])
async def test_r25_of_a_batch_that_is_refused_only_the_bad_ones_stay_behind(bad: set[int]) -> None:
    taken: set[str] = set()

    def answer(request: web.Request, body: list[dict[str, Any]]) -> web.Response:
        # As Alertmanager does: the good ones are stored, and the answer is 400 all the same.
        names = {one["labels"]["alertname"] for one in body}
        wrong = names & {f"A{number}" for number in bad}
        taken.update(names - wrong)
        return web.Response(status=400 if wrong else 200)

    async with receiver(answer) as address, sink(address) as one:
        outcome = await one.send(ALERTS)
    assert outcome == (Rejected(frozenset(bad), "invalid") if bad else Delivered())
    assert taken == {f"A{number}" for number in range(8) if number not in bad}


async def test_r25_one_bad_alert_of_500_costs_few_requests() -> None:
    asked: Counter[str] = Counter()

    def answer(request: web.Request, body: list[dict[str, Any]]) -> web.Response:
        asked[request.path] += 1
        return web.Response(status=400 if any(one["labels"]["alertname"] == "A321" for one in body) else 200)

    many = [alert(f"A{number}").lasting(NOW, NOW + 120) for number in range(500)]
    async with receiver(answer) as address, sink(address) as one:
        assert await one.send(many) == Rejected(frozenset({321}), "invalid")
    assert asked.total() <= 19


async def test_r25_a_refused_connection_is_tried_again_later() -> None:
    async with sink(f"http://127.0.0.1:{free_port()}") as one:
        assert await one.send(ALERTS) == Retry("unreachable")


async def test_r25_a_name_that_nobody_has_is_tried_again_later() -> None:
    async with sink("http://alertmanager.invalid:9093") as one:
        assert await one.send(ALERTS) == Retry("unreachable")


async def test_r25_a_server_that_does_not_answer_is_tried_again_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        async with sink(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.05) as one:
            assert await one.send(ALERTS) == Retry("timeout")


async def test_an_alert_travels_with_its_labels_words_and_times() -> None:
    seen: list[Any] = []

    def answer(request: web.Request, body: Any) -> web.Response:
        seen.append(body)
        return web.Response()

    one = alert(team="ml", annotations={"value": "7"}, generator_url="/d/sales-anomalies").lasting(NOW, NOW + 0.25)
    async with receiver(answer) as address, sink(f"{address}/") as where:
        await where.send([one])
    assert seen == [[{
        "labels": {"alertname": "SalesLeadsFell", "severity": "warning", "team": "ml", "cluster": "demo",
                   "tenant": "default"},
        "annotations": {"value": "7"}, "generatorURL": "/d/sales-anomalies",
        "startsAt": "2023-11-14T22:13:20.000+00:00", "endsAt": "2023-11-14T22:13:20.250+00:00"}]]


@pytest.mark.parametrize(("url", "name"), [
    ("http://user:secret@one.example:9093", "one.example:9093"),
    ("https://one.example/", "one.example:443"),
    ("http://one.example/second", "one.example:80/second"),
])
def test_the_name_of_an_alertmanager_is_its_host_and_port(url: str, name: str) -> None:
    assert Alertmanager(url, aiohttp.ClientSession, FakeClock()).name == name

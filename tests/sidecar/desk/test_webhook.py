"""Alertmanager's webhook: history and phones, and no notification twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_exporter.config import Desk
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.roles import roles
from sales_exporter.sidecar.desk.courier import Receiver
from sales_exporter.sidecar.desk.model import Event
from sales_exporter.sidecar.desk.notices import RELAYED_KNOWN
from sales_exporter.sidecar.desk.payload import EACH, Payload, notifications
from sales_exporter.sidecar.desk.remembered import Remembered
from sales_exporter.sidecar.desk.webhook import BODY_BYTES, Webhook
from tests.rules.rulebook import ROOT, seconds
from tests.sidecar.desk.telling import LABELS, NOW, Heard, receiver, telling
from tests.sidecar.desk.webhooks import GROUP, payload, told
from tests.support.clocks import FakeClock, settle
from tests.support.web import Answer, Shown, ask, site

RESPONDER = Desk.model_validate({"without_login": "responder"})


class History:
    """What was recorded."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def record(self, events: Sequence[Event]) -> None:
        self.events += events

    @property
    def lines(self) -> Counter[tuple[str, str, float | None]]:
        return Counter((one.fingerprint, one.why, one.starts_at) for one in self.events)


@contextlib.asynccontextmanager
async def hooked(history: History, receivers: Sequence[Receiver] = (), folder: Path | None = None,
                 clock: Clock | None = None) -> AsyncIterator[Webhook]:
    clock = clock if clock is not None else FakeClock(NOW)
    seen = Remembered(folder, clock)
    async with telling(receivers, clock, folder) as notices:
        yield Webhook(history.record, notices, seen, clock)
    await seen.close()


def parsed(*alerts: dict[str, Any], group: dict[str, str] | None = None) -> Payload:
    return Payload.model_validate(payload(alerts, group))


async def test_each_alert_of_a_notification_is_a_line_of_the_history() -> None:
    history = History()
    async with hooked(history) as hook:
        await hook.noted(parsed(told(), told("resolved", entity="north")))
    firing, over = history.events
    assert (firing.kind, firing.by, firing.via, firing.why) == ("notified", "platform", "webhook", "firing")
    assert (firing.at, firing.starts_at, firing.labels) == (NOW, pytest.approx(NOW - 600), LABELS)
    assert (over.why, over.labels["entity"]) == ("resolved", "north")


async def test_the_end_of_one_alert_of_a_group_that_still_fires_is_news() -> None:
    history, north = History(), {"entity": "north"}
    async with hooked(history) as hook:
        await hook.noted(parsed(told(), told(**north)))
        await hook.noted(parsed(told(), told("resolved", **north)))
    assert sorted((one.labels.get("entity", ""), one.why) for one in history.events) == [
        ("", "firing"), ("", "firing"), ("north", "firing"), ("north", "resolved")]


def worlds() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Requests about a few alerts that start, end and start again, in groups of any make."""
    one = st.builds(lambda entity, start, status: told(status, NOW + start, entity=entity),
                    st.sampled_from("abc"), st.sampled_from([-60.0, -30.0]), st.sampled_from(["firing", "resolved"]))
    alerts = st.lists(one, min_size=1, max_size=4, unique_by=lambda found: found["fingerprint"])
    groups = st.sampled_from([GROUP, {**GROUP, "service": "funnel"}])
    return st.lists(st.builds(payload, alerts, groups), min_size=1, max_size=5)


@settings(max_examples=60)
@given(worlds(), st.randoms(use_true_random=False))
def test_r33_notifications_that_come_again_in_any_order_change_nothing(
    requests: list[dict[str, Any]], chance: random.Random
) -> None:
    async def posted(order: Sequence[dict[str, Any]]) -> tuple[Counter[tuple[str, str, float | None]], Counter[str]]:
        history, phone = History(), Heard()
        async with hooked(history, [receiver(phone)]) as hook:
            for request in order:
                await post(hook, request)
            # Twice as many turns as there may be letters.
            for _ in range(8):
                await settle()
        return history.lines, Counter(one.key for one in phone.taken)

    once = [request for number, request in enumerate(requests)
            if _keys(request) - {key for before in requests[:number] for key in _keys(before)}]
    events, messages = asyncio.run(posted(once))
    repeated = [*requests, *requests, *requests]
    for request in repeated:
        chance.shuffle(request["alerts"])
    chance.shuffle(repeated)
    again_events, again_messages = asyncio.run(posted(repeated))
    assert again_events == events
    assert again_messages == messages
    assert set(messages.values()) == {1}


def _keys(request: dict[str, Any]) -> set[str]:
    return {one.key for one in notifications(Payload.model_validate(request))}


async def post(hook: Webhook, request: dict[str, Any]) -> None:
    """Tell both routes."""
    told_ = Payload.model_validate(request)
    await hook.noted(told_)
    await hook.passed_on(told_)


@pytest.mark.process
async def test_r33_a_restart_forgets_no_notification(tmp_path: Path) -> None:
    history, phone = History(), Heard()
    for _ in range(3):
        async with hooked(history, [receiver(phone)], tmp_path) as hook:
            for _ in range(2):
                await post(hook, payload([told(), told("resolved", entity="north")]))
            await settle()
    assert len(history.events) == 2
    assert Counter(one.kind for one in phone.tried) == {"fired": 1, "resolved": 1}


async def test_r33_a_request_that_was_not_recorded_is_recorded_when_it_comes_again() -> None:
    history, broken = History(), [True]

    async def record(events: Sequence[Event]) -> None:
        if broken:
            broken.clear()
            raise OSError
        await history.record(events)

    clock = FakeClock(NOW)
    async with telling([], clock) as notices:
        hook = Webhook(record, notices, Remembered(None, clock), clock)
        with pytest.raises(OSError, match=r"^$"):
            await hook.noted(parsed(told()))
        await hook.noted(parsed(told()))
    assert len(history.events) == 1


async def test_r33_two_requests_at_once_are_recorded_once() -> None:
    history = History()
    async with hooked(history) as hook:
        await asyncio.gather(*(hook.noted(parsed(told())) for _ in range(5)))
    assert len(history.events) == 1


async def test_what_alertmanager_tells_again_on_purpose_is_told_again() -> None:
    tree = yaml.safe_load((ROOT / "prometheus/alertmanager.yml").read_text())["route"]
    repeats = [seconds(route["repeat_interval"]) for route in (tree, *tree["routes"])
               if "repeat_interval" in route and route["receiver" if route is tree else "matchers"] != [
                   'alertname = "Watchdog"']]
    assert min(repeats) == 2 * RELAYED_KNOWN
    history, phone, clock = History(), Heard(), FakeClock(NOW)
    async with hooked(history, [receiver(phone)], clock=clock) as hook:
        await post(hook, payload([told()]))
        await settle()
        await clock.advance(min(repeats))
        await post(hook, payload([told()]))
        await settle()
    assert (len(history.events), len(phone.taken)) == (2, 2)


async def test_phones_hear_of_the_worst_alerts_one_by_one_and_of_the_others_in_one() -> None:
    phone = Heard()
    alerts = [told(severity="warning", entity=f"shop {number}") for number in range(EACH + 5)]
    async with hooked(History(), [receiver(phone)]) as hook:
        await post(hook, payload([*alerts, told(entity="worst")]))
        for _ in range(4):
            await settle()
    assert len(phone.taken) == EACH + 1
    assert (phone.taken[0].severity, phone.taken[0].labels["entity"]) == ("critical", "worst")
    assert phone.titles[-1] == "6 more firing: SalesLeadsFell"
    assert (phone.taken[-1].fingerprint, phone.taken[-1].team, len(phone.taken[-1].lines)) == ("", "sales-ops", 6)


async def test_a_phone_hears_what_is_over_without_a_new_alarm() -> None:
    phone = Heard()
    async with hooked(History(), [receiver(phone)]) as hook:
        await post(hook, payload([told()]))
        await post(hook, payload([told("resolved")]))
        await settle()
    assert phone.titles == ["Critical: Fewer leads than expected.", "Resolved: Fewer leads than expected."]


async def test_a_team_hears_of_its_own_alerts() -> None:
    ops, ml = Heard(), Heard()
    async with hooked(History(), [receiver(ops, "ops", "sales-ops"), receiver(ml, "ml", "ml")]) as hook:
        await post(hook, payload([told(), told(team="ml")]))
        await settle()
    assert [one.team for one in (*ops.taken, *ml.taken)] == ["sales-ops", "ml"]


@contextlib.asynccontextmanager
async def served(hook: Webhook, desk: Desk = RESPONDER, config: Path | None = None) -> AsyncIterator[tuple[str, int]]:
    async with site(Shown(), parts=[hook], roles=lambda login: roles(desk, login), config=config) as address:
        yield address


async def posted(address: tuple[str, int], body: bytes, path: str = "/notify/alertmanager", **headers: str) -> Answer:
    return await ask(address, path, method="POST", body=body, headers={"Content-Type": "application/json", **headers})


@pytest.mark.process
async def test_a_request_is_answered_when_it_is_recorded() -> None:
    history, phone = History(), Heard()
    body = json.dumps(payload([told()])).encode()
    async with hooked(history, [receiver(phone)]) as hook, served(hook) as address:
        assert [(await posted(address, body)).status for _ in range(2)] == [200, 200]
        assert (await posted(address, body, "/notify/ntfy")).status == 200
    assert (len(history.events), len(phone.taken)) == (1, 1)


@pytest.mark.process
async def test_without_a_phone_the_sender_is_told_what_to_configure() -> None:
    async with hooked(History(), [receiver(Heard(), phone=False)]) as hook, served(hook) as address:
        answer = await posted(address, json.dumps(payload([told()])).encode(), "/notify/ntfy")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "sidecar.desk.receivers has none of kind ntfy" in json.loads(answer.body)["detail"]


@pytest.mark.process
@pytest.mark.parametrize(("desk", "status"), [({}, 403), ({"without_login": "responder"}, 200)])
async def test_s6_where_there_are_no_users_only_who_trusts_everybody_takes_notifications(
    desk: dict[str, Any], status: int
) -> None:
    async with hooked(History()) as hook, served(hook, Desk.model_validate(desk)) as address:
        assert (await posted(address, json.dumps(payload([told()])).encode())).status == status


@pytest.mark.process
async def test_s6_with_users_only_notifiers_may_post(tmp_path: Path) -> None:
    import base64

    import bcrypt

    config = tmp_path / "web.yml"
    config.write_text(yaml.safe_dump({"basic_auth_users": {
        name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(4)).decode() for name in ("alertmanager", "ann", "bob")}}))
    desk = Desk.model_validate({"responders": ["ann"], "notifiers": ["alertmanager"]})
    body = json.dumps(payload([told()])).encode()
    history = History()
    async with hooked(history) as hook, served(hook, desk, config) as address:
        assert (await posted(address, body)).status == 401
        for name, status in (("ann", 403), ("bob", 403), ("alertmanager", 200)):
            login = base64.b64encode(f"{name}:{name}".encode()).decode()
            assert (await posted(address, body, Authorization=f"Basic {login}")).status == status, name
    assert len(history.events) == 1


@pytest.mark.process
@pytest.mark.parametrize(("body", "status", "said"), [
    (b"", 400, "not JSON"), (b"{", 400, "not JSON"), (b"[]", 400, "version 4"),
    (json.dumps({**payload([told()]), "version": "3"}).encode(), 400, "version 4: version"),
    (json.dumps(payload([{**told(), "status": "broken"}])).encode(), 400, "alerts.0.status"),
    (json.dumps(payload([{**told(), "labels": {"a": 7}}])).encode(), 400, "alerts.0.labels.a"),
    (json.dumps(payload([{**told(), "startsAt": "soon"}])).encode(), 400, "alerts.0.startsAt"),
    (json.dumps(payload([{**told(), "startsAt": "2026-01-01T00:00:00"}])).encode(), 400, "alerts.0.startsAt"),
    (b'{"version": "4", "version": "4", "alerts": []}', 400, "each key once"),
    (b'{"version": "4", "alerts": [{"labels": {"a": "\\ud800"}}]}', 400, "UTF-8"),
    (b" " * (BODY_BYTES + 1), 413, "bytes"),
])
async def test_s6_what_alertmanager_would_not_send_is_refused_in_words(body: bytes, status: int, said: str) -> None:
    history = History()
    async with hooked(history) as hook, served(hook) as address:
        answer = await posted(address, body, **{"Content-Length": str(len(body))})
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
        assert said in json.loads(answer.body)["detail"]
    assert history.events == []


@pytest.mark.process
async def test_s6_other_methods_and_types_are_refused() -> None:
    body = json.dumps(payload([told()])).encode()
    async with hooked(History()) as hook, served(hook) as address:
        assert (await ask(address, "/notify/alertmanager")).status == 405
        assert (await posted(address, body, **{"Content-Type": "text/plain"})).status == 415
        assert (await posted(address, body, Origin="https://elsewhere.example")).status == 403


async def test_a_notification_of_many_alerts_at_the_edges_of_time_is_taken() -> None:
    history, phone = History(), Heard()
    early = {**told("resolved", entity="early"), "startsAt": "0001-01-01T00:00:00+14:00",
             "endsAt": "9999-12-31T23:59:59-14:00"}
    async with hooked(history, [receiver(phone)]) as hook:
        await post(hook, payload([early]))
        await settle()
    assert phone.taken[0].lines[2:3] == ("Since: 1970-01-01 00:00 UTC, until 9999-01-01 00:00 UTC",)

"""What phones and webhooks get, and what is made of each of their answers."""

from __future__ import annotations

import json
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sales_exporter.config import Desk, NoticeReceiver
from sales_exporter.sidecar.desk.courier import Receiver
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.message import of_notice
from sales_exporter.sidecar.desk.receivers import receivers
from sales_exporter.sidecar.outbox.sink import Delivered, Outcome, Rejected, Retry
from tests.sidecar.desk.telling import ANNOTATIONS, HOME, LABELS, NOW, case, links, message, notice
from tests.support.clocks import FakeClock
from tests.support.inbox import Inbox, inbox

pytestmark = pytest.mark.process

IT = frozenset({0})
KINDS = ("ntfy", "webhook")


def configured(kind: str, url: str, made: Links | None = None, **more: Any) -> Receiver:
    """The one receiver of a configuration."""
    desk = Desk.model_validate({"receivers": {"phones": {"kind": kind, "url": f"{url}/base/sales", **more}}})
    clock = FakeClock(NOW)
    (found,) = receivers(desk, made if made is not None else links(clock), clock)
    return found


async def sent(kind: str, box: Inbox, what=None, **more: Any) -> Any:
    """The JSON of one message that was sent."""
    one = configured(kind, box.url, **more)
    assert await one.sink.send(what if what is not None else message()) == Delivered()
    await one.sink.close()
    return box.letters[-1].document


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("status", "headers", "outcome"), [
    (200, {}, Delivered()),
    (202, {}, Delivered()),
    (204, {}, Delivered()),
    (429, {}, Retry("throttled")),
    (429, {"Retry-After": "17"}, Retry("throttled", 17.0)),
    (503, {"Retry-After": formatdate(NOW + 25, usegmt=True)}, Retry("server", 25.0)),
    (503, {"Retry-After": "99999999"}, Retry("server", 3600.0)),
    (503, {"Retry-After": "soon"}, Retry("server")),
    (408, {}, Retry("timeout")),
    (425, {}, Retry("throttled")),
    (500, {}, Retry("server")),
    (502, {}, Retry("server")),
    (504, {}, Retry("server")),
    (507, {}, Retry("server")),
    (400, {}, Rejected(IT, "invalid")),
    (413, {}, Rejected(IT, "invalid")),
    (422, {}, Rejected(IT, "invalid")),
    (401, {}, Rejected(IT, "unauthorized")),
    (403, {}, Rejected(IT, "unauthorized")),
    (404, {}, Rejected(IT, "client")),
    (410, {}, Rejected(IT, "client")),
    (302, {"Location": "/elsewhere"}, Rejected(IT, "redirect")),
    (308, {"Location": "/elsewhere"}, Rejected(IT, "redirect")),
])
async def test_r25_each_answer_has_its_outcome_after_one_request(
    kind: str, status: int, headers: dict[str, str], outcome: Outcome
) -> None:
    async with inbox(lambda _: web.Response(status=status, headers=headers)) as box:
        one = configured(kind, box.url)
        assert await one.sink.send(message()) == outcome
        await one.sink.close()
    assert [letter.path for letter in box.letters] == ["/base/" if kind == "ntfy" else "/base/sales"]


@pytest.mark.parametrize("kind", KINDS)
async def test_r25_a_receiver_that_is_not_there_is_unreachable(kind: str) -> None:
    async with inbox() as box:
        pass
    one = configured(kind, box.url)
    assert await one.sink.send(message()) == Retry("unreachable")
    await one.sink.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_key_is_in_a_header_and_the_same_each_time(kind: str) -> None:
    async with inbox() as box:
        one = configured(kind, box.url)
        for what in (message(1), message(1), message(2)):
            await one.sink.send(what)
        await one.sink.close()
    assert box.keys == [f"{1:064x}", f"{1:064x}", f"{2:064x}"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_is_read_anew_for_each_message(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with inbox() as box:
        one = configured(kind, box.url, token_file=str(file))
        assert await one.sink.send(message()) == Rejected(IT, "unauthorized")
        for text in ("first", "second\n"):
            file.write_text(text)
            assert await one.sink.send(message()) == Delivered()
        file.write_text("two\nlines")
        assert await one.sink.send(message()) == Rejected(IT, "unauthorized")
        await one.sink.close()
    assert [letter.headers["authorization"] for letter in box.letters] == ["Bearer first", "Bearer second"]


async def test_a_phone_is_told_what_since_when_and_gets_a_link_to_acknowledge() -> None:
    made = links()
    async with inbox() as box:
        told = await sent("ntfy", box, of_notice(notice()), made=made)
    link = told["actions"][0].pop("url")
    assert told.pop("sequence_id")
    assert told == {
        "topic": "sales", "title": "Escalated: Fewer leads than expected.", "priority": 5,
        "message": "Nobody has it for ten minutes.\n12 leads an hour.\nExpected: 20 to 30\n"
                   "Since: 2023-11-14 22:03 UTC\nWhere: eu/acme",
        "tags": ["rotating_light", "critical", "sales-ops"], "click": f"{HOME}/alerts/{case().fingerprint}",
        "actions": [{"action": "view", "label": "Acknowledge", "clear": True}],
    }
    assert (await made.use(link.removeprefix(f"{HOME}/act/"))).receiver == "phones"


@pytest.mark.parametrize(("severity", "priority", "tags"), [
    ("critical", 5, ["rotating_light", "critical"]), ("warning", 4, ["warning", "warning"]),
    ("info", 2, ["information_source", "info"]), ("page", 3, ["page"]), ("", 3, []),
])
async def test_the_priority_of_a_phone_follows_the_severity(severity: str, priority: int, tags: list[str]) -> None:
    async with inbox() as box:
        told = await sent("ntfy", box, message(severity=severity, team=""))
    assert (told["priority"], told["tags"]) == (priority, tags)


async def test_what_is_over_rings_softly_and_asks_for_nothing() -> None:
    async with inbox() as box:
        told = await sent("ntfy", box, of_notice(notice(kind="resolved", ends_at=NOW, text="It was acknowledged.")))
    assert (told["title"], told["priority"], told["tags"][0]) == (
        "Resolved: Fewer leads than expected.", 2, "white_check_mark")
    assert "Since: 2023-11-14 22:03 UTC, until 2023-11-14 22:13 UTC" in told["message"]
    assert "actions" not in told


async def test_without_an_address_there_is_nothing_to_tap() -> None:
    async with inbox() as box:
        told = await sent("ntfy", box, made=links(home=None))
    assert told.keys() == {"topic", "title", "message", "priority", "tags", "sequence_id"}


async def test_a_phone_knows_a_repetition_from_news() -> None:
    async with inbox() as box:
        first, again, later = [(await sent("ntfy", box, message(1, at=at)))["sequence_id"]
                               for at in (NOW, NOW, NOW + 3_600)]
    assert first == again != later
    assert len(first) == 32


async def test_a_webhook_gets_all_there_is() -> None:
    made = links()
    async with inbox() as box:
        told = await sent("webhook", box, of_notice(notice(owner="ann")), made=made)
    link = told.pop("acknowledge_url")
    assert told == {
        "version": 1, "key": box.keys[0], "kind": "escalated", "status": "firing",
        "at": "2023-11-14T22:13:20.000+00:00", "title": "Escalated: Fewer leads than expected.",
        "text": "Nobody has it for ten minutes.\n12 leads an hour.\nExpected: 20 to 30\nSince: 2023-11-14 22:03 UTC\n"
                "Where: eu/acme",
        "severity": "critical", "team": "sales-ops", "fingerprint": case().fingerprint, "labels": LABELS,
        "annotations": ANNOTATIONS, "starts_at": "2023-11-14T22:03:20.000+00:00", "ends_at": None, "owner": "ann",
        "step": 1, "url": f"{HOME}/alerts/{case().fingerprint}",
    }
    assert (await made.use(link.removeprefix(f"{HOME}/act/"))).fingerprint == case().fingerprint


@pytest.mark.parametrize("url", ["https://ntfy.sh", "https://ntfy.sh/", "https://ntfy.sh/a b", "https://ntfy.sh/x?y=z",
                                 "https://ntfy.sh/" + "t" * 65, "https:///sales"])
def test_an_address_without_a_topic_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="ends in its topic, such as"):
        NoticeReceiver.model_validate({"kind": "ntfy", "url": url})


@pytest.mark.parametrize("url", ["https://ntfy.sh/sales", "http://127.0.0.1:2586/a/b-c_D9", "https://n/" + "t" * 64])
def test_an_address_with_a_topic_is_taken(url: str) -> None:
    assert NoticeReceiver.model_validate({"kind": "ntfy", "url": url}).url == url


async def test_no_message_is_larger_than_every_ntfy_takes() -> None:
    async with inbox() as box:
        await sent("ntfy", box, message(title="\U0001f600" * 256, lines=("\U0001f600" * 256,) * 32))
        body = box.letters[0].body
    assert len(body) <= 4096
    assert json.loads(body)["message"].endswith("…")

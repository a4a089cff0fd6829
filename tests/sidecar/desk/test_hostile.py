"""Text that a tenant wrote, on its way to phones and webhooks (reliability.md, S8)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given

from sales_exporter.config import Desk
from sales_exporter.sidecar.desk.links import Links
from sales_exporter.sidecar.desk.message import Message, of_notice
from sales_exporter.sidecar.desk.model import Case, Notice
from sales_exporter.sidecar.desk.payload import Payload, notifications
from sales_exporter.sidecar.desk.receivers import receivers
from sales_exporter.sidecar.outbox.sink import Delivered
from tests.sidecar.desk.telling import NOW, links
from tests.sidecar.desk.webhooks import payload, told
from tests.support.clocks import FakeClock
from tests.support.inbox import Inbox, Letter, inbox
from tests.support.strategies import HOSTILE, hostile_text

MORE = (*HOSTILE, "x\r\nX-Injected: yes\r\n\r\n{}", "<img src=x onerror=alert(1)>", "{{ .ExternalURL }}", "${x}",
        "%0d%0a", "a\u0000b", "\udfff\ud800", "é" * 20_000, '","topic":"other', "</script>", "[x](javascript:alert(1))",
        "\U0001f4df" * 300)
HEADER = re.compile(r"[ -~]*\Z")


def hostile(text: str) -> Notice:
    """A notice in which everything that may come from outside is this text."""
    labels = {"alertname": text, "severity": text, "team": text, "cluster": text, "entity": text, text: text}
    annotations = {"summary": text, "description": text, "expected": text, "runbook_url": text, text: text}
    return Notice(text, "escalated", Case(text, labels, annotations, NOW, owner=text), NOW, text, 1)


def texts(found: Any) -> list[str]:
    """Every text in a JSON document, keys too."""
    if isinstance(found, dict):
        return [text for pair in found.items() for part in pair for text in texts(part)]
    if isinstance(found, list):
        return [text for part in found for text in texts(part)]
    return [found] if isinstance(found, str) else []


def harmless(letter: Letter, own: set[str]) -> None:
    """One request, with its own headers only, and no text that could break out of a line or fill a screen."""
    assert set(letter.headers) <= {"host", "content-type", "content-length", "idempotency-key", "accept", "user-agent",
                                   "accept-encoding"}
    assert re.fullmatch(r"[0-9a-f]{64}", letter.headers["idempotency-key"])
    document = letter.document
    assert set(document) == own
    for text in texts(document):
        lines = text.split("\n")
        assert len(lines) <= 32
        assert all(line.isprintable() and len(line) <= 2_048 for line in lines)
        assert text.encode().decode() == text


async def told_to(box: Inbox, messages: list[Message]) -> None:
    """Send them to a phone and to a webhook."""
    clock = FakeClock(NOW)
    desk = Desk.model_validate({"receivers": {"phone": {"kind": "ntfy", "url": f"{box.url}/sales"},
                                              "hook": {"kind": "webhook", "url": f"{box.url}/hook"}}})
    for receiver in receivers(desk, links(clock), clock):
        for message in messages:
            assert await receiver.sink.send(message) == Delivered()
        await receiver.sink.close()


PHONE = {"topic", "title", "message", "priority", "tags", "sequence_id", "click"}
HOOK = {"version", "key", "kind", "status", "at", "title", "text", "severity", "team", "fingerprint", "labels",
        "annotations", "starts_at", "ends_at", "owner", "step", "url", "acknowledge_url"}


@pytest.mark.process
async def test_s8_hostile_text_reaches_phones_and_webhooks_as_short_plain_lines() -> None:
    async with inbox() as box:
        await told_to(box, [of_notice(hostile(text)) for text in MORE])
    half = len(MORE)
    assert len(box.letters) == 2 * half
    for letter in box.letters[:half]:
        harmless(letter, PHONE)
        document = letter.document
        assert document["topic"] == "sales"
        assert len(letter.body) <= 4_096
        # No fingerprint of ours, so no page of one alert and nothing to acknowledge.
        assert document["click"] == "https://desk.example/sales/alerts"
        assert all("," not in tag for tag in document["tags"])
    for letter in box.letters[half:]:
        harmless(letter, HOOK)
        assert letter.body.isascii()
        assert not {*b"<>&"} & {*letter.body}
        assert letter.document["acknowledge_url"] == ""


@pytest.mark.process
async def test_s8_hostile_text_of_a_notification_reaches_phones_as_short_plain_lines() -> None:
    whole = [text for text in MORE if text.encode(errors="replace").decode() == text]
    requests = [payload([{**told(), "labels": {"alertname": text, "severity": text, "team": text},
                          "annotations": {"summary": text, "description": text}}], {"alertname": text})
                for text in whole]
    messages = [message for request in requests for one in notifications(Payload.model_validate(request))
                for message in one.messages(NOW)]
    assert len(messages) == len(whole)
    async with inbox() as box:
        await told_to(box, messages)
    for letter in box.letters[:len(messages)]:
        harmless(letter, {*PHONE, "actions"})
        # The link is made of our own signs, whatever the labels hold.
        assert re.fullmatch(r"https://desk\.example/sales/act/[0-9a-z._-]+", letter.document["actions"][0]["url"])


@given(hostile_text)
def test_s8_every_text_of_a_message_is_one_line_of_at_most_256_signs(text: str) -> None:
    message = of_notice(hostile(text))
    for shown in (message.title, message.severity, message.team, message.owner, *message.lines,
                  *message.labels, *message.labels.values(), *message.annotations):
        assert len(shown) <= 256
        assert shown.isprintable()
        json.dumps(shown, ensure_ascii=False).encode()
    assert HEADER.match(message.key)
    assert message.fingerprint == ""


def test_s8_templates_are_text() -> None:
    message = of_notice(hostile("{{ .ExternalURL }}${jndi:ldap://x}%s"))
    assert message.title == "Escalated: {{ .ExternalURL }}${jndi:ldap://x}%s"
    assert message.lines[0] == "{{ .ExternalURL }}${jndi:ldap://x}%s"


@given(hostile_text)
def test_s8_a_fingerprint_of_another_form_makes_no_link(text: str) -> None:
    made: Links = links()
    assert made.acknowledge(text, "phones") == ""

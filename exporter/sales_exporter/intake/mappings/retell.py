"""Retell AI: the webhooks ``call_ended`` and ``call_analyzed``.

Pages: docs.retellai.com "Webhook Overview", "Secure the webhook", "Get Call". Retell signs: ``X-Retell-Signature`` is
``v=<milliseconds>,d=<hexadecimal HMAC-SHA256 of body and milliseconds>`` with an API key, valid for five minutes.
What the analysis says of success is a judgement, so that it does not matter which of the two events comes first.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from pydantic import Field

from sales_exporter.intake.events import Event, Row, row
from sales_exporter.intake.mappings import Hints, Vendor
from sales_exporter.intake.signatures import Request, Secret, hexed, recent, same
from sales_exporter.intake.values import Id, Millis, Money, Number, Shape, Text

_SIGNATURE = re.compile(r"v=([0-9]{1,15}),d=([0-9a-f]{64})\Z")
_OUTCOMES = {
    **dict.fromkeys(("dial_no_answer", "user_declined"), "no_answer"), "dial_busy": "busy",
    **dict.fromkeys(("voicemail_reached", "machine_detected"), "voicemail"),
    **dict.fromkeys(("registered_call_timeout", "error_user_not_joined"), "abandoned"),
    **dict.fromkeys(("dial_failed", "invalid_destination", "telephony_provider_permission_denied",
                     "telephony_provider_unavailable", "sip_routing_error", "no_valid_payment",
                     "concurrency_limit_reached", "no_concurrency_fallback", "marked_as_spam", "scam_detected"),
                    "failed"),
}


class _Metadata(Shape):
    lead_id: Id | None = None


class _Cost(Shape):
    combined_cost: Money | None = None


class _Analysis(Shape):
    call_successful: bool | None = None
    in_voicemail: bool | None = None


class _Latency(Shape):
    values: list[Number] = Field(default_factory=list)


class _Latencies(Shape):
    e2e: _Latency | None = None


class _Call(Shape):
    call_id: Id
    agent_id: Id | None = None
    call_type: Text | None = None
    call_status: Text | None = None
    direction: Text | None = None
    start_timestamp: Millis | None = None
    end_timestamp: Millis
    disconnection_reason: Text | None = None
    metadata: _Metadata | None = None
    call_cost: _Cost | None = None
    call_analysis: _Analysis | None = None
    latency: _Latencies | None = None


class RetellEvent(Shape):
    """What Retell posts to a webhook URL."""

    event: Text
    call: _Call


class Retell(Vendor):
    """A call when it has ended, a judgement when it was analysed."""

    name = "retell"
    title = "Retell AI call webhooks"
    ways = ("hmac",)
    model = RetellEvent
    signature_header = "X-Retell-Signature"

    def signed(self, request: Request, secret: Secret, now: float) -> bool:
        """HMAC-SHA256 of the body and the milliseconds behind it."""
        match = _SIGNATURE.match(request.headers.get(self.signature_header.lower(), ""))
        if match is None or not recent(match[1], now):
            return False
        return same(match[2].encode(), hexed(secret, request.body + match[1].encode()))

    def event(self, part: Any, hints: Hints) -> Event | None:
        """One row of calls, and one of call_judgements when success was judged."""
        kind = part.get("event") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind not in ("call_ended", "call_analyzed"):
            return None
        found = RetellEvent.model_validate(part)
        call = found.call
        rows = [_call(call)]
        judged = call.call_analysis.call_successful if call.call_analysis else None
        if judged is not None:
            rows.append(row("call_judgements", judgement_id=f"{call.call_id}/analysis", call_id=call.call_id,
                            success=judged, judged_at=call.end_timestamp))
        return Event(f"{call.call_id}/{found.event}", call.end_timestamp, tuple(rows))


def _call(call: _Call) -> Row:
    """Costs are in US cents, latencies in milliseconds."""
    began, outcome = call.start_timestamp or call.end_timestamp, _outcome(call)
    answered = began if outcome == "answered" else None
    cents = call.call_cost.combined_cost if call.call_cost else None
    first = next(iter(call.latency.e2e.values), None) if call.latency and call.latency.e2e else None
    return row(
        "calls", call_id=call.call_id, lead_id=call.metadata.lead_id if call.metadata else None, rep_id=call.agent_id,
        carrier="web" if call.call_type == "web_call" else None, agent_kind="ai", direction=call.direction or "inbound",
        started_at=began, answered_at=answered, ended_at=call.end_timestamp, outcome=outcome,
        talk_seconds=(call.end_timestamp - answered).total_seconds() if answered else None,
        first_response_seconds=first / 1000 if first is not None else None,
        transferred=call.disconnection_reason in ("call_transfer", "transfer_bridged"),
        cost=cents / Decimal(100) if cents is not None else None, currency="USD" if cents is not None else None)


def _outcome(call: _Call) -> str:
    if call.disconnection_reason in _OUTCOMES:
        return _OUTCOMES[call.disconnection_reason]
    if call.call_analysis and call.call_analysis.in_voicemail:
        return "voicemail"
    return "failed" if call.call_status == "not_connected" or call.start_timestamp is None else "answered"

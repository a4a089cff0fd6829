"""Vapi: the server message ``end-of-call-report``.

Pages: docs.vapi.ai "End-of-call report", "Server authentication"; schemas ServerMessageEndOfCallReport and
HMACAuthenticationPlan of its API reference. Vapi sends a bearer token, the older header ``X-Vapi-Secret``, or an HMAC;
we read its defaults: ``X-Signature``, hexadecimal SHA-256 of ``{X-Timestamp}.{body}``. Other messages are ignored.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sales_exporter.intake.events import Event, row
from sales_exporter.intake.mappings import Hints, Vendor
from sales_exporter.intake.signatures import Request, Secret, header, hexed, recent, same
from sales_exporter.intake.values import Id, Millis, Moment, Money, Number, Shape, Text

_NOBODY = {"customer-did-not-answer": "no_answer", "customer-busy": "busy", "voicemail": "voicemail"}
_FAILED = ("call.start", "call-start", "assistant-not", "assistant-request", "assistant-join")


class _Metadata(Shape):
    lead_id: Id | None = None


class _Overrides(Shape):
    metadata: _Metadata | None = None


class _Call(Shape):
    id: Id
    type: Text | None = None
    assistantId: Id | None = None  # noqa: N815
    phoneCallProvider: Text | None = None  # noqa: N815
    createdAt: Moment | None = None  # noqa: N815
    metadata: _Metadata | None = None
    assistantOverrides: _Overrides | None = None  # noqa: N815


class _Analysis(Shape):
    successEvaluation: Any = None  # noqa: N815


class _Turn(Shape):
    turnLatency: Number | None = None  # noqa: N815


class _Performance(Shape):
    turnLatencies: list[_Turn] = Field(default_factory=list)  # noqa: N815


class _Artifact(Shape):
    performanceMetrics: _Performance | None = None  # noqa: N815


class _Message(Shape):
    type: Text
    endedReason: Text = ""  # noqa: N815
    timestamp: Millis | None = None
    startedAt: Moment | None = None  # noqa: N815
    endedAt: Moment | None = None  # noqa: N815
    cost: Money | None = None
    call: _Call
    analysis: _Analysis | None = None
    artifact: _Artifact | None = None


class VapiMessage(Shape):
    """What Vapi posts to a server URL."""

    message: _Message


class Vapi(Vendor):
    """A call when its report comes."""

    name = "vapi"
    title = "Vapi end-of-call reports"
    ways = ("hmac", "bearer")
    model = VapiMessage
    bearer_headers = ("x-vapi-secret",)
    signature_header = "X-Signature"

    def signed(self, request: Request, secret: Secret, now: float) -> bool:
        """HMAC-SHA256 of time, dot and body; the time may be in seconds or milliseconds."""
        stamp = request.headers.get("x-timestamp", "")
        expected = hexed(secret, stamp.encode("utf-8", "surrogateescape") + b"." + request.body)
        genuine = same(header(request, "x-signature"), expected)
        return genuine and recent(stamp if len(stamp) > 11 else stamp + "000", now)

    def event(self, part: Any, hints: Hints) -> Event | None:
        """One row of calls."""
        if isinstance(part, dict) and isinstance(part.get("message"), dict):
            kind = part["message"].get("type")
            if isinstance(kind, str) and kind != "end-of-call-report":
                return None
        message = VapiMessage.model_validate(part).message
        call = message.call
        ended = message.endedAt or message.timestamp
        if ended is None:
            raise ValueError("message.endedAt: missing")
        began = message.startedAt or call.createdAt or ended
        outcome = _outcome(message)
        answered = began if outcome == "answered" else None
        return Event(call.id, ended, (row(
            "calls", call_id=call.id, lead_id=_lead(call), rep_id=call.assistantId, carrier=call.phoneCallProvider,
            agent_kind="ai", direction="outbound" if call.type == "outboundPhoneCall" else "inbound",
            started_at=began, answered_at=answered, ended_at=ended, outcome=outcome, success=_success(message),
            talk_seconds=(ended - answered).total_seconds() if answered else None,
            first_response_seconds=_first_response(message),
            transferred=message.endedReason == "assistant-forwarded-call",
            cost=message.cost, currency="USD" if message.cost is not None else None),))


def _outcome(message: _Message) -> str:
    """Why nobody talked; any other reason after a start is a call that was answered."""
    reason = message.endedReason
    if reason in _NOBODY:
        return _NOBODY[reason]
    failed = message.startedAt is None or reason.startswith(_FAILED) or "failed-to-connect" in reason
    return "failed" if failed else "answered"


def _success(message: _Message) -> bool | None:
    """Of the kinds of evaluation only pass or fail says yes or no."""
    said = message.analysis.successEvaluation if message.analysis else None
    return {"true": True, "false": False}.get(str(said).lower())


def _lead(call: _Call) -> str | None:
    overrides = call.assistantOverrides.metadata if call.assistantOverrides else None
    return next((one.lead_id for one in (overrides, call.metadata) if one and one.lead_id), None)


def _first_response(message: _Message) -> float | None:
    metrics = message.artifact.performanceMetrics if message.artifact else None
    first = metrics.turnLatencies[0].turnLatency if metrics and metrics.turnLatencies else None
    return first / 1000 if first is not None else None

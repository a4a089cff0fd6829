"""Twilio: status callbacks of voice calls, form-encoded.

Pages: twilio.com/docs "Call resource" (StatusCallback), "Voice Webhooks", "Webhooks Security". Twilio signs:
``X-Twilio-Signature`` is HMAC-SHA1 in base 64 of the address and of all parameters, sorted, with the auth token. A
callback tells the moment of the end and the duration, not when it began to ring: started_at is the moment of the
answer. It has no price. A second leg (``ParentCallSid``) is the same conversation and is ignored, as is a status on
the way.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from sales_exporter.intake.events import Event, row
from sales_exporter.intake.mappings import FORM, Hints, Vendor
from sales_exporter.intake.signatures import Request, Secret, based, header, same
from sales_exporter.intake.values import Id, MailMoment, Number, Shape, Text

_UNDER_WAY = frozenset({"queued", "initiated", "ringing", "in-progress", "answered"})
_OUTCOMES = {"completed": "answered", "no-answer": "no_answer"}


class TwilioCallback(Shape):
    """What Twilio posts to a StatusCallback."""

    CallSid: Id
    CallStatus: Text
    Timestamp: MailMoment
    Direction: Text = "inbound"
    CallDuration: Number | None = None
    AnsweredBy: Text = ""
    ParentCallSid: Text = ""


class Twilio(Vendor):
    """A call when its last status comes."""

    name = "twilio"
    title = "Twilio voice status callbacks"
    ways = ("hmac",)
    media = FORM
    model = TwilioCallback
    signs_url = True
    signature_header = "X-Twilio-Signature"

    def signed(self, request: Request, secret: Secret, now: float) -> bool:
        """HMAC-SHA1 of the address, then each name with its value, sorted. It carries no time."""
        try:
            pairs = parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=200)
        except ValueError:
            return False
        text = request.url + "".join(name + value for name, value in sorted(pairs))
        expected = based(secret, text.encode("utf-8", "surrogatepass"), "sha1")
        return same(header(request, "x-twilio-signature"), expected)

    def event(self, part: Any, hints: Hints) -> Event | None:
        """One row of calls."""
        call = TwilioCallback.model_validate(part)
        if call.CallStatus in _UNDER_WAY or call.ParentCallSid:
            return None
        seconds = call.CallDuration if call.CallStatus == "completed" else None
        try:
            began = call.Timestamp - timedelta(seconds=seconds or 0.0)
        except OverflowError:
            raise ValueError("CallDuration: out of range") from None
        return Event(f"{call.CallSid}/{call.CallStatus}", call.Timestamp, (row(
            "calls", call_id=call.CallSid, carrier="twilio", agent_kind=hints.agent_kind,
            direction="outbound" if call.Direction.startswith("outbound") or call.Direction == "trunking-originating"
            else "inbound",
            started_at=began, answered_at=began if seconds is not None else None, ended_at=call.Timestamp,
            outcome=_outcome(call), talk_seconds=seconds, transferred=False),))


def _outcome(call: TwilioCallback) -> str:
    """A status that we do not know is written as it is: the exporter counts it as an unknown value."""
    if call.CallStatus == "completed" and call.AnsweredBy.startswith("machine"):
        return "voicemail"
    if call.CallStatus == "canceled":
        return "abandoned" if call.Direction.startswith("inbound") else "failed"
    return _OUTCOMES.get(call.CallStatus, call.CallStatus)

"""Our own form, for whatever has no mapping: columns of the contract, word for word.

``{"id": …, "type": …, "occurred_at": …, "data": {columns}}``, or a list of them. type is lead, stage_transition,
deal, call or call_judgement. The signature is made as that of GitHub ("Validating webhook deliveries"):
``X-Signature-256`` is ``sha256=<hexadecimal HMAC-SHA256 of the body>``; or there is a bearer token. Values outside of
the documented sets are written: the exporter counts them. A column that the contract does not have is refused.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictBool

from sales_exporter.intake.events import Event, merged, row
from sales_exporter.intake.mappings import Hints, Vendor
from sales_exporter.intake.signatures import Request, Secret, header, hexed, same
from sales_exporter.intake.values import Id, Moment, Money, Number, Text


class _Columns(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LeadColumns(_Columns):
    """Columns of leads."""

    lead_id: Id
    created_at: Moment
    channel_id: Id | None = None
    campaign_id: Id | None = None
    rep_id: Id | None = None
    is_test: StrictBool = False


class TransitionColumns(_Columns):
    """Columns of stage_transitions."""

    transition_id: Id
    lead_id: Id
    from_stage: Text | None = None
    to_stage: Text
    occurred_at: Moment
    rep_id: Id | None = None
    reason: Text | None = None


class DealColumns(_Columns):
    """Columns of deals."""

    deal_id: Id
    lead_id: Id | None = None
    rep_id: Id | None = None
    opened_at: Moment | None = None
    stage: Text
    status: Text
    amount: Money
    currency: Text
    expected_close_on: date | None = None
    closed_at: Moment | None = None
    lost_reason: Text | None = None


class CallColumns(_Columns):
    """Columns of calls."""

    call_id: Id
    lead_id: Id | None = None
    rep_id: Id | None = None
    channel_id: Id | None = None
    carrier: Text | None = None
    agent_kind: Text
    direction: Text
    started_at: Moment
    answered_at: Moment | None = None
    ended_at: Moment
    outcome: Text
    success: StrictBool | None = None
    talk_seconds: Number | None = None
    hold_seconds: Number | None = None
    wrap_seconds: Number | None = None
    first_response_seconds: Number | None = None
    transferred: StrictBool = False
    cost: Money | None = None
    currency: Text | None = None


class JudgementColumns(_Columns):
    """Columns of call_judgements."""

    judgement_id: Id
    call_id: Id
    success: StrictBool
    judged_at: Moment


class _Any(_Columns):
    id: Id
    occurred_at: Moment


class LeadEvent(_Any):
    """A lead came, or changed."""

    type: Literal["lead"]
    data: LeadColumns


class TransitionEvent(_Any):
    """A lead entered a stage."""

    type: Literal["stage_transition"]
    data: TransitionColumns


class DealEvent(_Any):
    """A deal came, or changed."""

    type: Literal["deal"]
    data: DealColumns


class CallEvent(_Any):
    """A call has ended."""

    type: Literal["call"]
    data: CallColumns


class JudgementEvent(_Any):
    """A call was judged."""

    type: Literal["call_judgement"]
    data: JudgementColumns


class GenericEvent(RootModel[Annotated[LeadEvent | TransitionEvent | DealEvent | CallEvent | JudgementEvent,
                                       Field(discriminator="type")]]):
    """One event."""


_ONCE = {"stage_transition": "stage_transitions", "call": "calls", "call_judgement": "call_judgements"}


class Generic(Vendor):
    """Any relation that grows by events."""

    name = "generic"
    title = "Events in the form of the data contract"
    ways = ("hmac", "bearer")
    model = GenericEvent
    lists = True
    signature_header = "X-Signature-256"

    def signed(self, request: Request, secret: Secret, now: float) -> bool:
        """HMAC-SHA256 of the body."""
        return same(header(request, "x-signature-256"), b"sha256=" + hexed(secret, request.body))

    def event(self, part: Any, hints: Hints) -> Event | None:
        """One row; those of leads and deals replace what is older."""
        found = GenericEvent.model_validate(part).root
        values = found.data.model_dump()
        if found.type in _ONCE:
            return Event(found.id, found.occurred_at, (row(_ONCE[found.type], **values),))
        return Event(found.id, found.occurred_at, (merged(f"{found.type}s", {}, **values),))

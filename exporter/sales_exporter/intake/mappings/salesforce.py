"""Salesforce: Change Data Capture events of leads and opportunities, as JSON.

Pages: developer.salesforce.com "Change Event Message Structure", "ChangeEventHeader Fields", "Change Event Body
Fields".
Salesforce publishes these to subscribers and posts them nowhere by itself: let what you subscribe with (Event Relay, a
Pub/Sub client, middleware) forward each message here, with a bearer token. Taken are a message as CometD gives it
(``{"data": {"payload": …}}``), without its envelope, and lists. (The SOAP of outbound messages is not read.)

An update holds the changed fields alone. What happened last wins, field by field. Gap events and deletions say nothing
that the contract holds, and are ignored. Stages are Salesforce's names; business.stages says which are won and lost.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field

from sales_exporter.intake.events import Event, Row, merged, row
from sales_exporter.intake.mappings import Hints, Vendor, status_of
from sales_exporter.intake.values import Id, Millis, MomentOrMillis, Money, Shape, Text

_OWNERS = "005"
"""Owners may be queues too, whose ids begin otherwise: those leads have no rep yet."""


class _Header(Shape):
    entityName: Text  # noqa: N815
    recordIds: list[Id] = Field(min_length=1, max_length=1000)  # noqa: N815
    changeType: Text  # noqa: N815
    transactionKey: Id  # noqa: N815
    sequenceNumber: Id  # noqa: N815
    commitTimestamp: Millis  # noqa: N815


class SalesforceChange(Shape):
    """The payload of one change event."""

    ChangeEventHeader: _Header
    CreatedDate: MomentOrMillis | None = None
    LeadSource: Text | None = None
    OwnerId: Text | None = None
    ConvertedOpportunityId: Text | None = None
    StageName: Text | None = None
    Amount: Money | None = None
    CloseDate: date | None = None
    CurrencyIsoCode: Text | None = None


class Salesforce(Vendor):
    """Leads and deals as they change."""

    name = "salesforce"
    title = "Salesforce Change Data Capture events"
    ways = ("bearer",)
    model = SalesforceChange
    lists = True

    def event(self, part: Any, hints: Hints) -> Event | None:
        """The rows that one change event changes, for each of its records."""
        change = SalesforceChange.model_validate(_payload(part))
        head = change.ChangeEventHeader
        if head.changeType not in ("CREATE", "UPDATE", "UNDELETE"):
            return None
        rows: list[Row] = []
        for record in head.recordIds:
            if record.endswith("*"):
                continue
            if head.entityName == "Lead":
                rows += _lead(record, change, hints)
            elif head.entityName == "Opportunity":
                rows += _opportunity(record, change, hints)
        key = f"{head.transactionKey}/{head.sequenceNumber}/{head.entityName}"
        return Event(key, head.commitTimestamp, tuple(rows)) if rows else None


def _payload(part: Any) -> Any:
    for envelope in ("data", "payload"):
        if isinstance(part, dict) and isinstance(part.get(envelope), dict):
            part = part[envelope]
    return part


def _lead(record: str, change: SalesforceChange, hints: Hints) -> list[Row]:
    at, given = change.ChangeEventHeader.commitTimestamp, change.model_fields_set
    created = change.CreatedDate or at
    values: dict[str, object] = {}
    if "LeadSource" in given:
        values["channel_id"] = change.LeadSource
    if "OwnerId" in given:
        values["rep_id"] = _rep(change.OwnerId)
    rows: list[Row] = []
    if change.ChangeEventHeader.changeType == "CREATE":
        values["created_at"] = created
        rows.append(row("stage_transitions", transition_id=f"lead/{record}", lead_id=record, to_stage="Lead",
                        occurred_at=created))
    if values:
        rows.insert(0, merged("leads", {"created_at": created}, lead_id=record, **values))
    if change.ConvertedOpportunityId:
        rows.append(merged("deals", _new(hints), deal_id=change.ConvertedOpportunityId, lead_id=record))
    return rows


def _opportunity(record: str, change: SalesforceChange, hints: Hints) -> list[Row]:
    given = change.model_fields_set
    values: dict[str, object] = {}
    if change.StageName:
        status = status_of(change.StageName, hints, "Closed Won", "Closed Lost")
        at = change.ChangeEventHeader.commitTimestamp
        values |= {"stage": change.StageName, "status": status, "closed_at": None if status == "open" else at}
    if "Amount" in given:
        values["amount"] = change.Amount or 0
    if "CloseDate" in given:
        values["expected_close_on"] = change.CloseDate
    if "OwnerId" in given:
        values["rep_id"] = _rep(change.OwnerId)
    if change.CurrencyIsoCode:
        values["currency"] = change.CurrencyIsoCode
    if change.CreatedDate:
        values["opened_at"] = change.CreatedDate
    return [merged("deals", _new(hints), deal_id=record, **values)] if values else []


def _new(hints: Hints) -> dict[str, object]:
    """What a deal has that is first heard of in part. An opportunity without an amount counts as 0, as in the views."""
    return {"stage": next(iter(hints.stages), "(none)"), "status": "open", "amount": 0, "currency": hints.currency}


def _rep(owner: str | None) -> str | None:
    return owner if owner and owner.startswith(_OWNERS) else None

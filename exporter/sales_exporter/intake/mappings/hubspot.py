"""HubSpot: webhooks about contacts and deals, lists of events.

Pages: developers.hubspot.com "Webhooks" (contact.* and deal.* subscriptions, and their generic form object.* with an
objectTypeId), "Validating Requests". HubSpot signs: ``X-HubSpot-Signature-v3`` is HMAC-SHA256 in base 64 of method,
address, body and ``X-HubSpot-Request-Timestamp`` (milliseconds), with the app's client secret; it holds for five
minutes.

Subscribe to contact.creation, to contact.propertyChange of lifecyclestage, hs_analytics_source and hubspot_owner_id,
to deal.creation and to deal.propertyChange of dealstage, amount, closedate, deal_currency_code, hubspot_owner_id and
closed_lost_reason. Events come in any order: what happened last wins, property by property. An event does not say
which contact a deal belongs to, so lead_id stays empty. Stages are HubSpot's ids; business.stages says which are won
and which are lost.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from sales_exporter.intake.events import Event, Row, merged, row
from sales_exporter.intake.mappings import Hints, Vendor, status_of
from sales_exporter.intake.signatures import Request, Secret, based, header, recent, same
from sales_exporter.intake.values import Id, Millis, Shape, Text, money, text

_OBJECTS = {"0-1": "contact", "0-3": "deal"}
_DEAL_TEXTS = {"deal_currency_code": "currency", "hubspot_owner_id": "rep_id", "closed_lost_reason": "lost_reason"}


class HubspotEvent(Shape):
    """One element of the list that HubSpot posts."""

    eventId: Id  # noqa: N815
    subscriptionType: Text  # noqa: N815
    objectId: Id  # noqa: N815
    occurredAt: Millis  # noqa: N815
    objectTypeId: Text | None = None  # noqa: N815
    propertyName: Text | None = None  # noqa: N815
    propertyValue: Any = None  # noqa: N815


class Hubspot(Vendor):
    """Leads, stage transitions and deals as they change."""

    name = "hubspot"
    title = "HubSpot contact and deal webhooks"
    ways = ("hmac",)
    model = HubspotEvent
    lists = True
    signs_url = True
    signature_header = "X-HubSpot-Signature-v3"

    def signed(self, request: Request, secret: Secret, now: float) -> bool:
        """HMAC-SHA256 of method, address, body and time."""
        stamp = request.headers.get("x-hubspot-request-timestamp", "")
        if not recent(stamp, now):
            return False
        message = (request.method + unquote(request.url)).encode() + request.body + stamp.encode()
        return same(header(request, "x-hubspot-signature-v3"), based(secret, message, "sha256"))

    def event(self, part: Any, hints: Hints) -> Event | None:
        """The rows that one event changes."""
        found = HubspotEvent.model_validate(part)
        kind, _, action = found.subscriptionType.partition(".")
        if kind == "object":
            kind = _OBJECTS.get(found.objectTypeId or "", "")
        rows: tuple[Row, ...] = ()
        if kind == "contact":
            rows = _contact(found, action)
        elif kind == "deal":
            rows = _deal(found, action, hints)
        # HubSpot promises no more than that its event ids rarely repeat: with the object and the time they do not.
        key = f"{found.eventId}/{found.objectId}/{int(found.occurredAt.timestamp() * 1000)}"
        return Event(key, found.occurredAt, rows) if rows else None


def _contact(event: HubspotEvent, action: str) -> tuple[Row, ...]:
    lead, at = event.objectId, event.occurredAt
    if action == "creation":
        return (merged("leads", {}, lead_id=lead, created_at=at),)
    if action != "propertyChange":
        return ()
    value = text(event.propertyValue, "propertyValue")
    if event.propertyName == "lifecyclestage" and value:
        # The id that the view over Fivetran's tables gives the same change.
        return (row("stage_transitions", transition_id=f"{lead}/{at:%Y%m%d%H%M%S%f}", lead_id=lead, to_stage=value,
                    occurred_at=at),)
    if event.propertyName == "hs_analytics_source":
        return (merged("leads", {"created_at": at}, lead_id=lead, channel_id=value.lower() or None),)
    if event.propertyName == "hubspot_owner_id":
        return (merged("leads", {"created_at": at}, lead_id=lead, rep_id=value or None),)
    return ()


def _deal(event: HubspotEvent, action: str, hints: Hints) -> tuple[Row, ...]:
    deal, at = event.objectId, event.occurredAt
    if action == "creation":
        values: dict[str, object] = {"opened_at": at}
    elif action == "propertyChange":
        values = _changed(event, at, hints)
    else:
        values = {}
    # A deal without an amount counts as 0, as in the views.
    first = next(iter(hints.stages), "(none)")
    defaults = {"stage": first, "status": "open", "amount": 0, "currency": hints.currency}
    return (merged("deals", defaults, deal_id=deal, **values),) if values else ()


def _changed(event: HubspotEvent, at: datetime, hints: Hints) -> dict[str, object]:
    name, value = event.propertyName or "", text(event.propertyValue, "propertyValue")
    if name == "dealstage" and value:
        status = status_of(value, hints, "closedwon", "closedlost")
        return {"stage": value, "status": status, "closed_at": None if status == "open" else at}
    if name == "amount":
        return {"amount": money(value or 0, "propertyValue")}
    if name == "closedate":
        return {"expected_close_on": _day(value) if value else None}
    if name in _DEAL_TEXTS and (value or name != "deal_currency_code"):
        return {_DEAL_TEXTS[name]: value or None}
    return {}


def _day(value: str) -> object:
    try:
        return datetime.fromtimestamp(int(value) / 1000, UTC).date()
    except (ValueError, OverflowError, OSError):
        raise ValueError("propertyValue: expected milliseconds since 1970") from None

"""Each mapping on payloads of the shape that its vendor publishes; the values are invented."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.contract.relations import RELATIONS
from sales_exporter.intake.events import Event, decoded
from sales_exporter.intake.mappings import Hints, discover
from sales_exporter.intake.reading import Letter, parsed, read

VENDORS = discover()
HINTS = Hints("EUR", "human", {"lead": "open", "closedwon": "won", "closedlost": "lost", "Signed": "won"})
VAPI = {"message": {
    "type": "end-of-call-report", "endedReason": "customer-ended-call", "timestamp": 1_772_355_800_000,
    "startedAt": "2026-03-01T09:00:00.000Z", "endedAt": "2026-03-01T09:02:30.500Z", "cost": 0.1234,
    "analysis": {"summary": "invented", "successEvaluation": "true"},
    "artifact": {"performanceMetrics": {"turnLatencies": [{"turnLatency": 850}]}},
    "call": {"id": "0198-aa", "orgId": "org", "type": "outboundPhoneCall", "assistantId": "asst-7",
             "phoneCallProvider": "twilio", "createdAt": "2026-03-01T08:59:50Z", "metadata": {"lead_id": 77}},
}}
RETELL = {"event": "call_analyzed", "call": {
    "call_type": "phone_call", "from_number": "+15550100", "direction": "inbound", "call_id": "c-9", "agent_id": "a-3",
    "call_status": "ended", "metadata": {"lead_id": "L5"}, "start_timestamp": 1_772_355_600_000,
    "end_timestamp": 1_772_355_690_000, "disconnection_reason": "user_hangup",
    "call_cost": {"combined_cost": 43.5}, "latency": {"e2e": {"values": [700, 900]}},
    "call_analysis": {"call_successful": False, "in_voicemail": False},
}}
TWILIO = {"CallSid": "CA01", "AccountSid": "AC01", "From": "+15550100", "To": "+15550101", "CallStatus": "completed",
          "Direction": "outbound-api", "CallDuration": "95", "Timestamp": "Sun, 01 Mar 2026 09:05:00 +0000",
          "CallbackSource": "call-progress-events", "SequenceNumber": "3"}
HUBSPOT = [
    {"eventId": 11, "subscriptionId": 2, "portalId": 3, "appId": 4, "occurredAt": 1_772_355_600_123, "attemptNumber": 0,
     "subscriptionType": "contact.creation", "objectId": 501, "changeFlag": "NEW", "changeSource": "CRM"},
    {"eventId": 12, "occurredAt": 1_772_355_601_000, "subscriptionType": "contact.propertyChange", "objectId": 501,
     "propertyName": "lifecyclestage", "propertyValue": "opportunity"},
    {"eventId": 13, "occurredAt": 1_772_355_602_000, "subscriptionType": "deal.propertyChange", "objectId": 900,
     "propertyName": "dealstage", "propertyValue": "closedwon"},
    {"eventId": 14, "occurredAt": 1_772_355_602_000, "subscriptionType": "object.propertyChange", "objectTypeId": "0-3",
     "objectId": 900, "propertyName": "amount", "propertyValue": "1200.55"},
    {"eventId": 15, "occurredAt": 1_772_355_603_000, "subscriptionType": "ticket.creation", "objectId": 1},
]
SALESFORCE = {"data": {"schema": "x", "payload": {
    "ChangeEventHeader": {
        "entityName": "Opportunity", "recordIds": ["006A", "006B"], "changeType": "UPDATE", "changeOrigin": "x",
        "transactionKey": "0001-aa", "sequenceNumber": 1, "commitTimestamp": 1_772_355_600_000, "commitNumber": 5,
        "commitUser": "005U", "changedFields": ["StageName", "Amount"]},
    "StageName": "Signed", "Amount": 5000.25, "CloseDate": "2026-04-01", "OwnerId": "005X"},
    "event": {"replayId": 9}}}


def only(vendor: str, payload: Any) -> Event:
    found = read(VENDORS[vendor], payload, HINTS)
    assert (found.refused, found.ignored) == ([], 0)
    (event,) = found.events
    return event


def changed(payload: Any, *path: str, to: object) -> Any:
    """A copy with one value set, or taken away."""
    new = copy.deepcopy(payload)
    inner = new
    for name in path[:-1]:
        inner = inner[name]
    if to is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return new


def test_every_vendor_is_found_by_itself_and_named_as_its_module() -> None:
    assert list(VENDORS) == ["generic", "hubspot", "retell", "salesforce", "twilio", "vapi"]
    for name, vendor in VENDORS.items():
        assert type(vendor).__module__ == f"sales_exporter.intake.mappings.{name}"


def test_a_vapi_report_is_a_call() -> None:
    event = only("vapi", VAPI)
    (row,) = event.rows
    assert (event.id, row.relation) == ("0198-aa", "calls")
    assert row.values == {
        "call_id": "0198-aa", "lead_id": "77", "rep_id": "asst-7", "carrier": "twilio", "agent_kind": "ai",
        "direction": "outbound", "started_at": "2026-03-01T09:00:00+00:00", "answered_at": "2026-03-01T09:00:00+00:00",
        "ended_at": "2026-03-01T09:02:30.500000+00:00", "outcome": "answered", "success": True, "talk_seconds": 150.5,
        "first_response_seconds": 0.85, "transferred": False, "cost": "0.123400000", "currency": "USD"}


@pytest.mark.parametrize(("reason", "started", "outcome"), [
    ("customer-did-not-answer", None, "no_answer"), ("customer-busy", None, "busy"),
    ("voicemail", "2026-03-01", "voicemail"), ("assistant-request-failed", "2026-03-01T09:00:00Z", "failed"),
    ("something-new", "2026-03-01T09:00:00Z", "answered"),
    ("something-new", None, "failed"), ("twilio-failed-to-connect-call", "2026-03-01T09:00:00Z", "failed"),
])
def test_the_end_of_a_vapi_call_says_its_outcome(reason: str, started: str | None, outcome: str) -> None:
    payload = changed(changed(VAPI, "message", "endedReason", to=reason), "message", "startedAt", to=started)
    assert only("vapi", payload).rows[0].values["outcome"] == outcome


@pytest.mark.parametrize("said", ["7", "Good", None, {"a": 1}])
def test_a_vapi_evaluation_that_is_no_yes_or_no_is_no_judgement(said: object) -> None:
    event = only("vapi", changed(VAPI, "message", "analysis", "successEvaluation", to=said))
    assert event.rows[0].values["success"] is None


def test_other_vapi_messages_are_ignored() -> None:
    found = read(VENDORS["vapi"], {"message": {"type": "status-update", "status": "ringing"}}, HINTS)
    assert (found.events, found.refused, found.ignored) == ([], [], 1)


def test_a_retell_call_and_its_judgement_do_not_depend_on_the_order_of_the_events() -> None:
    ended = changed(changed(RETELL, "event", to="call_ended"), "call", "call_analysis", to=...)
    first, second = only("retell", ended), only("retell", RETELL)
    assert first.id != second.id
    assert first.rows[0] == second.rows[0]
    assert first.rows[0].values == {
        "call_id": "c-9", "lead_id": "L5", "rep_id": "a-3", "carrier": None, "agent_kind": "ai", "direction": "inbound",
        "started_at": "2026-03-01T09:00:00+00:00", "answered_at": "2026-03-01T09:00:00+00:00",
        "ended_at": "2026-03-01T09:01:30+00:00", "outcome": "answered", "talk_seconds": 90.0,
        "first_response_seconds": 0.7, "transferred": False, "cost": "0.435000000", "currency": "USD"}
    assert second.rows[1].values == {"judgement_id": "c-9/analysis", "call_id": "c-9", "success": False,
                                     "judged_at": "2026-03-01T09:01:30+00:00"}


@pytest.mark.parametrize(("reason", "outcome"), [
    ("dial_no_answer", "no_answer"), ("dial_busy", "busy"), ("voicemail_reached", "voicemail"),
    ("dial_failed", "failed"), ("error_user_not_joined", "abandoned"), ("agent_hangup", "answered"),
    ("a_new_reason", "answered"),
])
def test_the_end_of_a_retell_call_says_its_outcome(reason: str, outcome: str) -> None:
    event = only("retell", changed(RETELL, "call", "disconnection_reason", to=reason))
    assert event.rows[0].values["outcome"] == outcome


def test_a_twilio_callback_is_a_call() -> None:
    payload = parsed(urlencode(TWILIO).encode(), "application/x-www-form-urlencoded", 20)
    event = only("twilio", payload)
    assert event.id == "CA01/completed"
    assert event.rows[0].values == {
        "call_id": "CA01", "carrier": "twilio", "agent_kind": "human", "direction": "outbound",
        "started_at": "2026-03-01T09:03:25+00:00", "answered_at": "2026-03-01T09:03:25+00:00",
        "ended_at": "2026-03-01T09:05:00+00:00", "outcome": "answered", "talk_seconds": 95.0, "transferred": False}


@pytest.mark.parametrize(("change", "outcome"), [
    ({"CallStatus": "no-answer"}, "no_answer"), ({"CallStatus": "busy"}, "busy"), ({"CallStatus": "failed"}, "failed"),
    ({"CallStatus": "canceled"}, "failed"), ({"CallStatus": "canceled", "Direction": "inbound"}, "abandoned"),
    ({"AnsweredBy": "machine_start"}, "voicemail"), ({"CallStatus": "abducted"}, "abducted"),
    ({"CallStatus": "ringing"}, None), ({"ParentCallSid": "CA00"}, None),
])
def test_a_twilio_status_says_the_outcome_or_nothing(change: dict[str, str], outcome: str | None) -> None:
    found = read(VENDORS["twilio"], {**TWILIO, **change}, HINTS)
    assert [event.rows[0].values["outcome"] for event in found.events] == ([outcome] if outcome else [])
    assert found.ignored == (outcome is None)


def test_hubspot_events_are_leads_transitions_and_deals() -> None:
    found = read(VENDORS["hubspot"], HUBSPOT, HINTS)
    assert (found.ignored, found.refused) == (1, [])
    lead, transition, stage, amount = (event.rows[0] for event in found.events)
    assert (lead.relation, lead.values) == (
        "leads", {"lead_id": "501", "created_at": "2026-03-01T09:00:00.123000+00:00"})
    assert transition.values == {"transition_id": "501/20260301090001000000", "lead_id": "501",
                                 "to_stage": "opportunity", "occurred_at": "2026-03-01T09:00:01+00:00"}
    assert stage.values == {"deal_id": "900", "stage": "closedwon", "status": "won",
                            "closed_at": "2026-03-01T09:00:02+00:00"}
    assert stage.defaults == {"stage": "lead", "status": "open", "amount": 0, "currency": "EUR"}
    assert (amount.merge, amount.values) == (True, {"deal_id": "900", "amount": "1200.550000000"})


@pytest.mark.parametrize(("name", "value", "values"), [
    ("dealstage", "presentation", {"stage": "presentation", "status": "open", "closed_at": None}),
    ("amount", "", {"amount": "0.000000000"}), ("hubspot_owner_id", "", {"rep_id": None}),
    ("hubspot_owner_id", "8", {"rep_id": "8"}), ("closedate", "1775001600000", {"expected_close_on": "2026-04-01"}),
    ("closed_lost_reason", "price", {"lost_reason": "price"}), ("deal_currency_code", "USD", {"currency": "USD"}),
])
def test_a_hubspot_property_changes_its_column(name: str, value: str, values: dict[str, object]) -> None:
    event = {**HUBSPOT[2], "propertyName": name, "propertyValue": value}
    assert only("hubspot", [event]).rows[0].values == {"deal_id": "900", **values}


def test_a_salesforce_change_changes_each_of_its_records() -> None:
    event = only("salesforce", SALESFORCE)
    assert event.id == "0001-aa/1/Opportunity"
    assert [row.values["deal_id"] for row in event.rows] == ["006A", "006B"]
    assert event.rows[0].values == {
        "deal_id": "006A", "stage": "Signed", "status": "won", "closed_at": "2026-03-01T09:00:00+00:00",
        "amount": "5000.250000000", "expected_close_on": "2026-04-01", "rep_id": "005X"}


def test_a_salesforce_lead_comes_with_its_first_transition_and_is_joined_to_its_deal() -> None:
    head = {**SALESFORCE["data"]["payload"]["ChangeEventHeader"], "entityName": "Lead",  # type: ignore[index]
            "recordIds": ["00Q1"]}
    created = {"ChangeEventHeader": {**head, "changeType": "CREATE"}, "CreatedDate": "2026-03-01T08:00:00.000Z",
               "LeadSource": "Web", "OwnerId": "00G1"}
    lead, transition = only("salesforce", created).rows
    assert lead.values == {"lead_id": "00Q1", "channel_id": "Web", "rep_id": None,
                           "created_at": "2026-03-01T08:00:00+00:00"}
    assert transition.values["transition_id"] == "lead/00Q1"
    (deal,) = only("salesforce", {"ChangeEventHeader": head, "ConvertedOpportunityId": "006Z"}).rows
    assert deal.values == {"deal_id": "006Z", "lead_id": "00Q1"}


@pytest.mark.parametrize("kind", ["DELETE", "GAP_UPDATE", "GAP_OVERFLOW"])
def test_salesforce_changes_that_say_nothing_are_ignored(kind: str) -> None:
    payload = changed(SALESFORCE, "data", "payload", "ChangeEventHeader", "changeType", to=kind)
    assert read(VENDORS["salesforce"], payload, HINTS).ignored == 1


@pytest.mark.parametrize(("change", "reason"), [
    ({"type": "nothing"}, "Input tag 'nothing' found"),
    ({"occurred_at": "yesterday"}, "call.occurred_at: expected an ISO"), ({"occurred_at": 1}, "expected an ISO"),
    ({"id": ""}, "call.id: String should have at least 1 character"),
    ({"id": "x" * 600}, "at most 512 characters"), ({"id": "a\0b"}, "holds a character that no database stores"),
    ({"data": {}}, "call.data.call_id: Field required"),
])
def test_a_generic_event_is_refused_with_a_reason(change: dict[str, object], reason: str) -> None:
    event = {"id": "1", "type": "call", "occurred_at": "2026-03-01T09:00:00Z", "data": {
        "call_id": "c", "agent_kind": "ai", "direction": "inbound", "outcome": "answered",
        "started_at": "2026-03-01T09:00:00+01:00", "ended_at": "2026-03-01T09:00:00"}, **change}
    ((found, _),) = read(VENDORS["generic"], event, HINTS).refused
    assert reason in found


@pytest.mark.parametrize(("name", "value"), [
    ("call_colour", "red"), ("success", "yes"), ("cost", "NaN"), ("cost", "1e400"), ("talk_seconds", "inf"),
    ("started_at", "0000-00-00"), ("cost", True), ("call_id", None), ("call_id", "\ud800"),
])
def test_a_column_that_is_unknown_or_no_value_of_its_kind_is_refused(name: str, value: object) -> None:
    event = {"id": "1", "type": "call", "occurred_at": "2026-03-01T09:00:00Z", "data": {
        "call_id": "c", "agent_kind": "ai", "direction": "inbound", "outcome": "answered",
        "started_at": "2026-03-01T09:00:00Z", "ended_at": "2026-03-01T09:00:00Z", name: value}}
    assert len(read(VENDORS["generic"], event, HINTS).refused) == 1


def test_times_are_utc_and_money_keeps_its_digits() -> None:
    body = (b'{"id": 5, "type": "deal", "occurred_at": "2026-03-01T09:00:00+02:00", "data": {"deal_id": "d", '
            b'"stage": "s", "status": "open", "amount": 99999999999.123456789, "currency": "EUR", '
            b'"opened_at": "2026-03-01T00:30:00+02:00"}}')
    event = only("generic", parsed(body, "application/json", 20))
    assert event.occurred_at == datetime(2026, 3, 1, 7, tzinfo=UTC)
    assert event.rows[0].values["amount"] == "99999999999.123456789"
    assert event.rows[0].values["opened_at"] == "2026-02-28T22:30:00+00:00"


def test_what_is_spooled_is_what_was_mapped() -> None:
    for vendor, payload in (("vapi", VAPI), ("hubspot", [HUBSPOT[2]]), ("salesforce", SALESFORCE)):
        event = only(vendor, payload)
        assert decoded(event.id, event.encoded()) == event


@pytest.mark.parametrize(("body", "reason"), [
    (b"", "not JSON"), (b"\xff", "not UTF-8"), (b"[" * 100_000, "nested"),
    (b"[" * 30 + b"]" * 30, "nested more than 20"),
    (b'{"a": NaN}', "not JSON: NaN"), (b"{} {}", "not JSON: Extra data"), (b"1" * 5000, "too many digits")])
def test_a_body_that_is_no_payload_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parsed(body, "application/json", 20)


def test_a_letter_of_the_same_payload_has_the_same_id() -> None:
    first, again = Letter("a", None, "x", b"p", 1.0), Letter("a", None, "y", b"p", 2.0)
    assert first.id == again.id
    others = Letter("ap", None, "x", b"", 1.0), Letter("a", None, "x", b"p", 1.0, accepted=True)
    assert len({first.id, *(one.id for one in others)}) == 3


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["2026-03-01T09:00:00Z", "call_ended", "end-of-call-report", "completed", "0-3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6)


def corrupted(valid: Any, data: st.DataObject) -> Any:
    """A payload of the vendor's shape with one place replaced by anything."""
    if isinstance(valid, dict | list) and valid and data.draw(st.integers(0, 4)):
        places = sorted(valid) if isinstance(valid, dict) else range(len(valid))
        place = data.draw(st.sampled_from(places))
        new = copy.copy(valid)
        new[place] = corrupted(valid[place], data)
        return new
    return data.draw(ANY)


SHAPES = {"vapi": VAPI, "retell": RETELL, "twilio": TWILIO, "hubspot": HUBSPOT, "salesforce": SALESFORCE}


@pytest.mark.parametrize("vendor", SHAPES)
@given(data=st.data())
@pytest.mark.slow
def test_whatever_a_payload_holds_it_is_read_ignored_or_refused(vendor: str, data: st.DataObject) -> None:
    payload = corrupted(SHAPES[vendor], data)
    found = read(VENDORS[vendor], payload, HINTS)
    assert len(found.events) + len(found.refused) + found.ignored == len(VENDORS[vendor].parts(payload))
    for event in found.events:
        assert decoded(event.id, event.encoded()) == event
        for row in event.rows:
            assert set(row.values) <= {column.name for column in RELATIONS[row.relation].columns}


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=5))
def test_a_form_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    body = urlencode(fields).encode()
    written = dict(parse_qsl(body.decode(), keep_blank_values=True))
    assert parsed(body, "application/x-www-form-urlencoded", 20) == written == fields

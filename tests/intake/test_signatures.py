"""Who may send: good, forged, old and foreign proofs of each vendor."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from sales_exporter.intake.mappings import discover
from sales_exporter.intake.signatures import WINDOW, Request, Secret

VENDORS = discover()
KEY = b"a-secret-of-the-tests"
SECRET = Secret("hmac", SecretStr(KEY.decode()))
TOKEN = Secret("bearer", SecretStr("a-token-of-the-tests"))
URL = "https://sales.example/ingest/one?a=b%20c"
NOW = 1_772_355_600.0
BODY = b'{"a": "\xc3\xa4"}'
FORM = b"CallSid=CA01&CallStatus=completed&Digits=&From=%2B15550100"


def hexed(message: bytes, key: bytes = KEY) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def vapi(body: bytes, at: float, key: bytes) -> dict[str, str]:
    return {"x-timestamp": str(int(at * 1000)), "x-signature": hexed(str(int(at * 1000)).encode() + b"." + body, key)}


def retell(body: bytes, at: float, key: bytes) -> dict[str, str]:
    stamp = str(int(at * 1000))
    return {"x-retell-signature": f"v={stamp},d={hexed(body + stamp.encode(), key)}"}


def hubspot(body: bytes, at: float, key: bytes) -> dict[str, str]:
    stamp = str(int(at * 1000))
    message = b"POST" + b"https://sales.example/ingest/one?a=b c" + body + stamp.encode()
    return {"x-hubspot-request-timestamp": stamp,
            "x-hubspot-signature-v3": base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()}


def twilio(body: bytes, at: float, key: bytes) -> dict[str, str]:
    message = URL + "CallSidCA01CallStatuscompletedDigitsFrom+15550100" + ("x" if body != FORM else "")
    return {"x-twilio-signature": base64.b64encode(hmac.new(key, message.encode(), hashlib.sha1).digest()).decode()}


def generic(body: bytes, at: float, key: bytes) -> dict[str, str]:
    return {"x-signature-256": f"sha256={hexed(body, key)}"}


Sign = Callable[[bytes, float, bytes], dict[str, str]]
SIGNERS: dict[str, Sign] = {"vapi": vapi, "retell": retell, "hubspot": hubspot, "twilio": twilio, "generic": generic}
TIMED = {"vapi", "retell", "hubspot"}


def proves(vendor: str, headers: dict[str, str], body: bytes = BODY, now: float = NOW, secret: Secret = SECRET) -> bool:
    return VENDORS[vendor].proves(Request(URL, headers, body), secret, now)


def test_every_vendor_that_signs_is_tried() -> None:
    assert {name for name, vendor in VENDORS.items() if "hmac" in vendor.ways} == set(SIGNERS)


@pytest.mark.parametrize("vendor", SIGNERS)
def test_the_right_signature_is_believed_and_no_other(vendor: str) -> None:
    body = FORM if vendor == "twilio" else BODY
    good = SIGNERS[vendor](body, NOW, KEY)
    assert proves(vendor, good, body)
    assert not proves(vendor, good, body + b"&a=b")
    assert not proves(vendor, SIGNERS[vendor](body, NOW, b"another"), body)
    assert not proves(vendor, {}, body)
    for name in good:
        assert not proves(vendor, {**good, name: ""}, body)
        assert not proves(vendor, {**good, name: "\udcff\u00e9"}, body)
        assert not proves(vendor, {key: value for key, value in good.items() if key != name}, body)


@pytest.mark.parametrize("vendor", sorted(TIMED))
@pytest.mark.parametrize(("late", "believed"), [
    (0, True), (WINDOW - 1, True), (WINDOW + 1, False), (-WINDOW - 1, False)])
def test_a_signature_is_believed_for_five_minutes(vendor: str, late: float, believed: bool) -> None:
    assert proves(vendor, SIGNERS[vendor](BODY, NOW, KEY), now=NOW + late) is believed


def test_the_time_of_a_signature_cannot_be_exchanged() -> None:
    old = hubspot(BODY, NOW - 3600, KEY)
    assert not proves("hubspot", {**old, "x-hubspot-request-timestamp": str(int(NOW * 1000))})


def test_twilio_signs_the_address() -> None:
    request = Request("https://sales.example/ingest/two", twilio(FORM, NOW, KEY), FORM)
    assert not VENDORS["twilio"].proves(request, SECRET, NOW)


@pytest.mark.parametrize("vendor", [name for name, vendor in VENDORS.items() if "bearer" in vendor.ways])
def test_a_token_is_believed_and_no_other(vendor: str) -> None:
    for headers, believed in (
        ({"authorization": "Bearer a-token-of-the-tests"}, True),
        ({"authorization": "bearer  a-token-of-the-tests"}, True),
        ({"authorization": "Basic a-token-of-the-tests"}, False),
        ({"authorization": "Bearer a-token-of-the-test"}, False),
        ({"authorization": "Bearer "}, False), ({}, False), ({"authorization": "Bearer \udcff"}, False),
        ({"x-vapi-secret": "a-token-of-the-tests"}, vendor == "vapi"),
    ):
        assert proves(vendor, headers, secret=TOKEN) is believed


def test_s1_a_secret_prints_masked() -> None:
    assert "tests" not in repr(SECRET) + str(TOKEN) + f"{SECRET}"

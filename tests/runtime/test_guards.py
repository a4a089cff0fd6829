"""Forged requests are told from our own by what browsers say of them."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from sales_exporter.runtime.guards import Outside, forged, rebound

PROXIED = Outside.of("https://Ops.example.com/sales/")


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def test_the_address_outside_gives_origin_host_and_prefix() -> None:
    assert (PROXIED.origin, PROXIED.host, PROXIED.prefix) == ("https://ops.example.com", "ops.example.com", "/sales")
    assert Outside.of("http://ops:80/a%20b") == Outside("http://ops", "/a b")
    assert Outside.of("http://ops:8080") == Outside("http://ops:8080", "")
    assert Outside.of(None) == Outside()


@pytest.mark.parametrize(
    ("sent", "secure"),
    [
        pytest.param([], False, id="a program says nothing"),
        pytest.param([("Sec-Fetch-Site", "same-origin"), ("Origin", "http://sidecar:18881")], False, id="our page"),
        pytest.param([("Sec-Fetch-Site", "none")], False, id="typed by hand"),
        pytest.param([("Origin", "http://sidecar:18881")], False, id="an old browser"),
        pytest.param([("Origin", "https://sidecar:18881")], True, id="over TLS"),
        pytest.param([("Origin", "https://sidecar:18881")], False, id="TLS ends at a proxy"),
        pytest.param([("Origin", "HTTP://SIDECAR:18881")], False, id="capitals"),
        pytest.param([("Origin", "https://ops.example.com")], False, id="the address outside"),
    ],
)
def test_s6_what_our_own_pages_and_programs_send_passes(sent: list[tuple[str, str]], secure: bool) -> None:
    assert forged(headers(("Host", "sidecar:18881"), *sent), secure, PROXIED) == ""


@pytest.mark.parametrize(
    ("sent", "secure"),
    [
        pytest.param([("Sec-Fetch-Site", "cross-site")], False, id="another site"),
        pytest.param([("Sec-Fetch-Site", "same-site")], False, id="a neighbour of the same site"),
        pytest.param([("Sec-Fetch-Site", "")], False, id="an empty word"),
        pytest.param([("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], False, id="two words"),
        pytest.param([("Origin", "https://evil.example")], False, id="a foreign origin of an old browser"),
        pytest.param([("Origin", "null")], False, id="an origin that hides"),
        pytest.param([("Origin", "http://sidecar")], False, id="another port"),
        pytest.param([("Origin", "http://sidecar:18881")], True, id="the page came without TLS"),
        pytest.param([("Origin", "http://sidecar:18881.evil.example")], False, id="a longer name"),
        pytest.param([("Origin", "http://evil@sidecar:18881")], False, id="a name before it"),
        pytest.param([("Origin", "file://sidecar:18881")], False, id="another scheme"),
        pytest.param([("Origin", "http://ops.example.com")], False, id="the address outside without TLS"),
        pytest.param([("Origin", "http://sidecar:18881"), ("Origin", "http://evil")], False, id="two origins"),
        pytest.param([("Host", "evil"), ("Origin", "http://evil")], False, id="two hosts"),
    ],
)
def test_s6_what_another_site_makes_a_browser_send_is_refused(sent: list[tuple[str, str]], secure: bool) -> None:
    assert forged(headers(("Host", "sidecar:18881"), *sent), secure, PROXIED) != ""


@pytest.mark.parametrize("host", ["127.0.0.1:18881", "[::1]:18881", "localhost", "LOCALHOST:1", "10.1.2.3:18881",
                                  "ops.example.com", "ops.example.com:443"])
def test_s6_without_users_an_address_or_the_configured_name_passes(host: str) -> None:
    assert rebound(headers(("Host", host)), PROXIED) == ""


@pytest.mark.parametrize("host", ["evil.example:18881", "127.0.0.1.evil.example", "localhost.evil.example", "", "[",
                                  "ops.example.com:80", "127.0.0.1@evil.example"])
def test_s6_without_users_a_name_that_was_bound_to_this_machine_is_refused(host: str) -> None:
    assert rebound(headers(("Host", host)), PROXIED) != ""


def test_s6_an_origin_without_a_host_is_refused() -> None:
    assert forged(headers(("Origin", "http://")), False, Outside()) != ""

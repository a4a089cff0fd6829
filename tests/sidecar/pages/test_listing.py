"""The page of open alerts."""

from __future__ import annotations

import re

import pytest

from sales_exporter.sidecar.desk.model import Reach
from sales_exporter.sidecar.pages.frame import Look, Place
from sales_exporter.sidecar.pages.listing import SHOWN, Filter, listing
from sales_exporter.sidecar.pages.times import Times
from tests.sidecar.pages.looks import BERLIN, RESPONDER, VIEWER, words
from tests.support.cases import ANOMALY, ASSIGNED, DOWN, MUTED, NOW, OPEN, SNOOZED, TAKEN, WELL, case


def order(page: str) -> list[str]:
    return re.findall(r'id="case-([0-9a-f]{16})"', page)


def test_alerts_stand_in_the_order_of_the_desk() -> None:
    assert order(listing(RESPONDER, OPEN, WELL, Filter())) == [one.fingerprint for one in OPEN]


def test_a_row_says_how_bad_what_since_when_and_who_has_it() -> None:
    said = words(listing(RESPONDER, [TAKEN], WELL, Filter()))
    assert "warning 95 min Fewer than 60 % of the calls of AI agents are answered (51 %, 95 %: 46 to 56)." in said
    assert "SalesCallAnswerRatioLow agent_kind=ai sales-ops mara took it 50 min ago" in said


def test_a_moment_has_its_exact_time_behind_it() -> None:
    page = listing(RESPONDER, [ANOMALY], WELL, Filter())
    assert '<time datetime="2026-11-18T10:24:40Z" title="Wed 18 Nov 2026, 11:24 CET">42 min</time>' in page


@pytest.mark.parametrize(("one", "said"), [
    (DOWN, "Nobody has it escalates in 12 min"), (ASSIGNED, "For lena not acknowledged"),
    (SNOOZED, "Snoozed until 16:33"), (MUTED, "Silenced elsewhere"),
    (case(inhibited=True), "Muted by another alert"), (case(state="resolved"), "Closed by hand until it changes")])
def test_who_has_it_is_said_in_few_words(one: object, said: str) -> None:
    assert said in words(listing(RESPONDER, [one], WELL, Filter()))  # type: ignore[list-item]


def test_a_responder_takes_an_alert_that_nobody_has_with_one_press() -> None:
    page = listing(RESPONDER, [DOWN, TAKEN, SNOOZED, MUTED], WELL, Filter())
    assert re.findall(r'<form method="post" action="([^"]+)"', page) == [f"/alerts/{DOWN.fingerprint}/acknowledge"]
    assert 'name="token" value="1.token"' in page


def test_a_viewer_sees_no_form_and_why() -> None:
    page = listing(VIEWER, OPEN, WELL, Filter())
    assert "<form" not in page
    assert "You look only. Who may act is listed in sidecar.desk.responders" in words(page)


@pytest.mark.parametrize(("chosen", "shown"), [
    (Filter(severity="critical"), [DOWN, ANOMALY]), (Filter(team="ml"), [SNOOZED]),
    (Filter(state="unattended", severity="warning"), [ASSIGNED]), (Filter(state="muted"), [MUTED])])
def test_filters_leave_out_the_others(chosen: Filter, shown: list[object]) -> None:
    assert order(listing(RESPONDER, OPEN, WELL, chosen)) == [one.fingerprint for one in shown]  # type: ignore[attr-defined]


def test_a_choice_says_how_many_it_would_show_and_takes_itself_back() -> None:
    page = listing(RESPONDER, OPEN, WELL, Filter(severity="critical"))
    assert 'href="/alerts?severity=warning">Warning <span class="count">4</span>' in page
    assert re.search(r'href="/alerts" aria-current="true"[^>]*>Critical <span class="count">2</span>', page)
    assert 'href="/alerts?severity=critical&amp;team=platform">platform <span class="count">1</span>' in page


@pytest.mark.parametrize(("reach", "said"), [
    (WELL, "All quiet No alert is open at any Alertmanager"),
    (Reach(("a:9093",), ("b:9093",), True), "Nothing is known to fire b:9093 does not answer:"),
    (Reach((), ("a:9093", "b:9093")), "Nothing is known to fire a:9093, b:9093 do not answer:"),
    (Reach(("a:9093",)), "Nothing is known to fire The Watchdog, which always fires, does not:"),
    (Reach(), "Nothing is known to fire No Alertmanager is named in sidecar.alertmanagers:")])
def test_quiet_is_good_news_only_when_news_would_arrive(reach: Reach, said: str) -> None:
    assert said in words(listing(VIEWER, [], reach, Filter()))


def test_a_list_that_may_lack_something_says_so() -> None:
    assert "b:9093 does not answer: what is shown there alone may be missing" in words(
        listing(VIEWER, [DOWN], Reach(("a:9093",), ("b:9093",), True), Filter()))
    assert "does not answer:" not in words(listing(VIEWER, [DOWN], WELL, Filter()))


def test_filters_that_nothing_matches_say_how_many_there_are_without() -> None:
    assert "No open alert matches 2 alerts are open without these filters. Show all" in words(
        listing(VIEWER, [DOWN, ANOMALY], WELL, Filter(team="exec")))


def test_the_title_counts_what_nobody_has() -> None:
    assert "<title>(3) Open alerts · sales-exporter</title>" in listing(VIEWER, OPEN, WELL, Filter())
    assert "<title>Open alerts · sales-exporter</title>" in listing(VIEWER, [TAKEN], WELL, Filter())


def test_links_and_the_stream_are_behind_the_prefix() -> None:
    look = Look(Place(BERLIN, "/sales"), Times(NOW, BERLIN), "mara", True, "t")
    page = listing(look, [DOWN], WELL, Filter())
    assert 'data-stream="/sales/api/dashboard/stream/alerts"' in page
    assert set(re.findall(r'(?:href|action)="(/[^"]*)"', page)) == {
        "/sales/alerts", "/sales/alerts/history", f"/sales/alerts/{DOWN.fingerprint}",
        f"/sales/alerts/{DOWN.fingerprint}/acknowledge"}


def test_more_alerts_than_a_page_holds_are_counted() -> None:
    many = [case(labels={"entity": f"channel={number}"}) for number in range(SHOWN + 7)]
    page = listing(VIEWER, many, WELL, Filter())
    assert len(order(page)) == SHOWN
    assert "And 7 more" in words(page)


def test_without_a_script_the_page_loads_itself_anew() -> None:
    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in listing(VIEWER, OPEN, WELL, Filter())

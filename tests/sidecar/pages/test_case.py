"""The page of one alert."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_exporter.sidecar.backtest.course import Course
from sales_exporter.sidecar.desk.model import Case, Event
from sales_exporter.sidecar.pages.case import page
from sales_exporter.sidecar.pages.chart import Band, chart, missing
from sales_exporter.sidecar.pages.markup import Html
from sales_exporter.sidecar.series import SeriesId
from tests.sidecar.pages.looks import BERLIN, RESPONDER, VIEWER, words
from tests.sidecar.pages.reading import read
from tests.support.cases import ANOMALY, ASSIGNED, CLOSED, DOWN, MUTED, NOW, OVER, SNOOZED, TAKEN, case, events

ELEMENTS = {
    "html", "head", "meta", "title", "link", "style", "body", "a", "header", "div", "svg", "path", "span", "nav",
    "small", "main", "p", "h1", "h2", "dl", "dt", "dd", "time", "section", "b", "blockquote", "form", "input", "button",
    "label", "textarea", "select", "option", "ol", "li", "details", "summary", "script"}


def actions(text: str) -> list[str]:
    """What the buttons that are shown do."""
    return [url.rpartition("/")[2] for url in re.findall(r'id="do-[a-z]+"[^>]* formaction="([^"]+)"', text)]


def test_first_comes_how_bad_who_and_what() -> None:
    assert words(page(RESPONDER, ANOMALY, [])).partition("Act ")[0].endswith(
        "critical Nobody has it New leads an hour (channel=email): 3, expected 18 to 31. SalesAnomaly channel=email "
        "sales-ops Since 42 min 11:24 Nobody has it. It escalates in 8 min unless somebody acknowledges. Acknowledge ")


@pytest.mark.parametrize(("one", "said"), [
    (TAKEN, "mara has it. Taken 50 min ago. carrier has an incident, waiting for their update"),
    (ASSIGNED, "lena is to look at it, and has not acknowledged it. It has escalated once."),
    (SNOOZED, "Snoozed until 16:33 ( in 4 h ). training is on its way"),
    (MUTED, "Alertmanager keeps it quiet: a silence covers it that is not the desk's."),
    (case(inhibited=True), "another alert mutes it, and that one comes first."),
    (CLOSED, "Closed by hand. Its rule still holds: it is silenced until it ends or its severity changes."),
    (OVER, "Lasted 5 h from 02:06 Over for 5 h, since 07:06.")])
def test_how_it_stands_is_said(one: Case, said: str) -> None:
    assert said in words(page(VIEWER, one, []))


@pytest.mark.parametrize(("one", "offered"), [
    (DOWN, ["acknowledge", "comment", "snooze", "assign", "resolve"]),
    (TAKEN, ["unacknowledge", "comment", "snooze", "assign", "resolve"]),
    (SNOOZED, ["acknowledge", "comment", "snooze", "unacknowledge", "assign", "resolve"]),
    (CLOSED, ["unacknowledge", "comment"]), (OVER, ["comment"])])
def test_what_can_be_done_depends_on_how_it_stands(one: Case, offered: list[str]) -> None:
    assert actions(page(RESPONDER, one, [])) == offered


def test_somebody_else_may_take_an_alert_over() -> None:
    other = replace(RESPONDER, login="lena")
    assert actions(page(other, TAKEN, [])) == ["acknowledge", "unacknowledge", "comment", "snooze", "assign", "resolve"]


def test_resolving_says_what_it_does() -> None:
    assert "Resolve Ends it at every Alertmanager." in words(page(RESPONDER, ANOMALY, []))
    assert "Close until it changes A rule raises it, so it goes on firing" in words(page(RESPONDER, DOWN, []))


def test_a_viewer_sees_no_form_and_why() -> None:
    text = page(VIEWER, ANOMALY, [])
    assert "<form" not in text
    assert "You look only: acting needs a login that is listed in sidecar.desk.responders" in words(text)


def test_who_acts_is_asked_for_only_where_there_are_no_users() -> None:
    assert 'name="name"' not in page(RESPONDER, DOWN, [])
    assert 'name="name"' in page(replace(RESPONDER, login=""), DOWN, [])


def test_figures_come_first_and_sentences_after_them() -> None:
    said = words(page(VIEWER, ANOMALY, []))
    assert "Value 3 Expected 18 to 31 How far off -6.4 usual deviations At stake 1,270 EUR an hour" in said
    assert "Most of it campaign=spring: 0 instead of 14.1; campaign=brand: 3 instead of 10.1 Recommended" in said


def test_links_lead_to_runbook_dashboard_and_source() -> None:
    text = page(VIEWER, DOWN, [])
    assert re.findall(r'<a href="([^"]+)" rel="noreferrer"><b>', text) == [
        "/runbooks/SalesSourceDown", "http://127.0.0.1:3000/d/sales-exporter?var-cluster=demo&amp;var-tenant=default",
        "http://127.0.0.1:9090/graph?g0.expr=sales_source_up+%3D%3D+0&amp;g0.tab=1"]


def test_s8_hostile_words_are_shown_and_do_nothing() -> None:
    bad = '"><script>alert(1)</script>'
    one = case(bad, labels={"entity": bad, "team": bad}, owner=bad, comment=bad, generator_url="javascript:alert(1)",
               annotations={"summary": bad, "value": bad, "runbook_url": "javascript:alert(1)",
                            "dashboard_url": f"/d/{bad}", "own": bad})
    text = page(RESPONDER, one, [Event(NOW, one.fingerprint, "commented", bad, "page", bad)])
    assert "<script>alert" not in text
    assert "javascript:" not in text
    assert words(text).count(bad) >= 8


@given(st.lists(st.text(max_size=40), min_size=9, max_size=9))
def test_s8_whatever_people_write_makes_no_element_and_no_attribute(texts: list[str]) -> None:
    name, entity, summary, value, url, owner, comment, by, why = texts
    one = case(name, labels={"entity": entity, "own": why}, owner=owner, comment=comment, generator_url=url,
               annotations={"summary": summary, "value": value, "runbook_url": url, "dashboard_url": url, "more": why})
    found = read(Html(page(RESPONDER, one, [Event(NOW, one.fingerprint, "commented", by, "page", why)])))
    assert {element for element, _ in found.elements} <= ELEMENTS
    attributes = [(name, value or "") for _, given in found.elements for name, value in given]
    assert not [name for name, _ in attributes if name.startswith("on") or name in ("style", "srcdoc")]
    assert not [value for name, value in attributes if name in ("href", "action", "formaction")
                and not value.startswith(("/", "#main", "http://", "https://", "data:image/svg+xml"))]


def test_the_history_says_who_did_what_by_which_way_and_why() -> None:
    said = words(page(VIEWER, ANOMALY, events(ANOMALY)))
    assert ("40 s ago mara commented on the page same as last month: the form's webhook 5 min ago mara acknowledged it "
            "by a link in a notification looking 15 min ago It escalated not acknowledged for 15 min: critical, to "
            "platform 25 min ago Alertmanager notified sales-ops 26 min ago It changed warning to critical 42 min ago "
            "It began to fire") in said


def test_labels_receivers_and_fingerprint_can_be_opened() -> None:
    assert "9 labels, receivers and fingerprint alertname SalesAnomaly category business" in words(
        page(VIEWER, ANOMALY, []))
    assert f"Shown by 127.0.0.1:9093 Fingerprint {ANOMALY.fingerprint}" in words(page(VIEWER, ANOMALY, []))


def band(level: list[float]) -> Band:
    values = np.array(level, np.float32)
    around = np.full(values.size, 24, np.float32)
    course = Course(SeriesId("leads", (("channel", "email"),)), NOW - 600, 60.0, values, values, around, around - 6,
                    around + 7)
    return Band(course, NOW, "", "EUR", "new leads an hour")


def test_the_chart_shows_the_value_its_range_and_the_time_of_the_alert() -> None:
    text = chart(band([25, 24, 23, 26, 24, 25, 3, 3, 4, 3]), NOW - 240, NOW, "critical", BERLIN).text
    assert text.count('class="band"') == 1
    assert text.count('class="level"') == 1
    assert 'class="alert critical"><rect class="lasts" x="60.00%"' in text
    assert "New leads an hour" in text
    assert 'channel=&quot;email&quot;' in text


def test_a_chart_without_a_single_value_is_drawn() -> None:
    assert 'class="level"' not in chart(band([float("nan")] * 10), NOW - 240, NOW, "info", BERLIN).text


def test_why_there_is_no_chart_is_said() -> None:
    assert "Prometheus did not answer" in page(VIEWER, ANOMALY, [], missing("Prometheus did not answer"))

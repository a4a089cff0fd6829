"""The page: whole, self-contained, and what was found in it."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from sales_exporter.sidecar.backtest.page import page
from sales_exporter.sidecar.fleet.incidents import Incident
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.watches.watch import Watch
from tests.sidecar.backtest.made import DAY, START, TEXTS, alert, outcome, unseen, watched

HOSTILE = "<img src=x onerror=alert(1)>&\"'"
VOID = {"meta", "br", "img", "link", "input"}


class Reader(HTMLParser):
    """Tags, links, ids and texts; every tag must be closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.hrefs: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        known = dict(attrs)
        self.hrefs += [href for href in (known.get("href"), known.get("src")) if href]
        self.ids += [found for found in (known.get("id"),) if found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_tag_is_closed_and_every_link_leads_somewhere() -> None:
    found = Reader(page(outcome(watched(alert(9.4)), unseen("nothing")), 1.0))
    assert found.open == []
    assert {href[1:] for href in found.hrefs if href.startswith("#")} <= set(found.ids)
    assert [href for href in found.hrefs if not href.startswith("#")] == ["latency.svg"]


def test_there_is_no_script_and_nothing_from_elsewhere() -> None:
    text = page(outcome(watched(alert(9.4))), 1.0)
    assert "script" not in Reader(text).tags
    assert text.count("http") == text.count("http://www.w3.org/2000/svg")


def test_the_result_comes_first_and_says_how_it_stands_to_the_budget() -> None:
    within = Reader(page(outcome(watched(alert(9.4))), 1.0)).text
    assert "1 page in 4 weeks: 0.25 a week, within the budget of 1 a week." in within
    above = Reader(page(outcome(watched(alert(9.4))), 0.1)).text
    assert "0.25 a week, above the limit of 0.1 a week." in above


def test_an_alert_is_told_with_time_severity_words_and_length() -> None:
    text = Reader(page(outcome(watched(alert(9.4))), 1.0)).text
    for said in ("Tue 10 Nov 2026, 04:36", "critical", TEXTS["summary"], "Odd by a single sample", "stood for 2.08 h"):
        assert said in text


def test_hostile_texts_stay_texts() -> None:
    series = SeriesId("latency", (("route", HOSTILE),))
    one = watched(alert(9.4, series, summary=HOSTILE), series=series,
                  watch=Watch(name="latency", title=HOSTILE, query="latency", unit=HOSTILE[:16]), error=HOSTILE)
    text = page(outcome(one), 1.0)
    assert "img" not in Reader(text).tags
    assert HOSTILE in Reader(text).text


def test_watches_are_linked_from_the_table_in_their_order() -> None:
    other = Watch(name="spend", query="spend")
    found = Reader(page(outcome(watched(alert(1.0)), watched(watch=other)), 1.0))
    assert found.hrefs[:3] == ["#watches", "#watch-latency", "#watch-spend"]


def test_a_marked_incident_says_whether_it_was_found() -> None:
    marks = (Incident(1, START + 9.3 * DAY, START + 10 * DAY), Incident(2, START + 20 * DAY, START + 21 * DAY))
    text = Reader(page(outcome(watched(alert(9.4, incident=1)), incidents=marks), 1.0)).text
    assert "told of 2.4 h after it began" in text
    assert "not told of" in text
    assert "0 pages in 4 weeks" in text


def test_a_page_that_is_counted_elsewhere_says_so() -> None:
    one = replace(watched(), shared=(alert(3.0, SeriesId("spend")),))
    spend = watched(alert(3.0, SeriesId("spend")), watch=Watch(name="spend", query="spend"))
    assert "One page with spend, where it is counted." in Reader(page(outcome(spend, one), 1.0)).text


def test_a_watch_may_have_the_name_of_a_part_of_the_page() -> None:
    found = Reader(page(outcome(watched(watch=Watch(name="watches", query="watches"))), 1.0))
    assert len(found.ids) == len(set(found.ids)) == 2


def test_the_table_is_of_pages_outside_of_marked_incidents() -> None:
    text = page(outcome(watched(alert(9.4, incident=1))), 1.0)
    assert "critical" not in text.partition("<tbody>")[2].partition("</tbody>")[0]


def test_without_any_data_the_page_says_so() -> None:
    found = Reader(page(outcome(unseen("nothing"), weeks=0.0), 1.0))
    assert "Nothing could be judged" in found.text
    assert "No watch has any data." in found.text
    assert found.hrefs == ["#watches"]

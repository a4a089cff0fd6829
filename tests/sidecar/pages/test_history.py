"""The page and the files of what happened."""

from __future__ import annotations

import re

from sales_exporter.sidecar.desk.model import Event, Flapping, Times
from sales_exporter.sidecar.pages.history import ROWS, Choice, history
from tests.sidecar.pages.looks import VIEWER, words
from tests.support.cases import ANOMALY, NOW, events

TIMES = Times(37, 240.0, 1_500.0, 3_900.0, 20_000.0, (Flapping(ANOMALY.fingerprint, ANOMALY.labels, 14, 540.0),))


def test_figures_say_how_fast_people_are() -> None:
    assert ("Alerts that began 37 Until acknowledged 4 min median; nine of ten within 25 min Until resolved 65 min "
            "median; nine of ten within 6 h") in words(history(VIEWER, Choice(), [], TIMES))


def test_figures_that_nobody_has_are_not_made_up() -> None:
    assert "Until acknowledged none yet Until resolved none yet" in words(
        history(VIEWER, Choice(), [], Times(2, None, None, None, None)))


def test_what_comes_and_goes_is_listed() -> None:
    assert "SalesAnomaly channel=email 14 times, 9 min each" in words(history(VIEWER, Choice(), [], TIMES))


def test_an_event_says_when_which_alert_who_and_why() -> None:
    said = words(history(VIEWER, Choice(), events(ANOMALY), TIMES))
    assert "12:06 SalesAnomaly critical channel=email mara commented on the page : same as last month" in said


def test_an_older_page_begins_where_this_one_ends() -> None:
    many = [Event(NOW - number, ANOMALY.fingerprint, "commented", "mara", "page", number=1_000 - number)
            for number in range(ROWS + 1)]
    text = history(VIEWER, Choice(kind="commented"), many, TIMES)
    assert f'href="/alerts/history?range=7d&amp;kind=commented&amp;before={1_001 - ROWS}"' in text
    assert text.count("<li>") == ROWS + len(TIMES.flapping)


def test_the_last_page_leads_back_to_the_newest() -> None:
    text = history(VIEWER, Choice(before=17), events(ANOMALY), TIMES)
    assert re.findall(r'class="chip"[^>]*>(\w+)<|href="[^"]*" class="chip"[^>]*>(\w+)<', text)
    assert "Older" not in text


def test_files_are_offered_with_the_same_choice() -> None:
    text = history(VIEWER, Choice("30d", "SalesAnomaly", "fired"), [], TIMES)
    assert 'href="/alerts/history?range=30d&amp;alertname=SalesAnomaly&amp;kind=fired&amp;format=jsonl"' in text


def test_what_is_asked_of_the_desk_is_what_was_chosen() -> None:
    wanted = Choice("24h", "SalesAnomaly", "fired", before=9).wanted(NOW)
    assert (wanted.since, wanted.alertname, wanted.kinds, wanted.before, wanted.limit) == (
        NOW - 86_400, "SalesAnomaly", frozenset({"fired"}), 9, ROWS + 1)


def test_a_kind_that_there_is_not_takes_all() -> None:
    assert Choice(kind="exploded").wanted(NOW).kinds == frozenset()

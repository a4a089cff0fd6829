"""Pictures: well-formed, with everything on them that was found."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from sales_exporter.sidecar.backtest.outcome import Watched
from sales_exporter.sidecar.backtest.picture import HEIGHT, TOP, caption, picture, unit_words
from sales_exporter.sidecar.backtest.plot import BOTTOM
from sales_exporter.sidecar.series import SeriesId
from tests.sidecar.backtest.made import BERLIN, UNTIL, alert, course, unseen, watched

HOSTILE = SeriesId("latency", (("route", "<script>alert(1)</script>&\"'\x00\ud800"),))


def drawn(one: Watched, alone: bool = True) -> str:
    return picture(one, UNTIL, BERLIN, "EUR", alone=alone)


def texts(svg: str) -> list[str]:
    return [found.text or "" for found in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_a_picture_has_title_ticks_days_and_the_time_of_an_alert() -> None:
    found = texts(drawn(watched(alert(9.4))))
    assert found[0] == 'API latency, in seconds. route="/api", the only series'
    assert {"0 s", "500 ms", "1 s", "2 Nov", "23 Nov", "1", "Tue 10 Nov, 04:36"} <= set(found)


def test_alerts_that_are_near_share_a_badge() -> None:
    found = texts(drawn(watched(alert(9.0), alert(9.1), alert(9.2), alert(25.0))))
    assert "1-3" in found
    assert "4" in found
    assert "2" not in found


def test_a_gap_parts_level_and_nothing_is_drawn_in_it() -> None:
    levels = re.findall(r'class="level" d="([^"]+)"', drawn(watched()))
    assert len(levels) == 2
    assert len(re.findall(r'class="band"', drawn(watched()))) == 1


def test_both_ends_of_a_column_are_drawn() -> None:
    peak = course()
    peak.high[1] = 4.0
    levels = "".join(re.findall(r'class="level" d="([^"]+)"', drawn(replace(watched(), course=peak))))
    heights = [float(y) for y in re.findall(r" ([\d.]+)", levels)]
    assert min(heights) == 0.0
    assert max(heights) == round((HEIGHT - TOP - BOTTOM) * (1 - 0.28 / 4), 1)


def test_hostile_labels_are_text() -> None:
    svg = drawn(watched(alert(9.4, HOSTILE), series=HOSTILE))
    assert "<script" not in svg
    assert "<script>alert(1)</script>" in texts(svg)[0]
    assert svg.encode("utf-8")


def test_a_series_without_a_value_or_a_range_can_be_drawn() -> None:
    nothing = np.full(4, np.nan, np.float32)
    empty = replace(course(), low=nothing, high=nothing, lower=nothing, upper=nothing, expected=nothing)
    assert "level" not in re.findall(r'<path class="(\w+)"', drawn(replace(watched(), course=empty)))


def test_a_watch_that_saw_nothing_has_no_picture() -> None:
    assert drawn(unseen("nothing")) == ""


def test_within_a_page_it_brings_neither_colours_nor_a_width_of_its_own() -> None:
    svg = drawn(watched(), alone=False)
    assert "<style" not in svg
    assert 'width="100%"' in svg


def test_the_caption_says_which_series_it_is() -> None:
    assert caption(replace(watched(), series=12)) == 'route="/api", the first of 12 series'
    assert caption(replace(watched(alert(1.0)), series=12)) == 'route="/api", the one with most alerts of 12 series'


@pytest.mark.parametrize(("unit", "words"), [
    ("s", ", in seconds"), ("ratio", ", in per cent"), ("currency", ", in EUR"), ("bytes/s", ", in bytes/s"),
    ("1/h", ""), ("", ""),
])
def test_units_are_said_in_words(unit: str, words: str) -> None:
    assert unit_words(unit, "EUR") == words

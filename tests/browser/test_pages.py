"""Every dashboard as people see it, on a desk and on a phone: no panel fails, is empty or cuts off what it says."""

from __future__ import annotations

import pytest

from tests.browser.conftest import WIDTHS
from tests.browser.pages import Report
from tests.browser.stated import BAR, CUT, EMPTY, SIDEWAYS
from tests.grafana.boards import all_boards

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.stack, pytest.mark.timeout(1800)]

UIDS = sorted(board["uid"] for board in all_boards().values())
Pages = dict[tuple[str, int], Report]


def number(panel: Report) -> int:
    """The id of a panel; its repeats share it."""
    return int(panel["id"].partition(":")[0])


def ids(report: Report, wrong: str) -> dict[int, str]:
    """Panels of which something is true, with their titles."""
    return {number(panel): panel["title"] for panel in report["panels"] if panel[wrong]}


def in_state(report: Report, *states: str) -> dict[int, str]:
    """Panels in one of these states, with their titles and what they say."""
    return {number(panel): f"{panel['title']}: {panel.get('message', '')}" for panel in report["panels"]
            if panel["state"] in states}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("uid", UIDS)
def test_a_page_is_drawn_without_an_error(pages: Pages, uid: str, width: int):
    report = pages[uid, width]
    assert report.get("failed") is None
    assert not in_state(report, "error", "unsupported")
    assert report["console"] == []
    assert report["panels"]


@pytest.mark.parametrize("uid", UIDS)
def test_only_the_stated_panels_are_empty(pages: Pages, uid: str):
    """What is stated and not empty is out of date."""
    for width in WIDTHS:
        empty = in_state(pages[uid, width], "empty")
        assert empty.keys() == EMPTY.get(uid, {}).keys(), empty


@pytest.mark.parametrize("uid", UIDS)
def test_no_text_is_cut_off(pages: Pages, uid: str):
    cut: dict[int, list[str]] = {}
    for width in WIDTHS:
        report = pages[uid, width]
        assert bool(report["cut"]) == (uid in BAR and width < 1280)
        assert report["overflow"] == 0
        for panel in filter(lambda panel: panel["cut"], report["panels"]):
            cut.setdefault(number(panel), []).extend(f"{width}: {text['text']}" for text in panel["cut"])
    assert cut.keys() == CUT.get(uid, {}).keys(), cut


@pytest.mark.parametrize("uid", UIDS)
def test_no_table_needs_scrolling_to_the_side_on_a_desk(pages: Pages, uid: str):
    wide = ids(pages[uid, 1280], "sideways")
    assert wide.keys() == SIDEWAYS.get(uid, {}).keys(), wide


def test_what_is_wrong_is_noticed(broken: Report):
    states = {panel["title"]: panel["state"] for panel in broken["panels"]}
    assert states["Not PromQL"] == "error"
    assert states["No such metric"] == "empty"
    assert states["No such drawing"] == "unsupported"
    assert states["Cannot be drawn"] == "error"
    assert states["Well"] == "ok"
    assert set(ids(broken, "cut").values()) == {"A heading that is too long for a narrow panel", "A long cell"}
    assert set(ids(broken, "sideways").values()) == {"Too many columns"}


def test_every_kind_of_panel_is_drawn(kinds: Report):
    assert kinds["console"] == []
    assert {panel["title"]: panel["state"] for panel in kinds["panels"] if panel["state"] != "ok"} == {}
    drawn = {"gauge", "piechart", "barchart", "histogram", "state-timeline", "status-history", "text", "table",
             "heatmap", "timeseries", "bargauge", "stat"}
    assert {panel["kind"] for panel in kinds["panels"]} == drawn


def test_variables_are_written_into_titles_and_panels_and_rows_repeat(kinds: Report):
    titles = [panel["title"] for panel in kinds["panels"] if panel["kind"] == "stat"]
    assert titles == ["In Oslo", "In Rome", "In Nizza", "Every 5m, free, Oslo,Rome,Nizza", "Within high", "Within low"]

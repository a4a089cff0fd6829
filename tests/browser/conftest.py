"""One browser and one world for all pages; every dashboard is opened once for all that is asked of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.pages import PREVIEW, Browser, Report, browser
from tests.grafana.weeks import SAMPLES, Weeks

SHOTS = PREVIEW / "shots"
"""Where the pictures are kept, for whoever wants to look: git ignores it."""
WIDTHS = (1280, 390)


@pytest.fixture(scope="session")
def chromium() -> Browser:
    """The browser with the page in it."""
    return browser()


@pytest.fixture(scope="session")
def options(weeks: Weeks) -> list[str]:
    """The two weeks, whose samples are five minutes apart; each dashboard over the time range that it opens with."""
    return ["--prometheus", weeks.prometheus.url, "--at", f"{weeks.end:.0f}", "--scrape-interval", f"{SAMPLES}s"]


@pytest.fixture(scope="session")
def pages(chromium: Browser, options: list[str]) -> dict[tuple[str, int], Report]:
    """Every dashboard at every width with all rows open, by uid and width."""
    shots = [part for width in WIDTHS for part in ("--width", str(width))]
    reports = chromium.shoot(*options, *shots, "--open-rows", "--all-layers", "--out", str(SHOTS))
    (SHOTS / "report.json").write_text(json.dumps(reports, indent=1), "utf-8")
    return {(report["uid"], report["width"]): report for report in reports}


def page_of(chromium: Browser, options: list[str], folder: str) -> Report:
    """The report on the one dashboard in a folder beside this file, with its rows open."""
    (report,) = chromium.shoot(*options, "--dashboards", str(Path(__file__).parent / folder), "--open-rows",
                               "--out", str(SHOTS))
    return report


@pytest.fixture(scope="session")
def broken(chromium: Browser, options: list[str]) -> Report:
    """A page on which everything that is looked for is wrong."""
    return page_of(chromium, options, "broken")


@pytest.fixture(scope="session")
def kinds(chromium: Browser, options: list[str]) -> Report:
    """A page with every kind of panel, cell, variable and repeat that the preview draws."""
    return page_of(chromium, options, "kinds")

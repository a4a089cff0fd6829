"""The replay of a rule fires when promtool's stepwise evaluation of the same rule on the same series does."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from sales_exporter.config import QueryApi
from sales_exporter.rules.api import Api
from sales_exporter.rules.book import Book, read
from sales_exporter.rules.replay import Outcome, Span, replay
from tests.grafana.server import serving
from tests.rules.rulebook import CASES, LOADER, RULES, seconds
from tests.support.binaries import Program

pytestmark = pytest.mark.stack

LONGEST = {60: 14 * 3600, 600: 12 * 86_400, 1800: 12 * 86_400}
"""Seconds that are compared at most, by the seconds between two evaluations."""
GROUPS = (
    ("api", "every other request fails: both severities", 60), ("exporter", "", 60), ("system", "", 60),
    ("source", "", 60), ("meta", "", 60), ("models", "", 60), ("ledger", "", 60), ("calls", "", 600),
    ("pipeline", "twice as many are open as a week ago", 1800), ("roi", "spend is no longer recorded", 1800),
)
"""File of cases, group of it (else the one with the most expectations), seconds between two evaluations."""


def expanded(values: str) -> list[str | None]:
    """The values of a series in promtool's notation; None where there is none."""
    found: list[str | None] = []
    for item in values.split():
        match = re.fullmatch(r"(-?[\d.]+)(?:([+-][\d.]+))?x(\d+)", item)
        missing = re.fullmatch(r"_(?:x(\d+))?", item)
        if match:
            first, rise, times = float(match[1]), float(match[2] or 0), int(match[3])
            found += [repr(first + rise * place) for place in range(times + 1)]
        elif missing:
            found += [None] * int(missing[1] or 1)
        else:
            found.append(item)
    return found


def interval(group: dict[str, Any]) -> int:
    """Seconds between two samples."""
    return round(seconds(group["interval"]))


def openmetrics(group: dict[str, Any]) -> Iterator[str]:
    """The input series of a case, from the epoch on."""
    step = interval(group)
    for series in group["input_series"]:
        for place, value in enumerate(expanded(str(series["values"]))):
            if value is not None:
                yield f"{series['series']} {value} {place * step}\n"
    yield "# EOF\n"


def chosen(family: str, which: str) -> dict[str, Any]:
    """A group of cases: one by name, else the one with the most expectations, without stale markers."""
    tree = yaml.load((CASES / f"{family}.yml").read_text(), LOADER)
    if which:
        return next(group for group in tree["tests"] if group["name"] == which)
    fit = [group for group in tree["tests"] if group.get("input_series")
           and not any("stale" in str(series["values"]) for series in group["input_series"])]
    fires = [group for group in fit if any(check["exp_alerts"] for check in group["alert_rule_test"])]
    return max(fires, key=lambda group: len(group["alert_rule_test"]))


def silent(folder: Path, family: str) -> list[Path]:
    """The rule files without annotations, which promtool would compare as well."""
    paths = []
    for place in ("recording", "alerts"):
        path = RULES / place / f"{family}.yml"
        if path.exists():
            tree = yaml.load(path.read_text(), LOADER)
            for rule in itertools.chain.from_iterable(group["rules"] for group in tree["groups"]):
                rule.pop("annotations", None)
            paths.append(folder / f"{place}-{family}.yml")
            paths[-1].write_text(yaml.safe_dump(tree, sort_keys=False))
    return paths


def expectations(outcomes: list[Outcome], until: int, step: int) -> list[dict[str, Any]]:
    """For promtool: at each evaluation, exactly the alerts that the replay says fire."""
    checks = []
    for name in sorted({one.alert.name for one in outcomes}):
        found = [episode for one in outcomes if one.alert.name == name for episode in one.fired]
        for at in range(0, until, step):
            firing = [dict(one.labels) for one in found if (one.fired or 0) <= at < (one.until or until)]
            checks.append({"eval_time": f"{at}s", "alertname": name, "exp_alerts": [
                {"exp_labels": labels} for labels in firing]})
    return checks


def checked(
    promtool: Program, test: Path, files: list[Path], group: dict[str, Any], checks: list[Any], step: int
) -> str:
    """What promtool says of these expectations, which are written to ``test``; empty when all hold."""
    order = [one["name"] for file in files for one in yaml.load(file.read_text(), LOADER)["groups"]]
    case = {"name": "replayed", "interval": group["interval"], "input_series": group["input_series"],
            "alert_rule_test": checks}
    test.write_text(yaml.safe_dump({"rule_files": [str(file) for file in files], "evaluation_interval": f"{step}s",
                                    "group_eval_order": order, "tests": [case]}))
    done = promtool.run("test", "rules", test)
    return "" if done.returncode == 0 else (done.stderr or done.stdout)[-2000:]


@pytest.mark.parametrize(("family", "which", "step"), GROUPS, ids=[family for family, *_ in GROUPS])
def test_alerts_fire_when_promtool_says(
    promtool: Program, tmp_path: Path, family: str, which: str, step: int
) -> None:
    group, files = chosen(family, which), silent(tmp_path, family)
    (tmp_path / "past.om").write_text("".join(openmetrics(group)))
    done = promtool.run("tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=168h",
                        tmp_path / "past.om", tmp_path / "tsdb")
    assert done.returncode == 0, done.stderr
    (tmp_path / "prometheus.yml").write_text("global: {scrape_interval: 60s}\n")
    length = max(len(expanded(str(series["values"]))) for series in group["input_series"])
    until = min(length * interval(group), LONGEST[step])
    names = {check["alertname"] for check in group["alert_rule_test"]}
    book = read(files)
    book = Book(tuple(one for one in book.alerts if one.name in names), book.recordings)
    with serving(tmp_path / "tsdb", tmp_path / "prometheus.yml") as server:
        outcomes = replay(Api(QueryApi(url=server.url, timeout=60)), book, Span(0, until, step), lambda *_: None)
    assert [one.error for one in outcomes] == [""] * len(outcomes)
    checks = expectations(outcomes, until, step)
    assert any(check["exp_alerts"] for check in checks)
    # The comparison sees a difference of one evaluation.
    moved = [{**check, "exp_alerts": checks[place - 1]["exp_alerts"] if place % (until // step) else []}
             for place, check in enumerate(checks)]
    with ThreadPoolExecutor() as pool:
        same, other = (pool.submit(checked, promtool, tmp_path / name, files, group, expected, step)
                       for name, expected in (("same.yml", checks), ("moved.yml", moved)))
    assert same.result() == ""
    assert other.result() != ""

"""Every query of every dashboard, run by a real Prometheus on what the collectors say about a real database."""

from __future__ import annotations

import dataclasses
import math
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from sales_exporter.collectors import discover, exporter, source
from sales_exporter.config import Business
from sales_exporter.demo import generator
from sales_exporter.runtime.exposition import Renderer
from sales_exporter.runtime.past import begin, evaluate
from tests.grafana.boards import Board, all_boards, filled, panels, source_of
from tests.grafana.lint import SHARED
from tests.grafana.server import Prometheus, program, serving
from tests.grafana.traffic import OTHERS, REQUESTS, past
from tests.support.databases import Databases

pytestmark = [pytest.mark.postgres, pytest.mark.stack]

BOARDS = all_boards()
NOW = 1_780_000_200.0
WEEK = 7 * 86_400
BUDGET_SECONDS = 1.0
REPLICAS = ("a:18880", "b:18880")
APPLICATIONS = {"shop-1:8000": 1, "shop-2:8000": 2}
"""Instances of an application, and their shares of its traffic."""
APPLICATION_MINUTES = 90


@dataclass(frozen=True, slots=True)
class World:
    """A Prometheus with two moments a week apart, and what the exporter said at the later one."""

    prometheus: Prometheus
    said: dict[str, float]


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("dashboards")
    promtool = program("promtool")
    database = databases.fresh()
    preset = generator.demo(until=datetime.fromtimestamp(NOW, UTC), seed=7)
    tables, _ = generator.generate(dataclasses.replace(preset, leads=6_000))
    generator.load(database.owner.dsn, tables, lambda done, total, what: None)
    said: dict[str, float] = {}
    lines: list[str] = []
    for moment in (NOW - WEEK, NOW):
        dsn, business = database.reader.dsn, Business()
        series = evaluate(dsn, business, begin(dsn, business, moment, quiet), [moment], quiet)
        said = {f"{one.name}{{{one.labels}}}": float(one.values[0]) for one in series} | itself(moment)
        for replica in REPLICAS:
            target = f'job="sales-exporter",instance="{replica}",cluster="demo",tenant="default"'
            lines += [f"{labelled(key, target)} {value!r} {at:.0f}" for key, value in said.items()
                      for at in (moment - 300, moment)]
    for instance, series, value, at in past(NOW, APPLICATION_MINUTES, APPLICATIONS):
        target = f'job="shop",instance="{instance}",cluster="demo",tenant="default"'
        lines.append(f"{labelled(series, target)} {value!r} {at:.0f}")
    (folder / "past.om").write_text("\n".join([*lines, *alerts(NOW), "# EOF", ""]))
    subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", folder / "past.om",
                    folder / "tsdb"], check=True, capture_output=True)
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 10s}\n")
    with serving(folder / "tsdb", config) as prometheus:
        yield World(prometheus, said)


def quiet(done: int, total: int) -> None:
    """Of the evaluation nothing is told."""


def labelled(series: str, more: str) -> str:
    """The text of a series with further labels."""
    name, _, labels = series.partition("{")
    return f"{name}{{{','.join(filter(None, [labels.removesuffix('}'), more]))}}}"


def itself(moment: float) -> dict[str, float]:
    """What the exporter says of itself and of its source, while all is well."""
    samples = [exporter.AS_OF(moment), exporter.REPLAY(0), source.UP(1, source="postgres"),
               source.LAG(0.4, source="postgres")]
    for name in discover():
        samples += [exporter.SUCCESS(1, collector=name), exporter.LAST(moment - 5, collector=name)]
    return Renderer().values(samples)


def alerts(moment: float) -> list[str]:
    """Firing alerts as Prometheus writes them down."""
    firing = [("Watchdog", "none", "platform", ""), ("SalesFunnelDry", "critical", "sales-ops", "demo"),
              ("SalesChannelLosingMoney", "warning", "sales-ops", "demo"),
              ("SalesApiLatencyHigh", "info", "platform", "demo")]
    lines = []
    for name, severity, team, cluster in firing:
        where = f',cluster="{cluster}",tenant="default"' if cluster else ""
        labels = f'alertname="{name}",severity="{severity}",team="{team}",category="business"{where}'
        lines += [f'ALERTS{{{labels},alertstate="firing"}} 1 {moment:.0f}',
                  f"ALERTS_FOR_STATE{{{labels}}} {moment - 600:.0f} {moment:.0f}"]
    return lines


def resolved(board: Board, prometheus: Prometheus, *, one: bool) -> dict[str, str]:
    """Variables as a browser resolves them, top to bottom; ``one`` picks one job and one instance."""
    values: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            values[variable["name"]] = variable["current"]["value"]
            continue
        series, label = source_of(variable)
        found = prometheus.label_values(filled(series, values), label, NOW - WEEK, NOW)
        assert found, f"variable {variable['name']} has no values"
        default = variable.get("current", {}).get("value")
        if variable["includeAll"]:
            single = one and variable["name"] in SHARED
            values[variable["name"]] = escaped(found[0]) if single else variable["allValue"]
        else:
            values[variable["name"]] = default if default in found else found[0]
    return values


def escaped(value: str) -> str:
    """A value as Grafana writes it into a regular expression within a PromQL string."""
    return re.sub(r"[$()*+?.{}|^\[\]\\]", r"\\\\\g<0>", value)


def answers(panel: Board, values: dict[str, str],
            prometheus: Prometheus) -> Iterator[tuple[Board, list[dict[str, Any]]]]:
    """Each query of a panel with its series; values of an instant query are lists of one."""
    for target in panel["targets"]:
        expr = filled(target["expr"], values)
        if target["instant"]:
            found = [{**series, "values": [series["value"]]} for series in prometheus.now(expr, NOW)]
        else:
            found = prometheus.over(expr, NOW - 600, NOW, 300)
        yield target, found


def unit_of(panel: Board, target: Board) -> str:
    """The unit that a query's numbers are shown in."""
    names = {target["legendFormat"]}
    for step in panel.get("transformations", []):
        renamed = step["options"].get("renameByName", {})
        names.add(renamed.get(f"Value #{target['refId']}", renamed.get("Value", "")))
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] in names:
            for item in override["properties"]:
                if item["id"] == "unit":
                    return item["value"]
    return panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("one", [False, True], ids=["all instances", "one instance"])
@pytest.mark.parametrize("name", BOARDS)
def test_every_query_has_a_plausible_answer(world: World, name: str, one: bool):
    values = resolved(BOARDS[name], world.prometheus, one=one)
    for panel in panels(BOARDS[name]):
        for target, series in answers(panel, values, world.prometheus):
            where = f"{panel['title']} {target['refId']}"
            assert series, f"{where} is empty"
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert all(label in found["metric"] for found in series), f"{where}: no label {label}"
            numbers = [float(value) for found in series for _, value in found["values"]]
            assert all(math.isfinite(number) for number in numbers), where
            if unit_of(panel, target) == "percentunit":
                share = "- 1" not in target["expr"] and "roi_ratio" not in target["expr"]
                assert all(-1 <= number <= (1 if share else math.inf) for number in numbers), (where, numbers)


@pytest.mark.parametrize("name", BOARDS)
def test_a_page_is_answered_within_a_second(world: World, name: str):
    values = resolved(BOARDS[name], world.prometheus, one=False)
    began = time.perf_counter()
    for panel in panels(BOARDS[name]):
        list(answers(panel, values, world.prometheus))
    assert time.perf_counter() - began < BUDGET_SECONDS


def figure(world: World, number: int, letter: str, name: str = "Sales/sales-home.json", **chosen: str) -> float:
    board = BOARDS[name]
    panel = next(panel for panel in panels(board) if panel["id"] == number)
    values = resolved(board, world.prometheus, one=False) | chosen
    found = {target["refId"]: series for target, series in answers(panel, values, world.prometheus) if series}
    return float(found[letter][0]["value"][1])


def total(world: World, name: str, *labels: str) -> float:
    return sum(value for key, value in world.said.items()
               if key.partition("{")[0] == name and all(f'{label}"' in key for label in labels))


def test_two_exporters_on_one_database_do_not_double_the_money(world: World):
    assert figure(world, 1, "A") == pytest.approx(total(world, "sales_revenue_won", 'window="30d'))


def test_return_is_a_ratio_of_sums(world: World):
    won, spent = (total(world, name, 'window="30d') for name in ("sales_revenue_won", "sales_spend"))
    of_new_leads = total(world, "sales_revenue", 'window="30d', 'model="last', 'basis="cohort')
    assert figure(world, 3, "A") == pytest.approx(won / spent - 1)
    assert figure(world, 3, "C") == pytest.approx(of_new_leads / spent - 1)


def test_win_rate_is_won_of_decided(world: World):
    won, lost = (total(world, "sales_deals", f'result="{result}', 'window="30d') for result in ("won", "lost"))
    assert figure(world, 5, "A") == pytest.approx(won / (won + lost))
    assert figure(world, 5, "C") == won + lost


def test_funnel_never_widens_and_starts_with_all_leads(world: World):
    board = BOARDS["Sales/sales-home.json"]
    panel = next(panel for panel in panels(board) if panel["title"].startswith("Funnel"))
    ((_, series),) = answers(panel, resolved(board, world.prometheus, one=False), world.prometheus)
    stages = [(found["metric"]["stage"], float(found["value"][1])) for found in series]
    assert [stage for stage, _ in stages] == ["lead", "contact", "qualified", "proposal", "won"]
    assert stages[0][1] == total(world, "sales_funnel_leads", 'stage="lead', 'window="30d', 'basis="cohort')
    assert stages == sorted(stages, key=lambda stage: -stage[1])


def test_open_alerts_are_counted_by_severity_without_the_watchdog(world: World):
    assert (figure(world, 8, "A"), figure(world, 8, "B")) == (1, 1)
    assert figure(world, 19, "A") >= 600


def of_the_api(world: World, number: int, letter: str, **chosen: str) -> float:
    return figure(world, number, letter, "Platform/sales-api.json", **chosen)


EACH_MINUTE = 3 * sum(request[-1] for request in REQUESTS) + 2 * len(OTHERS)
"""Requests of two instances, of which the second has twice the traffic."""


def test_instances_of_an_application_add_up(world: World):
    assert of_the_api(world, 1, "A") == pytest.approx(EACH_MINUTE / 60, rel=0.01)
    assert of_the_api(world, 1, "B") == len(APPLICATIONS)
    assert of_the_api(world, 1, "A", instance="shop-1:8000") < of_the_api(world, 1, "A", instance="shop-2:8000")


def test_error_ratio_counts_unhandled_errors_and_5xx_but_no_client_that_went_away(world: World):
    failing = 3 * sum(times for *_, status, _, _, _, times in REQUESTS if status >= 500)
    assert of_the_api(world, 2, "A") == pytest.approx(failing / EACH_MINUTE, rel=0.01)
    assert of_the_api(world, 2, "A", route="/leads/.lead_id.") == 0


def test_a_share_of_too_few_requests_is_not_shown(world: World):
    with pytest.raises(KeyError):
        of_the_api(world, 2, "A", route="/one", instance="shop-1:8000")


def test_a_route_has_its_own_latency(world: World):
    assert of_the_api(world, 3, "A", route="/leads/.lead_id.") < 0.1
    assert 0.25 < of_the_api(world, 3, "B", route="/predict") < 1

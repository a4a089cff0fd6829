"""Every dashboard is generated, sound in structure, and asks only for what the exporter exports."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import pytest

from grafana.source.__main__ import DASHBOARDS, generated
from grafana.source.promql import BAR
from grafana.source.sdk import units
from sales_exporter.grafana import queries, structure
from sales_exporter.grafana.document import Board, panels
from sales_exporter.grafana.registry import registry
from tests.grafana.boards import FOLDER, ROOT, all_boards

BOARDS = all_boards()
UIDS = {board["uid"] for board in BOARDS.values()}
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
KNOWN = registry(ROOT / "alert_rules")


def every_defect(board: Board) -> list[str]:
    return [*structure.defects(board, UIDS, UNITS), *queries.defects(board, KNOWN)]


@cache
def defects_as_committed(name: str) -> frozenset[str]:
    return frozenset(every_defect(BOARDS[name]))


def test_committed_json_is_what_the_builders_make():
    made = {str(path): text for path, text in generated()}
    there = {str(path.relative_to(FOLDER)): path.read_text("utf-8") for path in FOLDER.rglob("*.json")}
    assert made == there, "run: python -m grafana.source"
    assert DASHBOARDS == FOLDER


def test_uids_are_unique():
    assert len(UIDS) == len(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_structure_is_sound(name: str):
    assert structure.defects(BOARDS[name], UIDS, UNITS) == []


@pytest.mark.parametrize("name", BOARDS)
def test_queries_name_only_what_is_exported(name: str):
    assert queries.defects(BOARDS[name], KNOWN) == []


def first(board: Board, kind: str) -> Board:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def replace(board: Board, old: str, new: str, *, ranged: bool = False) -> None:
    target = next(target for panel in panels(board) for target in panel["targets"]
                  if old in target["expr"] and (target.get("range") or not ranged))
    target["expr"] = target["expr"].replace(old, new)


def query(board: Board, expr: str) -> None:
    """Ask something else over time."""
    first(board, "timeseries")["targets"][0]["expr"] = expr.replace("BAR", BAR)


def renamed(panel: Board, name: str) -> None:
    """Call the second query and what is said of it something else."""
    panel["targets"][1]["legendFormat"] = panel["fieldConfig"]["overrides"][0]["matcher"]["options"] = name


def steps(board: Board) -> list[Board]:
    return next(panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in panels(board)
                if len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1)


def linked(board: Board) -> Board:
    return next(link for link in board["links"] if link["type"] == "link")


MUTATIONS: dict[str, Callable[[Board], object]] = {
    "metric typo": lambda board: replace(board, "sales_spend{", "sales_spent{"),
    "label typo": lambda board: replace(board, "window=", "windows="),
    "grouping typo": lambda board: replace(board, "sum by (stage)", "sum by (stages)"),
    "syntax": lambda board: replace(board, "sum (", "sum (("),
    "missing rate": lambda board: replace(board, "sales_source_lag_seconds{", "sales_calls_total{"),
    "unknown variable": lambda board: replace(board, '"$window"', '"$nowhere"'),
    "hard-coded job": lambda board: replace(board, 'job=~"$job"', 'job="sales-exporter"'),
    "matcher of the bar dropped": lambda board: replace(board, 'tenant="$tenant",', ""),
    "unit typo": lambda board: first(board, "timeseries")["fieldConfig"]["defaults"].update(unit="percentunits"),
    "override unit typo": lambda board: first(board, "stat")["fieldConfig"]["overrides"][0]["properties"][0].update(
        value="percnt"),
    "override of nothing": lambda board: first(board, "stat")["fieldConfig"]["overrides"][0]["matcher"].update(
        options="nothing"),
    "override of a name with a variable": lambda board: renamed(first(board, "stat"), "in $window"),
    "no description": lambda board: first(board, "stat").update(description=""),
    "no empty text": lambda board: first(board, "table")["fieldConfig"]["defaults"].pop("noValue"),
    "long text in large letters": lambda board: first(board, "stat")["fieldConfig"]["defaults"].update(
        noValue=first(board, "stat")["description"].rpartition(":")[0]),
    "remedy told nowhere": lambda board: first(board, "stat").update(
        description="Amounts of all deals that were won in the window"),
    "no legend": lambda board: first(board, "timeseries")["options"]["legend"].update(showLegend=False),
    "no zero": lambda board: first(board, "bargauge")["fieldConfig"]["defaults"].pop("min"),
    "same id": lambda board: first(board, "table").update(id=1),
    "same letter": lambda board: first(board, "stat")["targets"][1].update(refId="A"),
    "overlap": lambda board: board["panels"][1]["gridPos"].update(x=0),
    "too wide": lambda board: board["panels"][3]["gridPos"].update(w=7),
    "fixed data source": lambda board: first(board, "stat")["targets"][0]["datasource"].update(uid="prometheus"),
    "dead link": lambda board: board["links"].append({"title": "x", "type": "link", "url": "/d/nowhere"}),
    "unused variable": lambda board: board["templating"]["list"].append({"name": "spare", "type": "constant"}),
    "bar out of order": lambda board: board["templating"]["list"].reverse(),
    "schema v2": lambda board: board.update(schemaVersion=41),
    "editable": lambda board: board.update(editable=True),
    "no alert layer": lambda board: board["annotations"]["list"].clear(),
    "metric of nobody": lambda board: query(board, "sum (node_load1{BAR})"),
    "recorded by no rule": lambda board: query(board, "sum (cluster_job:requests:rate1m{BAR})"),
    "label value variable of another kind": lambda board: replace(board, 'currency="$currency"', 'currency="$money"'),
    "join on a label that is not there": lambda board: query(board, "sum by (rep) (sales_spend{BAR})"),
    "buckets without le": lambda board: query(
        board, "histogram_quantile(0.5, sum by (agent_kind) (rate(sales_call_duration_seconds_bucket{BAR}[5m])))"),
    "histogram that is a gauge": lambda board: query(board, "rate(sales_spend_bucket{BAR}[$__rate_interval])"),
    "window fixed": lambda board: query(board, "sum (rate(sales_calls_total{BAR}[1m]))"),
    "lines that come and go": lambda board: query(board, "topk(3, sales_spend{BAR})"),
    "counter summed": lambda board: query(board, "sum (sales_calls_total{BAR})"),
    "cluster fixed": lambda board: query(board, "sum (sales_spend{BAR})".replace(
        "BAR", BAR.replace('cluster="$cluster"', 'cluster="demo"'))),
    "quote missing": lambda board: query(board, 'sum (sales_spend{BAR,window="30d})'),
    "thresholds out of order": lambda board: steps(board).reverse(),
    "threshold twice": lambda board: steps(board).append(dict(steps(board)[-1])),
    "no thresholds": lambda board: first(board, "stat")["fieldConfig"]["defaults"].pop("thresholds"),
    "no decimals": lambda board: first(board, "stat")["fieldConfig"]["defaults"].pop("decimals"),
    "no title": lambda board: first(board, "stat").update(title=""),
    "legend of labels": lambda board: first(board, "timeseries")["targets"][0].update(legendFormat="__auto"),
    "no query": lambda board: first(board, "stat")["targets"].clear(),
    "no id": lambda board: first(board, "stat").update(id=None),
    "variable of another time": lambda board: board["templating"]["list"][1].update(refresh=1),
    "variable of an unknown series": lambda board: board["templating"]["list"][1]["query"].update(
        query="label_values(sales_as_off_timestamp_seconds,cluster)"),
    "variable of an unknown label": lambda board: board["templating"]["list"][1]["query"].update(
        query='label_values(sales_as_of_timestamp_seconds{customer="x"},cluster)'),
    "link that forgets the tenant": lambda board: linked(board).update(
        url=linked(board)["url"].replace("&var-tenant=$tenant", "")),
    "link that forgets the time": lambda board: linked(board).update(keepTime=False),
    "dropdown that forgets the variables": lambda board: board["links"][-1].update(includeVars=False),
    "dropdown without a tag": lambda board: board["links"][-1].update(tags=[]),
    "below the first row": lambda board: first(board, "stat")["gridPos"].update(h=0),
    "mark of an unknown series": lambda board: board["annotations"]["list"][1].update(expr="deployments > 0"),
    "mark of every tenant": lambda board: board["annotations"]["list"][2].update(expr="sales_model_labels > 0"),
    "too large": lambda board: first(board, "stat").update(description="x" * 200_000),
    "time zone of the server": lambda board: board.update(timezone="utc"),
    "not refreshed": lambda board: board.update(refresh=""),
    "not tagged": lambda board: board["tags"].remove("sales"),
    "too many panels": lambda board: board["panels"].extend(
        {**copy.deepcopy(board["panels"][0]), "id": 100 + n, "gridPos": {"x": 0, "y": 100 + n, "w": 1, "h": 1}}
        for n in range(10)),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_broken_dashboard_is_noticed(mutation: str):
    board = copy.deepcopy(BOARDS["Executive/sales-home.json"])
    MUTATIONS[mutation](board)
    assert set(every_defect(board)) - defects_as_committed("Executive/sales-home.json")


def test_faults_that_were_seeded_are_many():
    assert len(MUTATIONS) >= 60


def test_panels_that_overlap_in_a_closed_row_are_noticed():
    board = copy.deepcopy(BOARDS["Platform/sales-api.json"])
    first(board, "row")["panels"][1]["gridPos"].update(x=0)
    assert every_defect(board) == ["Model error ratio: overlaps Model calls"]

"""What `sales-exporter grafana verify` says of dashboards as people bring them from Grafana."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sales_exporter.grafana.document import panels
from sales_exporter.grafana.registry import registry
from sales_exporter.grafana.verify import verify
from tests.grafana.boards import FOLDER, ROOT, all_boards
from tests.support.command import Told, call

HOME = all_boards()["Executive/sales-home.json"]
UIDS = {board["uid"] for board in all_boards().values()}
KNOWN = registry(ROOT / "alert_rules")


def found(board: Any) -> list[str]:
    return verify(json.dumps(board), KNOWN, UIDS)


@pytest.mark.parametrize("name", all_boards())
def test_ours_are_sound(name: str):
    assert found(all_boards()[name]) == []


V2 = {"title": "x", "elements": {}, "layout": {"kind": "GridLayout"}}
RESOURCE = {"apiVersion": "dashboard.grafana.app/v2beta1", "kind": "Dashboard", "metadata": {"name": "x"}, "spec": V2}


@pytest.mark.parametrize(("board", "said"), [
    (V2, "schema v2"), ({"kind": "Dashboard", "spec": V2}, "schema v2"), (RESOURCE, "Kubernetes-style"),
    ({"dashboard": HOME, "meta": {}}, "under `dashboard`"), ([], "a JSON object"), ({"title": "x"}, "no panels"),
])
def test_a_form_that_provisioning_refuses_is_named_with_the_remedy(board: Any, said: str):
    (text,) = found(board)
    assert said in text


def mended(change: Callable[[dict[str, Any]], object]) -> list[str]:
    board = copy.deepcopy(HOME)
    change(board)
    return found(board)


def query(expr: str) -> list[str]:
    return mended(lambda board: next(panels(board))["targets"][0].update(expr=expr))


def test_what_a_hand_broke_is_found():
    assert "has no uid" in mended(lambda board: board.pop("uid"))[0]
    assert "has no title" in mended(lambda board: board.pop("title"))[0]
    assert "schemaVersion 16" in mended(lambda board: board.update(schemaVersion=16))[0]
    assert "without id" in mended(lambda board: next(panels(board)).pop("id"))[0]
    assert "no place" in mended(lambda board: next(panels(board)).pop("gridPos"))[0]
    assert "__inputs" in mended(lambda board: board.update(__inputs=[]))[0]
    assert "overlaps" in mended(lambda board: board["panels"][1]["gridPos"].update(x=0))[0]
    assert "another form" in mended(lambda board: board.update(panels=["row"]))[0]


def test_queries_that_cannot_answer_are_found():
    assert query("sum (sales_spent)") == ["Revenue won, $window ($currency) A: metric sales_spent does not exist; "
                                          "sales_spend does"]
    assert "no label chanel" in query('sum (sales_spend{chanel="x"})')[0]
    assert "cannot be parsed" in query("sum (sales_spend")[0]
    assert "outside rate" in query("sum (sales_calls_total)")[0]
    assert "variable nowhere does not exist" in query('sum (sales_spend{channel="$nowhere"})')[0]


def test_metrics_of_other_exporters_are_not_judged():
    assert query("sum (rate(node_cpu_seconds_total[5m]))") == []


def test_older_ways_to_write_a_variable_are_read():
    assert mended(lambda board: board["templating"]["list"][1].update(
        query="label_values(sales_as_of_timestamp_seconds, cluster)")) == []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    return lambda *paths: call(monkeypatch, capsys, "grafana", "verify", *map(str, paths))


def test_a_folder_is_told_file_by_file(run: Callable[..., Told], tmp_path: Path):
    (tmp_path / "good.json").write_text((FOLDER / "Executive" / "sales-home.json").read_text())
    (tmp_path / "bad.json").write_text("{")
    told = run(tmp_path)
    assert told.code == 1
    bad, good = told.out.splitlines()
    assert bad.startswith(f"{tmp_path / 'bad.json'}: is not JSON")
    assert good == f"{tmp_path / 'good.json'}: sound"


def test_what_cannot_be_read_is_bad_input(run: Callable[..., Told], tmp_path: Path):
    missing = run(tmp_path / "none.json")
    assert (missing.code, missing.out) == (2, "")
    assert f"{tmp_path / 'none.json'} does not exist" in missing.err
    assert "holds no .json file" in run(tmp_path).err
    (tmp_path / "picture.json").write_bytes(b"\x89PNG")
    assert run(tmp_path / "picture.json").code == 2

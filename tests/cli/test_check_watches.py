"""``check`` tries the watches of the sidecar on a real Prometheus."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from sales_exporter.cli import contract as commands
from sales_exporter.errors import ConfigError
from tests.grafana.server import program, serving

pytestmark = pytest.mark.stack

WATCHES = """
watches:
  - {name: sound, query: level, by: [host]}
  - {name: raw, query: jobs_total}
  - {name: torn, query: "sum by ("}
  - {name: misspelt, query: levle}
  - {name: unlabelled, query: sum(level), by: [host]}
  - {name: crowded, query: level, series: 2}
  - {name: undefined, query: level / 0 * 0}
"""

app = typer.Typer()
app.command()(commands.schema)
app.command()(commands.check)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, now = tmp_path_factory.mktemp("watches"), int(time.time())
    # Until a while after now, since the tests take their time.
    lines = [f"{series} {at - now + 4000} {at}" for series in ('level{host="a"}', 'level{host="b"}', 'level{host="c"}',
             "jobs_total") for at in range(now - 600, now + 900, 60)]
    (folder / "past.om").write_text("\n".join([*lines, "# EOF", ""]))
    subprocess.run([program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet", folder / "past.om",
                    folder / "tsdb"], check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 60s}\n")
    with serving(folder / "tsdb", folder / "prometheus.yml") as server:
        yield server.url


def run(folder: Path, config: str, *flags: str) -> Result:
    (folder / "watches.yml").write_text(WATCHES)
    (folder / "sales-exporter.yml").write_text(config)
    return CliRunner().invoke(app, ["check", "--config.file", str(folder / "sales-exporter.yml"), *flags])


def section(folder: Path, url: str, defaults: bool = False) -> str:
    """The section sidecar of a configuration."""
    return (f"sidecar:\n  prometheus: {{url: '{url}'}}\n  watches: [{folder / 'watches.yml'}]\n"
            f"  default_watches: {str(defaults).lower()}\n")


def report(result: Result) -> Any:
    assert result.output, result.exception
    return json.loads(result.output)


def test_each_watch_is_tried_and_its_trouble_explained(tmp_path: Path, url: str) -> None:
    found = report(run(tmp_path, section(tmp_path, url), "--sidecar", "--format", "json"))
    assert {(one["relation"], one["code"]) for one in found["findings"]} == {
        ("watch raw", "counter_without_rate"), ("watch torn", "query_rejected"), ("watch misspelt", "unknown_metric"),
        ("watch unlabelled", "label_missing"), ("watch crowded", "too_many_series"), ("watch undefined", "only_nan")}
    assert (found["ok"], found["watches"]) == (False, 7)


def test_people_read_it_in_words(tmp_path: Path, url: str) -> None:
    result = run(tmp_path, section(tmp_path, url), "--sidecar")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    at = lines.index("watch misspelt")
    assert lines[at + 1] == "  warning The server knows no metric levle. [unknown_metric]"
    assert lines[at + 2].startswith("          -> Mend the name")
    assert result.output.endswith("; 0 relations checked; 7 watches tried.\n")


def test_missing_data_of_the_products_own_watches_is_one_note(tmp_path: Path, url: str) -> None:
    (tmp_path / "none.yml").write_text("watches: []\n")
    config = section(tmp_path, url, defaults=True).replace("watches.yml", "none.yml")
    found = report(run(tmp_path, config, "--sidecar", "--format", "json"))
    assert [(one["relation"], one["code"]) for one in found["findings"]] == [("prometheus", "no_data")]
    assert found["ok"]


def test_a_server_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    found = report(run(tmp_path, section(tmp_path, "http://127.0.0.1:1"), "--sidecar", "--format", "json"))
    assert [(one["relation"], one["code"]) for one in found["findings"]] == [("prometheus", "server_unavailable")]


def test_without_the_flag_a_database_is_needed_all_the_same(tmp_path: Path, url: str) -> None:
    result = run(tmp_path, section(tmp_path, url))
    assert isinstance(result.exception, ConfigError)
    assert "check needs a database" in str(result.exception)


def test_a_mistake_in_a_file_of_watches_is_named(tmp_path: Path, url: str) -> None:
    (tmp_path / "torn.yml").write_text("watches: [{name: one, query: a, kind: guage}]\n")
    result = run(tmp_path, section(tmp_path, url).replace("watches.yml", "torn.yml"), "--sidecar")
    assert isinstance(result.exception, ConfigError)
    assert "torn.yml: one: kind: " in str(result.exception)

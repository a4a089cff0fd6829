"""promtool and amtool accept what is shipped, and every promtool case holds."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from sales_exporter.sidecar.fleet.words import Contributor, Finding, texts
from tests.rules.rulebook import CASES, ROOT, RULES
from tests.support.binaries import Program

pytestmark = pytest.mark.stack

PROMETHEUS = ROOT / "prometheus"
SECRET = re.compile(r"password|secret|token|api_key|bearer|credentials|service_key|routing_key|user_key", re.I)


@pytest.mark.parametrize("path", sorted(RULES.glob("*/*.yml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_promtool_accepts_the_rules(promtool: Program, path: Path) -> None:
    done = promtool.run("check", "rules", "--lint=all", "--lint-fatal", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_prometheus_yml(promtool: Program) -> None:
    done = promtool.run("check", "config", "--lint=all", "--lint-fatal", PROMETHEUS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    warnings = [line for line in (done.stdout + done.stderr).splitlines() if "WARNING" in line]
    # Compose's demo has that file, in Prometheus' volume.
    assert [line for line in warnings if '"/prometheus/application.yml"' not in line] == []
    assert f"{len(list(RULES.glob('*/*.yml')))} rule files found" in done.stdout


FILES = sorted(CASES.glob("*.yml"))
FLAPPING = CASES / "flapping.yml"


@pytest.fixture(scope="module")
def replies(promtool: Program) -> Iterator[Mapping[Path, Future[CompletedProcess[str]]]]:
    """What promtool says of each file of cases; it is asked about as many at once as there are processors."""
    pool = ThreadPoolExecutor(os.cpu_count())
    yield {path: pool.submit(promtool.run, "test", "rules", path) for path in FILES}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("path", sorted({*FILES} - {FLAPPING}), ids=lambda path: path.stem)
def test_the_alerts_fire_and_stay_quiet_as_written(
    replies: Mapping[Path, Future[CompletedProcess[str]]], path: Path
) -> None:
    done = replies[path].result()
    assert done.returncode == 0, done.stdout + done.stderr


def test_r30_a_value_dancing_on_its_threshold_is_one_alert(
    replies: Mapping[Path, Future[CompletedProcess[str]]]
) -> None:
    done = replies[FLAPPING].result()
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_notices_a_changed_threshold(promtool: Program, tmp_path: Path) -> None:
    rules = (RULES / "alerts/reps.yml").read_text()
    (tmp_path / "reps.yml").write_text(rules.replace("> 3\n", "> 300\n"))
    tree = yaml.safe_load((CASES / "reps.yml").read_text())
    (tmp_path / "cases.yml").write_text(yaml.safe_dump({**tree, "rule_files": ["reps.yml"]}))
    assert promtool.run("test", "rules", tmp_path / "cases.yml").returncode == 1


def test_amtool_accepts_alertmanager_yml_and_its_templates(amtool: Program) -> None:
    done = amtool.run("check-config", PROMETHEUS / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def examples() -> list[tuple[str, str]]:
    """The receivers of docs/alerts.md: name and YAML of each fenced example."""
    found = re.findall(r"```yaml\n# (?!0\.26)([^\n]+)\n(.+?)```", (ROOT / "docs/alerts.md").read_text(), re.S)
    return [(name, text) for name, text in found if "receivers:" in text]


@pytest.mark.parametrize(("name", "text"), examples(), ids=[name for name, _ in examples()])
def test_the_documented_receivers_can_be_filled_in(amtool: Program, tmp_path: Path, name: str, text: str) -> None:
    tree = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    example = yaml.safe_load(text)
    filled = {receiver["name"] for receiver in example["receivers"]}
    assert filled <= {receiver["name"] for receiver in tree["receivers"]}
    tree["receivers"] = [r for r in tree["receivers"] if r["name"] not in filled] + example["receivers"]
    tree["global"] |= example.get("global", {})
    tree["templates"] = [str(PROMETHEUS / "templates/*.tmpl")]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(tree))
    done = amtool.run("check-config", tmp_path / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_s9_the_shipped_configuration_holds_no_secret() -> None:
    for path in (PROMETHEUS / "prometheus.yml", PROMETHEUS / "alertmanager.yml"):
        keys = re.findall(r"^[\s-]*([a-z_]+):", path.read_text(), re.M)
        assert [key for key in keys if SECRET.search(key) and not key.endswith("_file")] == []
    for name, text in examples():
        keys = re.findall(r"^[\s-]*([a-z_]+):", text, re.M)
        assert [key for key in keys if SECRET.search(key) and not key.endswith("_file")] == [], name


def test_the_limits_are_twice_the_exporters_own() -> None:
    job = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"][0]
    assert job["sample_limit"] == 2 * 20_000
    # 128 characters of four bytes each, twice.
    assert job["label_value_length_limit"] == 2 * 128 * 4
    assert job["honor_labels"] is False


def notice(status: str, description: str) -> dict[str, Any]:
    """What Alertmanager gives to a template for one alert."""
    labels = {"alertname": "SalesSourceDown", "severity": "critical", "cluster": "eu", "tenant": "acme"}
    annotations = {"summary": "The database does not answer the exporter.", "description": description,
                   "runbook_url": "alert_rules/runbooks/SalesSourceDown.md",
                   "dashboard_url": "/d/sales-home?var-cluster=eu&var-tenant=acme"}
    alert = {"status": status, "labels": labels, "annotations": annotations,
             "startsAt": "2026-03-02T10:00:00Z", "endsAt": "2026-03-02T10:20:00Z"}
    return {"receiver": "platform", "status": status, "alerts": [alert], "groupLabels": labels, "commonLabels": labels,
            "commonAnnotations": annotations, "externalURL": "http://127.0.0.1:9093"}


def render(amtool: Program, folder: Path, name: str, data: dict[str, object], kind: str = "text") -> str:
    """What a receiver would send."""
    (folder / "data.json").write_text(json.dumps(data))
    done = amtool.run("template", "render", f"--template.glob={PROMETHEUS}/templates/*.tmpl", f"--template.type={kind}",
                      f"--template.data={folder / 'data.json'}", f'--template.text={{{{ template "{name}" . }}}}')
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_subject_says_what_how_bad_and_where(amtool: Program, tmp_path: Path) -> None:
    text = render(amtool, tmp_path, "sales.subject", notice("firing", "x"))
    assert text.strip() == "FIRING critical: The database does not answer the exporter. (eu/acme)"


def test_the_text_says_since_when_and_what_to_do(amtool: Program, tmp_path: Path) -> None:
    assert render(amtool, tmp_path, "sales.text", notice("firing", "PostgreSQL is away.")).strip().splitlines() == [
        "PostgreSQL is away.",
        "Since: 2026-03-02 10:00 UTC",
        "What to do: alert_rules/runbooks/SalesSourceDown.md",
        "Dashboard: http://127.0.0.1:3000/d/sales-home?var-cluster=eu&var-tenant=acme",
        "",
        "Alertmanager: http://127.0.0.1:9093/#/alerts?receiver=platform",
    ]


def test_what_the_sidecar_found_is_told_with_its_range(amtool: Program, tmp_path: Path) -> None:
    found = Finding("Failed calls", "north", "ratio", 1_772_445_600.0, 1_772_442_000.0, 0.24, 0.05, 0.02, 0.09, 6.0,
                    1e-6, "hour", money=120.0, currency="EUR", contributors=[Contributor("carrier north", 0.6, 0.05)])
    said = notice("firing", "")
    said["alerts"][0]["annotations"] = texts(found)
    lines = render(amtool, tmp_path, "sales.text", said).strip().splitlines()
    assert lines[0].startswith("Failed calls (north) is higher than expected since 2026-03-02")
    assert "Expected: 2 % to 9 %" in lines
    assert "At stake: 120 EUR an hour" in lines
    assert "Most of it: carrier north: 60 % instead of 5 %" in lines
    html = render(amtool, tmp_path, "sales.html", said, "html")
    assert "Expected: 2 % to 9 %<br>" in html


def test_an_alert_that_the_desk_knows_links_to_it(amtool: Program, tmp_path: Path) -> None:
    said = notice("firing", "x")
    assert "desk" not in render(amtool, tmp_path, "sales.text", said)
    assert "desk" not in render(amtool, tmp_path, "sales.html", said, "html")
    page = "https://desk.example/sales/alerts/25c2cdb12d31dc50"
    said["alerts"][0]["annotations"]["desk_url"] = page
    lines = render(amtool, tmp_path, "sales.text", said).strip().splitlines()
    assert lines[3:5] == ["Dashboard: http://127.0.0.1:3000/d/sales-home?var-cluster=eu&var-tenant=acme",
                          f"Alert desk: {page}"]
    html = render(amtool, tmp_path, "sales.html", said, "html")
    assert f'Dashboard</a> · <a href="{page}">Alert desk</a></p>' in html


def test_a_desk_link_of_somebody_else_runs_nothing(amtool: Program, tmp_path: Path) -> None:
    said = notice("firing", "x")
    said["alerts"][0]["annotations"]["desk_url"] = 'javascript:alert(1)"><script>'
    html = render(amtool, tmp_path, "sales.html", said, "html")
    assert "javascript:" not in html
    assert "<script>" not in html


def test_a_resolved_alert_says_until_when(amtool: Program, tmp_path: Path) -> None:
    text = render(amtool, tmp_path, "sales.text", notice("resolved", "PostgreSQL was away."))
    assert text.startswith("RESOLVED PostgreSQL was away.\nSince: 2026-03-02 10:00 UTC, until 2026-03-02 10:20 UTC")


def test_hostile_text_is_one_short_escaped_line(amtool: Program, tmp_path: Path) -> None:
    data = notice("firing", "a\r\nBcc: x@example.org <script>alert(1)</script> {{ .ExternalURL }}" + "y" * 5_000)
    line = render(amtool, tmp_path, "sales.text", data).splitlines()[0]
    assert len(line) == 256
    assert line.startswith("a Bcc: x@example.org <script>alert(1)</script> {{ .ExternalURL }}yyy")
    html = render(amtool, tmp_path, "sales.html", data, "html")
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html

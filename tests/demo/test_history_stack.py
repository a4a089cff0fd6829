"""A small made-up past on a real Prometheus: each target's series, its faults and gaps, and what rules make of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from sales_exporter.cli.rules import rules
from sales_exporter.demo import generator
from sales_exporter.demo.binaries import Binaries
from sales_exporter.demo.history import Fault, History, Plan, Quietly, build, serving
from sales_exporter.demo.history.serving import ruled
from sales_exporter.errors import UsageError
from sales_exporter.rules.book import Alert, Book, Recording
from sales_exporter.rules.replay import Span
from tests.grafana.server import Prometheus
from tests.support.binaries import need

pytestmark = [pytest.mark.postgres, pytest.mark.stack, pytest.mark.slow]

UNTIL = datetime(2026, 3, 3, 12, tzinfo=UTC)
END = UNTIL.timestamp()
HOUR = 3_600.0
DOWN = Fault("target_down", END - 4 * HOUR, 600, subject="application")
GAP = (END - 6 * HOUR + 300, END - 6 * HOUR + 540)
RULES = Book(
    (Alert("Down", "max by (job, instance) (up) == 0", 60, 0, {"severity": "critical"}),
     Alert("SomeDown", "job:down:count > 0", 60, 0)),
    (Recording("job:http:rate10m", "sum by (job) (rate(http_server_request_duration_seconds_count[10m]))"),
     Recording("job:down:count", "count by (job) (up == 0)"),
     Recording("evaluated:at", "vector(time())", interval=300)))


@pytest.fixture(scope="module")
def programs() -> Binaries:
    prometheus, promtool = need("prometheus").path, need("promtool").path
    return Binaries(prometheus, promtool, need("alertmanager").path, need("amtool").path)


@pytest.fixture(scope="module")
def history(programs: Binaries) -> Iterator[History]:
    # Not below pytest's folder: PostgreSQL's own user has to get there.
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o711)
    preset = replace(generator.demo(UNTIL, leads=400, days=30.0, seed=3), incidents=())
    try:
        made = build(Plan(preset, 1, 0.5, (DOWN,), (GAP,)), folder, programs, Quietly(), known={})
        span = Span(END - 5 * HOUR, END, 60)
        ruled(made, programs, RULES, span, Quietly())
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(history: History, programs: Binaries) -> Iterator[Prometheus]:
    with serving(history, programs) as url:
        yield Prometheus(url)


def number(server: Prometheus, expr: str, at: float = END) -> float | None:
    found = server.now(expr, at)
    return float(found[0]["value"][1]) if found else None


def test_business_host_and_application_are_there_to_the_last_moment(server: Prometheus) -> None:
    assert number(server, 'sum(sales_funnel_leads{job="sales-exporter"})')
    assert number(server, 'max(timestamp(sales_calls_total))') == END
    assert number(server, "count(system_filesystem_utilization_ratio)") == 2
    assert number(server, "count(count by (instance) (http_server_request_duration_seconds_count))") == 2
    assert number(server, 'sum(increase(http_server_request_duration_seconds_count[1h]))')


def test_a_target_that_is_down_says_nothing_and_is_not_up(server: Prometheus) -> None:
    at = DOWN.start + 300
    assert number(server, 'max(up{job="application"})', at) == 0
    assert number(server, 'count(count_over_time(http_server_active_requests[5m]))', at + 240) is None
    assert number(server, 'min(up{job="application"})', DOWN.end) == 1


def test_nothing_is_scraped_in_a_gap(server: Prometheus) -> None:
    assert number(server, "count(count_over_time(up[3m]))", GAP[1] - 30) is None
    assert number(server, "count(count_over_time(up[3m]))", GAP[1]) == 2


def test_what_the_rules_made_of_it_is_there_as_prometheus_writes_it(server: Prometheus) -> None:
    firing = 'ALERTS{alertname="Down",alertstate="firing",job="application"}'
    assert number(server, f"count({firing})", DOWN.start + 120) == 2
    assert number(server, "max(ALERTS_FOR_STATE)", DOWN.start + 120) == DOWN.start
    assert number(server, "job:http:rate10m") == pytest.approx(
        number(server, "sum by (job) (rate(http_server_request_duration_seconds_count[10m]))"))


def test_an_alert_on_a_recorded_value_ends_when_that_is_gone(server: Prometheus) -> None:
    firing = 'count(count_over_time(ALERTS{alertname="SomeDown",alertstate="firing"}[1m]))'
    assert number(server, firing, DOWN.end - 60) == 1
    assert number(server, firing, DOWN.end + 60) is None


def test_a_recorded_value_stays_until_its_rule_is_evaluated_again(server: Prometheus) -> None:
    # Recorded from a minute before the span on, which is how long an alert of these may have been pending.
    assert [number(server, "evaluated:at", END - early) for early in (60, 120, 300, 360)] == [
        END - 60, END - 360, END - 360, END - 360]


def backtest(server: Prometheus, folder: Path, expr: str, *more: str) -> Result:
    """The command on one alert over the last five hours."""
    file = folder / "mine.yml"
    alert = {"alert": "Down", "expr": expr, "for": "1m"}
    file.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [alert]}]}))
    return CliRunner().invoke(rules, ["backtest", f"--prometheus={server.url}", f"--rules={file}", "--from=5h",
                                      "--to=2026-03-03T12:00:00Z", *more])


def test_the_command_tells_what_would_have_fired(server: Prometheus, tmp_path: Path) -> None:
    done = backtest(server, tmp_path, "up == 0", "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["alerts"]
    assert (found["fired"], found["pending_only"]) == (2, 0)
    assert {one["labels"]["instance"] for one in found["episodes"]} == {"application-1:8000", "application-2:8000"}
    assert [(one["fired"], one["until"]) for one in found["episodes"]] == [(DOWN.start + 60, DOWN.end)] * 2


def test_the_command_fails_a_rule_that_is_too_loud_and_one_that_cannot_be_evaluated(
    server: Prometheus, tmp_path: Path
) -> None:
    loud = backtest(server, tmp_path, "up == 0", "--max-per-week=1")
    assert loud.exit_code == 1
    assert "application-2:8000" in loud.output
    with pytest.raises(UsageError, match="parse error"):
        raised(backtest(server, tmp_path, "up ==", "--json"))


def raised(done: Result) -> None:
    """What the command raised, which the program tells in one line with status 2."""
    assert done.exception is not None
    raise done.exception

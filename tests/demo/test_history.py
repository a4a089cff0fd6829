"""The made-up past of an installation: its pure parts, and a small whole one on a real Prometheus."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sales_exporter.demo.history import History, application, host, servers
from sales_exporter.demo.history.counted import Counted, observe
from sales_exporter.demo.history.faults import Fault, Floats
from sales_exporter.demo.history.season import DAY, HOUR, busy
from sales_exporter.demo.history.servers import Page
from sales_exporter.instrumentation.http import DURATION
from sales_exporter.instrumentation.meter import Meter
from sales_exporter.runtime.blocks import Series

START = 1_795_000_000 // DAY * DAY
STEP = 300


def grid(days: float) -> Floats:
    return np.arange(START, START + days * DAY, STEP)


def keyed(series: list[Series]) -> Mapping[str, Floats]:
    return {f"{one.name}{{{one.labels}}}": one.values for one in series}


def test_a_week_is_as_busy_as_its_mean_and_nights_and_holidays_are_not() -> None:
    when = grid(28)
    rate = busy(when, np.random.default_rng(1))
    assert rate.mean() == pytest.approx(1, abs=0.05)
    hours = when % DAY // HOUR
    assert rate[hours == 10].mean() > 8 * rate[hours == 2].mean()
    holiday = busy(when, np.random.default_rng(1), [int(START // DAY) + 3])
    quiet = (when // DAY) == START // DAY + 3
    assert holiday[quiet][48:-48] == pytest.approx(rate[quiet][48:-48] * 0.25)


def test_observations_fill_the_buckets_of_a_log_normal_and_their_sum_is_expected_of_them() -> None:
    meter = Meter()
    cell = meter.family(DURATION).cell("GET", "/", "200", "http", "")
    counted = Counted(meter, 50)
    times = np.full(50, 4_000)
    observe(counted.row(DURATION, cell), DURATION, times, 0.1, 0.5, np.random.default_rng(2))
    found = keyed(counted.series(STEP))
    of = {key.partition("{")[0].removeprefix(DURATION.name): values[-1] for key, values in found.items()
          if "_bucket" not in key}
    assert of["_count"] == times.sum()
    assert of["_sum"] / of["_count"] == pytest.approx(0.1 * math.exp(0.125), rel=0.01)
    below = next(values for key, values in found.items() if 'le="0.1"' in key)
    assert below[-1] / times.sum() == pytest.approx(0.5, abs=0.01)


def test_totals_never_fall_and_buckets_never_narrow() -> None:
    when = grid(1)
    found = application.past(when, busy(when, np.random.default_rng(3)), [], np.random.default_rng(3))
    for one in found:
        if one.rising:
            assert (np.diff(one.values) >= 0).all(), one.name
    buckets: dict[str, list[Floats]] = {}
    for one in found:
        if one.name.endswith("_bucket"):
            buckets.setdefault(one.name + one.labels.partition('le="')[0], []).append(one.values)
    assert len(buckets) > 20
    for columns in buckets.values():
        assert (np.diff(np.array(columns), axis=0) >= 0).all()


def test_an_outage_fails_as_many_requests_as_it_says_and_no_more_afterwards() -> None:
    when = grid(2)
    outage = Fault("api_errors", START + 34 * HOUR, 2 * HOUR, 0.4)
    found = keyed(application.past(when, np.ones(len(when)), [outage], np.random.default_rng(4)))

    def requests(failing: bool, since: float, until: float) -> float:
        first, last = (round((at - START) / STEP) for at in (since, until))
        return sum(values[last] - values[first] for key, values in found.items()
                   if key.startswith("http_server_request_duration_seconds_count")
                   and ("500" in key or "503" in key or "504" in key or not failing))

    during, after = (requests(True, *span) / requests(False, *span) for span in (
        (outage.start, outage.end - STEP), (outage.end, outage.end + 4 * HOUR)))
    assert during == pytest.approx(0.4, abs=0.03)
    assert after < 0.02


def test_a_disk_fills_to_what_the_fault_says_and_is_then_cleaned_up() -> None:
    when, fault = grid(1), Fault("disk_filling", START + 6 * HOUR, 6 * HOUR, 0.99, "/")
    found = host.past(when, [fault], 5)
    (ratio,) = (values for key, values in found.items()
                if key.startswith("system_filesystem_utilization_ratio") and 'mountpoint="/"' in key)
    at = fault.at(when)
    assert ratio[at][-1] == pytest.approx(0.99, abs=0.01)
    assert ratio[at][0] == pytest.approx(0.46)
    assert ratio[~at].max() < 0.47


FIRST = """# TYPE prometheus_rule_evaluations_total counter
prometheus_rule_evaluations_total{rule_group="a\\\\b"} 10
# TYPE prometheus_config_last_reload_success_timestamp_seconds gauge
prometheus_config_last_reload_success_timestamp_seconds 5
# TYPE alertmanager_notifications_failed_total counter
alertmanager_notifications_failed_total{integration="webhook"} 0
# TYPE prometheus_notifications_queue_length gauge
prometheus_notifications_queue_length 3
"""


def test_what_rose_between_two_pages_rises_as_fast_before_them() -> None:
    page = Page.of(FIRST, FIRST.replace("} 10", "} 22"), 12.0)
    when = grid(0.5)
    found = page.past(when, np.ones(len(when)))
    total = found['prometheus_rule_evaluations_total{rule_group="a\\\\b"}']
    assert np.diff(total) == pytest.approx(STEP)
    assert (found["prometheus_config_last_reload_success_timestamp_seconds{}"] == when).all()
    assert set(found["prometheus_notifications_queue_length{}"]) == {3.0}


def test_notifications_fail_within_the_fault_alone() -> None:
    when, fault = grid(0.5), Fault("notifications_failing", START + 3_600, 1_800, 0.5, "webhook")
    found = Page.of(FIRST, FIRST, 12.0).past(when, np.ones(len(when)))
    failed = servers.notified(found, when, [fault], np.random.default_rng(6))
    rises = np.diff(failed['alertmanager_notifications_failed_total{integration="webhook"}'], prepend=0)
    # At least half of one each minute; those that come by themselves fail as well.
    assert 12 <= rises.sum() <= 20
    assert set(when[rises > 0] >= fault.start) == {True}
    assert when[rises > 0].max() < fault.end


@pytest.mark.parametrize(("name", "ours"), [
    ("sales_exporter_collector_success", True), ("sales_source_up", True), ("process_open_fds", True),
    ("sales_funnel_leads", False), ("sales_call_duration_seconds_bucket", False), ("system_processes", False),
])
def test_the_page_of_the_exporter_is_asked_for_what_is_about_itself(name: str, ours: bool) -> None:
    assert servers.own(name) == ours


def test_linked_blocks_are_the_same_and_what_is_removed_there_stays_here(tmp_path: Path) -> None:
    block = tmp_path / "tsdb" / "01A"
    (block / "chunks").mkdir(parents=True)
    (tmp_path / "tsdb" / "wal").mkdir()
    for name in ("meta.json", "index", "chunks/000001"):
        (block / name).write_text(name)
    made = History(tmp_path / "tsdb", 0.0, 1.0, 1, 1, "5m")
    linked = made.linked(tmp_path / "other")
    assert linked.tsdb == tmp_path / "other" / "tsdb"
    assert {path.name for path in linked.tsdb.iterdir()} == {"01A"}
    assert (linked.tsdb / "01A" / "chunks" / "000001").read_text() == "chunks/000001"
    shutil.rmtree(linked.tsdb / "01A")
    assert (block / "index").read_text() == "index"

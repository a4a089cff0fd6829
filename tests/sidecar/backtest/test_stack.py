"""The command against a real Prometheus with five weeks of history, of which the last holds one incident."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sales_exporter.cli import main
from tests.grafana import server as prometheus

pytestmark = pytest.mark.stack

DAY = 86_400.0
UNTIL = 1_793_469_600
"""31 October 2026, 18:00 UTC."""
BEGIN = UNTIL - 3 * DAY
LONG = 6 * 3600.0
WATCHES = """
watches:
- {name: latency, title: API latency, query: 'max by (route) (latency)', unit: s, by: [route], direction: up}
- {name: errors, query: 'sum(rate(errors_total[15m])) / sum(rate(calls_total[15m]))', kind: ratio, unit: ratio,
   denominator: 'sum(increase(calls_total[15m]))'}
"""


def samples() -> Iterator[str]:
    """Every five minutes: two routes of which one is three times as slow for a while, and counters of calls."""
    times = np.arange(UNTIL - 36 * DAY, UNTIL + 1, 300)
    rng = np.random.default_rng(11)
    for route, usual in (("calls", 0.3), ("leads", 0.1)):
        for at, noise in zip(times, rng.normal(0, 0.04, times.size), strict=True):
            slow = 3.0 if route == "calls" and BEGIN <= at < BEGIN + LONG else 1.0
            value = slow * usual * (1 + 0.3 * math.sin(2 * math.pi * at / DAY)) * math.exp(noise)
            yield f'latency{{route="{route}"}} {value:.6g} {at:.0f}\n'
    for name, per in (("calls", 600), ("errors", 6)):
        for at, total in zip(times, rng.poisson(per, times.size).cumsum(), strict=True):
            yield f"{name}_total {total} {at:.0f}\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "past.om").write_text("".join(samples()) + "# EOF\n")
    subprocess.run([prometheus.program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                    "--max-block-duration=168h", folder / "past.om", folder / "tsdb"], check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 60s}\n")
    with prometheus.serving(folder / "tsdb", folder / "prometheus.yml") as server:
        yield server.url


def test_the_incident_is_found_at_its_time_and_nothing_else(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "watches.yml").write_text(WATCHES)
    (tmp_path / "c.yml").write_text("sidecar: {default_watches: false, watches: [watches.yml]}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [
        "sales-exporter", "backtest", "--config.file", "c.yml", "--prometheus.url", url, "--weeks", "1",
        "--step", "15m", "--until", "2026-10-31T18:00:00Z", "--false-alarm-budget", "1 per month", "--max-per-week",
        "1.2", "--format", "json", "--out", "found"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    found = json.loads(out)
    latency, errors = found["watches"]
    assert (latency["watch"], latency["series"], errors["watch"], errors["pages"]) == ("latency", 2, "errors", 0)
    alert = latency["alerts"][0]
    assert len(latency["alerts"]) == 1
    assert (alert["at"], alert["series"]) == ("2026-10-28T18:00:00Z", {"route": "calls"})
    assert alert["upper"] < alert["value"]
    assert (ended.value.code, found["within"]) == (0, True)
    # Two watches, and the alert from nearby.
    assert (tmp_path / "found" / "index.html").read_text().count("<svg xmlns") == 3
    assert (tmp_path / "found" / "latency.svg").exists()
    assert "replaying, parts: 7 of 7" in err

"""How long a page takes: every query of each dashboard, on a Prometheus with 100,000 series over two hours.

    python benchmarks/dashboards.py [--series 100000] [--rounds 5]

A small installation's past (the real collectors, meters and servers, as for the tests) is repeated for as many tenants
as make up the series, and evaluated by the recording rules. Then each page is asked as a browser does: variables
first, one after another, then the queries of its open panels, six at a time, over two hours; the closed rows are
counted apart. Prints the median of the rounds, and a JSON line; exits 1 when a page takes more than a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sales_exporter.demo import generator
from sales_exporter.demo.binaries import Binaries, obtain
from sales_exporter.demo.history import History, Plan, Quietly, build, serving
from sales_exporter.demo.history.serving import ruled
from sales_exporter.files import shipped
from sales_exporter.grafana.document import Board, panels, source_of, written
from sales_exporter.rules import book
from sales_exporter.rules.replay import Span

UNTIL = datetime(2026, 11, 19, 20, tzinfo=UTC)
HOURS, STEP, POINTS = 2.0, 60, 120
LIMIT, AT_ONCE = 1.0, 6
SCRAPE = 120
"""Seconds between two samples."""
TENANT = 'tenant="default"'


def small(folder: Path, programs: Binaries) -> History:
    """The past of one tenant."""
    preset = replace(generator.demo(until=UNTIL, seed=7), incidents=())
    return build(Plan(preset, 1, 0.1), folder, programs, Quietly())


def dumped(history: History, programs: Binaries, since: float) -> list[tuple[str, str, str]]:
    """(name, labels, values) of each series: its last value at each sample, as text, so that it can be repeated."""
    found = []
    with serving(history, programs) as url:
        for name in get(url, "label/__name__/values"):
            for series in get(url, "query_range", query=f'{{__name__="{name}"}}', start=since, end=history.end,
                              step=SCRAPE):
                labels = ",".join(f"{label}={json.dumps(value)}" for label, value in sorted(series["metric"].items())
                                  if label != "__name__")
                found.append((name, labels, " ".join(f"{value}@{at}" for at, value in series["values"])))
    return found


def repeated(lines: list[tuple[str, str, str]], wanted: int) -> Iterator[str]:
    """OpenMetrics of the same for so many tenants that there are ``wanted`` series."""
    tenants = max(1, round(wanted / len(lines)))
    for name, labels, values in lines:
        for tenant in range(tenants):
            mine = labels.replace(TENANT, f'tenant="t{tenant:03}"') if tenant else labels
            for pair in values.split():
                value, _, at = pair.partition("@")
                yield f"{name}{{{mine}}} {value} {at}\n"
    yield "# EOF\n"


def large(source: History, programs: Binaries, folder: Path, wanted: int) -> History:
    """The same for many tenants, with what the recording rules make of the first one."""
    since = source.end - HOURS * 3_600
    lines = dumped(source, programs, since)
    text = folder / "many.om"
    with text.open("w", encoding="utf-8") as out:
        out.writelines(repeated(lines, wanted))
    subprocess.run([programs.promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", text, folder / "tsdb"],
                   check=True, capture_output=True)
    text.unlink()
    made = replace(source, tsdb=folder / "tsdb", start=since)
    ruled(made, programs, book.read([shipped("alert_rules")]), Span(made.end - 600, made.end, 300), Quietly())
    return made


def get(url: str, path: str, **parameters: object) -> Any:
    """The data of an answer of the API; of a query its result."""
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=60) as answer:
        data = json.load(answer)["data"]
    return data["result"] if isinstance(data, dict) else data


def values_of(url: str, board: Board, end: float) -> dict[str, str]:
    """The variables, one after another."""
    found: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        asked = source_of(variable)
        if asked is None:
            found[variable["name"]] = variable["current"]["value"]
            continue
        series = get(url, "series", **{"match[]": written(asked[0], found, SCRAPE, SCRAPE)}, start=end - 7_200, end=end)
        known = sorted({one[asked[1]] for one in series if asked[1] in one})
        default = variable.get("current", {}).get("value")
        first = "default" if "default" in known else known[0] if known else default or "none"
        one = default if default in known else first
        found[variable["name"]] = variable["allValue"] if variable["includeAll"] else one
    return found


def page(url: str, board: Board, end: float, wanted: list[Board]) -> tuple[float, float]:
    """Seconds until the last of some panels has its answers, and the share of queries that find something."""
    began = time.perf_counter()
    values = values_of(url, board, end)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda target: ask(url, target, values, end),
                              [target for panel in wanted for target in panel["targets"]]))
    return time.perf_counter() - began, sum(found) / max(len(found), 1)


def ask(url: str, target: Board, values: Mapping[str, str], end: float) -> bool:
    """One query; whether it finds something."""
    span = HOURS * 3_600
    expr = written(target["expr"], values, 4 * SCRAPE, int(span))
    if target.get("instant"):
        found = get(url, "query", query=expr, time=end)
    else:
        found = get(url, "query_range", query=expr, start=end - span, end=end, step=max(STEP, span / POINTS))
    return bool(found)


def median(rounds: list[tuple[float, float]]) -> float:
    """The median of the seconds."""
    return round(statistics.median(seconds for seconds, _ in rounds), 3)


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--servers", type=Path, default=Path(".sales-exporter"), help="folder for Prometheus")
    options = parser.parse_args()
    programs = obtain(options.servers, lambda text: print(text, file=sys.stderr))
    taken: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "many").mkdir()
        history = large(small(folder / "one", programs), programs, folder / "many", options.series)
        with serving(history, programs) as url:
            count = get(url, "query", query='count({__name__=~".+"})', time=history.end)[0]["value"][1]
            print(f"{count} series")
            for path in sorted(shipped("grafana").rglob("dashboards/*/*.json")):
                board = json.loads(path.read_text("utf-8"))
                shown = [panel for panel in board["panels"] if panel["type"] != "row"]
                closed = [panel for panel in panels(board) if panel not in shown]
                opened, rest = ([page(url, board, history.end, part) for _ in range(options.rounds)]
                                for part in (shown, closed))
                one = {"open": median(opened), "closed": median(rest), "answered": round(opened[0][1], 2)}
                taken[board["uid"]] = one
                print(f"{board['uid']:16} {one['open']:6.2f} s, closed rows {one['closed']:5.2f} s, "
                      f"{one['answered']:.0%} of the open queries find something", flush=True)
    print(json.dumps(taken))
    if max(one["open"] for one in taken.values()) > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

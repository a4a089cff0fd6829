"""How long a Prometheus takes to evaluate the rules of the objectives with more than 30 days behind it.

    python benchmarks/scenario.py --part quiet --seeds 201 --keep DIR
    python benchmarks/slo_cost.py DIR/seed-201 [--times 5]

Each rule of ``alert_rules/recording/slo.yml`` is asked for at the end of the kept past, as an instant query, one after
the other as within a group; a group takes as long as its rules together. Applications have two instances, five routes
and a sample each five minutes there: a scrape each ten seconds leaves thirty times as many.

Prints a row for each group, the slowest first, and a JSON line; exits 1 when one takes over a tenth of its interval.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sales_exporter.config import QueryApi
from sales_exporter.demo.binaries import obtain
from sales_exporter.demo.history import History
from sales_exporter.demo.history.serving import TIMEOUT, serving
from sales_exporter.rules import book
from sales_exporter.rules.api import Api
from sales_exporter.rules.book import Recording
from sales_exporter.rules.firing import Grid

RULES = Path("alert_rules/recording/slo.yml")
STEP = 60.0
BAR = 0.1
"""Share of its interval that a group may take: Prometheus has more to do."""


@dataclass(frozen=True)
class Cost:
    """The rules of one objective that are evaluated at one interval."""

    slo: str
    interval: float
    rules: int
    seconds: float
    worst: float

    @property
    def share(self) -> float:
        """Of the interval, at the median."""
        return self.seconds / self.interval


def measured(url: str, end: float, times: int) -> list[Cost]:
    """Each group, the slowest first."""
    groups: dict[tuple[str, float], list[Recording]] = {}
    for rule in book.read([RULES]).recordings:
        groups.setdefault((rule.labels["slo"], rule.interval or STEP), []).append(rule)
    api = Api(QueryApi(url=url, timeout=TIMEOUT))
    found = []
    for (slo, interval), rules in groups.items():
        taken = [passed(api, rules, end - STEP * place) for place in range(times)]
        found.append(Cost(slo, interval, len(rules), statistics.median(taken), max(taken)))
    return sorted(found, key=lambda one: -one.seconds)


def passed(api: Api, rules: list[Recording], at: float) -> float:
    """Seconds that all of them take at a moment."""
    began = time.perf_counter()
    for rule in rules:
        api.range(rule.expr, Grid(at, STEP, 1))
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kept", type=Path, help="folder of one past that scenario.py kept")
    parser.add_argument("--times", type=int, default=5, help="evaluations of each group")
    parser.add_argument("--servers", type=Path, default=Path(".sales-exporter"), help="folder for Prometheus")
    options = parser.parse_args()
    past = History.found(options.kept)
    if past is None:
        raise SystemExit(f"{options.kept}: no past is kept there; see --help")
    programs = obtain(options.servers, lambda text: print(text, file=sys.stderr))
    with tempfile.TemporaryDirectory(dir=options.kept) as name, serving(past.linked(Path(name)), programs) as url:
        found = measured(url, past.end, options.times)
    table = Table("objective", "every", "rules", "median", "slowest", "of the interval", box=None, pad_edge=False)
    for one in found:
        table.add_row(one.slo, f"{one.interval:.0f} s", str(one.rules), f"{one.seconds:.2f} s", f"{one.worst:.2f} s",
                      f"{one.share:.2%}")
    Console(width=120).print(table)
    print(json.dumps({"slowest": found[0].slo, "seconds": round(found[0].seconds, 3),
                      "share": round(max(one.share for one in found), 5)}))
    raise SystemExit(any(one.share > BAR for one in found))


if __name__ == "__main__":
    main()

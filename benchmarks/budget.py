"""Whether a stated budget of false pages is what a quiet fleet then shows (A7), and what incidents beside it do.

    python benchmarks/budget.py [--series 1000] [--weeks 12] [--step 900] [--seeds 3] [--incidents]
                                [--tools DIRECTORY] [--detector MODULE:CLASS]

The clean families of synth_corpus.py (in the tools' directory, default $SALES_TEST_TOOLS), one series of each in turn.
A family is to the budget what a watch is in the sidecar: series of one kind, here each a group of its own. As in the
sidecar, the detector knows four weeks when the weeks begin that count; the last two are judged, too, which fills
the pool. Budgets of 0.2, 1 and 5 pages a week judge the same verdicts; beside them, what comes of the same p taken at
their word (Bonferroni over the week) and of Benjamini-Hochberg at each tick. Prints a table with pages, realised over
stated and its 95 % interval (Poisson), and one line of JSON. ``--incidents`` adds series with faults, which that tool
labels, and tells how many of them page, and the false pages of the quiet ones beside them.
Exits 1 when realised over stated, summed over the seeds, is not within 0.5 to 1.2 (goal) for each budget; 2 when it is
above 2 (floor).
"""

from __future__ import annotations

import argparse
import csv
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.sidecar.detectors import Detector
from sales_exporter.sidecar.fleet.budget import Budget
from sales_exporter.stats.special import gammaincinv

BUDGETS = (0.2, 1.0, 5.0)
LEARNED, JUDGED = 2, 2
"""Weeks of history: learned only, and judged as well."""
WEEK = 7 * 86_400
START = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
"""A Monday, as in the corpus."""
GOAL, FLOOR = (0.5, 1.2), 2.0
Floats = NDArray[np.float64]
Windows = list[list[tuple[float, float]]]
"""By series: when its faults began and ended, in seconds from the start."""


@dataclass
class Found:
    """Pages of one budget on one fleet."""

    quiet: int = 0
    hits: set[tuple[int, int]] = field(default_factory=set)
    levels: list[float] = field(default_factory=list)


def families(tools: Path) -> dict[str, Callable[..., Any]]:
    """The generators of the corpus, from the file of the tool."""
    spec = importlib.util.spec_from_file_location("synth_corpus", tools / "synth_corpus.py")
    if spec is None or spec.loader is None:
        sys.exit(f"{tools}: no synth_corpus.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.FAMILIES)


def clean(tools: Path, series: int, times: Floats, seed: int) -> tuple[Floats, list[str]]:
    """Series without anomaly (series, times), and the family of each."""
    known = families(tools)
    makers = list(known.values())
    found = np.empty((series, times.size))
    for number in range(series):
        rng = np.random.default_rng([seed, 0, number % len(makers), number // len(makers)])
        found[number] = makers[number % len(makers)](times, rng)(np.ones(times.size))
    return found, [list(known)[number % len(makers)] for number in range(series)]


def faulty(tools: Path, copies: int, times: Floats, seed: int) -> tuple[Floats, Windows, list[str]]:
    """Series with faults, when, and the family of each."""
    step, days = int(times[1] - times[0]), int(times.size * (times[1] - times[0]) / 86_400)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(tools / "synth_corpus.py"), folder, "--seed", str(seed), "--copies",
                        str(copies), "--days", str(days), "--step", str(step)], check=True, stdout=subprocess.DEVNULL)
        labels = json.loads((Path(folder) / "labels" / "combined_windows.json").read_text())
        names = sorted(name for name in labels if name.startswith("faulty/"))
        values = [[float(row["value"] or "nan") for row in csv.DictReader((Path(folder) / "data" / name).open())]
                  for name in names]
    windows = [[tuple(datetime.fromisoformat(f"{end}+00:00").timestamp() - START for end in pair)
                for pair in labels[name]] for name in names]
    return np.array(values), windows, [name.partition("/")[2].rpartition("_")[0] for name in names]


def verdicts(detector: Detector, values: Floats, step: float) -> Iterator[tuple[int, Any]]:
    """Learn the first weeks, then judge each tick: its number and its verdicts."""
    detector.admit(values.shape[0])
    times, learned = START + step * np.arange(values.shape[1]), int(LEARNED * WEEK / step)
    detector.learn(times[:learned], values[:, :learned])
    for tick in range(learned, values.shape[1]):
        yield tick, detector.update(float(times[tick]), values[:, tick])


def measure(detector: Detector, values: Floats, kinds: list[str], step: float, windows: Windows
            ) -> tuple[dict[float, Found], dict[str, int], tuple[float, float]]:
    """What each budget and each peer pages on, and the mean seconds of an update of the detector and of a budget."""
    size, counted = values.shape[0], int((LEARNED + JUDGED) * WEEK / step)
    quiet = size - len(windows)
    budgets = {budget: Budget(budget, step) for budget in BUDGETS}
    for budget in budgets.values():
        budget.admit(np.arange(size), np.unique(kinds, return_inverse=True)[1].astype(np.int64))
    found, weights = {budget: Found() for budget in BUDGETS}, np.ones(size)
    peers = {**{f"p as it is, {budget:g} a week": Peer(size, step, budget) for budget in BUDGETS},
             "Benjamini-Hochberg, 0.05": Peer(size, step, None)}
    judging, deciding, began = 0.0, 0.0, time.perf_counter()
    for tick, got in verdicts(detector, values, step):
        judging += time.perf_counter() - began
        now = time.perf_counter()
        for budget, one in budgets.items():
            alarms = one.update(START + tick * step, got, weights)
            if tick >= counted:
                note(found[budget], alarms.onset, quiet, windows, tick * step)
                found[budget].levels.append(one.level)
        deciding += time.perf_counter() - now
        for peer in peers.values():
            peer.update(tick * step, got.p, quiet, tick >= counted)
        began = time.perf_counter()
    ticks = values.shape[1] - int(LEARNED * WEEK / step)
    return found, {name: peer.pages for name, peer in peers.items()}, (judging / ticks, deciding / ticks / len(BUDGETS))


class Peer:
    """A rule that trusts p at each tick: Bonferroni over a week's ticks for a budget, or Benjamini-Hochberg at 0.05.

    An hour of calm ends an alarm.
    """

    def __init__(self, size: int, step: float, per_week: float | None) -> None:
        self.tests = size * WEEK / step
        self.per_week = per_week
        self.last = np.full(size, -np.inf)
        self.pages = 0

    def update(self, at: float, p: Floats, quiet: int, counts: bool) -> None:
        """Count what begins to alarm among the quiet series."""
        limit = self.per_week / self.tests if self.per_week is not None else benjamini_hochberg(p, 0.05)
        odd = p <= limit
        self.pages += int(np.count_nonzero((odd & (at - self.last >= 3_600))[:quiet])) if counts else 0
        self.last[odd] = at


def benjamini_hochberg(p: Floats, q: float) -> float:
    """The largest p that is rejected; below 0 when none is."""
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= q * np.arange(1, p.size + 1) / p.size)
    return float(ordered[passed[-1]]) if passed.size else -1.0


def note(found: Found, onset: NDArray[np.bool_], quiet: int, windows: Windows, at: float) -> None:
    """Count onsets of quiet series as pages, and tell which faults were found."""
    for slot in np.flatnonzero(onset):
        if slot < quiet:
            found.quiet += 1
        else:
            faults = enumerate(windows[slot - quiet])
            found.hits.update((int(slot), place) for place, (begin, end) in faults if begin <= at <= end)


def interval(count: int) -> tuple[float, float]:
    """95 % bounds of a Poisson mean."""
    lower = float(gammaincinv(count, 0.025)) if count else 0.0
    return lower, float(gammaincinv(count + 1, 0.975))


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--weeks", type=int, default=12)
    parser.add_argument("--step", type=float, default=900)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=501)
    parser.add_argument("--incidents", action="store_true")
    parser.add_argument("--tools", type=Path, default=Path(os.environ.get("SALES_TEST_TOOLS", ".")))
    parser.add_argument("--detector", default="sales_exporter.sidecar.detectors.novelty:Novelty")
    options = parser.parse_args()
    module, _, name = options.detector.partition(":")
    kind = getattr(importlib.import_module(module), name)
    times = options.step * np.arange(int((LEARNED + JUDGED + options.weeks) * WEEK / options.step))
    peers: Counter[str] = Counter()
    pages, faults, hits, levels = dict.fromkeys(BUDGETS, 0), 0, dict.fromkeys(BUDGETS, 0), {}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        (values, kinds), windows = clean(options.tools, options.series, times, seed), []
        if options.incidents:
            bad, windows, more = faulty(options.tools, max(1, options.series // 200), times, seed)
            values, kinds = np.concatenate([values, bad]), kinds + more
        found, others, (judging, deciding) = measure(kind(), values, kinds, options.step, windows)
        peers.update(others)
        counted = (LEARNED + JUDGED) * WEEK
        faults += sum(begin >= counted for each in windows for begin, _ in each)
        for budget, one in found.items():
            pages[budget] += one.quiet
            hits[budget] += sum(windows[slot - options.series][place][0] >= counted for slot, place in one.hits)
            levels[budget] = one.levels[0], one.levels[-1]
        print(f"seed {seed}: pages {[one.quiet for one in found.values()]}, detector {1e3 * judging:.1f} ms, "
              f"budget {1e3 * deciding:.2f} ms an update", file=sys.stderr)
    table(pages, hits, faults, options.weeks * options.seeds, levels)
    for name, count in peers.items():
        print(f"| {name} | - | {count} | {count / options.weeks / options.seeds:.3g} a week | | | |")
    ratios = {str(budget): pages[budget] / (budget * options.weeks * options.seeds) for budget in BUDGETS}
    print(json.dumps({"series": options.series, "weeks": options.weeks, "step": options.step, "seeds": options.seeds,
                      "ratios": ratios, "recall": {str(b): hits[b] / faults for b in BUDGETS} if faults else None}))
    worst = max(ratios.values())
    sys.exit(2 if worst > FLOOR else int(worst > GOAL[1] or min(ratios.values()) < GOAL[0]))


def table(pages: dict[float, int], hits: dict[float, int], faults: int, weeks: int,
          levels: dict[float, tuple[float, float]]) -> None:
    """One row for each budget."""
    print("| rule | stated | pages | realised / stated | 95 % | threshold -log p | faults paged |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for budget, count in pages.items():
        stated = budget * weeks
        lower, upper = (bound / stated for bound in interval(count))
        paged = f"{hits[budget]} of {faults}" if faults else "-"
        print(f"| {budget:g} a week | {stated:g} | {count} | {count / stated:.2f} | {lower:.2f} to {upper:.2f} | "
              f"{levels[budget][0]:.1f}, {levels[budget][1]:.1f} | {paged} |")


if __name__ == "__main__":
    main()

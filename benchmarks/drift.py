"""How often a model's drift is reported that is none, how soon one that is, and how well accuracy is estimated early.

    python benchmarks/drift.py [--streams 400] [--seed 7001]

Truth: 20 decisions an hour for 30 days, each right with probability 0.90, after a reference of 2,000; looked at every
hour. D1 stationary, and with a daily swing of 2 points. D2 and D3: from the middle of the month on 0.85, or 0.80; the
delay is from there to the first alarm. The stated floor is 0.90, the true accuracy, which is its hardest case. D4:
labels of a horizon of 3 days, positive ones early and the sooner the righter the decision, fewer decisions at weekends;
through the ledger's cells and the total that the exporter publishes, read once a day; beside it what comes of counting
labels as they come. D5: pages a month of 200 models, each with floor and baseline, at a budget of one. D6: a mix of
cases that swings over half a year, scores that are overconfident, labels after 4 weeks; mean absolute difference of the
estimate for a week to what came out. With SALES_TEST_DATA set, months of real calls show the limit of that: what scores
mean changes there.

Beside it: a z-test over 24 h, NannyML's rule (chunks of 24 h against the reference's mean and three deviations; the
rule, not the package), and, where river is installed (benchmarks/peers.txt), its ADWIN, Page-Hinkley and DDM on the
first 100 streams and KSWIN (seed 1) on the first 4, with their defaults, fed the reference and then each label. Prints
a table for each part and one JSON line; exits 1 when a floor is missed.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors.versions import predictions, versions
from sales_exporter.config import Business
from sales_exporter.ledger.calendar import DAY as DAY_US
from sales_exporter.ledger.cube import Cube
from sales_exporter.ledger.predictions import LAYOUTS, Outcomes, Predictions, contributions
from sales_exporter.ledger.source import Names
from sales_exporter.ledger.view import View
from sales_exporter.runtime.ledgers import scheme_of
from sales_exporter.sidecar.drift.judge import ModelDrift
from sales_exporter.sidecar.drift.report import BASELINE, FLOOR, KINDS
from sales_exporter.stats.estimated_accuracy import calibrate, estimated_accuracy, expected_accuracy

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Check = Callable[[Floats, Floats], Flags]
"""Right decisions by (stream, hour) and the reference's outcomes to alarms by (stream, hour)."""

HOURS, RATE, REFERENCE, TRUTH = 720, 20, 2_000, 0.90
HOUR, DAY = 3_600.0, 86_400.0
ALPHA, BUDGET, FLEET = 0.01, 1.0, 200
PAST = 12
"""Days of the reference: before ten pairs of days are known, the judge has no baseline."""
START = 1_704_067_200
"""A Monday."""
SWINGING, LAG, FIRST, WEEKS, BINS = 26, 4, 20, 104, 1_000
BARS: dict[str, tuple[float, float]] = {
    "D1 floor, stationary, %": (1, 2), "D1 floor, swing, %": (2, 4),
    "D1 baseline, stationary, %": (1, 2), "D1 baseline, swing, %": (2, 4),
    "D2 to 0.85, h": (34, 40), "D2 to 0.80, h": (11, 14),
    "D3 to 0.85, h": (44, 52), "D3 to 0.80, h": (14, 15), "D3 to 0.85, p90, h": (85, 95),
    "D4 floor, %": (1, 4), "D4 baseline, %": (1, 4), "D5 pages a month": (1, 2), "D6 error, points": (1.5, 2.5),
}
"""Goal and floor; all are at most."""


def stream(rng: np.random.Generator, streams: int, kind: str) -> tuple[Floats, Floats]:
    """Right decisions by (stream, hour), and outcomes of the reference."""
    hour = np.arange(HOURS)
    share = np.full(HOURS, TRUTH)
    if kind == "swing":
        share = TRUTH + 0.02 * np.sin(2 * np.pi * hour / 24)
    elif kind != "stationary":
        share = np.where(hour < HOURS // 2, TRUTH, float(kind))
    right = rng.random((streams, HOURS, RATE)) < share[:, None]
    return right.astype(float), (rng.random((streams, REFERENCE)) < TRUTH).astype(float)


def evidence(right: Floats, reference: Floats, floors: Floats) -> Floats:
    """E-values by (stream, hour, kind), of outcomes by (stream, hour, decision); the reference came over 12 days."""
    judge = ModelDrift(ALPHA, 1e9, 7 * DAY)
    judge.admit(floors)
    judge.update(-PAST * DAY - HOUR, 0 * floors, 0 * floors)
    past = reference.cumsum(axis=1)
    for day, place in enumerate(np.linspace(0, reference.shape[1], PAST + 1).astype(int)[1:]):
        judge.update((day - PAST) * DAY, past[:, place - 1], 0 * floors + place)
    found = np.zeros((*right.shape[:2], len(KINDS)))
    sums = right.sum(axis=2).cumsum(axis=1) + past[:, -1:]
    for hour in range(right.shape[1]):
        total = 0 * floors + reference.shape[1] + (hour + 1) * right.shape[2]
        found[:, hour] = judge.update((hour + 1) * HOUR, sums[:, hour], total).e
    return found


def floor_check() -> Callable[..., Flags]:
    """The judge of a stated floor of 0.90, for drift_table.py: --candidate benchmarks.drift:floor_check."""
    return lambda outcomes, reference, rate, hours: _alarms(outcomes, reference, rate, hours, FLOOR)


def baseline_check() -> Callable[..., Flags]:
    """The same with a learned baseline: --candidate benchmarks.drift:baseline_check."""
    return lambda outcomes, reference, rate, hours: _alarms(outcomes, reference, rate, hours, BASELINE)


def _alarms(outcomes: Floats, reference: Floats, rate: int, hours: int, kind: str) -> Flags:
    right = outcomes.reshape(len(outcomes), hours, rate).astype(float)
    e = evidence(right, reference.astype(float), np.full(len(right), TRUTH))
    return np.asarray(e[:, :, KINDS.index(kind)] >= 1 / ALPHA)


def z_test(right: Floats, reference: Floats) -> Flags:
    """The last 24 hours against the reference, one-sided at 0.05, every hour."""
    sums = np.cumsum(right.sum(axis=2), axis=1)
    last = sums[:, 24:] - sums[:, :-24]
    n, n0, k0 = 24 * RATE, REFERENCE, reference.sum(axis=1)[:, None]
    pooled = (last + k0) / (n + n0)
    z = (k0 / n0 - last / n) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n0))
    return np.pad(z > 1.6449, ((0, 0), (24, 0)))


def chunks(right: Floats, reference: Floats) -> Flags:
    """Days against the mean and three deviations of the reference's days."""
    size = 24 * RATE
    past = reference[:, : REFERENCE // size * size].reshape(len(reference), -1, size).mean(axis=2)
    days = right.reshape(len(right), -1, size).mean(axis=2)
    far = np.abs(days - past.mean(axis=1, keepdims=True)) > 3 * past.std(axis=1, keepdims=True)
    found = np.zeros(right.shape[:2], dtype=bool)
    found[:, 23::24] = far
    return found


def river(name: str, **parameters: int) -> Check:
    """A detector of river, fed with errors one by one."""
    drift, binary = importlib.import_module("river.drift"), importlib.import_module("river.drift.binary")
    kind = getattr(drift, name, None) or getattr(binary, name)

    def run(right: Floats, reference: Floats) -> Flags:
        found = np.zeros(right.shape[:2], dtype=bool)
        for row, outcomes in enumerate(right):
            detector = kind(**parameters)
            for outcome in reference[row]:
                detector.update(int(1 - outcome))
            for place, outcome in enumerate(outcomes.ravel()):
                detector.update(int(1 - outcome))
                found[row, place // RATE] |= detector.drift_detected
        return found
    return run


def delays(alarms: Flags) -> tuple[float, float]:
    """Median and 90 % point of the hours from the drop to the first alarm after it."""
    after = alarms[:, HOURS // 2 :]
    hours = np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, np.inf)
    return float(np.median(hours)), float(np.quantile(hours, 0.9, method="higher"))


def streams(size: int, seed: int) -> dict[str, float]:
    """D1, D2, D3 and D5, with the peers."""
    peers: list[tuple[str, Check, int]] = [("z-test 24 h, 0.05", z_test, size), ("chunks of 24 h", chunks, size)]
    if importlib.util.find_spec("river"):
        peers += [(f"river {name}", river(name), min(size, 100)) for name in ("ADWIN", "PageHinkley", "DDM")]
        # A Kolmogorov-Smirnov test for each label takes long.
        peers.append(("river KSWIN", river("KSWIN", seed=1), min(size, 4)))
    else:
        print("river is not installed: its rows are left out")
    rows: dict[str, list[str]] = {}
    measured: dict[str, float] = {}
    for number, kind in enumerate(("stationary", "swing", "0.85", "0.80")):
        right, reference = stream(np.random.default_rng([seed, number]), size, kind)
        e = evidence(right, reference, np.full(size, TRUTH))
        checks = [(f"ours, {name}", e[:, :, place] >= 1 / ALPHA) for place, name in enumerate(KINDS)]
        checks += [(name, check(right[:most].astype(float), reference[:most])) for name, check, most in peers]
        for name, alarms in checks:
            rows.setdefault(name, []).append(_cell(kind, alarms))
        for place, name in enumerate(KINDS):
            alarms = e[:, :, place] >= 1 / ALPHA
            if kind in ("stationary", "swing"):
                measured[f"D1 {name}, {kind}, %"] = 100 * float(alarms.any(axis=1).mean())
            else:
                measured[f"D{2 + place} to {kind}, h"], late = delays(alarms)
                measured[f"D{2 + place} to {kind}, p90, h"] = late
        if kind == "stationary":
            limit = max(1 / ALPHA, FLEET * len(KINDS) / BUDGET)
            measured["D5 pages a month"] = float((e >= limit).any(axis=1).sum()) * FLEET / size
    print("| check | false, stationary | false, swing | to 0.85, h (p90) | to 0.80, h (p90) |")
    print("|---|---:|---:|---:|---:|")
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    return measured


def _cell(kind: str, alarms: Flags) -> str:
    if kind in ("stationary", "swing"):
        return f"{100 * alarms.any(axis=1).mean():.1f} %"
    return "{:.0f} ({:.0f})".format(*delays(alarms))


def late_labels(size: int, seed: int) -> dict[str, float]:
    """D4: alarms of a month in which nothing drifts, on what the exporter publishes, and on labels as they come."""
    rng = np.random.default_rng([seed, 40])
    days, most, alarms = 37, 50, np.zeros((2, len(KINDS)))
    for begin in range(0, size, most):
        count = min(most, size - begin)
        view, naive = _ledger(rng, count, days)
        judges = [ModelDrift(ALPHA, 1e9, 3 * DAY) for _ in range(2)]
        crossed = np.zeros((2, count, len(KINDS)), dtype=bool)
        keys = sorted(predictions(view), key=lambda key: int(key.split("\0")[1]))
        totals = dict.fromkeys(keys, 1)
        for judge in judges:
            judge.admit(np.full(count, TRUTH))
        # The first week is the reference.
        for day in range(7, days + 1):
            now = START + day * DAY
            settled = [version.settled for version in versions(view, keys, totals, now)]
            right = np.array([one.true_positive + one.true_negative for one in settled], dtype=float)
            total = np.array([one.total for one in settled], dtype=float)
            crossed[0] |= judges[0].update(now, right, total).e >= 1 / ALPHA
            crossed[1] |= judges[1].update(now, *naive(day)).e >= 1 / ALPHA
        alarms += crossed.sum(axis=1)
    share = 100 * alarms / size
    print(f"\nD4, labels late: alarms of floor and baseline {share[0].round(2).tolist()} %, counting labels as they "
          f"come {share[1].round(2).tolist()} %")
    return {f"D4 {name}, %": float(share[0, place]) for place, name in enumerate(KINDS)}


def _ledger(rng: np.random.Generator, count: int, days: int) -> tuple[View, Callable[[int], tuple[Floats, Floats]]]:
    """Cells of decisions whose labels take up to three days, and the totals of labels as they come."""
    hours = np.where(np.arange(days * 24) // 24 % 7 < 5, RATE, RATE // 3)
    hour = np.repeat(np.arange(days * 24), hours)
    shape = (count, hour.size)
    at = ((START + hour * HOUR + rng.random(shape) * HOUR) * 1e6).astype(np.int64)
    came = rng.random(shape) < 0.3
    # Of what comes true 0.80 is found, and of the rest 0.943: 0.90 in all.
    right = rng.random(shape) < np.where(came, TRUTH - 0.10, TRUTH + 0.03 / 0.7)
    decided = came == right
    age = np.where(decided, rng.random(shape) * 0.3, rng.random(shape)) * 3 * DAY_US
    version = np.broadcast_to(np.arange(1, count + 1)[:, None], shape).ravel()
    made = Predictions(
        np.arange(at.size), version, at.ravel(), np.full(at.size, 3 * DAY), np.where(decided, 0.8, 0.2).ravel(),
        np.full(at.size, 0.5))
    known = (at + age.astype(np.int64)).ravel()
    positive = came.ravel()
    seen = Outcomes(
        np.flatnonzero(positive), known[positive], np.ones(positive.sum(), bool), np.ones(positive.sum(), bool))
    scheme, names = scheme_of(Business()), Names()
    names.numbered([f"m\0{number}" for number in range(1, count + 1)])
    found = contributions(scheme.calendar, made, seen, (START + (days + 1) * 86_400) * 1_000_000)
    view = View(scheme, names).joined("predictions", {one.name: Cube(one, found[one.name]) for one in LAYOUTS})
    matured = np.where(positive, known, at.ravel() + 3 * DAY_US).reshape(shape)

    def naive(day: int) -> tuple[Floats, Floats]:
        there = matured < (START + day * 86_400) * 1_000_000
        return (there & right).sum(axis=1).astype(float), there.sum(axis=1).astype(float)
    return view, naive


def estimates(seed: int, worlds: int = 5) -> dict[str, float]:
    """D6: errors of the estimate and of its rivals, in points."""
    errors = []
    for world in range(worlds):
        rng = np.random.default_rng([seed, 60, world])
        counts = np.zeros((3, WEEKS, BINS))
        raw = np.zeros(WEEKS)
        for week in range(WEEKS):
            quality = 0.8 * np.sin(2 * np.pi * week / SWINGING) + rng.standard_normal(7 * 24 * RATE)
            score = 1 / (1 + np.exp(-(1.6 * quality - 0.1)))
            came = rng.random(score.size) < 1 / (1 + np.exp(-(1.2 * quality - 0.3)))
            place = np.minimum((score * BINS).astype(int), BINS - 1)
            for table, chosen in zip(counts, (came, ~came, score >= 0.5), strict=True):
                table[week] = np.bincount(place[chosen], minlength=BINS)
            raw[week] = np.maximum(score, 1 - score).mean()
        errors.append(_against(counts, raw))
    mean = 100 * np.concatenate(errors).mean(axis=0)
    names = ("estimate", "scores as they are", "last known week", "13 known weeks")
    print("\nD6, error in points: " + ", ".join(f"{name} {value:.2f}" for name, value in zip(names, mean, strict=True)))
    return {"D6 error, points": float(mean[0])}


def _against(counts: Floats, raw: Floats) -> Floats:
    """Absolute errors by week of: the estimate, raw confidence, the last week known, 13 weeks known."""
    came, failed, chosen = counts
    right = np.where(chosen > 0, came, failed).sum(axis=1)
    total = (came + failed).sum(axis=1)
    truth, found = right / total, []
    for week in range(FIRST, len(total)):
        past = slice(0, week - LAG + 1)
        value = estimated_accuracy(
            came[past], failed[past], chosen[past], (came + failed)[week], chosen[week], LAG).value
        known = slice(max(0, week - LAG - 12), week - LAG + 1)
        found.append((value, raw[week], truth[week - LAG], right[known].sum() / total[known].sum()))
    return np.abs(np.array(found) - truth[FIRST:, None])


def real_months(data: Path) -> None:
    """The limit: months of calls in which scores came to mean something else."""
    labels, months = [], []
    with (data / "bank-calls" / "bank-full.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter=";"):
            labels.append(row["y"] == "yes")
            months.append(f"{row['year']} {row['month']}")
    order = {month: place for place, month in enumerate(dict.fromkeys(months))}
    with (data / "bank-calls" / "model_scores.csv").open(encoding="utf-8") as lines:
        scored = [(int(row["call_row"]) - 1, float(row["score"])) for row in csv.DictReader(lines)
                  if row["version"] == "lr-2008"]
    counts = np.zeros((3, len(order), BINS))
    for row, score in scored:
        place = min(int(score * BINS), BINS - 1)
        counts[0 if labels[row] else 1, order[months[row]], place] += 1
        counts[2, order[months[row]], place] += score >= 0.5
    came, failed, chosen = counts[:, counts[:2].sum(axis=(0, 2)) > 0]
    size = (came + failed).sum(axis=1)
    truth, wrong = np.where(chosen > 0, came, failed).sum(axis=1) / size, []
    for month in range(1, len(size)):
        chance = calibrate(came[:month].sum(axis=0), failed[:month].sum(axis=0))
        wrong.append(abs(expected_accuracy(chance, (came + failed)[month], chosen[month]) - truth[month]))
    print(f"Real calls, lr-2008, {len(wrong)} months: error of the estimate {100 * np.mean(wrong):.1f} points "
          f"(accuracy {100 * truth.max():.0f} to {100 * truth.min():.0f} %): what scores mean changed, which scores "
          "cannot show")


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7_001)
    options = parser.parse_args()
    measured = streams(options.streams, options.seed)
    measured |= late_labels(options.streams, options.seed)
    measured |= estimates(options.seed)
    if "SALES_TEST_DATA" in os.environ:
        real_months(Path(os.environ["SALES_TEST_DATA"]))
    print("\n| measure | goal | floor | measured |\n|---|---:|---:|---:|")
    for name, (goal, floor) in BARS.items():
        print(f"| {name} | {goal:g} | {floor:g} | {measured[name]:.3g} |")
    print(json.dumps({"streams": options.streams, "seed": options.seed, "measured": measured}))
    missed = [name for name, (_, floor) in BARS.items() if not measured[name] <= floor]
    if missed:
        sys.exit("missed: " + ", ".join(missed))


if __name__ == "__main__":
    main()

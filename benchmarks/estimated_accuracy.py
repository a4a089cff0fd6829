"""How well accuracy is estimated before its labels arrive, against what came out, week by week.

    python benchmarks/estimated_accuracy.py [--seeds 10] [--leads 40000]

The data are the generator's `lead-score` (labels after 30 days, 5 weeks) in four worlds: nothing changes; the mix of
leads swings (weeks favour high or low scores in turn; simulated here by leaving leads out, the generator's mix hardly
moves); the generator's concept drift, in whose first weeks no method that sees only scores can know; and small, with a
tenth of the leads. Each week's estimate uses labels that had matured by then. The rivals are the accuracy of the last
mature week, of the 13 mature weeks that the estimate learns from, and average thresholded confidence (ATC). Prints mean
absolute errors in percentage points and one line of JSON, and exits 1 when a goal is missed: without concept drift
better than the last known week, under a swinging mix better than both known accuracies, and never worse than the better
of these by 0.1 points.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace

import numpy as np

from sales_exporter.demo.generator import benchmark
from sales_exporter.demo.generator.leads import leads
from sales_exporter.demo.generator.models import lead_scores
from sales_exporter.demo.generator.preset import DAY
from sales_exporter.demo.generator.quality import quality
from sales_exporter.demo.generator.world import draw
from sales_exporter.stats.estimated_accuracy import WINDOW, Floats, calibrate, estimated_accuracy, expected_accuracy

BINS, LAG, FIRST = 1_000, 5, 20
WEEK = 7 * DAY
FIRST_SEED = 1_001
WORLDS = ("still", "swinging mix", "concept drift", "small")
METHODS = ("estimate", "ATC", "last week", "13 weeks")


@dataclass(frozen=True, slots=True)
class Weeks:
    """Labels and decisions by week and bin."""

    positives: Floats
    negatives: Floats
    decided: Floats

    @property
    def accuracy(self) -> Floats:
        """Share of right decisions of each week; thresholds lie on bin edges."""
        right = np.where(self.decided > 0, self.positives, self.negatives).sum(axis=1)
        return np.asarray(right / (self.positives + self.negatives).sum(axis=1))


def simulated(world: str, seed: int, size: int) -> Weeks:
    """The weeks of one world whose labels are mature at its end."""
    preset = benchmark(size // 10 if world == "small" else size, seed=seed, incidents=())
    model = replace(preset.models[0], drift_days_before=180.0 if world == "concept drift" else None)
    preset = replace(preset, models=(model, *preset.models[1:]))
    drawn = draw(preset)
    found = leads(drawn)
    score, _ = lead_scores(drawn, quality(preset), found)
    label = found.wins & (found.path.ended - found.created <= model.horizon_days * DAY)
    week = ((found.created - preset.start) // WEEK).astype(int)
    kept = week < int((preset.days * DAY - model.horizon_days * DAY) // WEEK)
    if world == "swinging mix":
        rank = np.argsort(np.argsort(score)) / len(score)
        favour = np.sin(2 * np.pi * week / 26)
        kept &= np.random.default_rng(seed).random(len(score)) < 0.5 + favour * (rank - 0.5)
    cell = week[kept] * BINS + np.minimum(score[kept] * BINS, BINS - 1).astype(int)
    weeks = int(week[kept].max()) + 1
    came, failed = (
        np.bincount(cell, part, weeks * BINS).reshape(weeks, BINS) for part in (label[kept], ~label[kept])
    )
    edge = np.arange(BINS) >= model.threshold * BINS
    return Weeks(came, failed, (came + failed) * edge)


def thresholded(weeks: Weeks, known: slice, chance: Floats, now: int) -> float:
    """ATC: the share of confidences above the one that as many known ones exceed as were right."""
    count, chosen = weeks.positives + weeks.negatives, weeks.decided
    sure = np.where(np.arange(BINS) >= np.flatnonzero(chosen.sum(axis=0))[0], chance, 1 - chance)
    order = np.argsort(-sure, kind="stable")
    before = np.cumsum(count[known].sum(axis=0)[order]) / count[known].sum()
    right = np.where(chosen[known] > 0, weeks.positives[known], weeks.negatives[known]).sum() / count[known].sum()
    share = np.cumsum(count[now][order]) / count[now].sum()
    return float(np.interp(right, np.append(0, before), np.append(0, share)))


def errors(weeks: Weeks) -> Floats:
    """Absolute errors of each method (columns) for each week (rows) from FIRST on."""
    count, truth, found = weeks.positives + weeks.negatives, weeks.accuracy, []
    for now in range(FIRST, len(count)):
        known = slice(max(0, now - LAG + 1 - WINDOW), now - LAG + 1)
        chance = calibrate(weeks.positives[known].sum(axis=0), weeks.negatives[known].sum(axis=0))
        sizes = count[known].sum(axis=1)
        found.append((
            expected_accuracy(chance, count[now], weeks.decided[now]), thresholded(weeks, known, chance, now),
            truth[now - LAG], float(truth[known] @ sizes / sizes.sum()),
        ))
    return np.abs(np.array(found) - truth[FIRST:, None])


def claimed(weeks: Weeks) -> float:
    """The error that the estimate of the last week says of itself."""
    count, last = weeks.positives + weeks.negatives, len(weeks.decided) - LAG
    return estimated_accuracy(
        weeks.positives[:last], weeks.negatives[:last], weeks.decided[:last], count[-1], weeks.decided[-1], LAG
    ).error


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--leads", type=int, default=40_000)
    options = parser.parse_args()
    print("| world | weeks | " + " | ".join(METHODS) + " | says of itself |\n|---|---:|---:|---:|---:|---:|---:|")
    figures: dict[str, dict[str, float]] = {}
    met: dict[str, bool] = {}
    for world in WORLDS:
        runs = [simulated(world, FIRST_SEED + number, options.leads) for number in range(options.seeds)]
        wrong = np.concatenate([errors(weeks) for weeks in runs])
        mean = dict(zip(METHODS, (100 * wrong.mean(axis=0)).tolist(), strict=True))
        mean["says of itself"] = 100 * float(np.mean([claimed(weeks) for weeks in runs]))
        figures[world] = {name: round(value, 3) for name, value in mean.items()}
        print(f"| {world} | {len(wrong)} | " + " | ".join(f"{value:.2f}" for value in mean.values()) + " |", flush=True)
        best = min(mean["last week"], mean["13 weeks"])
        met[f"{world}: not worse than known"] = mean["estimate"] <= best + 0.1
        if world != "concept drift":
            met[f"{world}: better than last week"] = mean["estimate"] < mean["last week"]
        if world == "swinging mix":
            met[f"{world}: better than both"] = mean["estimate"] < best
    print(json.dumps({"mean_absolute_error_points": figures, "met": met}))
    missed = [name for name, good in met.items() if not good]
    if missed:
        sys.exit("missed: " + ", ".join(missed))


if __name__ == "__main__":
    main()

"""How soon a stage that became slower is found, and how often one is reported that did not.

    python benchmarks/slowdown.py

Truth: stages with the log-normal waits of the generator's benchmark preset, and its weekdays and hours of arrival. In
one of them the wait of everyone who enters from a known midnight on is 1.5 times as long. The daily test sees counts
by day of entry and log bucket, as the product keeps them; its rule is p < 0.01 after Holm on two days running. A
slowdown is found if the rule holds within 14 days of its start. False alarms are the weeks of a stage without change in
which the rule holds on any day. Prints a table, then one JSON line; exits 1 when a bar is missed.
"""

from __future__ import annotations

import json
import math
import sys

import numpy as np
from numpy.typing import NDArray

from sales_exporter.demo.generator import benchmark
from sales_exporter.demo.generator.season import LEAD_HOURS, WEEKDAYS
from sales_exporter.stats.logrank import BEFORE_DAYS, DAY, RECENT_DAYS, slowdown

Floats = NDArray[np.float64]
Visits = tuple[NDArray[np.int64], Floats, Floats]
"""Day of entry, moment of entry and length of stay, in days."""

STAGES = benchmark().stages
EDGES = 60 * 1.05 ** np.arange(math.ceil(math.log(2 * 365 * 1440, 1.05)) + 1)
ONSET = RECENT_DAYS + BEFORE_DAYS + 61
"""Days before the change: both periods, and enough for the longest stay to have begun before them."""
DAYS = 15
LEVEL, FACTOR = 0.01, 1.5
FOUND_BAR, FALSE_BAR = 0.90, 0.01
SEED = 20_260


def visits(rng: np.random.Generator, number: int, weekly: float, weekday: int, slow: int | None) -> Visits:
    """Visits of one stage, day 0 falling on ``weekday``."""
    stage, rates = STAGES[number], WEEKDAYS / WEEKDAYS.sum() * weekly
    days = np.arange(ONSET + DAYS)
    day = np.repeat(days, rng.poisson(rates[(days + weekday) % 7]))
    entered = day + (rng.choice(24, day.size, p=LEAD_HOURS / LEAD_HOURS.sum()) + rng.random(day.size)) / 24
    stay = stage.median * np.exp(stage.sigma * rng.standard_normal(day.size))
    stay[entered >= ONSET] *= FACTOR if number == slow else 1.0
    return day, entered, stay


def cells(found: Visits, now: int) -> tuple[Floats, Floats]:
    """What is known of visits at the start of day ``now``: those finished by day and bucket, and those open by day."""
    day, entered, stay = (part[found[0] < now] for part in found)
    ended, buckets = entered + stay < now, EDGES.size + 1
    place = day[ended] * buckets + np.searchsorted(EDGES, stay[ended] * DAY, "right")
    finished = np.bincount(place, minlength=now * buckets).reshape(now, buckets)
    return finished.astype(np.float64), np.bincount(day[~ended], minlength=now).astype(np.float64)


def firing(seed: int, runs: int, weekly: float, slow: int | None, per_batch: int = 20) -> NDArray[np.bool_]:
    """On which of the days 1 to 14 after the onset the rule holds (runs, days, stages)."""
    batches = []
    for batch in range(0, runs, per_batch):
        rng = np.random.default_rng((seed, batch))
        size = min(per_batch, runs - batch)
        worlds = [[visits(rng, s, weekly, run % 7, slow) for s in range(len(STAGES))] for run in range(size)]
        below = []
        for now in range(ONSET, ONSET + DAYS):
            known = [[cells(stage, now) for stage in world] for world in worlds]
            finished = np.array([[one[0] for one in world] for world in known])
            waiting = np.array([[one[1] for one in world] for world in known])
            below.append(slowdown(finished, waiting, EDGES, now).p_value < LEVEL)
        days = np.stack(below, axis=1)
        batches.append(days[:, 1:] & days[:, :-1])
    return np.concatenate(batches)


def main() -> None:
    """Measure, print, and exit 1 when a bar is missed."""
    figures: dict[str, float | bool] = {}
    print(f"{'slowed 1.5 times':<20}{'runs':>6}{'found in 14 days':>18}{'median day':>12}{'bar':>8}")
    for number, stage in enumerate(STAGES):
        held = firing(SEED + number, 300, 100.0, number)[:, :, number]
        share, first = float(held.any(axis=1).mean()), np.median(held[held.any(axis=1)].argmax(axis=1) + 1)
        figures[f"found_{stage.name}_ratio"] = round(share, 4)
        print(f"{stage.name:<20}{len(held):>6}{share:>18.1%}{first:>12.0f}{FOUND_BAR:>8.0%}")
    print(f"\n{'no change, weekly':<20}{'runs':>6}{'false a week':>18}{'worst stage':>12}{'bar':>8}")
    for weekly, runs in ((100.0, 300), (1_000.0, 300)):
        weeks = firing(SEED + int(weekly), runs, weekly, None).reshape(runs, 2, 7, len(STAGES)).any(axis=2)
        share, worst = float(weeks.mean()), float(weeks.mean(axis=(0, 1)).max())
        figures[f"false_at_{weekly:.0f}_ratio"] = round(share, 4)
        figures[f"false_at_{weekly:.0f}_worst_stage_ratio"] = round(worst, 4)
        print(f"{weekly:<20.0f}{runs:>6}{share:>18.2%}{worst:>12.2%}{FALSE_BAR:>8.0%}")
    figures["found_met"] = all(v >= FOUND_BAR for name, v in figures.items() if name.startswith("found_"))
    figures["false_met"] = all(v <= FALSE_BAR for name, v in figures.items() if name.startswith("false_"))
    print(json.dumps(figures))
    sys.exit(0 if figures["found_met"] and figures["false_met"] else 1)


if __name__ == "__main__":
    main()

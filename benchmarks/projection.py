"""How far the conversion of recent cohorts is off, as observed so far and as projected, and how often its band holds.

    SALES_TEST_DATA=FOLDER python benchmarks/projection.py

Olist: real leads and wins. At each of 14 weekly moments (those of expected.json; the last is the day of the last
lead, and wins are recorded for 167 days more, so every truth is complete) only what had happened by then is known.
Truth: the share of the cohort that was won within 90 days of its creation. Cohorts: leads of the last 30 days (the rule
of expected.json) and of the last 90. No losses were recorded.

Generator: benchmark and demo presets without incidents, leads of the last 30 days, won within 30 days, weekly moments,
the future known to the generator alone. With its losses recorded, and as if they were not. Prints two tables, then one
JSON line; exits 1 when a bar is missed.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sales_exporter.demo.generator import Preset, benchmark, demo
from sales_exporter.demo.generator.leads import leads
from sales_exporter.demo.generator.stages import LOST, WON
from sales_exporter.demo.generator.world import draw
from sales_exporter.stats.projection import REFERENCE_DAYS, Cohorts, Projection, learn, project

Floats = NDArray[np.float64]
DAY = 86_400.0
EDGES = 60 * 1.05 ** np.arange(285)
ERROR_BAR, COVERAGE_BAR = 2.5, 0.90
FIRST_SEED, SEEDS = 4_000, 30
REFERENCES = (28, 45, 60, 90, 120, 180, 400)
"""Days to learn from. The default was chosen from these rows, so it has no better claim than its neighbours."""


@dataclass(frozen=True, slots=True)
class History:
    """Leads: when each was created, won and lost, in days; NaN when it never was."""

    created: Floats
    won: Floats
    lost: Floats

    def cohorts(self, now: int) -> Cohorts:
        """What is known at the start of day ``now``."""
        day, buckets = np.floor(self.created).astype(np.int64), EDGES.size + 1

        def ended(moments: Floats) -> Floats:
            done = (self.created < now) & (moments < now)
            # One Olist deal was won before its lead was made.
            age = np.maximum(moments[done] - self.created[done], 0) * DAY
            place = day[done] * buckets + np.searchsorted(EDGES, age, "right")
            return np.bincount(place, minlength=now * buckets).reshape(now, buckets).astype(np.float64)

        sizes = np.bincount(day[self.created < now], minlength=now).astype(np.float64)
        return Cohorts(sizes, ended(self.won), ended(self.lost), EDGES, float(now))

    def truth(self, now: int, span: int, horizon: float) -> float:
        """Share of the leads of the last ``span`` days that is won within the horizon, known or not."""
        mine = (self.created >= now - span) & (self.created < now)
        return float(np.mean(self.won[mine] - self.created[mine] <= horizon))


def olist(folder: Path) -> tuple[History, int]:
    """Leads and wins, and the day number of 2018-03-01."""
    made = pd.read_csv(folder / "olist_marketing_qualified_leads_dataset.csv", usecols=["mql_id", "first_contact_date"])
    deals = pd.read_csv(folder / "olist_closed_deals_dataset.csv", usecols=["mql_id", "won_date"])
    rows = made.merge(deals, how="left")
    start = pd.Timestamp(rows["first_contact_date"].min())
    created, won = (
        ((pd.to_datetime(rows[name]) - start) / pd.Timedelta(days=1)).to_numpy(np.float64)
        for name in ("first_contact_date", "won_date")
    )
    return History(created, won, np.full(len(rows), np.nan)), (pd.Timestamp("2018-03-01") - start).days


def world(preset: Preset, *, losses: bool) -> History:
    """All leads of a generated world with their futures."""
    found = leads(draw(replace(preset, incidents=())))
    created, won, lost = (
        (part - preset.start) / DAY for part in (found.created, found.path.first((WON,)), found.path.first((LOST,)))
    )
    return History(created, won, lost if losses else np.full(len(created), np.nan))


def judged(
    history: History, moments: list[int], span: int, horizon: float, reference: float = REFERENCE_DAYS
) -> list[tuple[Projection, float]]:
    """Projections and what came true."""
    found = []
    for now in moments:
        known = history.cohorts(now)
        made = project(known.since(now - span), learn(known, reference), horizon, seed=now)
        found.append((made, history.truth(now, span, horizon)))
    return found


def summary(name: str, found: list[tuple[Projection, float]]) -> dict[str, float]:
    """Mean absolute errors and bias in percentage points, and the share of truths within the band."""
    truth = np.array([true for _, true in found])
    seen = np.array([made.observed for made, _ in found])
    value, lower, upper = np.array([made.projected for made, _ in found]).T
    figures = {
        "observed": 100 * float(np.abs(seen - truth).mean()), "projected": 100 * float(np.abs(value - truth).mean()),
        "bias": 100 * float((value - truth).mean()), "covered": float(np.mean((lower <= truth) & (truth <= upper))),
        "width": 100 * float((upper - lower).mean()),
    }
    print(f"{name:<34}{len(found):>6}" + "".join(f"{value:>11.3f}" for value in figures.values()))
    return figures


def main() -> None:
    """Measure, print, and exit 1 when a bar is missed."""
    print(f"{'':<34}{'n':>6}" + "".join(f"{n:>11}" for n in ("observed", "projected", "bias", "covered", "width")))
    figures: dict[str, float | bool] = {}
    history, first = olist(Path(os.environ["SALES_TEST_DATA"]) / "olist-funnel")
    weeks = [first + 7 * week for week in range(14)]
    for span in (30, 90):
        result = summary(f"Olist, leads of {span} days", judged(history, weeks, span, 90.0))
        figures |= {f"olist_{span}d_{name}": round(value, 3) for name, value in result.items()}
    for days in REFERENCES:
        name = f"  30 days, course of {days}"
        figures[f"reference_{days}d_error"] = round(
            summary(name, judged(history, weeks, 30, 90.0, days))["projected"], 3
        )
    presets = {
        "benchmark": (benchmark(6_000, days=240.0), range(126, 211, 7)),
        "demo": (demo(datetime(2026, 1, 1, tzinfo=UTC), leads=3_600), range(63, 120, 7)),
    }
    for name, (preset, moments) in presets.items():
        for losses in (True, False):
            found = [
                one for seed in range(FIRST_SEED, FIRST_SEED + SEEDS)
                for one in judged(world(replace(preset, seed=seed), losses=losses), list(moments), 30, 30.0)
            ]
            kind = f"{name}, losses {'recorded' if losses else 'unknown'}"
            figures |= {f"{kind.replace(', losses ', '_')}_{k}": round(v, 3) for k, v in summary(kind, found).items()}
    figures["error_met"] = all(v <= ERROR_BAR for k, v in figures.items() if k.endswith("d_projected") and "olist" in k)
    figures["coverage_met"] = all(
        v >= COVERAGE_BAR for k, v in figures.items() if k.endswith("covered") and "olist" not in k
    )
    print(json.dumps(figures))
    sys.exit(0 if figures["error_met"] and figures["coverage_met"] else 1)


if __name__ == "__main__":
    main()

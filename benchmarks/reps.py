"""Shrunk win rates, ranks and the test of differences against the reps' true skill in generated data.

    python benchmarks/reps.py [--seeds 40] [--first 1001]

Truth: ``RepTruth.skill``, the win probability of a rep's deals, ~ Beta(20, 40) for 30 reps with 8 to 200 deals
(benchmark preset, 5,000 leads), and the same with skill equal for all (Beta(2e6, 4e6)). Won and lost deals are counted,
open ones are not. Besides the bars: how often 95 % bounds hold the skill and the true rank, and the power of the test.
Prints a table and a line of JSON, and exits 1 when a bar is missed: squared error of shrunk rates at most half that of
raw ones; mean absolute rank error no worse than by raw rates; p <= 0.05 under equal skill in at most 5 % of the teams
(and two standard errors). The last is counted in teams that are simulated with the numbers of deals of the data.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales_exporter.demo.generator import benchmark, generate
from sales_exporter.demo.generator.columns import Word
from sales_exporter.stats.ranking import ranks
from sales_exporter.stats.shrinkage import differences_p_value, rates

Floats = NDArray[np.float64]
LEADS, DRAWS = 5_000, 2_000
EQUAL = (2e6, 4e6)
TEAMS_PER_SEED = 50


class Team(NamedTuple):
    """Deals of each rep and the true skill."""

    wins: NDArray[np.int64]
    decided: NDArray[np.int64]
    skill: Floats


def team(seed: int, skill: tuple[float, float] | None = None) -> Team:
    """Reps of one generated data set."""
    preset = replace(benchmark(LEADS, seed=seed), calls_per_lead=0.01, incidents=())
    tables, truth = generate(replace(preset, staff=replace(preset.staff, skill=skill)) if skill else preset)
    by, status = tables["deals"]["rep_id"], tables["deals"]["status"]
    assert isinstance(by, Word) and isinstance(status, Word)  # noqa: PT018
    rep = by.values
    won, lost = (np.bincount(rep[(rep >= 0) & (status.values == status.words.index(word))], minlength=len(truth.reps))
                 for word in ("won", "lost"))
    return Team(won, won + lost, np.array([one.skill for one in truth.reps]))


def order(values: Floats) -> Floats:
    """Ranks, 1 for the highest; ties get their mean rank."""
    above = (values[None, :] > values[:, None]).sum(axis=1)
    return np.asarray(above + ((values[None, :] == values[:, None]).sum(axis=1) + 1) / 2)


def figures(seed: int) -> dict[str, float]:
    """What is measured on one team."""
    one = team(seed)
    found, raw, truth = rates(one.wins, one.decided), one.wins / one.decided, order(one.skill)
    lower, upper = found.bounds()
    ranked = ranks(found.draw(np.random.default_rng(seed), DRAWS))
    return {
        "raw_squared_error": float(np.mean((raw - one.skill) ** 2)),
        "shrunk_squared_error": float(np.mean((found.value - one.skill) ** 2)),
        "raw_rank_error": float(np.mean(np.abs(order(raw) - truth))),
        "shrunk_rank_error": float(np.mean(np.abs(order(found.value) - truth))),
        "mean_rank_error": float(np.mean(np.abs(ranked.mean - truth))),
        "rate_coverage": float(np.mean((lower <= one.skill) & (one.skill <= upper))),
        "rank_coverage": float(np.mean((ranked.lower <= truth) & (truth <= ranked.upper))),
        "power": float(differences_p_value(one.wins, one.decided, seed) <= 0.05),
    }


def false_positives(seed: int) -> list[bool]:
    """Which teams of equal skill are called different: the generated one, and others with as many deals."""
    one, rng = team(seed, EQUAL), np.random.default_rng(seed)
    teams = [one.wins, *rng.binomial(one.decided, one.skill, (TEAMS_PER_SEED - 1, one.decided.size))]
    return [differences_p_value(wins, one.decided, seed, draws=999) <= 0.05 for wins in teams]


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=1001)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    every = [figures(seed) for seed in seeds]
    mean = {name: float(np.mean([one[name] for one in every])) for name in every[0]}
    false = [hit for seed in seeds for hit in false_positives(seed)]
    mean["false_positives"] = float(np.mean(false))
    mean["squared_error_ratio"] = mean["shrunk_squared_error"] / mean["raw_squared_error"]
    allowed = 0.05 + 2 * (0.05 * 0.95 / len(false)) ** 0.5
    print(f"{len(every)} teams of 30 reps; {len(false)} teams of equal skill\n")
    for name, value in mean.items():
        print(f"{name:<24}{value:>10.4f}")
    met = {
        "squared_error_at_most_half": mean["squared_error_ratio"] <= 0.5,
        "rank_error_no_worse": mean["mean_rank_error"] <= mean["raw_rank_error"]
        and mean["shrunk_rank_error"] <= mean["raw_rank_error"],
        "false_positives_at_most_5_percent": mean["false_positives"] <= allowed,
    }
    print(json.dumps({"seeds": len(every), **{name: round(value, 5) for name, value in mean.items()}, "met": met}))
    sys.exit(0 if all(met.values()) else 1)


if __name__ == "__main__":
    main()

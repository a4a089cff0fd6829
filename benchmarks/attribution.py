"""How well each attribution model finds what the channels really cause in generated data.

    python benchmarks/attribution.py [--seeds 10] [--first 1001] [--leads 100000]

Truth: ``ChannelTruth.incremental_wins``, the wins that the touches of a channel are expected to cause. Effects add up,
so it is the Shapley value of the true game; amounts do not depend on the channel, so revenue goes by it too. Models get
what the tables hold: touches before the deal closed, amounts of deals in their own currency taken as one, leads won by
now; test leads are left out. For each model: Spearman correlation of credit and truth over the channels (mean and
least over the seeds), the same of credit by touched lead and ``effect``, what one touch adds, and the share of the
revenue that is credited to the wrong channel. Also a world of 10,000 leads and the demo's (3,600, one in ten won),
without a bar: how much data the models need.
Prints tables and a line of JSON, and exits 1 when a bar is missed: Spearman >= 0.9 on average by Shapley and no model's
credit off by a cent.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import numpy as np
from scipy.stats import spearmanr

from sales_exporter.demo.generator import Preset, Tables, Truth, benchmark, demo, generate
from sales_exporter.demo.generator.columns import Decimal, Moment, Word
from sales_exporter.stats.attribution import MODELS, Credit, Journeys, Model, markov

CONTENDERS: dict[str, Model] = {
    **MODELS, "markov order 2": partial(markov, order=2), "markov order 3": partial(markov, order=3),
}


def journeys(tables: Tables) -> Journeys:
    """The paths of all leads that are no tests: one row for each, but those that are not won are joined."""
    leads, deals, touches = tables["leads"], tables["deals"], tables["touches"]
    closed, amount = deals["closed_at"], deals["amount"]
    at, channel, status = touches["occurred_at"], touches["channel_id"], deals["status"]
    assert isinstance(closed, Moment) and isinstance(at, Moment), "times are moments"  # noqa: PT018
    assert isinstance(amount, Decimal) and isinstance(channel, Word) and isinstance(status, Word)  # noqa: PT018
    count, deal = len(leads), deals["deal_id"].values.astype(np.int64)
    won = np.zeros(count, np.bool_)
    won[deal] = status.values == status.words.index("won")
    cents, ended = np.zeros(count, np.int64), np.full(count, np.inf)
    cents[deal] = np.rint(amount.values * 100)
    # The moment at which a deal that is open closes is not known: all its touches come before.
    ended[deal] = np.where(np.isnan(closed.seconds), np.inf, closed.seconds)
    paths: list[list[int]] = [[] for _ in range(count)]
    days: list[list[float]] = [[] for _ in range(count)]
    for lead, code, moment in zip(
        touches["lead_id"].values.tolist(), channel.values.tolist(), at.seconds.tolist(), strict=True
    ):
        if moment <= ended[lead]:
            paths[lead].append(code)
            days[lead].append((ended[lead] - moment) / 86_400 if won[lead] else 0.0)
    real = leads["is_test"].values != 1
    winners = np.flatnonzero(won & real).tolist()
    lost = Counter(tuple(paths[lead]) for lead in np.flatnonzero(~won & real))
    return Journeys(
        len(channel.words), (*(tuple(paths[lead]) for lead in winners), *lost),
        (1,) * len(winners) + (0,) * len(lost), (0,) * len(winners) + tuple(lost.values()),
        (*(int(cents[lead]) for lead in winners), *(0 for _ in lost)),
        (*(tuple(days[lead]) for lead in winners), *(tuple(0.0 for _ in path) for path in lost)),
    )


def measured(credit: Credit, truth: Truth, revenue: int) -> tuple[float, float, float, bool]:
    """Correlation with wins caused and with effects, share of revenue credited wrongly, and whether cents add up."""
    channels = [one for one in truth.channels if one.channel_id is not None]
    caused = np.array([one.incremental_wins for one in channels])
    touched = np.array([one.touched for one in channels])
    by_lead = spearmanr(credit.cents / touched, [one.effect for one in channels]).statistic
    wrong = np.abs(credit.cents / credit.cents.sum() - caused / caused.sum()).sum() / 2
    adds_up = sum(credit.cents.tolist()) + credit.unassigned == revenue
    return float(spearmanr(credit.cents, caused).statistic), float(by_lead), float(wrong), adds_up


def table(title: str, make: Callable[[int], Preset], seeds: range) -> dict[str, dict[str, float]]:
    """Measure and print one world over its seeds."""
    every: dict[str, list[tuple[float, float, float, bool]]] = {name: [] for name in CONTENDERS}
    for seed in seeds:
        tables, truth = generate(make(seed))
        some = journeys(tables)
        for name, model in CONTENDERS.items():
            every[name].append(measured(model(some), truth, sum(some.cents)))
    print(f"\n{title}, {len(seeds)} seeds")
    print(f"{'':<16}{'Spearman':>10}{'least':>8}{'by touch':>10}{'wrong':>8}  to the cent")
    found = {}
    for name, results in every.items():
        rho, by_lead, wrong, adds_up = np.array(results, np.float64).T
        found[name] = {"spearman": round(float(rho.mean()), 3), "least": round(float(rho.min()), 3),
                       "by_touch": round(float(by_lead.mean()), 3), "wrong": round(float(wrong.mean()), 3),
                       "to_the_cent": bool(adds_up.all())}
        print(f"{name:<16}{rho.mean():>10.3f}{rho.min():>8.3f}{by_lead.mean():>10.3f}{wrong.mean():>8.1%}"
              f"  {'yes' if adds_up.all() else 'NO'}", flush=True)
    return found


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1001)
    parser.add_argument("--leads", type=int, default=100_000)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    found = {
        "benchmark": table(f"{options.leads:,} leads", lambda seed: benchmark(options.leads, seed=seed), seeds),
        "small": table("10,000 leads", lambda seed: benchmark(10_000, seed=seed), seeds),
        "demo": table("demo", lambda seed: demo(datetime(2026, 1, 1, tzinfo=UTC), seed=seed), seeds),
    }
    met = {
        "shapley_spearman_at_least_0.9": found["benchmark"]["shapley"]["spearman"] >= 0.9,
        "sums_to_the_cent": all(one["to_the_cent"] for world in found.values() for one in world.values()),
    }
    print(json.dumps({"seeds": len(seeds), **found, "met": met}))
    sys.exit(0 if all(met.values()) else 1)


if __name__ == "__main__":
    main()

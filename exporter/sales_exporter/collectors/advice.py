"""Advice: what the numbers say should be looked at, one pure function for each code, and when the data say enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sales_exporter.collectors.budgets import best_channel_under_funded, campaign_below_cost_target, losing_channel
from sales_exporter.collectors.call_cells import buckets
from sales_exporter.collectors.cardinality import label
from sales_exporter.collectors.deals import Deals
from sales_exporter.collectors.funding import SPAN
from sales_exporter.collectors.given import LEAST, Given, Recommendation
from sales_exporter.collectors.pipeline import RECENT_DAYS, Load, Visits, loads
from sales_exporter.collectors.stays import BUCKETS, Floats, entry_days
from sales_exporter.collectors.windows import DAY, HOUR
from sales_exporter.ledger import deals as book
from sales_exporter.ledger.calls import FIRST_RESPONSE, KINDS, RESPONSE_BOUNDS
from sales_exporter.ledger.leads import EXITS, OPEN, STAYS
from sales_exporter.ledger.predictions import LABELS, PREDICTIONS, SEPARATOR
from sales_exporter.ledger.scheme import EDGES
from sales_exporter.ledger.view import View
from sales_exporter.stats.intervals import LEVEL, difference, wilson
from sales_exporter.stats.special import ndtri

FOLLOWED_DAYS, RECENT_ENTRIES, EARLIER_ENTRIES = 14, 28, 90
"""Days that each visit is followed for a leak, so that young ones are no worse, and days of entry that are compared:
whole weeks now, and about the quarter before."""
LEAK_ERROR = 0.01
"""Chance of a leak that is none, shared by the steps: the rule is looked at every day."""
STALE_QUANTILE, STALE_SHARE, STALE_YEAR = 0.95, 0.2, 365
"""A deal is stale when it is older than 95 % of the deals won in the last year were, and it is worth a clean-up when
surely more than a fifth of the open deals are: that share would be small if they went the way of those that are won."""
SLOW_SECONDS = {"ai": 2.0, "human": 10.0}
"""By kind of agent the bound of the histogram beyond which first words come too late. Who talks to a machine takes two
seconds of silence for a failure and begins again; a person who picks up is given the time to find the record."""
SLOW_SHARE, RESPONSE_DAYS = 0.2, 7
"""Share of late first words that is put up with, as service levels of call centres allow one call in five; and days,
few enough that a new release of the agent shows within the week."""
LEAST_LABELS, LABEL_DAYS, LIVE_DAYS = 200, 30, 7
"""Mature labels of a model's last 30 days; and days since its last prediction: nobody retrains what is out of use."""


def bottleneck_stage(given: Given) -> Iterator[Recommendation]:
    """The stage with the largest bottleneck score, when it is surely larger than the next: their bounds are apart."""
    ledger = given.ledger
    if not ledger.scheme.stages:
        return
    found = sorted(loads(ledger, ledger.scheme.of_kind("open"), given.now), key=lambda load: -load.score)
    if len(found) < 2 or found[0].exits < LEAST or found[0].score <= 0:
        return
    first, second = (_score_bounds(given, load) for load in found[:2])
    if first[0] > second[1]:
        top, gap = found[0], found[0].score - found[1].score
        yield Recommendation(top.stage, "info", gap, "leads", top.exits, top.score, *first)


def _score_bounds(given: Given, load: Load) -> tuple[float, float]:
    """By the delta method on the log scale: mean wait of the exits, times a Poisson number of entries."""
    ledger = given.ledger
    columns, counts = ledger.read(EXITS, ledger.scheme.calendar.day(given.now - RECENT_DAYS * DAY))
    stage = ledger.scheme.stages.index(load.stage)
    mine = columns["stage"] == stage
    n = np.bincount(columns["bucket"][mine], weights=counts[mine], minlength=BUCKETS)
    seconds = np.nan_to_num(Visits.of(ledger).seconds[stage])
    mean = float(n @ seconds) / max(float(n.sum()), 1.0)
    if mean <= 0 or not load.entries:
        return 0.0, math.inf
    varied = float(n @ (seconds - mean) ** 2) / float(n.sum()) / mean**2
    reach = math.exp(float(ndtri((1 + LEVEL) / 2)) * math.sqrt(varied / load.exits + 1 / load.entries))
    return load.score / reach, load.score * reach


def slowing_stage(given: Given) -> Iterator[Recommendation]:
    """Stages whose slowdown holds on two days running: sales_stage_slowdown_active."""
    found = given.slowdown
    columns, counts = given.ledger.read(OPEN)
    for place, stage in enumerate(found.stages):
        if found.active[place] and found.recent[place] >= LEAST and found.before[place] >= LEAST:
            waiting = float(counts[columns["stage"] == given.ledger.scheme.stages.index(stage)].sum())
            factor, lower, upper = (float(part[place]) for part in (found.factor, found.lower, found.upper))
            # Entries stay what they are: who waits is in proportion to how long.
            yield Recommendation(
                stage, "warning", waiting * (1 - 1 / factor), "leads", float(found.recent[place]), factor, lower, upper)


def leaking_step(given: Given) -> Iterator[Recommendation]:
    """Steps of the path that a surely smaller share takes in time than of those who came in the quarter before."""
    path = given.ledger.scheme.path
    until = given.today - FOLLOWED_DAYS
    since = until - RECENT_ENTRIES
    now, before = (advanced(given.ledger, *days) for days in ((since, until), (since - EARLIER_ENTRIES, since)))
    for place, (stage, following) in enumerate(pairwise(path)):
        (k, n), (j, m) = now[:, place].tolist(), before[:, place].tolist()
        if given.ledger.scheme.kinds[stage] != "open" or min(n, m) < LEAST:
            continue
        sure = difference(k, n, j, m, 1 - 2 * LEAK_ERROR / (len(path) - 1))
        if float(sure.upper) < 0:
            lost, bounds = k / n - j / m, difference(k, n, j, m)
            yield Recommendation(
                f"{given.ledger.scheme.stages[stage]} > {given.ledger.scheme.stages[following]}", "warning",
                -lost * n / RECENT_ENTRIES * 30, "leads per 30 days", n, lost, float(bounds.lower), float(bounds.upper))


def advanced(ledger: View, since: int, until: int) -> Floats:
    """Visits by place on the path (all but the last) that began on these days: those that a later stage of the path
    followed within FOLLOWED_DAYS, to the edge of a bucket, and all (2, places)."""
    places, path = ledger.scheme.places, ledger.scheme.path
    columns, counts = ledger.read(STAYS, since, until)
    intime = columns["bucket"] <= int(np.searchsorted(EDGES, FOLLOWED_DAYS * DAY, "right")) - 1
    on = intime & (places[columns["to"]] > places[columns["stage"]])
    still, waiting = ledger.read(OPEN)
    began = entry_days(ledger, still["hour"])
    mine = (began >= since) & (began < until)
    size = len(places)
    went = np.bincount(columns["stage"][on], weights=counts[on], minlength=size)
    came = np.bincount(columns["stage"], weights=counts, minlength=size)
    stayed = np.bincount(still["stage"][mine], weights=waiting[mine], minlength=size)
    return np.stack([went, came + stayed])[:, list(path[:-1])]


def stale_open_deals(given: Given) -> Iterator[Recommendation]:
    """Open deals that are older than nearly all that were won, when they are surely many."""
    deals = Deals.at(given.ledger, given.now)
    won = deals.where(book.WON)
    cycles = deals.cycles(won[deals.closed(won) >= given.now - STALE_YEAR * DAY])
    cycles = cycles[~np.isnan(cycles)]
    opened = deals.records["opened"][deals.where(book.OPEN)].astype(np.int64)
    ages = given.now - opened[opened != book.UNKNOWN]
    if min(len(cycles), len(ages)) < LEAST:
        return
    stale = int(np.count_nonzero(ages > np.quantile(cycles, STALE_QUANTILE)))
    bounds = wilson(stale, len(ages))
    if float(bounds.lower) > STALE_SHARE:
        yield Recommendation("open deals", "info", stale, "deals", len(ages), stale / len(ages),
                             float(bounds.lower), float(bounds.upper))


def model_to_retrain(given: Given) -> Iterator[Recommendation]:
    """Models in use that surely decide worse than always deciding for the larger class.

    The two differ only where the model decides for the smaller class: the share that is right there is compared with
    one half.
    """
    hour = math.floor(given.now / HOUR)
    columns, counts = given.ledger.read(LABELS, hour - LABEL_DAYS * 24, hour)
    used = np.unique(given.ledger.read(PREDICTIONS, given.today - LIVE_DAYS)[0]["version"])
    for number in np.intersect1d(np.unique(columns["version"]), used).tolist():
        mine = columns["version"] == number
        table = np.zeros((2, 2))
        np.add.at(table, (columns["came"][mine], columns["decided"][mine]), counts[mine])
        smaller = int(table[1].sum() <= table[0].sum())
        right, against, n = table[smaller, smaller], table[:, smaller].sum(), table.sum()
        bounds = wilson(right, against)
        if n >= LEAST_LABELS and against >= LEAST and float(bounds.upper) < 0.5:
            model, _, version = (given.ledger.names.text(number) or "").partition(SEPARATOR)
            yield Recommendation(
                label(f"{model} {version}"), "warning", float(against - 2 * right), f"decisions per {LABEL_DAYS} days",
                float(against), float(right / against), float(bounds.lower), float(bounds.upper))


def response_too_slow(given: Given) -> Iterator[Recommendation]:
    """Kinds of agents that surely let more than the share wait too long for their first words."""
    since = given.ledger.scheme.calendar.day(given.now - RESPONSE_DAYS * DAY)
    counts = buckets(given.ledger, FIRST_RESPONSE, since)
    for kind, bound in SLOW_SECONDS.items():
        mine = counts[KINDS.index(kind)]
        n, late = int(mine.sum()), int(mine[RESPONSE_BOUNDS.index(bound) + 1 :].sum())
        if n < LEAST:
            continue
        bounds = wilson(late, n)
        if float(bounds.lower) > SLOW_SHARE:
            yield Recommendation(
                kind, "warning", late - SLOW_SHARE * n, f"calls in {RESPONSE_DAYS} days", n, late / n,
                float(bounds.lower), float(bounds.upper))


@dataclass(frozen=True, slots=True)
class Rule:
    """A code: how it is found, the source of the ledger that it needs, and what its numbers mean."""

    find: Callable[[Given], Iterator[Recommendation]]
    source: str
    impact: str
    estimate: str


RULES: Mapping[str, Rule] = {
    "bottleneck_stage": Rule(
        bottleneck_stage, "leads", "leads fewer held back if the stage held no more than the next",
        "sales_bottleneck_score, n its exits"),
    "slowing_stage": Rule(
        slowing_stage, "leads", "leads fewer waiting at the pace of before",
        "how many times rarer ends became at the ages at which they are due, n the ends"),
    "leaking_step": Rule(
        leaking_step, "leads", "leads per 30 days more that would go on at the share of before",
        f"share of entries that went on within {FOLLOWED_DAYS} days, {RECENT_ENTRIES} days of entries less the "
        f"{EARLIER_ENTRIES} before, n the entries"),
    "losing_channel": Rule(
        losing_channel, "spend", f"spend above revenue per 30 days, of leads {SPAN} to {2 * SPAN} days old",
        "their revenue / spend, n the leads"),
    "best_channel_under_funded": Rule(
        best_channel_under_funded, "spend", "revenue per 30 days more if a tenth of the spend of all others brought "
        "what this channel surely brings; the next unit spent may bring less",
        "revenue / spend as for losing_channel, n the won deals"),
    "campaign_below_cost_target": Rule(
        campaign_below_cost_target, "spend", f"spend above the target (targets, cost_per_conversion) for the won deals "
        f"of {SPAN} days, per 30 days", "sales_campaign_cost_per_conversion of these days over all channels, n the won "
        "deals, of which one is enough"),
    "stale_open_deals": Rule(
        stale_open_deals, "deals", "open deals older than 95 % of the deals won in a year were",
        "their share of the open deals, n these"),
    "model_to_retrain": Rule(
        model_to_retrain, "predictions", "wrong decisions fewer in 30 days by always deciding for the larger class",
        "share right of the decisions for the smaller class, n these"),
    "response_too_slow": Rule(
        response_too_slow, "calls", f"calls of the last {RESPONSE_DAYS} days with late first words, above a share of "
        f"{SLOW_SHARE:.0%}", "share of first responses later than "
        + ", ".join(f"{bound:g} s ({kind})" for kind, bound in SLOW_SECONDS.items()) + ", n the first responses"),
}
"""Codes in the order in which they are published; another one is a function and a line here."""

"""Advice on what is spent: channels and campaigns whose money surely does too little, or could do more."""

from __future__ import annotations

from collections.abc import Iterator

from sales_exporter.collectors.funding import SPAN, together
from sales_exporter.collectors.given import LEAST, Given, Recommendation

LEAST_LEADS = 50
"""Leads of a channel that is said to lose money: fewer say nothing of a channel that sells rarely."""
MOVED = 0.1
"""Share of the spend of the others that the impact of an under-funded channel moves: little enough to bring the same
return."""


def losing_channel(given: Given) -> Iterator[Recommendation]:
    """Channels whose leads have surely brought less than they cost."""
    for one in given.channels:
        if one.leads >= LEAST_LEADS and one.roas.upper < 1:
            yield Recommendation(
                one.channel, "warning", (one.entry.spend - one.entry.revenue) / SPAN * 30,
                f"{given.currency} per 30 days", one.leads, one.roas.value, one.roas.lower, one.roas.upper)


def best_channel_under_funded(given: Given) -> Iterator[Recommendation]:
    """The channel with the highest lower bound, when all others together surely return less and it gets less than an
    equal share of the spend."""
    able = [one for one in given.channels if one.roas.deals >= LEAST]
    best = max(able, key=lambda one: (one.roas.lower, one.channel), default=None)
    if best is None:
        return
    others = [one for one in given.channels if one is not best]
    rest, spend = together(others), sum(one.entry.spend for one in others)
    if rest is None or best.entry.spend * len(others) >= spend or best.roas.lower <= max(rest.upper, 1.0):
        return
    gain = (best.roas.lower - rest.value) * MOVED * spend / SPAN * 30
    yield Recommendation(best.channel, "info", gain, f"{given.currency} per 30 days", best.roas.deals,
                         best.roas.value, best.roas.lower, best.roas.upper)


def campaign_below_cost_target(given: Given) -> Iterator[Recommendation]:
    """Campaigns whose won deals surely cost more than the target says that one may."""
    target = given.cost_target
    if target is None:
        return
    for one in given.campaigns:
        if one.lower > target:
            yield Recommendation(
                one.labels["campaign"], "warning", (one.value - target) * one.deals / SPAN * 30,
                f"{given.currency} per 30 days", one.deals, one.value, one.lower, one.upper)

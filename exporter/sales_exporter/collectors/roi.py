"""ROI: what each channel and campaign cost, what it brought, and how sure that is."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sales_exporter.collectors import Collector, Context, deals, money
from sales_exporter.collectors.cardinality import NONE, OTHER, TopK
from sales_exporter.collectors.credit import SHARED, shared
from sales_exporter.collectors.deals import Deals, currencies
from sales_exporter.collectors.ratios import ratio
from sales_exporter.collectors.returns import (
    CASH,
    COHORT,
    FIRST,
    LAST,
    LEAD,
    Estimate,
    Facts,
    best,
    costs,
    returns,
)
from sales_exporter.collectors.windows import Windows
from sales_exporter.collectors.wins import Wins, spent
from sales_exporter.config import Business
from sales_exporter.ledger import deals as book
from sales_exporter.ledger.book import Records
from sales_exporter.model import Definition, Sample, gauge

CREDIT_SECONDS = 600
"""How long the credit of several touches holds when no deal has changed."""
MINIMUM_DEALS = 10
"""Won deals below which a channel cannot be the best one."""

_ATTRIBUTION = (
    "lead: the lead's own channel and campaign as they are now; last, first: channel of the last or first touch of "
    "the lead before the deal was closed, by occurred_at, then touch_id; linear: the same to each touch; position: "
    "40 % to the first, 40 % to the last, 20 % between; time_decay: half as much each 7 days before the last touch; "
    "markov, shapley: by removal effects and Shapley values of the paths of won and not won deals. Deals without a "
    "touch are unassigned"
)
_SPEND = Definition(
    unit="money, by the rate of the day", entry="days whose start in the reporting zone lies in the window",
    order="the amount in force; platforms restate it for days", window="half-open, ends at the moment of evaluation",
    attribution="channel and campaign of the spend", unfinished="the running day counts with what is booked",
)
_REVENUE = Definition(
    unit="won deals that are not of test leads, by the rate of the closing day; without a rate no revenue",
    entry="status won and closed before the moment of evaluation", order="the amount in force",
    window=f"cash: {deals.WINDOW}; cohort: the same by creation of the lead",
    attribution=_ATTRIBUTION, unfinished="deals that are not won yet bring nothing so far: young cohorts read low",
)
_BOUNDS = (
    "Bounds take spend as known and revenue as a compound Poisson sum (variance = sum of squared amounts), "
    "approximately 95 %."
)
_ABSENT = "Absent without spend, and where an amount has no exchange rate."
_MONEY, _COUNT = ("channel", "currency", "window"), ("channel", "window")
SPEND = gauge("sales_spend", "Spend of the channel in the window.", *_MONEY, definition=_SPEND)
REVENUE = gauge(
    "sales_revenue", "Revenue of won deals. cash: closed in the window; cohort: of leads created in it, so far. By "
    "each model the channels and sales_attribution_unassigned_revenue sum to the same revenue, to the cent.",
    *_MONEY, "model", "basis", definition=_REVENUE,
)
DEALS = gauge(
    "sales_revenue_deals", "Won deals behind sales_revenue and the figures made of it. Deals without an exchange rate "
    "on their closing day count here and bring no revenue. By linear, position, time_decay, markov and shapley a deal "
    "counts for each channel that touched it.", *_COUNT, "model", "basis",
    definition=_REVENUE,
)
UNASSIGNED = gauge(
    "sales_attribution_unassigned_revenue", "Revenue closed in the window that the model gives to no channel: the deal "
    "names no existing lead, or the lead has no touch.", "currency", "window", "model", definition=_REVENUE,
)
ROI = ratio(
    "sales_roi_ratio", f"Return: (revenue of the window's cohort - spend) / spend. {_BOUNDS} {_ABSENT}",
    *_COUNT, "model", definition=_REVENUE,
)
ROAS = ratio(
    "sales_roas_ratio", f"Revenue of the window's cohort / spend. {_BOUNDS} {_ABSENT}",
    *_COUNT, "model", definition=_REVENUE,
)
COST = ratio(
    "sales_cost_per_conversion", "Spend / won deals closed in the window, by the lead's own channel; exact Poisson "
    "bounds on the deals. Absent without deals or spend.", *_MONEY, definition=_REVENUE,
)
BEST = gauge(
    "sales_best_channel_info", f"1 for the best channel of those with at least {MINIMUM_DEALS} won deals, by the "
    "lead's own channel. roi: highest lower bound; cost_per_conversion: lowest upper bound; revenue: most cash.",
    "channel", "criterion", "window", definition=_REVENUE,
)
CAMPAIGN_SPEND = gauge(
    "sales_campaign_spend", "Spend of the campaign in the window.", "campaign", *_MONEY, definition=_SPEND
)
CAMPAIGN_REVENUE = gauge(
    "sales_campaign_revenue", "Revenue so far of the leads of the campaign created in the window.", "campaign", *_MONEY,
    definition=_REVENUE,
)
CAMPAIGN_DEALS = gauge(
    "sales_campaign_deals", "Won deals of the campaign's leads. cash: closed in the window; cohort: of leads created "
    "in it.", "campaign", *_COUNT, "basis", definition=_REVENUE,
)
CAMPAIGN_ROI = ratio(
    "sales_campaign_roi_ratio", f"As sales_roi_ratio, by the lead's own campaign. {_BOUNDS}", "campaign", *_COUNT,
    definition=_REVENUE,
)
CAMPAIGN_COST = ratio(
    "sales_campaign_cost_per_conversion", "As sales_cost_per_conversion, by the lead's own campaign.", "campaign",
    *_MONEY, definition=_REVENUE,
)

class Roi(Collector):
    """Spend, revenue, return and cost by channel, and by campaign for those with the most spend."""

    name = "roi"
    metrics = (
        SPEND, REVENUE, DEALS, UNASSIGNED, *ROI.metrics, *ROAS.metrics, *COST.metrics, BEST,
        CAMPAIGN_SPEND, CAMPAIGN_REVENUE, CAMPAIGN_DEALS, *CAMPAIGN_ROI.metrics, *CAMPAIGN_COST.metrics,
    )
    reads = ("leads", "deals")
    folds = ("deals", "spend")

    def __init__(self) -> None:
        self.channels = TopK("channel", 1)
        self.campaigns = TopK("campaign", 1)
        self._shared: tuple[Records | None, object, Facts] | None = None

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """From the books of deals and of spend."""
        found = await asyncio.to_thread(Deals.at, ctx.ledger, ctx.now)
        rates = await money.rates(ctx, [*found.currencies(), *currencies(ctx.ledger, ctx.ledger.book(book.SPEND))])
        return await asyncio.to_thread(self._figures, ctx, found, rates)

    def _figures(self, ctx: Context, found: Deals, rates: money.Rates) -> list[Sample]:
        business, zone = ctx.business, ZoneInfo(ctx.business.reporting_timezone)
        windows = Windows.hourly(ctx.now, business.windows)
        touched = "touches" in ctx.relations
        models = (LEAD, LAST, FIRST) if touched else (LEAD,)
        wins = Wins.of(found, rates, windows)
        facts = wins.facts(models)
        if "spend" in ctx.relations:
            firsts = [number(first_day(start, zone)) for start in windows.starts]
            facts = replace(facts, spent=spent(ctx.ledger, rates, firsts, number(first_day(ctx.now, zone)), windows))
        self._choose(facts, windows, business, wins.touching() if touched else [])
        if touched:
            models = (*models, *SHARED)
            facts = facts.plus(self._credits(found, wins, rates, windows, ctx.dear))
        kept = facts.relabel("channel", self.channels).relabel("campaign", self.campaigns)
        channels = kept.by("channel")
        result = list(revenue(channels, windows, models, business.reporting_currency))
        if "spend" in ctx.relations:
            result += channel_figures(channels, windows, models, business.reporting_currency)
            result += campaign_figures(kept.by("campaign", "channel"), windows, business.reporting_currency)
        return result

    def _credits(
        self, found: Deals, wins: Wins, rates: money.Rates, windows: Windows, dear: float | None
    ) -> Facts:
        """Credit of several touches, anew when deals or rates changed, and every ten minutes because windows move."""
        key = (found.now // (dear or CREDIT_SECONDS), windows.names, rates.digest, self.channels.kept)
        old = self._shared is None or (dear is None and self._shared[0] is not found.records)
        if self._shared is None or old or self._shared[1] != key:
            self._shared = (found.records, key, shared(found, wins, self.channels))
        return self._shared[2]

    def _choose(self, facts: Facts, windows: Windows, business: Business, touching: Iterable[str]) -> None:
        if (self.channels.limit, self.campaigns.limit) != (business.channel_limit, business.campaign_limit):
            self.channels = TopK("channel", business.channel_limit)
            self.campaigns = TopK("campaign", business.campaign_limit)
        window = windows.names[0]
        for top, column in ((self.channels, "channel"), (self.campaigns, "campaign")):
            names = facts.won[0].values(column)
            weights = dict.fromkeys([*names, *touching] if top is self.channels else names, 0.0)
            for (name,), amount in facts.spent[0].where(window=window).sum_by(column):
                weights[name] = amount
            # A campaign ranks by its spend; a channel may earn without any.
            earned = facts.won[1].where(window=window, model=LEAD, basis=CASH) if top is self.channels else ()
            for key, amount in earned:
                weights[key[0]] += amount
            top.rank(weights)


def revenue(channels: Facts, windows: Windows, models: tuple[str, ...], currency: str) -> Iterator[Sample]:
    """Revenue and won deals by model and basis, what no channel gets, and the channel that earns most."""
    for model in models:
        for basis in (CASH, COHORT):
            for e in channels.entries(windows, model, basis):
                if e.known:
                    yield REVENUE(e.revenue, **e.labels, currency=currency, model=model, basis=basis)
                yield DEALS(e.deals, **e.labels, model=model, basis=basis)
        for window in windows.names:
            missed = channels.unassigned.get(window, model)
            yield UNASSIGNED(missed, currency=currency, window=window, model=model)
    earned = [Estimate(e.labels, e.deals, e.revenue, e.revenue, e.revenue)
              for e in channels.entries(windows, LEAD, CASH)]
    yield from leaders("revenue", earned, lambda estimate: estimate.value)


def channel_figures(
    facts: Facts, windows: Windows, models: tuple[str, ...], currency: str
) -> Iterator[Sample]:
    """Spend, return by model, cost of a conversion, and the best channel by each."""
    typical = facts.typical(windows)
    for model in models:
        found = returns(facts.entries(windows, model, COHORT), typical)
        for estimate in found:
            yield from estimate.samples(ROAS, model=model)
            yield from estimate.samples(ROI, less=1.0, model=model)
        if model == LEAD:
            yield from leaders("roi", found, lambda estimate: estimate.lower)
    entries = facts.entries(windows, LEAD, CASH)
    for e in entries:
        yield SPEND(e.spend, **e.labels, currency=currency)
    found = costs(entries)
    for estimate in found:
        yield from estimate.samples(COST, currency=currency)
    yield from leaders("cost_per_conversion", found, lambda estimate: -estimate.upper)


def campaign_figures(facts: Facts, windows: Windows, currency: str) -> Iterator[Sample]:
    """The same by the lead's own campaign, for campaigns that spent or won anything in the window."""
    cash, cohort = (facts.entries(windows, LEAD, basis) for basis in (CASH, COHORT))
    active = [(now, later) for now, later in zip(cash, cohort, strict=True)
              if now.spend or now.deals or later.deals]
    for now, later in active:
        yield CAMPAIGN_SPEND(now.spend, **now.labels, currency=currency)
        if later.known:
            yield CAMPAIGN_REVENUE(later.revenue, **now.labels, currency=currency)
        yield CAMPAIGN_DEALS(now.deals, **now.labels, basis=CASH)
        yield CAMPAIGN_DEALS(later.deals, **now.labels, basis=COHORT)
    for estimate in returns([later for _, later in active], facts.typical(windows)):
        yield from estimate.samples(CAMPAIGN_ROI, less=1.0)
    for estimate in costs(now for now, _ in active):
        yield from estimate.samples(CAMPAIGN_COST, currency=currency)


def leaders(
    criterion: str, found: Iterable[Estimate], figure: Callable[[Estimate], float]
) -> Iterator[Sample]:
    """The best channel of each window; (none) and (other) are no channels that one could choose."""
    by_window: dict[str, list[Estimate]] = {}
    for estimate in found:
        if estimate.labels["channel"] not in {NONE, OTHER}:
            by_window.setdefault(estimate.labels["window"], []).append(estimate)
    for estimates in by_window.values():
        winner = best(estimates, figure, MINIMUM_DEALS)
        if winner is not None:
            yield BEST(1, **winner.labels, criterion=criterion)


def number(day: date) -> int:
    """Days since 1970."""
    return (day - date(1970, 1, 1)).days


def first_day(moment: float, zone: ZoneInfo) -> date:
    """The first day that starts in the zone at the moment (epoch seconds, may be -inf) or later."""
    if moment == -math.inf:
        return date.min
    day = datetime.fromtimestamp(moment, zone).date()
    begun = datetime.combine(day, time(), zone).timestamp() < moment
    return day + timedelta(days=1) if begun else day

"""Recommendations: what to look at first, what it would bring, and the evidence; gone when the evidence is."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Iterator, Sequence

from sales_exporter.collectors import Collector, Context, money
from sales_exporter.collectors.advice import RULES
from sales_exporter.collectors.deals import Deals, currencies
from sales_exporter.collectors.funding import Funded, campaign_costs, funded, within
from sales_exporter.collectors.given import LEAST, Given, Recommendation
from sales_exporter.collectors.kept import Kept
from sales_exporter.collectors.key import COST_TARGET, Targets, targets_sql
from sales_exporter.collectors.returns import Estimate
from sales_exporter.collectors.slowdown import Comparison, compared
from sales_exporter.collectors.stays import visits
from sales_exporter.ledger import deals as book
from sales_exporter.model import Definition, Sample, gauge

MOST = 10
"""Subjects of one code that are named, those with the largest impact: nobody looks at more at once."""

_ADVICE = Definition(
    unit="subjects for which the rule of the code holds",
    entry=f"from {LEAST} events on; of campaign_below_cost_target, whose bounds are exact, from the first",
    window="of each rule its own, ending at the moment of evaluation", unfinished="as the figures that a rule looks at",
)
INFO = gauge(
    "sales_recommendation_info", "1 for each subject that a rule says to look at; absent when it no longer holds. "
    "Codes: " + ", ".join(RULES) + ".", "code", "subject", "severity", definition=_ADVICE,
)
IMPACT = gauge(
    "sales_recommendation_impact", "Expected gain, in the unit of the label. "
    + " ".join(f"{code}: {rule.impact}." for code, rule in RULES.items()),
    "code", "subject", "unit", definition=_ADVICE,
)
EVIDENCE = gauge(
    "sales_recommendation_evidence", "What it rests on: n, estimate, and its 95 % bounds, lower and upper. "
    + " ".join(f"{code}: {rule.estimate}." for code, rule in RULES.items()),
    "code", "subject", "stat", definition=_ADVICE,
)
Budget = tuple[Sequence[Funded], Sequence[Estimate]]
"""Channels with what they brought, and campaigns with what a won deal cost them."""


class Recommendations(Collector):
    """Every rule whose source is filled."""

    name = "recommendations"
    metrics = (INFO, IMPACT, EVIDENCE)
    reads = ("leads", "stage_transitions")
    folds = ("leads",)

    def __init__(self) -> None:
        self.slowdown: Kept[Comparison] = Kept()
        self.budget: Kept[Budget] = Kept()

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """From the cells and books of all sources that are filled."""
        ledger = ctx.ledger
        key = (ledger.scheme.calendar.day(ctx.now), ledger.scheme)
        slower = await self.slowdown.get(key, visits(ledger), lambda: compared(ledger, ctx.now))
        channels, campaigns = await self._budget(ctx, key)
        given = Given(ledger, ctx.now, slower, channels, ctx.business.reporting_currency, campaigns,
                      await cost_target(ctx))
        return await asyncio.to_thread(lambda: list(samples(given)))

    async def _budget(self, ctx: Context, key: Hashable) -> Budget:
        ledger = ctx.ledger
        if not ledger.ready >= {"deals", "spend"}:
            return (), ()
        deals, spend = ledger.book(book.DEALS), ledger.book(book.SPEND)
        rates = money.Rates(ctx.business.reporting_currency)
        if not self.budget.holds(key, len(deals)):
            rates = await money.rates(ctx, {*currencies(ledger, deals), *currencies(ledger, spend)})

        def budget() -> Budget:
            known = within(Deals.at(ledger, ctx.now), ctx.now), rates, ctx.business.reporting_timezone, ctx.now
            return funded(*known), campaign_costs(*known)

        return await self.budget.get(key, len(deals), budget)


async def cost_target(ctx: Context) -> float | None:
    """What a won deal may cost a campaign in the reporting currency, None when nobody said it."""
    if "targets" not in ctx.relations:
        return None
    rows = await ctx.db.fetch(targets_sql(ctx.relations), now=ctx.now, **money.parameters(ctx.business))
    return Targets.of(rows).company(COST_TARGET)


def samples(given: Given) -> Iterator[Sample]:
    """Of each code the subjects with the largest impact."""
    for code, rule in RULES.items():
        if rule.source in given.ledger.ready:
            found = sorted(rule.find(given), key=lambda one: (-one.impact, one.subject))
            for one in found[:MOST]:
                yield from of(code, one)


def of(code: str, one: Recommendation) -> Iterator[Sample]:
    """The samples of one recommendation."""
    yield INFO(1, code=code, subject=one.subject, severity=one.severity)
    yield IMPACT(one.impact, code=code, subject=one.subject, unit=one.unit)
    for stat, value in (("n", one.n), ("estimate", one.estimate), ("lower", one.lower), ("upper", one.upper)):
        yield EVIDENCE(value, code=code, subject=one.subject, stat=stat)

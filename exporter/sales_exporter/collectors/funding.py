"""Funding: what channels cost and brought, of leads that are old enough to have brought what they will."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np

from sales_exporter.collectors.cardinality import NONE, label
from sales_exporter.collectors.deals import Deals
from sales_exporter.collectors.money import Rates
from sales_exporter.collectors.returns import CASH, COHORT, LEAD, Entry, Estimate, costs, returns
from sales_exporter.collectors.roi import first_day, number
from sales_exporter.collectors.windows import Windows
from sales_exporter.collectors.wins import Wins, spent
from sales_exporter.ledger.leads import CAMPAIGN
from sales_exporter.ledger.view import View

OLD, YOUNG = "180d", "90d"
"""Leads between these ages: a quarter of them, each followed for a quarter at least."""
SPAN = 90


@dataclass(frozen=True, slots=True)
class Funded:
    """A channel with spend: its leads, its sums, and revenue / spend with bounds."""

    channel: str
    leads: float
    entry: Entry
    roas: Estimate


def within(deals: Deals, now: float) -> Deals:
    """Those that :func:`funded` and :func:`campaign_costs` look at: closed since the older days began, or of leads
    created since then."""
    start = Windows.hourly(now, (OLD,)).starts[0]
    return deals.take((deals.ended >= start) | (deals.records["created"] >= start))


def funded(deals: Deals, rates: Rates, zone: str, now: float) -> list[Funded]:
    """Channels with spend, of the leads that were created in those days and the spend of the same days."""
    windows = Windows.hourly(now, (OLD, YOUNG))
    since, until = (number(first_day(start, ZoneInfo(zone))) for start in windows.starts)
    paid = spent(deals.view, rates, (since, until), until, windows)
    facts = replace(Wins.of(deals, rates, windows).facts((LEAD,)), spent=paid).by("channel")
    entries = facts.entries(windows, LEAD, COHORT)
    young = {entry.labels["channel"]: entry for entry in entries if entry.labels["window"] == YOUNG}
    older = [_less(entry, young[entry.labels["channel"]]) for entry in entries if entry.labels["window"] == OLD]
    leads = _leads(deals.view, since, until)
    named = {entry.labels["channel"]: entry for entry in older if entry.labels["channel"] != NONE}
    return [Funded(name, leads.get(name, 0.0), named[name], found)
            for found in returns(named.values(), facts.typical(windows)) for name in [found.labels["channel"]]]


def campaign_costs(deals: Deals, rates: Rates, zone: str, now: float) -> list[Estimate]:
    """What a won deal of each campaign cost in the last SPAN days, whatever the channel of its leads."""
    windows = Windows.hourly(now, (YOUNG,))
    first, until = (number(first_day(moment, ZoneInfo(zone))) for moment in (windows.starts[0], now))
    paid = spent(deals.view, rates, (first,), until, windows)
    facts = replace(Wins.of(deals, rates, windows).facts((LEAD,)), spent=paid).by("campaign")
    return [found for found in costs(facts.entries(windows, LEAD, CASH)) if found.labels["campaign"] != NONE]


def together(parts: Iterable[Funded]) -> Estimate | None:
    """Revenue / spend of channels taken as one."""
    entries = [part.entry for part in parts]
    whole = Entry({}, *(sum(values) for values in zip(*_sums(entries), strict=True)))
    found = returns([whole], whole.squares / whole.revenue if whole.revenue > 0 else 0.0)
    return found[0] if found else None


def _sums(entries: Sequence[Entry]) -> Iterator[tuple[float, ...]]:
    for e in entries:
        yield e.spend, e.unpriced_spend, e.deals, e.revenue, e.squares, e.unpriced
    yield (0.0,) * 6


def _less(old: Entry, young: Entry) -> Entry:
    """Without the younger leads; spend is of the older days alone. Sums of cents end on a cent, not a hair below."""
    return replace(
        old, deals=old.deals - young.deals, revenue=round(old.revenue - young.revenue, 2),
        squares=max(old.squares - young.squares, 0.0), unpriced=old.unpriced - young.unpriced)


def _leads(view: View, since: int, until: int) -> dict[str, float]:
    columns, counts = view.read(CAMPAIGN, since, until)
    first = columns["stage"] == view.scheme.path[0] if view.scheme.stages else np.zeros(0, dtype=bool)
    found: dict[str, float] = {}
    for channel in np.unique(columns["channel"][first]).tolist():
        name = label(view.names.text(channel))
        found[name] = found.get(name, 0.0) + float(counts[first & (columns["channel"] == channel)].sum())
    return found

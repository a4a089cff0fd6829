"""What the panels on return ask for: sums over channels with one currency, one window and one way to give credit."""

from __future__ import annotations

from grafana.source.bounds import Bounds, summed
from grafana.source.promql import ratio, selector, total

WEEK = "7d"
AGAINST = "vs 7 d ago"
MONEY = {"window": "$window", "currency": "$currency"}
CREDIT = {"model": "$attribution"}
NEEDED = "No spend or attributed revenue: fill sales.spend, sales.touches or leads.channel_id, and sales.deals"


def once(name: str, *by: str, offset: str = "", **matchers: str) -> str:
    """A figure that is made once for each of the labels ``by``."""
    return f"max by ({', '.join(by)}) ({selector(name, offset=offset, **matchers)})"


def revenue(*by: str, basis: str, window: str = "$window") -> str:
    """Revenue that is credited to channels: cash of the window, or of the leads created in it."""
    return total("sales_revenue", *by, basis=basis, currency="$currency", window=window, **CREDIT)


def spend(*by: str, offset: str = "", window: str = "$window") -> str:
    """Spend on the days of the window."""
    return total("sales_spend", *by, offset=offset, window=window, currency="$currency")


def won(*by: str, offset: str = "") -> str:
    """Deals won in the window, each at the lead's own channel, so that each counts once."""
    return total("sales_revenue_deals", *by, offset=offset, model="lead", basis="cash", window="$window")


def roas(suffix: str = "") -> str:
    """Revenue of the window's leads per spend, of each channel that has spend."""
    return once(f"sales_roas_ratio{suffix}", "channel", window="$window", **CREDIT)


def back(factor: str = "1") -> tuple[str, Bounds]:
    """Revenue per spend of all paid channels with its bounds; ``factor`` changes what deals are worth."""
    spent = f"sum({spend('channel')} and {roas()})"
    value, *ends = (f"{roas(suffix)} * {spend('channel')}" for suffix in ("", "_lower", "_upper"))
    low, high = summed(value, *ends)
    return (f"{factor} * {ratio(f'sum({value})', spent)}",
            Bounds(f"{factor} * {ratio(f'({low})', spent)}", f"{factor} * {ratio(f'({high})', spent)}"))


def calls() -> str:
    """Cost of the calls of the window."""
    return total("sales_call_cost", **MONEY)

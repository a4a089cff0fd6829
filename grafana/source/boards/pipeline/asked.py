"""PromQL on deals and stages that more than one panel asks."""

from __future__ import annotations

from grafana.source.promql import selector, total

MONEY = {"currency": "$currency"}
NO_DEALS = "No open deals: fill sales.deals (status open, stage, amount, currency)"
NO_DECIDED = "No decided deals in this window: fill sales.deals (status won or lost, closed_at)"
NO_STAGES = "No stages yet: fill sales.stage_transitions (lead_id, to_stage, occurred_at)"
TARGETS = "fill sales.targets (period_start, period_kind, metric, amount)"
NO_TARGETS = f"No running revenue target: {TARGETS}"
NO_FORECAST = "Needs four months of deals: ten won ones, and eight past forecasts to judge it by"
EVERYONE = "(all)"


def value(*by: str, offset: str = "") -> str:
    """Open deals in money, not weighted."""
    return total("sales_pipeline_value", *by, offset=offset, **MONEY)


def weighted(suffix: str = "") -> str:
    """Open deals in money, each times its chance to be won."""
    return f"max({selector(f'sales_pipeline_weighted_value{suffix}', weights='learned', **MONEY)})"


def decided(*, offset: str = "", result: str = "~won|lost") -> str:
    """Deals that were decided in the window."""
    return total("sales_deals", result=result, window="$window", offset=offset)


def target(period: str = "") -> str:
    """The revenue target of running periods: the company's own, else the sum of its teams'."""
    only = {"period": period} if period else {}
    own = total("sales_target", "period", metric="revenue", team=EVERYONE, **only)
    return f"({own} or {total('sales_target', 'period', metric='revenue', team=f'!{EVERYONE}', **only)})"


def attained(period: str = "") -> str:
    """Revenue won since running periods began."""
    return total("sales_target_attained", "period", metric="revenue", **({"period": period} if period else {}))


def by_stage(name: str, **matchers: str) -> str:
    """A number of each stage."""
    return f"max by (stage) ({selector(name, **matchers)})"


def stay(q: str, suffix: str = "") -> str:
    """How long leads stay in each stage: those still inside count as lasting longer."""
    return by_stage(f"sales_stage_duration_seconds{suffix}", q=q, estimator="km", window="$window")


def forecast(period: str = "", *, q: str = "") -> str:
    """Revenue of whole periods as it is expected to come, or one of its quantiles."""
    name, only = ("sales_forecast_revenue", {"q": q}) if q else ("sales_forecast_revenue_expected", {})
    return f"max by (period) ({selector(name, **MONEY, **only, **({'period': period} if period else {}))})"

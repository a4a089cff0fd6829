"""What the funnel's panels ask for: counts of leads in the channels chosen, added up before they are divided."""

from __future__ import annotations

from grafana.source.promql import ratio, selector, total

DAY, WEEK = "1d", "7d"
GRAIN = "5m"
"""How often running totals are looked at, of which the moves of days are made."""
LEADS = {"channel": "~$channel"}
EMPTY = "No leads in this window: fill sales.leads and sales.stage_transitions"
ALL_CHANNELS = "All channels: the exporter keeps no channel for times in stages."


def reached(*by: str, window: str = "$window", offset: str = "", basis: str = "cohort") -> str:
    """Leads by stage: of those created in the window all that came so far, or all that came within the window."""
    return total("sales_funnel_leads", *by, offset=offset, basis=basis, window=window, **LEADS)


def entered(*by: str, window: str = "$window", offset: str = "") -> str:
    """Leads created in the window: the first stage holds every lead of a cohort, and no stage holds more."""
    return f"max{_by(by)} ({reached(*by, 'stage', window=window, offset=offset)})"


def created(*by: str, days_ago: int = 0) -> str:
    """Leads created in the 24 hours before, from the growth of all there are."""
    now, before = (entered(*by, window="all", offset=f"{days}d" if days else "") for days in (days_ago, days_ago + 1))
    return f"{now} - {before}"


def won(*by: str, window: str = "$window", offset: str = "") -> str:
    """Leads of the window that have been won so far: won ends the path, and no stage of it holds fewer."""
    leads = reached(*by, "stage", window=window, offset=offset)
    return f"min{_by(by)} ({leads} and on (stage) {_ends('to')})"


def path() -> str:
    """A series for each stage of the way to a win; lost is none."""
    return f"group by (stage) ({_ends('from')} or {_ends('to')})"


def _ends(end: str) -> str:
    return f'label_replace(group by ({end}) ({steps()}), "stage", "$1", "{end}", "(.+)")'


def steps() -> str:
    """A series with the value 1 for each step of the way, and for the whole way."""
    return f"group by (from, to) ({selector('sales_funnel_step_ratio', window='$window')})"


def at(end: str, offset: str = "") -> str:
    """Leads of the cohort at the end ``from`` or ``to`` of each step."""
    leads = f'label_replace({reached("stage", offset=offset)}, "{end}", "$1", "stage", "(.+)")'
    return f"{steps()} * on ({end}) group_left () sum by ({end}) ({leads})"


def passed(offset: str = "") -> str:
    """The share that went on at each step."""
    return ratio(at("to", offset), f"({at('from', offset)})")


def conversion(estimator: str, suffix: str = "") -> str:
    """The share won by the horizon, over the channels chosen: the sum of share times leads, divided by the leads."""
    share, leads = by_channel(estimator, suffix), entered("channel", window="$horizon")
    return ratio(f"sum({share} * {leads})", f"sum({leads} and {share})")


def by_channel(estimator: str, suffix: str = "") -> str:
    """The share won by the horizon of each channel."""
    where = {"estimator": estimator, "horizon": "$horizon", **LEADS}
    return f"max by (channel) ({selector(f'sales_funnel_conversion_ratio{suffix}', **where)})"


def by_stage(name: str, offset: str = "", **matchers: str) -> str:
    """A gauge of the stages, once per fact."""
    return f"max by (stage) ({selector(name, offset=offset, **matchers)})"


def moves(name: str, over: str, *by: str, **matchers: str) -> str:
    """How often leads moved within a time, by the running total ``name``, of which a week has very many samples."""
    within = f"increase({selector(name, **matchers)}[{over}:{GRAIN}])"
    return f"sum{_by(by)} (max without (job, instance) ({within}))"


def per_day(name: str) -> str:
    """How often leads moved, per day, in the step of a panel."""
    return f"86400 * sum(max without (job, instance) (rate({selector(name)}[$__rate_interval])))"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""

"""PromQL from parts: every selector carries the variable bar, and replicas of one exporter count once."""

from __future__ import annotations

from grafana.source.bounds import wilson

PLACE = 'cluster="$cluster",tenant="$tenant"'
BAR = 'cluster="$cluster",tenant="$tenant",job=~"$job",instance=~"$instance"'
_OPERATORS = {"": "=", "~": "=~", "!": "!=", "!~": "!~"}


def selector(name: str, *, offset: str = "", **matchers: str) -> str:
    """``name{bar, matchers} offset …``; a matcher value may begin with the operator ``~``, ``!`` or ``!~``."""
    extra = "".join(f",{label}{_matched(value)}" for label, value in matchers.items())
    return f"{name}{{{BAR}{extra}}}{f' offset {offset}' if offset else ''}"


def placed(name: str, *, offset: str = "", **matchers: str) -> str:
    """As ``selector``, of the cluster and tenant alone: what is said by another job than the dashboard's."""
    return selector(name, offset=offset, **matchers).replace(BAR, PLACE)


def alerts(severity: str, **matchers: str) -> str:
    """Firing alerts of the chosen cluster and tenant, and those on the monitoring itself, which carry neither."""
    extra = "".join(f",{label}{_matched(value)}" for label, value in matchers.items())
    return f'ALERTS{{alertstate="firing",severity=~"{severity}",cluster=~"$cluster|",tenant=~"$tenant|"{extra}}}'


ALIVE = '0 * count(ALERTS{alertstate="firing",alertname="Watchdog"})'
"""Zero, only while the Watchdog proves that rules are evaluated: no rules is not no alerts."""


def since(severity: str, **matchers: str) -> str:
    """Seconds for which the condition of each of these firing alerts has held."""
    firing = alerts(severity, **matchers)
    began = firing.replace("ALERTS", "ALERTS_FOR_STATE").replace('alertstate="firing",', "")
    return f"(time() - {began}) and ignoring (alertstate) {firing}"


SEVERITIES = {"1": "critical", "2": "warning", "3": "info"}
"""Words for what ``ranked`` makes of a severity."""


def ranked(expr: str) -> str:
    """The series with a number in place of their severity: a table sorts the worst first by it."""
    for rank, word in SEVERITIES.items():
        expr = f'label_replace({expr}, "severity", "{rank}", "severity", "{word}")'
    return expr


def fact(name: str, *, offset: str = "", **matchers: str) -> str:
    """A gauge once per fact: two exporters on the same database say the same thing, they do not add up."""
    return f"max without (job, instance) ({selector(name, offset=offset, **matchers)})"


def total(name: str, *by: str, offset: str = "", **matchers: str) -> str:
    """The sum of a gauge over all labels but ``by``."""
    return f"{_sum(by)} ({fact(name, offset=offset, **matchers)})"


def ratio(part: str, whole: str) -> str:
    """``part / whole``, absent (never NaN or 0) where the whole is empty."""
    return f"{part} / ({whole} > 0)"


def counted(name: str, *by: str, over: str = "$__rate_interval", offset: str = "", **matchers: str) -> str:
    """How far a counter of facts rose, over all labels but ``by``: two exporters on one database rise by the same."""
    then = f" offset {offset}" if offset else ""
    return f"{_sum(by)} (max without (job, instance) (increase({selector(name, **matchers)}[{over}]{then})))"


def hourly(name: str, *by: str, **matchers: str) -> str:
    """As ``counted``, per hour."""
    return f"3600 * {_sum(by)} (max without (job, instance) (rate({selector(name, **matchers)}[$__rate_interval])))"


def quantile(q: float, name: str, *by: str, over: str = "$__rate_interval", **matchers: str) -> str:
    """A quantile of a histogram of facts, interpolated within its bucket; absent where nothing was observed."""
    return f"histogram_quantile({q}, {counted(f'{name}_bucket', 'le', *by, over=over, **matchers)}) >= 0"


def reach(part: str, whole: str) -> str:
    """Half the width of the 95 % interval of ``part / whole``, in percentage points."""
    low, high = wilson(part, whole)
    return f"50 * ({high} - {low})"


def growth(now: str, before: str) -> str:
    """Relative change from ``before`` to ``now``."""
    return f"({now}) / (({before}) > 0) - 1"


def points(now: str, before: str) -> str:
    """Change of a ratio in percentage points."""
    return f"100 * (({now}) - ({before}))"


def weighted(ratio_name: str, count_name: str, *by: str, offset: str = "", **matchers: str) -> str:
    """A ratio over several groups, from their counts: the sum of ratio x count divided by the sum of counts.

    ``matchers`` belong to the counts, whose labels beyond the ratio's must be among them.
    """
    values = fact(ratio_name, offset=offset)
    counts = fact(count_name, offset=offset, **matchers)
    extra = ", ".join(matchers)
    return ratio(f"{_sum(by)} ({values} * ignoring ({extra}) {counts})",
                 f"{_sum(by)} ({counts} and ignoring ({extra}) {values})")


def outcomes(ratio_name: str) -> str:
    """A ratio of the models, over all models and versions, weighted by their mature labels."""
    return weighted(ratio_name, "sales_model_labels", state="mature")


def _matched(value: str) -> str:
    operator = next(sign for sign in ("!~", "~", "!", "") if value.startswith(sign))
    return f'{_OPERATORS[operator]}"{value.removeprefix(operator)}"'


def _sum(by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"

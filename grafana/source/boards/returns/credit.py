"""Who gets the credit: the same revenue by every model, and how far the models disagree."""

from __future__ import annotations

from grafana.source.boards.returns.asked import MONEY
from grafana.source.boards.returns.channels import MOST
from grafana.source.panels import BLUE, SKY, TEXT, Figure, Line, Say, bars, rows
from grafana.source.promql import ratio, total
from grafana.source.sdk import model, units
from grafana.source.shapes import ranges

MODELS = {"lead": "Own", "first": "First", "last": "Last", "linear": "Linear", "position": "Position",
          "time_decay": "Decay", "markov": "Markov", "shapley": "Shapley"}
EMPTY = "No attributed revenue: fill sales.touches or leads.channel_id, and sales.deals"


def _by_model() -> str:
    return total("sales_revenue", "channel", "model", basis="cash", **MONEY)


def disagreement() -> model.Panel:
    def largest(how: str, q: str = "") -> str:
        return f"{how} by (channel) ({q}{_by_model()}) and topk({MOST}, max by (channel) ({_by_model()}))"

    return ranges(
        Say(14, "How far attribution disagrees ($currency)",
            "Revenue closed in the window that each channel gets by the models of attribution: the least, the median "
            "and the most. Where the bar is long, what a channel is worth is a matter of definition and not of data. "
            f"The {MOST} channels with the most.",
            EMPTY),
        "channel", units.Short, Line("Least", largest("min"), TEXT),
        Line("to median", largest("quantile", "0.5, "), BLUE), Line("to most", largest("max"), SKY), sort="Least")


def models() -> model.Panel:
    def by(name: str) -> str:
        return total("sales_revenue", "channel", model=name, basis="cash", **MONEY)

    apart = f"max by (channel) ({_by_model()}) - min by (channel) ({_by_model()})"
    return rows(
        Say(15, "Revenue by way to give credit, $window ($currency)",
            "Revenue closed in the window by channel: the lead's own channel, first and last touch, shared evenly, "
            "by position, by time, by Markov chains and Shapley values. Each column sums to the same revenue, less "
            "what has no channel. 'Apart': most less least, per median. docs/statistics.md has their measured errors.",
            EMPTY),
        {"channel": "Channel"},
        *(Figure(title, by(name), decimals=1) for name, title in MODELS.items()),
        Figure("Apart", ratio(f"({apart})", f"quantile by (channel) (0.5, {_by_model()})"), units.PercentUnit, 0),
        sort="Last")


def without_channel() -> model.Panel:
    missed = total("sales_attribution_unassigned_revenue", "model", **MONEY)
    return bars(
        Say(32, "Without a channel ($currency)",
            "Revenue closed in the window that each way to give credit leaves without a channel, because the deal "
            "names no lead or the lead has no touch.",
            EMPTY),
        f"sort_desc({missed})", "{{model}}", units.Short, decimals=1)

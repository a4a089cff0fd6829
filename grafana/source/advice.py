"""What rules on the data say should be looked at, in words and with its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.source.panels import Figure, Say, rows, worded
from grafana.source.promql import selector
from grafana.source.sdk import model, units

WORDS = {
    "bottleneck_stage": "Stage holds most leads back",
    "slowing_stage": "Stage became slower",
    "leaking_step": "Step leaks more than before",
    "losing_channel": "Channel loses money",
    "best_channel_under_funded": "Best channel, little spend",
    "campaign_below_cost_target": "Campaign dearer than its target",
    "stale_open_deals": "Open deals gone stale",
    "model_to_retrain": "Model misses the rarer class",
    "response_too_slow": "First words come late",
}
"""What each code of ``sales_recommendation_info`` is called."""


def recommendations(say: Say, codes: Sequence[str] = ()) -> model.Panel:
    """A table of the recommendations of these codes, of all without any."""
    only = {"code": f"~{'|'.join(codes)}"} if codes else {}

    def evidence(stat: str) -> str:
        return f"max by (code, subject) ({selector('sales_recommendation_evidence', stat=stat, **only)})"

    impact = f"max by (code, subject, unit) ({selector('sales_recommendation_impact', **only)})"
    panel = rows(
        say, {"code": "Look at", "subject": "Subject", "unit": "Unit"},
        Figure("Gain", impact, units.Short, 1),
        Figure("Events", _with_unit(evidence("n"), impact), units.LocaleFormat, 0),
        Figure("Estimate", _with_unit(evidence("estimate"), impact), units.Short, 2),
        Figure("95 % from", _with_unit(evidence("lower"), impact), units.Short, 2),
        Figure("95 % to", _with_unit(evidence("upper"), impact), units.Short, 2), sort="Look at", descending=False,
    )
    return worded(panel, "Look at", WORDS)


def _with_unit(evidence: str, impact: str) -> str:
    # Merged rows need the same labels in every column.
    return f"{evidence} * on (code, subject) group_right () group by (code, subject, unit) ({impact})"

"""Attribution of won revenue to the channels that touched the lead: rules, Markov chains and Shapley values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sales_exporter.stats.attribution.journeys import Credit, Journeys, share_out
from sales_exporter.stats.attribution.markov import markov
from sales_exporter.stats.attribution.rules import decay, first, last, linear, position, time_decay
from sales_exporter.stats.attribution.shapley import shapley

Model = Callable[[Journeys], Credit]
"""What every model is: all revenue of the journeys, divided among the channels and ``unassigned`` to the cent."""
MODELS: Mapping[str, Model] = MappingProxyType({
    "last": last, "first": first, "linear": linear, "position": position, "time_decay": time_decay, "markov": markov,
    "shapley": shapley,
})
"""All models by the name of their label. ``time_decay`` alone needs ``Journeys.days``."""

__all__ = [
    "MODELS", "Credit", "Journeys", "Model", "decay", "first", "last", "linear", "markov", "position", "shapley",
    "share_out", "time_decay",
]

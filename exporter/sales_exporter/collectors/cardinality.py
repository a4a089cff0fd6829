"""Keeps label values few without losing a unit: the top K stay themselves, the rest is ``(other)``."""

from __future__ import annotations

from collections.abc import Mapping

from sales_exporter.model import LABEL_LENGTH

NONE = "(none)"
"""A row that names no channel, campaign or rep. Never folded: it is no name that could grow in number."""
OTHER = "(other)"
"""All values beyond the top K. The brackets keep it apart from a channel that is really named other."""
SLACK = 1.2
"""A value enters at rank K and leaves below rank 1.2 K, so that series at the edge do not flap."""


def label(value: str | None) -> str:
    """The label value of a nullable id, cut to the longest that is exported.

    Cutting happens here, before counts are added up, so that two ids with the same beginning share one series
    instead of making two of one name.
    """
    if not value:
        return NONE
    return value if len(value) <= LABEL_LENGTH else value[: LABEL_LENGTH - 1] + "…"


class TopK:
    """The values of one label that are kept apart, remembered from pass to pass.

    >>> channels = TopK("channel", 50)
    >>> channels.rank({"email": 120, "paid": 80})
    >>> channels("email")
    'email'
    """

    def __init__(self, label: str, limit: int) -> None:
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self.label = label
        self.limit = limit
        self.overflow = 0
        """How often a value was folded into ``(other)``, counted at each move into it: a running total."""
        self._kept: frozenset[str] = frozenset()
        self._folded: frozenset[str] = frozenset()

    @property
    def kept(self) -> frozenset[str]:
        """The values that stay themselves."""
        return self._kept

    def rank(self, weights: Mapping[str, float]) -> None:
        """Decide anew which values are kept: the heaviest K, and earlier ones down to rank 1.2 K.

        Ties go by name, so that the same weights always give the same answer.
        """
        ranked = sorted(weights.keys() - {NONE, OTHER}, key=lambda name: (-weights[name], name))
        lasting = ranked[: max(self.limit, int(self.limit * SLACK))]
        kept = {name for place, name in enumerate(lasting) if place < self.limit or name in self._kept}
        folded = frozenset(name for name in ranked if name not in kept)
        self.overflow += len(folded - self._folded)
        self._kept, self._folded = frozenset(kept), folded

    def __call__(self, value: str) -> str:
        """The value itself when it is kept, else ``(other)``; a value never ranked is not kept."""
        return value if value in self._kept or value == NONE else OTHER

"""What a rule of advice looks at, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sales_exporter.collectors.funding import Funded
from sales_exporter.collectors.returns import Estimate
from sales_exporter.collectors.slowdown import Comparison
from sales_exporter.ledger.view import View

LEAST = 30
"""Events behind any recommendation: below, 95 % bounds of a share are wider than a third."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Something to look at: what would be gained (``impact`` in ``unit``), and the evidence with its 95 % bounds."""

    subject: str
    severity: str
    impact: float
    unit: str
    n: float
    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Given:
    """What a rule may look at."""

    ledger: View
    now: float
    slowdown: Comparison
    channels: Sequence[Funded] = ()
    currency: str = ""
    campaigns: Sequence[Estimate] = ()
    """What a won deal of each campaign cost, with the bounds that few deals allow."""
    cost_target: float | None = None
    """What a won deal may cost a campaign, None when nobody said it."""

    @property
    def today(self) -> int:
        """The reporting day."""
        return self.ledger.scheme.calendar.day(self.now)

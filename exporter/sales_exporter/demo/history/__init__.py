"""The made-up past of a whole installation as Prometheus blocks: what dashboards are shown on and rules are tried on.

The business numbers are what the real collectors say of a generated company's rows. What no database remembers is
invented, by models that are stated where they are: the applications (counted by the real meters), the host, and the
course over time of what real servers say of themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from sales_exporter.demo.history.build import Grain, History, Plan, build
from sales_exporter.demo.history.faults import Fault
from sales_exporter.demo.history.serving import serving
from sales_exporter.demo.history.world import world

__all__ = ["Fault", "Grain", "History", "Plan", "Quietly", "build", "serving", "world"]


class Quietly:
    """A report that nobody reads."""

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A step; how far it is goes nowhere."""
        yield lambda done, total: None

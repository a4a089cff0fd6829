"""Moments for people, each with the exact one behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sales_exporter.runtime.landing import span
from sales_exporter.sidecar.backtest.axes import local
from sales_exporter.sidecar.pages.markup import Html, tag
from sales_exporter.sidecar.pages.words import iso


@dataclass(frozen=True, slots=True)
class Times:
    """Writes moments as they are seen from ``now``, in a time zone."""

    now: float
    zone: ZoneInfo

    def since(self, at: float) -> Html:
        """How long ago: ``12 min``."""
        return self._time(at, span(max(0.0, self.now - at)))

    def ago(self, at: float) -> Html:
        """``12 min ago``; ``just now`` within a second."""
        return self._time(at, "just now" if self.now - at < 1 else f"{span(self.now - at)} ago")

    def ahead(self, at: float) -> Html:
        """``in 8 min``; ``now`` when it is due."""
        return self._time(at, "now" if at - self.now < 1 else f"in {span(at - self.now)}")

    def moment(self, at: float) -> Html:
        """The moment itself: ``14:05`` today, ``Mon 3 Nov 2026, 14:05`` on other days."""
        exact = self.exact(at)
        today = exact.partition(",")[0] == self.exact(self.now).partition(",")[0]
        return self._time(at, exact.rpartition(", ")[2] if today else exact)

    def exact(self, at: float) -> str:
        """The moment with its day."""
        try:
            return local(at, self.zone)
        except (OverflowError, ValueError, OSError):
            return "an unknown moment"

    def _time(self, at: float, words: str) -> Html:
        zone = datetime.fromtimestamp(self.now, UTC).astimezone(self.zone).tzname() or ""
        return tag("time", words, datetime=iso(at) or None, title=f"{self.exact(at)} {zone}".strip())

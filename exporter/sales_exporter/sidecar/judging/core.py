"""What judges, made from the settings: the same for the present and for a backtest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sales_exporter.config import Settings
from sales_exporter.sidecar.detectors.novelty import Novelty, Tuning
from sales_exporter.sidecar.fleet.calendar import Calendar
from sales_exporter.sidecar.fleet.incidents import Incident, mask, read
from sales_exporter.sidecar.history.history import Blank
from sales_exporter.sidecar.judging.alarming import Alarming
from sales_exporter.sidecar.watches.watch import Watch

REPLAY = 14 * 86_400.0
"""Seconds of the past that are judged, so that the budget knows what the fleet shows before the first page."""


@dataclass(frozen=True, slots=True)
class Core:
    """Detector and alarming of one fleet, and the past incidents that must not teach them."""

    detector: Callable[[], Novelty]
    alarming: Alarming
    calendar: Calendar
    incidents: tuple[Incident, ...]

    @classmethod
    def of(cls, watches: Sequence[Watch], settings: Settings, at: float) -> Core:
        """As it would be made at this moment, whose difference from UTC holds for all days.

        Raises:
            ConfigError: the budget is none.
            UsageError: the file of incidents cannot be read.
        """
        own = settings.sidecar
        incidents = read(settings.storage.path) if settings.storage.path is not None else []
        calendar = Calendar.of(settings.business.reporting_timezone, own.holidays)
        tuning = Tuning(holidays=own.holidays, utc_offset=calendar.offset(at))
        return cls(lambda: Novelty(tuning), Alarming(watches, Novelty.channels, own, calendar), calendar,
                   tuple(incidents))

    @property
    def blank(self) -> Blank:
        """Which values of the past belong to an incident."""
        return partial(mask, self.incidents)

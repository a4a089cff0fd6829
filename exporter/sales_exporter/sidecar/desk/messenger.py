"""The desk's way to people and back: its notices, its signed links, and what Alertmanager says that it told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sales_exporter.config import Desk as Settings
from sales_exporter.model import Sample
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.desk import notice_report
from sales_exporter.sidecar.desk.links import Links, signing_key
from sales_exporter.sidecar.desk.notices import Notices
from sales_exporter.sidecar.desk.receivers import receivers
from sales_exporter.sidecar.desk.remembered import Remembered
from sales_exporter.sidecar.desk.webhook import Record, Webhook


class Messenger:
    """Everything of one sidecar that leaves for receivers or comes from Alertmanager's webhook."""

    def __init__(self, folder: Path | None, settings: Settings, clock: Clock) -> None:
        """Open what is kept in ``folder``; without one it lives in memory. The key and the address of links hold as
        long as this does.

        Raises:
            ConfigError: the key of links cannot be used.
        """
        self._clock = clock
        self.key = signing_key(settings.key_file, folder)
        """Signs links, and the forms of pages."""
        self._seen = Remembered(folder, clock)
        self.links = Links(settings.external_url, self.key, self._seen, clock)
        self.notices = Notices(folder, receivers(settings, self.links, clock), clock)

    def webhook(self, record: Record) -> Webhook:
        """What is served for Alertmanager; ``record`` puts events into the history."""
        return Webhook(record, self.notices, self._seen, self._clock)

    async def renew(self, settings: Settings) -> None:
        """Go on with other receivers; not while notices are sent."""
        await self.notices.renew(receivers(settings, self.links, self._clock))

    def samples(self) -> Iterator[Sample]:
        """What there is to report."""
        return notice_report.of(self.notices.facts(), self._clock.now())

    async def close(self) -> None:
        """Close files and connections."""
        await self.notices.close()
        await self._seen.close()

"""The intake as a whole: sources, spool and writer under the configuration in force."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path

import psycopg
from pydantic import SecretStr

from sales_exporter.collectors import Arrivals
from sales_exporter.config import Intake, Settings
from sales_exporter.errors import ConfigError, SalesExporterError, SourceError
from sales_exporter.intake.openapi import document
from sales_exporter.intake.receiver import RESULTS, SourceReceiver
from sales_exporter.intake.sources import Source, secret_of, sources
from sales_exporter.intake.spool import Bounds, Spool, SpoolFull
from sales_exporter.intake.writer import Writer
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.receiving import Receiver

log = logging.getLogger(__name__)

BATCH = 500
"""Events that are written in one transaction at most."""
GATHER = 0.1
"""Seconds that events gather after a batch that was not full: each batch costs two commits."""
HOUSEKEEPING = 60.0
"""Seconds between two times that old ids and letters are deleted and letters are counted."""
LONGEST_PAUSE = 30.0
LAST_BATCH = 1.5
"""Seconds that a batch under way gets at the end."""


class Desk:
    """Off until settings with sources are adopted. A spool that was opened is emptied even when they are gone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settings = Intake()
        self._folder: Path | None = None
        self._spool: Spool | None = None
        self._writer: Writer | None = None
        self._receivers: dict[str, SourceReceiver] = {}
        self._document = b""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._errors: Counter[str] = Counter()
        self._letters: int | None = None
        self._kept_house = -HOUSEKEEPING
        self._told = ""
        self._ending = asyncio.Event()
        self._opened = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def adopt(self, settings: Settings) -> None:
        """Go on with these settings.

        Raises:
            ConfigError: what is wrong with them; the old ones stay in force.
        """
        found, given = sources(settings), settings.intake
        if not found:
            self._receivers, self._document = {}, b""
            return
        folder, dsn = settings.storage.path, dsn_of(given)
        if folder is None:
            raise ConfigError("storage.path: not set; the intake needs it for its spool")
        if self._folder is not None and folder != self._folder:
            raise ConfigError("storage.path: cannot change under a running intake; restart")
        bounds = Bounds(given.spool_events, given.spool_bytes, given.dead_letters)
        if self._spool is None:
            self._spool = Spool(folder, bounds)
            self._opened.set()
        self._spool.bounds, self._folder, self._settings = bounds, folder, given
        # A batch under way ends with the connection that it began with.
        self._writer = Writer(dsn) if self._writer is None else self._writer.renewed(dsn)
        self._receivers = {name: self._receiver(source, self._spool) for name, source in found.items()}
        self._document = document(found, given.body_bytes)

    def _receiver(self, source: Source, spool: Spool) -> SourceReceiver:
        for result in RESULTS:
            self._counts[source.name, result] += 0
        return SourceReceiver(source, spool, self._counts, self._clock, self._settings.body_bytes,
                              self._settings.json_depth)

    @property
    def document(self) -> bytes:
        """The OpenAPI document; empty when the intake is off."""
        return self._document

    def at(self, name: str) -> Receiver | None:
        """Who takes the requests of a source."""
        return self._receivers.get(name)

    @property
    def report(self) -> Arrivals | None:
        """What there is to say; None when the intake was never on."""
        spool, writer = self._spool, self._writer
        if spool is None or writer is None:
            return None
        letters = None if self._letters is None else self._letters + spool.letters
        return Arrivals(
            dict(self._counts), dict(writer.written), dict(self._errors), spool.events,
            spool.bytes + spool.letter_bytes, spool.bounds.events, letters, spool.oldest)

    def start(self) -> None:
        """Write from now on."""
        self._task = asyncio.create_task(self._work(), name="intake")

    async def close(self) -> None:
        """End after the batch under way, if that does not take long; what waits is written after the next start."""
        self._ending.set()
        if self._task is not None:
            if self._spool is not None:
                self._spool.arrived.set()
            done, _ = await asyncio.wait({self._task}, timeout=LAST_BATCH if self._spool is not None else 0)
            if not done:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
        if self._writer is not None:
            await self._writer.close()
        if self._spool is not None:
            await self._spool.close()

    async def _work(self) -> None:
        await self._opened.wait()
        failures = 0
        # At the end, what waits is written as long as that goes well and close() lets it.
        while not self._ending.is_set() or (not failures and self._spool is not None and self._spool.events):
            try:
                # A batch that cannot be written in time may be too large.
                await self._step(max(1, BATCH >> failures))
                failures = 0
                self._told = ""
            except Exception as error:
                # Whoever ends here would leave the spool to fill up.
                failures = min(failures + 1, 16)
                self._tell(error)
                await self._pause(min(LONGEST_PAUSE, 0.25 * 2.0 ** failures))

    async def _pause(self, seconds: float) -> None:
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({pause, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            ending.cancel()

    async def _step(self, limit: int) -> None:
        spool, writer = self._spool, self._writer
        assert spool is not None
        assert writer is not None
        events, letters = await spool.head(limit)
        if events or letters:
            await writer.write(events, [letter for _, letter in letters])
            await spool.moved(events, letters)
            if letters:
                self._kept_house = -HOUSEKEEPING
        if self._clock.monotonic() - self._kept_house >= HOUSEKEEPING:
            self._letters = await writer.keep_house(self._settings.dead_letters)
            self._kept_house = self._clock.monotonic()
        if not events and not letters:
            await self._awakened(spool)
        elif len(events) < limit:
            await self._pause(GATHER)

    async def _awakened(self, spool: Spool) -> None:
        try:
            async with asyncio.timeout(HOUSEKEEPING):
                await spool.arrived.wait()
        except TimeoutError:
            return

    def _tell(self, error: Exception) -> None:
        known = isinstance(error, SalesExporterError)
        other = "spool" if isinstance(error, SpoolFull) else "internal"
        self._errors[error.reason if isinstance(error, SourceError) else other] += 1
        text = str(error) if known else type(error).__name__
        if text != self._told:
            self._told = text
            log.warning("the intake waits", extra={"error": text}, exc_info=None if known else error)


def dsn_of(given: Intake) -> SecretStr:
    """The connection string of the intake's role.

    Raises:
        ConfigError: it is not set, cannot be read, or is none.
    """
    if given.dsn_file is None:
        raise ConfigError("intake.dsn_file: not set; the intake writes with a role of its own")
    secret = secret_of(given.dsn_file, "intake.dsn_file")
    try:
        psycopg.conninfo.conninfo_to_dict(secret.get_secret_value())
    except psycopg.Error:
        raise ConfigError(f"{given.dsn_file}: not a valid PostgreSQL connection string, such as "
                          "host=db.example user=sales_intake dbname=sales password=…") from None
    return secret

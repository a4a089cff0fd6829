"""Takes the requests of one source: proof, limits, mapping, and an answer once the events are on disk."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping

from sales_exporter.intake.mappings import JSON
from sales_exporter.intake.reading import Letter, Reading, parsed, read
from sales_exporter.intake.sources import Source
from sales_exporter.intake.spool import Spool, Spooled, SpoolFull
from sales_exporter.runtime.clock import Clock
from sales_exporter.runtime.receiving import Answer, problem

log = logging.getLogger(__name__)

RESULTS = ("accepted", "duplicate", "ignored", "invalid", "unauthorized", "too_large", "throttled", "full")


class SourceReceiver:
    """One source. ``counts`` is what the metrics are made from."""

    def __init__(self, source: Source, spool: Spool, counts: Counter[tuple[str, str]], clock: Clock, limit: int,
                 depth: int) -> None:
        self.limit = limit
        self._source = source
        self._spool = spool
        self._counts = counts
        self._clock = clock
        self._depth = depth

    def refuses(self, headers: Mapping[str, str]) -> Answer | None:
        """A token can be looked at before the body; a signature cannot."""
        if self._source.secret.way == "bearer" and not self._source.proves(headers, b"", self._clock.now()):
            return self._unauthorized()
        return None

    def oversized(self) -> Answer:
        """413."""
        self._count("too_large")
        return problem(413, f"the body is larger than {self.limit} bytes", last=True)

    async def take(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """202 when everything is on disk that was asked to be kept."""
        if not self._source.proves(headers, body, self._clock.now()):
            return self._unauthorized()
        wait = self._source.bucket.wait(self._clock.monotonic())
        if wait:
            self._count("throttled")
            return problem(429, "too many requests of this source", Retry_After=str(wait))
        status, reading = self._read(headers, body)
        try:
            return await self._kept(status, reading)
        except SpoolFull as error:
            self._count("full")
            return problem(503, str(error), Retry_After="30")

    def _read(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Reading]:
        """What is in the request, and the status if nothing is."""
        vendor, media = self._source.vendor, headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != vendor.media and not (vendor.media == JSON and media.endswith("+json")):
            return 415, Reading(refused=[(f"Content-Type: expected {vendor.media}", body)])
        try:
            payload = parsed(body, vendor.media, self._depth)
        except ValueError as error:
            return 400, Reading(refused=[(str(error), body)])
        return 422, read(vendor, payload, self._source.hints)

    async def _kept(self, status: int, reading: Reading) -> Answer:
        now, name = self._clock.now(), self._source.name
        events = [Spooled(name, event.id, now, event.encoded()) for event in reading.events]
        letters = [Letter(name, None, reason, payload, now) for reason, payload in reading.refused]
        fresh = await self._spool.add(events, letters)
        found = {"accepted": sum(fresh), "duplicate": len(fresh) - sum(fresh), "ignored": reading.ignored,
                 "invalid": len(letters)}
        for result, number in found.items():
            self._count(result, number)
        if letters and not events:
            return problem(status, reading.refused[0][0])
        return Answer(202 if found["accepted"] else 200, json.dumps(found).encode())

    def _unauthorized(self) -> Answer:
        self._count("unauthorized")
        scheme = "Bearer" if self._source.secret.way == "bearer" else "HMAC"
        return problem(401, "the proof of the sender is missing, wrong or too old", last=True,
                       WWW_Authenticate=f'{scheme} realm="{self._source.name}"')

    def _count(self, result: str, number: int = 1) -> None:
        self._counts[self._source.name, result] += number

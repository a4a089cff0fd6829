"""The expected range around a case, read from Prometheus: which series it is about, and how that went."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

import numpy as np

from sales_exporter.config import Settings
from sales_exporter.errors import SourceError
from sales_exporter.runtime.clock import Clock
from sales_exporter.sidecar.backtest.course import Course
from sales_exporter.sidecar.desk.model import Case
from sales_exporter.sidecar.history.answers import Matrix
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.pages.chart import Band
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.watches.files import load as load_watches
from sales_exporter.sidecar.watches.watch import Watch

PATIENCE = 2.0
"""Seconds that a page waits for Prometheus."""
FRESH = 15.0
"""Seconds for which an answer is shown again: whoever looks at one alert looks at the same numbers."""
KEPT = 64
"""Answers that are kept at most."""
LEAST, MOST = 6 * 3_600.0, 7 * 86_400.0
"""Seconds that a chart shows at least and at most."""
BEFORE = 4.0
"""The time before the alert is this many times as long as the alert."""
POINTS, STEP = 288, 60.0
"""Columns of a chart at most, and the least distance of two, in seconds."""
PARTS = ("level", "expected", "lower", "upper")
_PIECES = re.compile(r",\s*(?=[a-zA-Z_][a-zA-Z0-9_]*=)")


class Bands:
    """Reads bands, each at most once in a while, from the Prometheus of the settings that are in force."""

    def __init__(self, settings: Callable[[], Settings], clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._kept: dict[tuple[str, float, float | None], tuple[float, asyncio.Task[Band | str]]] = {}
        self._known: Settings | None = None
        self._watches: Mapping[str, Watch] = {}
        self._client: Client | None = None

    async def close(self) -> None:
        """Close connections, once whoever reads has an answer or has lost patience."""
        client, self._client, self._known = self._client, None, None
        kept, self._kept = self._kept, {}
        await asyncio.gather(*(task for _, task in kept.values()))
        if client is not None:
            await client.__aexit__(None, None, None)

    async def of(self, case: Case) -> Band | str | None:
        """The band around a case, why there is none, or None for alerts that have nothing to do with one."""
        client = await self._follow()
        watch = self._watches.get(case.labels.get("watch", ""))
        if watch is None:
            return None
        key, now = (case.fingerprint, case.starts_at, case.ends_at), self._clock.monotonic()
        at, task = self._kept.get(key, (-np.inf, None))
        if task is None or now - at > FRESH:
            task = asyncio.create_task(self._read(client, case, watch))
            self._kept.pop(key, None)
            self._kept[key] = (now, task)
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))
        return await asyncio.shield(task)

    async def _follow(self) -> Client:
        """The client of the settings that are in force, with their watches."""
        settings = self._settings()
        if self._client is None or self._known is not settings:
            await self.close()
            own = settings.sidecar
            self._watches = {watch.name: watch for watch in load_watches(own.watches, own.default_watches)}
            self._client, self._known = Client(own.prometheus, self._clock), settings
            await self._client.__aenter__()
        return self._client

    async def _read(self, client: Client, case: Case, watch: Watch) -> Band | str:
        start, step, count = window(case, self._clock.now())
        try:
            async with asyncio.timeout(PATIENCE):
                series = await self._series(client, case, watch.name, start + step * (count - 1))
                if series is None:
                    return "There is no expected range to show: Prometheus knows none of this alert's series."
                found = await client.range(query(watch.name, series), start, step, count)
        except (SourceError, TimeoutError):
            return "There is no chart: Prometheus did not answer in time."
        return Band(course(watch.name, series, found, start, step, count), start + step * count, watch.unit,
                    self._settings().business.reporting_currency, watch.words)

    async def _series(self, client: Client, case: Case, watch: str, at: float) -> str | None:
        """The oddest of the series that the alert is about."""
        answer = await client.instant(f"max by (series) (sales_anomaly_score{{watch={quoted(watch)}}})", at)
        entity = pieces(case.labels.get("entity", ""))
        scores = {dict(labels).get("series", ""): value
                  for labels, value in zip(answer.labels, answer.values.tolist(), strict=True)}
        about = {series: score for series, score in scores.items() if entity <= pieces(series)}
        return max(about, key=lambda series: (about[series], series), default=None)


def window(case: Case, now: float) -> tuple[float, float, int]:
    """Start, step and number of the moments of a chart: the alert, and enough before it to see what is usual."""
    end = min(now, case.ends_at + 1_800.0) if case.ends_at is not None else now
    length = min(max((1 + BEFORE) * (end - case.starts_at), LEAST), MOST)
    step = max(STEP, np.ceil(length / POINTS / STEP) * STEP)
    count = int(length // step) + 1
    return np.floor(end / step) * step - step * (count - 1), float(step), count


def pieces(text: str) -> frozenset[str]:
    """The labels of a text, as ``name=value`` without quotation marks: entities and series write them differently."""
    return frozenset(piece.replace('"', "").replace("\\", "").strip() for piece in _PIECES.split(text) if piece.strip())


def query(watch: str, series: str) -> str:
    """PromQL of the four curves of a series, told apart by the label ``part``."""
    where = f"{{watch={quoted(watch)},series={quoted(series)}}}"
    return " or ".join(f'label_replace(max by (series) (sales_anomaly_{part}{where}), "part", "{part}", "", "")'
                       for part in PARTS)


def quoted(text: str) -> str:
    """A string of PromQL."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def course(watch: str, series: str, found: Matrix, start: float, step: float, count: int) -> Course:
    """The answer as columns, each around its moment; NaN where nothing is known."""
    rows: Mapping[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {
        dict(labels).get("part", ""): row for labels, row in zip(found.labels, found.values, strict=True)}
    nothing = np.full(count, np.nan)
    level, expected, lower, upper = (rows.get(part, nothing).astype(np.float32) for part in PARTS)
    name = SeriesId(watch, tuple((one.partition("=")[0], one.partition("=")[2]) for one in sorted(pieces(series))))
    return Course(name, start - step / 2, step, level, level, expected, lower, upper)

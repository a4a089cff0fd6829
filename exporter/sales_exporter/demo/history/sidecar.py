"""What the real sidecar finds in a made-up past: its judging core, asked moment by moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sales_exporter.config import DriftSettings, QueryApi, Settings
from sales_exporter.demo.history.faults import Floats
from sales_exporter.runtime.blocks import Series, columns
from sales_exporter.runtime.clock import SystemClock
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.history.history import Scope
from sales_exporter.sidecar.judging.drifts import Drifts
from sales_exporter.sidecar.judging.judge import Judge
from sales_exporter.sidecar.judging.standing import Place
from sales_exporter.sidecar.metrics import SERIES

TIMEOUT = 120.0
HISTORY = "4w"
"""Past that is read, if there is so much."""


class Then:
    """A clock that stands at a moment of the past."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        """The moment."""
        return self.at

    def monotonic(self) -> float:
        """Real, for durations."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Real, too."""
        await asyncio.sleep(seconds)


def findings(url: str, moments: Sequence[float], watches: Sequence[Path]) -> list[Series]:
    """Every series that the judging process would have published at these moments, evenly spaced: expected ranges,
    scores, drift, forecasts and what stands. What is before the first one teaches it."""
    step = round(moments[1] - moments[0])
    return columns(asyncio.run(_findings(url, moments, watches, step)), step)


async def _findings(url: str, moments: Sequence[float], watches: Sequence[Path], step: int) -> dict[str, Floats]:
    api = {"url": url, "timeout": TIMEOUT}
    settings = Settings.model_validate({
        "sidecar": {"prometheus": api, "watches": list(watches), "interval": step, "history": HISTORY}})
    clock, found = Then(), dict[str, Floats]()
    clock.at = moments[0] + Scope().delay
    async with Client(settings.sidecar.prometheus, SystemClock()) as client:
        judge = Judge(settings, client, clock, lambda progress: None)
        for place, at in enumerate(moments):
            clock.at = at + Scope().delay
            report = await judge.tick(at)
            for part in report.parts.values():
                if part.page is not None:
                    text = (part.page.same.plain + part.page.text.plain).decode()
                    for line in text.splitlines():
                        if line and not line.startswith("#"):
                            key, _, value = line.rpartition(" ")
                            found.setdefault(key, np.full(len(moments), np.nan))[place] = float(value)
            for state, count in report.series.items():
                key = f'{SERIES.name}{{state="{state}"}}'
                found.setdefault(key, np.full(len(moments), np.nan))[place] = float(count)
    return found


def drifts(url: str, moments: Sequence[float], past: float) -> list[tuple[float, str]]:
    """When the sidecar's judge of drift first says so of each model and version, such as ``lead-score v2``; moments
    are those at which it looks, ``past`` the seconds that it reads before the first one."""
    return asyncio.run(_drifts(url, moments, past))


async def _drifts(url: str, moments: Sequence[float], past: float) -> list[tuple[float, str]]:
    found: dict[str, float] = {}
    async with Client(QueryApi(url=url, timeout=TIMEOUT), SystemClock()) as client:
        judge = Drifts(client, DriftSettings(), Place("demo", "default"), past, None)
        for at in moments:
            await judge.tick(at)
            for one in judge.standing():
                if one.kind == "drift":
                    found.setdefault(one.alert.entity, at)
    return sorted((at, entity) for entity, at in found.items())

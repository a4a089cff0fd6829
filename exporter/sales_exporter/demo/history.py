"""The past of the demo: the collectors evaluated hour by hour, written as OpenMetrics, made into Prometheus blocks.

Business gauges hold their hourly value; running totals rise evenly between two evaluations, because a rate over
an hourly staircase would be a row of spikes.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from sales_exporter.collectors import Collector, Context, Pass, discover
from sales_exporter.config import Business
from sales_exporter.config import Database as DatabaseSettings
from sales_exporter.errors import StackError
from sales_exporter.model import Sample
from sales_exporter.runtime.database import Database
from sales_exporter.runtime.exposition import Renderer

HOUR = 3600
GAUGE_STEP, COUNTER_STEP = 300, 120
BLOCK = "336h"
_COUNTERS = ("_total", "_bucket", "_count", "_sum")
# These two speak of the machine and of the process; demo.machine makes up their past.
NOT_EVALUATED = frozenset({"system", "exporter", "source"})

Progress = Callable[[int, int], None]
Page = dict[str, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One series of the past: its name, its labels as text, and a value every ``step`` seconds (NaN: none)."""

    name: str
    labels: str
    values: NDArray[np.float64]
    step: int = HOUR

    @property
    def rising(self) -> bool:
        """Whether it is a running total."""
        return self.name.endswith(_COUNTERS)


def moments(until: float, days: int, step: int = HOUR) -> NDArray[np.float64]:
    """Every ``step`` seconds of the last ``days`` days, from a full hour up to ``until``."""
    first = (math.floor(until / HOUR) - days * 24) * HOUR
    return np.arange(first, until, step, dtype=np.float64)


def evaluate(dsn: str, business: Business, when: Sequence[float], progress: Progress) -> list[Series]:
    """Every collector that reads the source, at each moment, with two processes side by side."""
    pages: dict[float, Page] = {}
    chunks = [list(when[i : i + 24]) for i in range(0, len(when), 24)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for part in pool.map(_evaluate_chunk, [dsn] * len(chunks), [business] * len(chunks), chunks):
            pages.update(part)
            progress(len(pages), len(when))
    return _transpose([pages[moment] for moment in when])


def write(out: TextIO, series: Sequence[Series], start: float, extra: str, progress: Progress) -> int:
    """Write samples as OpenMetrics with the labels ``extra`` added; returns their number."""
    written = 0
    for number, one in enumerate(series, 1):
        progress(number, len(series))
        labels = f"{one.labels},{extra}" if one.labels else extra
        head = f"{one.name}{{{labels}}} "
        lines = _rising(head, one, start) if one.rising else _held(head, one, start)
        for text, count in lines:
            out.write(text)
            written += count
    return written


def make_blocks(promtool: Path, source: Path, tsdb: Path) -> None:
    """Turn an OpenMetrics file into blocks in ``tsdb``, all or none.

    Raises:
        StackError: promtool refused it.
    """
    draft = tsdb.with_name(tsdb.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    command = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "--quiet", f"--max-block-duration={BLOCK}",
               str(source), str(draft)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"promtool could not make blocks of the demo's past: {done.stderr.strip()[-300:]}")
    tsdb.mkdir(parents=True, exist_ok=True)
    for block in draft.iterdir():
        block.rename(tsdb / block.name)
    shutil.rmtree(draft)


def columns(samples: Mapping[str, NDArray[np.float64]], step: int) -> list[Series]:
    """Series from a mapping of ``name{labels}`` to values."""
    return [Series(*_split(key), values, step) for key, values in samples.items()]


def _evaluate_chunk(dsn: str, business: Business, when: list[float]) -> dict[float, Page]:
    return asyncio.run(_evaluate(dsn, business, when))


async def _evaluate(dsn: str, business: Business, when: list[float]) -> dict[float, Page]:
    settings = DatabaseSettings(connections=1, statement_timeout=30.0, row_budget=200_000)
    database = Database(SecretStr(dsn), settings)
    collectors = [kind() for name, kind in discover().items() if name not in NOT_EVALUATED]
    pages: dict[float, Page] = {}
    try:
        for moment in when:
            pages[moment] = await _page(database, collectors, business, moment)
    finally:
        await database.close()
    return pages


async def _page(database: Database, collectors: list[Collector], business: Business, moment: float) -> Page:
    samples: list[Sample] = []
    async with database.reader(120.0) as reader:
        relations = await reader.relations()
        for collector in collectors:
            if relations.issuperset(collector.reads):
                context = Context(now=moment, wall=moment, db=reader, business=business, relations=relations,
                                  passes=dict[str, Pass]())
                samples.extend(await collector.collect(context))
    return page_of(Renderer().render(samples).text)


def page_of(text: bytes) -> Page:
    """Series and values of a text exposition."""
    lines = [line.rsplit(" ", 1) for line in text.decode().splitlines() if line[0] != "#"]
    return {key: float(value) for key, value in lines}


def _transpose(pages: list[Page]) -> list[Series]:
    table: dict[str, NDArray[np.float64]] = {}
    for i, page in enumerate(pages):
        for key, value in page.items():
            if key not in table:
                table[key] = np.full(len(pages), np.nan)
            table[key][i] = value
    return columns(table, HOUR)


def _split(key: str) -> tuple[str, str]:
    name, _, labels = key.partition("{")
    return name, labels.removesuffix("}")


def _held(head: str, series: Series, start: float) -> Iterator[tuple[str, int]]:
    """Each value repeated until the next evaluation."""
    repeats = range(0, series.step, GAUGE_STEP)
    for i, value in enumerate(series.values.tolist()):
        if not math.isnan(value):
            begin, text = int(start) + i * series.step, f"{head}{value!r} "
            yield "".join([f"{text}{begin + after}\n" for after in repeats]), len(repeats)


def _rising(head: str, series: Series, start: float) -> Iterator[tuple[str, int]]:
    """A straight line between two evaluations, in whole numbers where the total counts things."""
    known = np.flatnonzero(~np.isnan(series.values))
    if not len(known):
        return
    values, at = series.values[known], start + known * series.step
    times = np.arange(at[0], at[-1] + 1, COUNTER_STEP)
    line = np.interp(times, at, values)
    if np.all(values == np.floor(values)):
        line = np.floor(line)
    pairs = zip(line.tolist(), times.astype(np.int64).tolist(), strict=True)
    yield "".join([f"{head}{value!r} {when}\n" for value, when in pairs]), len(times)

"""A past, evaluated hour by hour, written as OpenMetrics and made into Prometheus blocks.

Business gauges hold their hourly value; running totals rise evenly between two evaluations, because a rate over
an hourly staircase would be a row of spikes.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from sales_exporter.errors import StackError

HOUR = 3600
GAUGE_STEP, COUNTER_STEP = 300, 120
"""Seconds between two samples where the past must look like the present, whose gauges Prometheus forgets in five
minutes and whose rates need two samples in a window."""
# Shorter blocks than Prometheus would compact to: promtool holds a whole block in memory.
BLOCK, BLOCK_SECONDS = "168h", 168 * HOUR
_COUNTERS = ("_total", "_bucket", "_count", "_sum")
Progress = Callable[[int, int], None]


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
        return rising(self.name)


def rising(name: str) -> bool:
    """Whether a series of such a name is a running total."""
    return name.endswith(_COUNTERS)


def moments(until: float, days: int, step: int = HOUR) -> NDArray[np.float64]:
    """Every ``step`` seconds of the last ``days`` days, from a full hour up to ``until``."""
    first = (math.floor(until / HOUR) - days * 24) * HOUR
    return np.arange(first, until, step, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Steps:
    """Seconds between two samples of a gauge and of a running total."""

    gauge: int = GAUGE_STEP
    counter: int = COUNTER_STEP


FINE = Steps()


@dataclass(frozen=True, slots=True)
class Batch:
    """Series of one target: what they have in common."""

    series: Sequence[Series]
    start: float
    """The moment of each series' first value."""
    labels: str
    """Added to those of each series, such as ``job="x",instance="y"``."""
    steps: Steps = FINE
    gaps: tuple[tuple[float, float], ...] = ()
    """Times [from, to) without samples, ascending: nobody scraped."""

    def without(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which moments lie in a gap."""
        inside = np.zeros(len(times), dtype=np.bool_)
        for low, high in self.gaps:
            inside |= (times >= low) & (times < high)
        return inside


def write(
    out: TextIO, series: Sequence[Series], start: float, low: float, high: float, extra: str, steps: Steps = FINE
) -> int:
    """Write the samples in [low, high) as OpenMetrics with the labels ``extra`` added; returns their number.

    ``start`` is the moment of each series' first value. Nothing is written from ``high`` on: Prometheus refuses live
    samples that are older than its newest block.
    """
    return write_batches(out, [Batch(series, start, extra, steps)], low, high)


def write_batches(out: TextIO, batches: Sequence[Batch], low: float, high: float) -> int:
    """Write the samples of several targets in [low, high) as one OpenMetrics text; returns their number."""
    written = 0
    for batch in batches:
        for one in batch.series:
            labels = f"{one.labels},{batch.labels}" if one.labels else batch.labels
            head = f"{one.name}{{{labels}}} "
            values, times = (_rising if one.rising else _held)(batch, one, low, high)
            known = ~batch.without(times) if batch.gaps else slice(None)
            text, count = _lines(head, values[known], times[known])
            out.write(text)
            written += count
    out.write("# EOF\n")
    return written


def make_blocks(
    promtool: Path, series: Sequence[Series], start: float, end: float, extra: str, tsdb: Path, progress: Progress
) -> int:
    """Turn series into blocks in ``tsdb``, all or none, two at a time; returns the number of samples.

    Raises:
        StackError: promtool refused it.
    """
    return make_blocks_of(promtool, [Batch(series, start, extra)], end, tsdb, progress)


def make_blocks_of(
    promtool: Path, batches: Sequence[Batch], end: float, tsdb: Path, progress: Progress
) -> int:
    """Turn the series of several targets into blocks, as ``make_blocks`` does for one.

    promtool reads its whole input once for each block, so each block gets an input of its own.

    Raises:
        StackError: promtool refused it.
    """
    spans = weeks(min(batch.start for batch in batches), end)
    tsdb.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tsdb.parent) as folder:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            jobs = [pool.submit(_block, promtool, batches, *span, Path(folder)) for span in spans]
            samples = 0
            for done, job in enumerate(as_completed(jobs), 1):
                samples += job.result()
                progress(done, len(jobs))
        for block in Path(folder).glob("blocks-*/*"):
            block.rename(tsdb / block.name)
    return samples


def write_files(
    series: Sequence[Series], start: float, end: float, extra: str, out: Path, steps: Steps, progress: Progress
) -> int:
    """Write one OpenMetrics file a week into ``out``, each replaced as a whole; returns the number of samples.

    A file is what ``promtool tsdb create-blocks-from openmetrics`` makes a block of. Two processes write.
    """
    out.mkdir(parents=True, exist_ok=True)
    spans, samples, done = weeks(start, end), 0, 0
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        # Each gets the series once, however many weeks there are.
        jobs = [pool.submit(_files, series, start, spans[part::2], extra, out, steps) for part in range(2)]
        for job in as_completed(jobs):
            weeks_done, more = job.result()
            samples, done = samples + more, done + weeks_done
            progress(done, len(spans))
    return samples


def _files(
    series: Sequence[Series], start: float, spans: Sequence[tuple[float, float]], extra: str, out: Path, steps: Steps
) -> tuple[int, int]:
    samples = 0
    for low, high in spans:
        target = out / f"{datetime.fromtimestamp(low, UTC):%Y%m%dT%H%M%SZ}.om"
        partial = target.with_suffix(".partial")
        with partial.open("w", buffering=1 << 20) as file:
            samples += write(file, series, start, low, high, extra, steps)
        partial.replace(target)
    return len(spans), samples


def weeks(start: float, end: float) -> list[tuple[float, float]]:
    """The spans of the blocks between two moments."""
    edges = [start, *np.arange(math.ceil(start / BLOCK_SECONDS) * BLOCK_SECONDS, end, BLOCK_SECONDS).tolist(), end]
    return [(low, high) for low, high in itertools.pairwise(edges) if low < high]


def _block(promtool: Path, batches: Sequence[Batch], low: float, high: float, folder: Path) -> int:
    source = folder / f"{low:.0f}.om"
    with source.open("w", buffering=1 << 20) as out:
        samples = write_batches(out, batches, low, high)
    command = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "--quiet", f"--max-block-duration={BLOCK}",
               str(source), str(folder / f"blocks-{low:.0f}")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    source.unlink()
    if done.returncode:
        raise StackError(f"promtool could not make blocks of the past: {done.stderr.strip()[-300:]}")
    return samples


def columns(samples: Mapping[str, NDArray[np.float64]], step: int) -> list[Series]:
    """Series from a mapping of ``name{labels}`` to values."""
    return [Series(*_split(key), values, step) for key, values in samples.items()]


def _split(key: str) -> tuple[str, str]:
    name, _, labels = key.partition("{")
    return name, labels.removesuffix("}")


def _held(batch: Batch, series: Series, low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Each value repeated until the next evaluation, and when."""
    first, last = (max(0, math.ceil((edge - batch.start) / series.step)) for edge in (low, high))
    values = series.values[first:last]
    known = np.flatnonzero(~np.isnan(values))
    begins = round(batch.start) + (first + known) * series.step
    times = (begins[:, None] + np.arange(0, series.step, batch.steps.gauge)).ravel()
    inside = times < high
    return np.repeat(values[known], len(times) // max(1, len(known)))[inside], times[inside]


def _rising(batch: Batch, series: Series, low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A straight line between two evaluations, in whole numbers where the total counts things."""
    known = np.flatnonzero(~np.isnan(series.values))
    if not len(known):
        return np.empty(0), np.empty(0, dtype=np.int64)
    values, at = series.values[known], batch.start + known * series.step
    times = np.arange(at[0], at[-1] + 1, batch.steps.counter)
    times = times[(times >= low) & (times < high)]
    line = np.interp(times, at, values)
    if np.all(values == np.floor(values)):
        line = np.floor(line)
    return line, times.astype(np.int64)


def _lines(head: str, values: NDArray[np.float64], times: NDArray[np.int64]) -> tuple[str, int]:
    """A line for each value, and their number. A value that is held is made into text once."""
    if not len(values):
        return "", 0
    # By their bits: 0 and -0 are equal and not the same text.
    bits = values.view(np.int64)
    new = np.concatenate([[True], bits[1:] != bits[:-1]])
    heads = [f"{head}{value!r} " for value in values[new].tolist()]
    runs = (np.cumsum(new) - 1).tolist()
    return "".join([f"{heads[run]}{when}\n" for run, when in zip(runs, times.tolist(), strict=True)]), len(runs)

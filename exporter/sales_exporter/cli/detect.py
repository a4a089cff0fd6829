"""``detect``: judge a series in a CSV file, row by row, as the sidecar would have done."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from sales_exporter.errors import DataFileError, UsageError
from sales_exporter.sidecar.detectors.novelty import Novelty, Tuning
from sales_exporter.sidecar.verdicts import Floats, Verdicts

COLUMNS = ("timestamp", "value")
HEADER = (*COLUMNS, "expected", "lower", "upper", "score", "is_anomaly")
TOGETHER = 256
"""Files judged at once."""


@dataclass(frozen=True, slots=True)
class _Series:
    """Rows of a file as they were written, and as numbers."""

    rows: list[tuple[str, str]]
    times: Floats
    values: Floats


def detect(
    source: Annotated[Path | None, typer.Argument(metavar="IN.csv", help="Rows of timestamp,value.")] = None,
    target: Annotated[Path | None, typer.Argument(metavar="OUT.csv", help="Where the judged rows go.")] = None,
    batch: Annotated[
        Path | None, typer.Option(help="A file with a line IN.csv<TAB>OUT.csv for each series: many in one go.")
    ] = None,
    alarms: Annotated[
        float, typer.Option("--alarms-per-week", min=1e-4, max=1e3, help="False alarms that you accept in a series.")
    ] = Tuning().alarms_per_week,
    least: Annotated[
        float,
        typer.Option("--least-change", min=0, max=10, help="Share of the usual size: smaller changes do not count.")
    ] = Tuning().least_change,
) -> None:
    """Judge a past series as the sidecar would have judged it live.

    Each row is judged from the rows before it alone, then learned from. IN.csv has a header with the columns timestamp
    (ISO 8601, or seconds of the epoch) and value; an empty value is a missing sample, and rows come in the order
    of time. OUT.csv holds the same rows with: expected, and lower and upper within which 95 % of samples are; score
    from 0 to 1; and is_anomaly, 1 from a score of 0.5 on, the first row of an event only. The cadence is learned, and
    so is the rhythm of days and weekends: nothing is judged in the first 24 hours; two weeks make a fair start.

    Example: sales-exporter detect leads.csv judged.csv --alarms-per-week 0.1
    """
    pairs = _pairs(source, target, batch)
    tuning = Tuning(alarms_per_week=alarms, least_change=least)
    for start in range(0, len(pairs), TOGETHER):
        some = pairs[start:start + TOGETHER]
        series = [_read(one) for one, _ in some]
        for (_, path), one, judged in zip(some, series, _judged(series, tuning), strict=True):
            _write(path, one, judged)


def _pairs(source: Path | None, target: Path | None, batch: Path | None) -> list[tuple[Path, Path]]:
    if batch is None:
        if source is None or target is None:
            raise UsageError("detect: give IN.csv and OUT.csv, or --batch FILE")
        return [(source, target)]
    if source is not None:
        raise UsageError("detect: give IN.csv and OUT.csv or --batch FILE, not both")
    try:
        lines = batch.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"detect: {batch}: {_reason(error)}") from None
    pairs = []
    for number, line in enumerate(lines, 1):
        parts = line.split("\t")
        if len(parts) != 2:
            raise DataFileError(f"detect: {batch}, line {number}: expected IN.csv<TAB>OUT.csv")
        pairs.append((Path(parts[0]), Path(parts[1])))
    return pairs


def _read(path: Path) -> _Series:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise DataFileError(f"detect: {path}, line 1: expected the columns timestamp and value")
            rows = [(row["timestamp"] or "", row["value"] or "") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataFileError(f"detect: {path}: {_reason(error)}") from None
    times, values = np.empty(len(rows)), np.empty(len(rows))
    for index, (moment, value) in enumerate(rows):
        try:
            times[index] = _seconds(moment)
            values[index] = float(value) if value.strip() else np.nan
        except (ValueError, OverflowError):
            expected = "a time (ISO 8601 or epoch seconds) and a number or nothing"
            raise DataFileError(f"detect: {path}, row {index + 1}: expected {expected}") from None
    return _Series(rows, times, values)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not np.isfinite(seconds):
        raise ValueError(text)
    return seconds


def _judged(series: list[_Series], tuning: Tuning) -> list[Floats]:
    """Of each series, rows of expected, lower, upper and score. All go through one detector, each at its own times."""
    length = max((one.times.size for one in series), default=0)
    times, values = np.zeros((length, len(series))), np.full((length, len(series)), np.nan)
    for index, one in enumerate(series):
        # A series that has ended stays at its last moment, with no samples.
        times[:, index] = np.pad(one.times, (0, length - one.times.size), mode="edge") if one.times.size else 0
        values[:one.times.size, index] = one.values
    detector = Novelty(tuning, len(series))
    judged = np.empty((length, 4, len(series)))
    for row in range(length):
        judged[row] = _columns(detector.update(times[row], values[row]))
    return [judged[:one.times.size, :, index] for index, one in enumerate(series)]


def _columns(verdicts: Verdicts) -> Floats:
    return np.stack((verdicts.expected, verdicts.lower, verdicts.upper, verdicts.score))


def _write(path: Path, series: _Series, judged: Floats) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            for row, (expected, lower, upper, score) in zip(series.rows, judged, strict=True):
                band = ("" if np.isnan(one) else f"{one:.6g}" for one in (expected, lower, upper))
                writer.writerow((*row, *band, f"{score:.8f}", int(score >= 0.5)))
    except OSError as error:
        raise DataFileError(f"detect: {path}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return (error.strerror or "cannot be read or written") if isinstance(error, OSError) else "not a CSV file in UTF-8"

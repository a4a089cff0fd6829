"""Past incidents that users have marked: what happened in them never teaches a baseline."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sales_exporter.errors import UsageError
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.verdicts import Floats

FILE = "incidents.jsonl"
"""In the folder of the state: one incident a line."""
LONGEST = 366 * 86_400.0
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Incident:
    """From one moment until before another, for the watches and label values that fit the patterns (``*``, ``?``)."""

    number: int
    since: float
    until: float
    watch: str = "*"
    labels: tuple[tuple[str, str], ...] = ()
    comment: str = ""

    def concerns(self, series: SeriesId) -> bool:
        """Whether it is about this series: the watch fits, and each named label is there and fits."""
        own = dict(series.labels)
        return fnmatchcase(series.watch, self.watch) and all(
            name in own and fnmatchcase(own[name], pattern) for name, pattern in self.labels)


def mask(incidents: Sequence[Incident], series: Sequence[SeriesId], times: Floats) -> NDArray[np.bool_]:
    """Which values (series, times) belong to an incident: to be blanked before a detector learns them."""
    found = np.zeros((len(series), times.size), bool)
    for one in incidents:
        concerned = np.array([one.concerns(each) for each in series], bool)
        within = (times >= one.since) & (times < one.until)
        found |= concerned[:, None] & within
    return found


def moment(text: str, where: str) -> float:
    """Epoch seconds of an ISO 8601 time with its zone, such as ``2026-03-02T10:00:00Z``.

    Raises:
        UsageError: names the place and what was expected.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{where} {text}: expected an ISO time with its zone, such as 2026-03-02T10:00:00Z") from None
    if found.tzinfo is None:
        raise UsageError(f"{where} {text}: the zone is missing; write {text}Z for UTC")
    return found.timestamp()


def stamp(at: float) -> str:
    """A moment as it is written into the file."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(folder: Path) -> list[Incident]:
    """All incidents, the oldest entry first; none without a file.

    Raises:
        UsageError: the file cannot be read, or a line of it is no incident.
    """
    path = folder / FILE
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or 'cannot be read'}") from None
    return [_parsed(line, f"{path}: line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def add(
    folder: Path, since: float, until: float, watch: str = "*", labels: Mapping[str, str] | None = None,
    comment: str = "",
) -> Incident:
    """Mark an incident.

    Raises:
        UsageError: it ends before it begins, lasts for more than a year, or the file cannot be read or written.
    """
    if not since < until:
        raise UsageError("incidents: --to must be later than --from")
    if until - since > LONGEST:
        raise UsageError("incidents: --from and --to are more than a year apart")
    known = read(folder)
    if len(known) >= MOST:
        raise UsageError(f"incidents: there are {MOST:,} already; remove some")
    number = 1 + max((one.number for one in known), default=0)
    added = Incident(number, since, until, watch, tuple(sorted((labels or {}).items())), comment)
    _write(folder, [*known, added])
    return added


def remove(folder: Path, number: int) -> Incident:
    """Take a mark back.

    Raises:
        UsageError: there is no such incident, or the file cannot be read or written.
    """
    known = read(folder)
    gone = [one for one in known if one.number == number]
    if not gone:
        raise UsageError(f"incidents: there is no incident {number}")
    _write(folder, [one for one in known if one.number != number])
    return gone[0]


def _parsed(line: str, where: str) -> Incident:
    try:
        raw = json.loads(line)
        labels = tuple(sorted((str(name), str(value)) for name, value in raw["labels"].items()))
        found = Incident(int(raw["id"]), moment(raw["from"], "from"), moment(raw["to"], "to"), str(raw["watch"]),
                         labels, str(raw["comment"]))
    except (ValueError, KeyError, TypeError, AttributeError, UsageError):
        raise UsageError(f"{where}: no incident; expected a line as `incidents add` writes it") from None
    return found


def _write(folder: Path, incidents: Sequence[Incident]) -> None:
    path = folder / FILE
    lines = [json.dumps({"id": one.number, "from": stamp(one.since), "to": stamp(one.until), "watch": one.watch,
                         "labels": dict(one.labels), "comment": one.comment}, ensure_ascii=False) for one in incidents]
    part = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        # A reader sees the old file or the new one, whole.
        os.replace(part, path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or 'cannot be written'}") from None

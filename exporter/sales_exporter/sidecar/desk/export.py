"""The history for other programs: one JSON object a line, or a table of comma-separated values. Streamed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from sales_exporter.sidecar.desk.events import PAGE
from sales_exporter.sidecar.desk.model import Event, Wanted
from sales_exporter.sidecar.desk.seam import AlertDesk

Format = Literal["jsonl", "csv"]
COLUMNS = ("number", "at", "kind", "by", "via", "why", "fingerprint", "starts_at", "alertname", "severity", "team",
           "labels")
"""Of the table; ``labels`` is JSON."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def lines(desk: AlertDesk, wanted: Wanted, form: Format) -> AsyncIterator[bytes]:
    """All events that are wanted, whatever their number, the newest first, in pieces of a thousand."""
    if form == "csv":
        yield heading()
    page = replace(wanted, limit=PAGE)
    while events := await desk.history(page):
        yield (jsonl if form == "jsonl" else rows)(events)
        page = replace(page, before=events[-1].number)


def jsonl(events: Iterable[Event]) -> bytes:
    """A line for each event."""
    return "".join(f"{json.dumps(_plain(event), ensure_ascii=False)}\n" for event in events).encode()


def heading() -> bytes:
    """The first line of the table."""
    return _table([COLUMNS])


def rows(events: Iterable[Event]) -> bytes:
    """A row for each event, without the heading."""
    return _table(_cells(event) for event in events)


def _plain(event: Event) -> dict[str, object]:
    return {"number": event.number, "at": _moment(event.at), "kind": event.kind, "by": event.by, "via": event.via,
            "why": event.why, "fingerprint": event.fingerprint,
            "starts_at": _moment(event.starts_at) if event.starts_at is not None else None,
            "labels": dict(event.labels)}


def _cells(event: Event) -> Iterator[str]:
    plain = _plain(event)
    found = {**plain, "starts_at": plain["starts_at"] or "", "labels": json.dumps(plain["labels"], sort_keys=True),
             **{name: event.labels.get(name, "") for name in ("alertname", "severity", "team")}}
    for name in COLUMNS:
        text = str(found[name])
        # A spreadsheet takes what begins like this for a formula, and people of the outside write these words.
        yield f"'{text}" if text.startswith(_FORMULA) else text


def _table(cells: Iterable[Iterable[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(cells)
    return out.getvalue().encode()


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

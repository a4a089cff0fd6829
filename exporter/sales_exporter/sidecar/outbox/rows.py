"""An entry of the book as text, and back."""

from __future__ import annotations

import json

from sales_exporter.sidecar.outbox.alert import LABELS, Alert
from sales_exporter.sidecar.outbox.book import Entry, Told
from sales_exporter.sidecar.store import Form, Row, sealed, unsealed

_TOLD = ("starts_at", "accepted_at", "resolved_at")


def written(entry: Entry) -> Row:
    """What is kept of an entry: all but what a restart may forget."""
    alert = entry.alert
    told = {name: {key: getattr(one, key) for key in _TOLD} for name, one in entry.told.items()}
    text = json.dumps({**{name: getattr(alert, name) for name in LABELS}, "annotations": dict(alert.annotations),
                       "starts_at": alert.starts_at, "ends_at": alert.ends_at, "generator_url": alert.generator_url,
                       "told": told})
    return sealed(alert.fingerprint, text)


def read(row: tuple[object, ...]) -> Entry:
    """An entry from its row.

    Raises:
        ValueError: it is not what was written.
    """
    name, text = unsealed(row)
    try:
        fields = json.loads(text)
        told = {target: Told(**one) for target, one in fields.pop("told").items()}
        alert = Alert(**fields)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("no alert of ours") from error
    if alert.fingerprint != name:
        raise ValueError("another alert's name")
    return Entry(alert, told, stored=True)


OUTBOX: Form[Entry] = Form("outbox", "alerts", written, read, reserved=8 << 20)

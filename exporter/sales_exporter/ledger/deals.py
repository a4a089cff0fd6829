"""What the book of deals holds, and how a row of ``deals`` becomes a record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.book import BookLayout, Records
from sales_exporter.ledger.calendar import SECOND, Ints
from sales_exporter.ledger.paths import Paths, packed

DEALS = BookLayout("deals", (
    ("cents", "<i8"), ("created", "<u4"), ("opened", "<u4"), ("closed", "<u4"), ("path", "<u4"),
    ("rep", "<u2"), ("channel", "<u2"), ("campaign", "<u2"), ("currency", "<u2"), ("stage", "u1"), ("status", "u1"),
))
"""42 bytes a deal. Moments are whole seconds since 1970, rounded down; ``created``, ``channel`` and ``campaign`` are
the lead's, ``stage`` is a code of the scheme, ``path`` a number of the paths."""
SPEND = BookLayout("spend", (
    ("cents", "<i8"), ("day", "<i4"), ("channel", "<u2"), ("campaign", "<u2"), ("currency", "<u2"),
))
"""``day`` is the day since 1970-01-01."""

WON, LOST, OPEN, OTHER = 0, 1, 2, 3
"""Status of a deal; OTHER is one outside the contract."""
TEST = 0x80
"""Flag beside the status: a deal of a test lead."""
NO_STAGE = 0xFF
NO_AMOUNT = np.iinfo(np.int64).min
"""Cents of an amount that is no number."""
NEVER = 0xFFFF_FFFF
"""``closed`` of a deal without that date; any other date lies before it."""
UNKNOWN = 0
"""``opened`` of a deal without that date; ``created`` of one without a lead."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of deals by column; moments in microseconds, above 0, and one below 0 for NULL."""

    key: Ints
    cents: Ints
    created: Ints
    opened: Ints
    closed: Ints
    rep: Ints
    channel: Ints
    campaign: Ints
    currency: Ints
    stage: Ints
    status: Ints
    test: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Touches:
    """Touches in order of deal, occurred_at and touch_id; ``deal`` is an index into Rows."""

    deal: Ints
    at: Ints
    channel: Ints

    def where(self, mask: NDArray[np.bool_]) -> Touches:
        """Those of the mask, in the same order."""
        return Touches(self.deal[mask], self.at[mask], self.channel[mask])


def records(rows: Rows, touches: Touches, cutoff: int | Ints, paths: Paths) -> Records:
    """Records of deals; touches count before the cutoff (microseconds, of all or of each) and not after the deal was
    closed."""
    ended = np.where(rows.closed < 0, np.iinfo(np.int64).max, rows.closed)
    ends = np.broadcast_to(cutoff, len(rows.key))
    counted = touches.where((touches.at < ends[touches.deal]) & (touches.at <= ended[touches.deal]))
    return DEALS.records(
        rows.key, cents=rows.cents, created=_seconds(rows.created, UNKNOWN), opened=_seconds(rows.opened, UNKNOWN),
        closed=_seconds(rows.closed, NEVER), path=_paths(rows, counted, paths), rep=rows.rep, channel=rows.channel,
        campaign=rows.campaign, currency=rows.currency, stage=rows.stage,
        status=rows.status | np.where(rows.test, TEST, 0))


def _seconds(at: Ints, absent: int) -> Ints:
    return np.where(at < 0, absent, np.clip(at // SECOND, 1, NEVER - 1))


def _paths(rows: Rows, touches: Touches, paths: Paths) -> Ints:
    """Path numbers. Ages are kept of won deals alone: nothing else is divided by them."""
    lengths = np.bincount(touches.deal, minlength=len(rows.key))
    last = np.zeros(len(rows.key), dtype=np.int64)
    np.maximum.at(last, touches.deal, touches.at)
    age = np.where(rows.status[touches.deal] == WON, last[touches.deal] - touches.at, 0)
    return paths.numbered(packed(touches.channel, age), lengths)

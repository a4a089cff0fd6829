"""Versions of models as the ledger counted them: labels, decisions and scores by bin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors.cardinality import OTHER, label
from sales_exporter.ledger.calendar import Ints
from sales_exporter.ledger.predictions import (
    BILLION,
    LABEL_BINS,
    LABEL_SCORES,
    LABEL_SQUARES,
    LABELS,
    MATURITY,
    PREDICTIONS,
    SCORE_BINS,
    SCORES,
    SEPARATOR,
    TENTHS,
)
from sales_exporter.ledger.view import View
from sales_exporter.stats.classification import Confusion, Floats

LABEL_HOURS, CURRENT_DAYS, REFERENCE_DAYS = 30 * 24, 7, 30
DAY_BINS = 100
"""Bins of the scores of single days."""
WEEKS = 53
"""Whole weeks of predictions that the estimated accuracy looks at: its record is of about a year."""
_NUMBERS = 1 << 16
_DAY = 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class Weeks:
    """Predictions by week in which they were made (the last seven whole days first) and bin of ascending score.

    ``mature`` is the first week from which on all labels are mature, in weeks before the present one.
    """

    positives: Floats
    negatives: Floats
    decided: Floats
    mature: int

    @property
    def past(self) -> Floats:
        """Positives, negatives and decided of the mature weeks, the oldest first."""
        return np.stack([self.positives, self.negatives, self.decided])[:, self.mature :][:, ::-1]

    @property
    def last(self) -> Floats:
        """All predictions of the last week, and those decided positive."""
        return np.stack([self.positives[0] + self.negatives[0], self.decided[0]])

    @property
    def digest(self) -> bytes:
        """What of it is looked at, in short: labels of pending weeks come and go without being."""
        looked = np.concatenate([self.past.ravel(), self.last.ravel()])
        # Most bins of most weeks are empty.
        there = np.flatnonzero(looked)
        return hashlib.blake2b(str(self.mature).encode() + there.tobytes() + looked[there].tobytes()).digest()


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Scores by day and ``DAY_BINS`` bins: of a version's first days, and of the last whole ones."""

    reference: Floats
    current: Floats

    @property
    def digest(self) -> bytes:
        """All of it, in short."""
        return hashlib.blake2b(self.reference.tobytes() + self.current.tobytes()).digest()


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version of a model: decisions on mature labels, and counts by bin of ascending score.

    ``settled`` are decisions of all days whose labels are all mature; ``positives`` and ``negatives`` are of
    mature labels in ``LABEL_BINS`` bins, ``scores`` (sums) in ten, ``squares`` the sum of their squared distances from
    the score; ``reference`` and ``current`` are of ``SCORE_BINS`` bins.
    """

    model: str
    version: str
    predictions: int
    reference: Floats
    current: Floats
    pending: int = 0
    decisions: Confusion = Confusion(0, 0, 0, 0)  # noqa: RUF009  (frozen)
    settled: Confusion = Confusion(0, 0, 0, 0)  # noqa: RUF009  (frozen)
    squares: float = 0.0
    positives: Floats = field(default_factory=lambda: np.zeros(LABEL_BINS))
    negatives: Floats = field(default_factory=lambda: np.zeros(LABEL_BINS))
    scores: Floats = field(default_factory=lambda: np.zeros(TENTHS))
    weeks: Weeks | None = None
    days: Days | None = None

    @property
    def key(self) -> str:
        """The two labels in one."""
        return f"{self.model}{SEPARATOR}{self.version}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its samples."""
        return {"model": self.model, "version": self.version}


def predictions(view: View) -> dict[str, int]:
    """Predictions of all time by version (its key)."""
    columns, n = view.read(PREDICTIONS)
    totals = np.bincount(columns["version"], weights=n)
    found: dict[str, int] = {}
    for number in np.flatnonzero(totals).tolist():
        key = key_of(view, number)
        found[key] = found.get(key, 0) + int(totals[number])
    return found


def key_of(view: View, number: int) -> str:
    """Model and version of a number, cut to the length of labels: what is cut alike is one."""
    model, _, version = (view.names.text(number) or OTHER).partition(SEPARATOR)
    return f"{label(model)}{SEPARATOR}{label(version)}"


def versions(view: View, kept: Sequence[str], totals: Mapping[str, int], now: float) -> list[Version]:
    """The kept versions in their order, and last, where there are more, all others in one."""
    numbers = np.unique(view.read(PREDICTIONS)[0]["version"]).tolist()
    place = {key: slot for slot, key in enumerate(kept)}
    slots = np.full(_NUMBERS, len(kept), dtype=np.int64)
    slots[numbers] = [place.get(key_of(view, number), len(kept)) for number in numbers]
    keys = [*kept, *([f"{OTHER}{SEPARATOR}{OTHER}"] if len(totals) > len(kept) else [])]
    counts = [totals[key] for key in kept]
    counts.append(sum(totals.values()) - sum(counts))
    labelled, scored = _Labelled.at(view, slots, len(kept) + 1, now), _Scored.at(view, slots, len(kept) + 1, now)
    found = []
    for slot, key in enumerate(keys):
        model, _, version = key.partition(SEPARATOR)
        scores: dict[str, Any] = {
            "reference": scored.reference[slot], "current": scored.current[slot],
            "settled": _confusion(scored.settled[slot]),
        }
        found.append(Version(model, version, counts[slot], **scores, **labelled.of(slot), weeks=scored.weeks(slot),
                             days=scored.days(slot)))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """Labels by version (slot): those that matured in the last 30 days before the last full hour, and the pending."""

    pending: Ints
    by_decision: Ints
    positives: Floats
    negatives: Floats
    scores: Floats
    squares: Floats

    @classmethod
    def at(cls, view: View, slots: Ints, size: int, now: float) -> _Labelled:
        hour = int(now // 3600)
        columns, n = view.read(LABELS, hour - LABEL_HOURS)
        slot, came, decided = slots[columns["version"]], columns["came"], columns["decided"]
        mature = columns["hour"] < hour
        fine = [
            _table(slot[chosen], columns["bin"][chosen], n[chosen], size, LABEL_BINS)
            for chosen in (mature & (came == 1), mature & (came == 0))
        ]
        sums = []
        for layout in (LABEL_SCORES, LABEL_SQUARES):
            cells, value = view.read(layout, hour - LABEL_HOURS, hour)
            tenth = cells.get("bin", np.zeros(len(value), dtype=np.int64))
            sums.append(_table(slots[cells["version"]], tenth, value, size, TENTHS) / BILLION)
        return cls(
            _table(slot[~mature], 0 * slot[~mature], n[~mature], size, 1)[:, 0].astype(np.int64),
            _table(slot[mature], (2 * came + decided)[mature], n[mature], size, 4).astype(np.int64), *fine, *sums,
        )

    def of(self, slot: int) -> dict[str, Any]:
        """What a Version holds of it."""
        return {
            "pending": int(self.pending[slot]), "squares": float(self.squares[slot].sum()),
            "decisions": _confusion(self.by_decision[slot]),
            "positives": self.positives[slot], "negatives": self.negatives[slot], "scores": self.scores[slot],
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """Scores by version (slot): of its first days, of the last seven, of settled days, and cells of whole weeks."""

    reference: Floats
    current: Floats
    settled: Ints
    mature: Ints
    cells: Mapping[str, Ints]
    single: Mapping[str, Ints]

    @classmethod
    def at(cls, view: View, slots: Ints, size: int, now: float) -> _Scored:
        calendar = view.scheme.calendar
        today, lately = calendar.day(now), calendar.day(now - CURRENT_DAYS * _DAY)
        made, _ = view.read(PREDICTIONS)
        first = np.full(size, today)
        np.minimum.at(first, slots[made["version"]], made["day"])
        settled = np.minimum(first + REFERENCE_DAYS, lately)
        columns, n = view.read(SCORES)
        slot, day = slots[columns["version"]], columns["day"]
        # Days ascend: what lies between two of them is a slice.
        late, begin, end = np.searchsorted(day, [lately, today - 7 * WEEKS, today]).tolist()
        early = day < settled[slot]
        reference = _table(slot[early], columns["bin"][early], n[early], size, SCORE_BINS)
        current = _table(slot[late:], columns["bin"][late:], n[late:], size, SCORE_BINS)
        cells = {
            "slot": slot[begin:end], "week": _weeks(day[begin:end], today), "n": n[begin:end],
            **{name: columns[name][begin:end] for name in ("came", "decided", "bin")},
        }
        done = _settled(view, columns, n, today)
        kind = (2 * columns["came"] + columns["decided"])[done]
        by_decision = _table(slot[done], kind, n[done], size, 4).astype(np.int64)
        last = ~early & (day >= today - CURRENT_DAYS) & (day < today)
        shown = early | last
        since = np.where(last, today - CURRENT_DAYS, first[slot])[shown]
        single = {"slot": slot[shown], "last": last[shown], "day": day[shown] - since, "n": n[shown],
                  "bin": columns["bin"][shown] // (SCORE_BINS // DAY_BINS)}
        return cls(reference, current, by_decision, _mature(view, slots, size, today), cells, single)

    def days(self, slot: int) -> Days:
        """Single days of one version."""
        mine, last = self.single["slot"] == slot, self.single["last"] == 1
        tables = []
        for chosen, size in ((mine & ~last, REFERENCE_DAYS), (mine & last, CURRENT_DAYS)):
            day, bins, n = (self.single[name][chosen] for name in ("day", "bin", "n"))
            tables.append(_table(day, bins, n, size, DAY_BINS))
        return Days(*tables)

    def weeks(self, slot: int) -> Weeks:
        """The weeks of one version."""
        mine = self.cells["slot"] == slot
        week, came, decided, bins, n = (self.cells[name][mine] for name in ("week", "came", "decided", "bin", "n"))
        positives, negatives, positive = (
            _table(week[chosen], bins[chosen], n[chosen], WEEKS, SCORE_BINS)
            for chosen in (came == 1, came == 0, decided == 1)
        )
        return Weeks(positives, negatives, positive, int(self.mature[slot]))


def _settled(view: View, scores: Mapping[str, Ints], n: Ints, today: int) -> NDArray[np.bool_]:
    """Which cells of ``SCORES`` are of days (of a version) before today whose labels all matured before today.

    A whole day at once: of one that is not, the labels that come early are no fair sample.
    """
    due, matured = view.read(MATURITY)
    over = due["matured"] < today
    # Cells ascend by day and version: those of one are neighbours.
    days = scores["day"] * _NUMBERS + scores["version"]
    first = np.flatnonzero(np.diff(days, prepend=-1))
    place = np.repeat(np.arange(len(first)), np.diff(first, append=len(days)))
    left = np.bincount(place, weights=n, minlength=len(first))
    known = (due["day"] * _NUMBERS + due["version"])[over]
    # A prediction whose horizon is never over is in no cell of MATURITY: its day is never settled.
    np.subtract.at(left, np.searchsorted(days[first], known), matured[over])
    return np.asarray((left[place] == 0) & (scores["day"] < today))


def _confusion(by_decision: Ints) -> Confusion:
    """From counts by 2 * label + decision."""
    true_negative, false_positive, false_negative, true_positive = by_decision.tolist()
    return Confusion(true_positive, false_positive, false_negative, true_negative)


def _mature(view: View, slots: Ints, size: int, today: int) -> Ints:
    """The first week of each slot before which labels are pending."""
    columns, _ = view.read(MATURITY)
    week = _weeks(columns["day"], today)
    pending = (columns["matured"] >= today) & (week >= 0)
    found = np.zeros(size, dtype=np.int64)
    np.maximum.at(found, slots[columns["version"][pending]], week[pending] + 1)
    return found


def _weeks(day: Ints, today: int) -> Ints:
    """Whole weeks before today, 0 for the last seven days; negative for today and later."""
    return np.asarray((today - 1 - day) // 7)


def _table(row: Ints, column: Ints, n: Ints, rows: int, columns: int) -> Floats:
    """Sums of ``n`` in a table."""
    sums = np.bincount(row * columns + column, weights=n, minlength=rows * columns).astype(np.float64)
    return sums.reshape(rows, columns)

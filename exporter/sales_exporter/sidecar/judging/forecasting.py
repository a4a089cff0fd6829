"""Forecasts, trends and capacity dates of the watches that ask for them: an hour's work, spread over ticks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from sales_exporter.config import Limits
from sales_exporter.errors import SourceError
from sales_exporter.model import Sample
from sales_exporter.sidecar.fleet import insights
from sales_exporter.sidecar.forecasts.bands import QUANTILES
from sales_exporter.sidecar.forecasts.capacity import Capacity, capacity
from sales_exporter.sidecar.forecasts.forecaster import Forecaster
from sales_exporter.sidecar.forecasts.past import HOLIDAY, Floats, Kinds, day_kinds
from sales_exporter.sidecar.forecasts.samples import METRICS, exhaustions, forecasts, trend_samples
from sales_exporter.sidecar.forecasts.trends import Trend, daily_trends
from sales_exporter.sidecar.history.client import Client
from sales_exporter.sidecar.judging.standing import ALERTS, BUSINESS, Place, Standing, runbook
from sales_exporter.sidecar.outbox.alert import Alert
from sales_exporter.sidecar.report import SHARES
from sales_exporter.sidecar.series import SeriesId
from sales_exporter.sidecar.watches.watch import Watch

HOUR, DAY, STEPS, WEEK = 3_600.0, 86_400.0, 24, 168
EVERY = 3_600.0
"""Seconds between two forecasts of a watch."""
AGAIN, TRIES = 300.0, 3
"""Seconds after which a watch that was not answered is asked again, and how often before it waits for its hour."""
HORIZONS = {"1h": 1, "24h": 24, "7d": 168}
CAPACITY_DAYS = 60
"""Days ahead that are looked at for a limit."""
SERIES = 100
"""Series of one watch that are forecast at most, the first by name."""
SOON, VERY_SOON = 7.0, 2.0
"""Days to a limit from which on there is an alert, and from which on it is critical: half of the draws have crossed."""
EASE = 1.25
"""An alert ends only when the date is this much farther away."""
BEYOND_CHANCE = 0.01
"""p below which a trend is worth a sentence."""
OF_A_FORECAST = len(HORIZONS) * len(QUANTILES)
OF_A_SERIES = OF_A_FORECAST + len(QUANTILES) + len(METRICS) - 2
"""Samples of one series: in its forecast, and with its error, its trend and its date in all."""
SERIES_LABEL = 1
"""Place of the label series in each metric."""
_MEDIAN = QUANTILES.index(0.5)


@dataclass(frozen=True, slots=True)
class Past:
    """What a watch's series were, hour by hour until ``end``: (series, hours)."""

    watch: Watch
    end: float
    ids: tuple[SeriesId, ...]
    values: Floats


class Forecasting:
    """Forecasts one watch in two ticks, each once an hour: to read and to forecast at once would make a long tick.

    Not for concurrent use.
    """

    def __init__(self, client: Client, watches: Sequence[Watch], place: Place, past: float,
                 holidays: Sequence[date], room: int = SERIES) -> None:
        """``past`` is how many seconds of it are read, in hours; ``room`` how many series are published in all."""
        self._client, self._place, self._holidays = client, place, frozenset(holidays)
        self._watches = [watch for watch in watches if watch.forecast]
        self._count = int(past // HOUR)
        self._done: dict[str, float] = {}
        self._tries: Counter[str] = Counter()
        self._past: Past | None = None
        self._samples: dict[str, tuple[Sample, ...]] = {}
        self._room = room
        self._names: dict[str, list[str]] = {}
        self._standing: dict[str, tuple[Standing, ...]] = {}
        self._since: dict[tuple[str, str], float] = {}
        self._trends: dict[str, tuple[Trend, ...]] = {}

    def lasting(self, currency: str) -> Iterator[insights.Trend]:
        """Trends of the business that are beyond chance, for insights; money in this currency."""
        for watch in self._watches:
            rate = watch.money if isinstance(watch.money, float | int) else np.nan
            for one in self._trends.get(watch.name, ()) if watch.category in BUSINESS else ():
                if one.p < BEYOND_CHANCE:
                    yield insights.Trend(
                        watch.words, one.series.text, watch.unit, 7 * one.per_day, 7 * one.lower, 7 * one.upper,
                        one.level, one.days / 7, 7 * abs(one.per_day) * rate, currency)

    @property
    def settled(self) -> bool:
        """Whether each watch was answered once; one that never is must not keep everybody's alerts standing."""
        return all(watch.name in self._samples or self._tries[watch.name] >= TRIES for watch in self._watches)

    async def tick(self, at: float) -> None:
        """Read the past of the watch whose turn it is, or forecast what was read at the last tick.

        Raises:
            SourceError: its query was not answered; the next tick takes the next watch.
        """
        past, self._past = self._past, None
        watch = past.watch if past is not None else self._due(at)
        if watch is None:
            return
        try:
            if past is None:
                self._done[watch.name] = at
                self._past = await self._read(watch, np.floor(at / HOUR) * HOUR)
            else:
                await self._forecast(past)
        except SourceError:
            self._tries[watch.name] += 1
            if self._tries[watch.name] % TRIES:
                self._done[watch.name] = at - EVERY + AGAIN
            raise

    def samples(self) -> Iterator[Sample]:
        """What there is to publish: of each watch as many series as all have room for, the first by name."""
        shares = split(self._room, {watch: len(names) for watch, names in self._names.items()})
        for watch, found in self._samples.items():
            shown = set(self._names[watch][:shares[watch]])
            yield from (sample for sample in found if sample.labels[SERIES_LABEL] in shown)

    def standing(self) -> Iterator[Standing]:
        """Resources that run out soon."""
        for found in self._standing.values():
            yield from found

    def _due(self, at: float) -> Watch | None:
        """The watch that has waited longest, if its hour is over."""
        due = [watch for watch in self._watches if at - self._done.get(watch.name, -np.inf) >= EVERY]
        return min(due, key=lambda one: self._done.get(one.name, -np.inf), default=None)

    async def _read(self, watch: Watch, end: float) -> Past:
        """The past of the first series of now, week by week: all at once would be a large answer."""
        rows: dict[SeriesId, int] = {}
        values = np.empty((0, self._count))
        for last in range(self._count, 0, -WEEK):
            count = min(WEEK, last)
            answer = await self._client.range(watch.query, end - (self._count - 1 - last + count) * HOUR, HOUR, count)
            ids = answer.ids(watch.name)
            if not rows:
                rows = {one: row for row, one in enumerate(sorted(ids)[:SERIES])}
                values = np.full((len(rows), self._count), np.nan)
            for one, found in zip(ids, answer.values, strict=True):
                if one in rows:
                    values[rows[one], last - count:last] = found
        return Past(watch, end, tuple(rows), values)

    async def _forecast(self, past: Past) -> None:
        watch, ids, values = past.watch, past.ids, past.values
        longest = max(HORIZONS.values())
        kinds = self._kinds(past.end - (self._count - 1) * HOUR, self._count + longest)
        found = Forecaster(STEPS, longest).forecast(values, kinds)
        trends = tuple(daily_trends(ids, values, STEPS))
        self._trends[watch.name], self._names[watch.name] = trends, [one.text for one in ids]
        self._samples[watch.name] = (*forecasts(ids, found, HORIZONS), *trend_samples(trends))
        if watch.limit is not None and watch.resource is not None and ids:
            await self._capacity(watch, watch.resource, ids, values, past.end)

    async def _capacity(self, watch: Watch, resource: str, ids: Sequence[SeriesId], values: Floats, end: float) -> None:
        limits = await self._limits(watch, ids, end)
        found = capacity(values, STEPS, limits, CAPACITY_DAYS)
        self._samples[watch.name] += tuple(exhaustions(ids, resource, found, end))
        self._standing[watch.name] = tuple(self._running_out(watch, resource, ids, found, limits, values, end))

    async def _limits(self, watch: Watch, ids: Sequence[SeriesId], at: float) -> Floats:
        if isinstance(watch.limit, float | int):
            return np.full(len(ids), float(watch.limit))
        answer = await self._client.instant(str(watch.limit), at)
        known = dict(zip(answer.ids(watch.name), answer.values.tolist(), strict=True))
        return np.array([known.get(one, np.nan) for one in ids])

    def _running_out(self, watch: Watch, resource: str, ids: Sequence[SeriesId], found: Capacity, limits: Floats,
                     values: Floats, end: float) -> Iterator[Standing]:
        for row, one in enumerate(ids):
            key, days = (watch.name, one.text), float(found.days[row, _MEDIAN])
            if not days <= (SOON * EASE if key in self._since else SOON):
                self._since.pop(key, None)
                continue
            since = self._since.setdefault(key, end)
            dates = [_day(end + left * DAY) for left in found.days[row].tolist()]
            latest = values[row][~np.isnan(values[row])][-1]
            what = f"{resource.replace('_', ' ')} {one.text}".strip()
            annotations = {
                "summary": f"{what} is expected to reach its limit.",
                "description": f"{watch.words} is {latest:.6g} and its limit {limits[row]:.6g}; it is expected to get "
                               f"there about {dates[_MEDIAN]} (90 %: {dates[0]} to {dates[-1]}).",
                "value": f"{latest:.6g}", "expected": f"below {limits[row]:.6g}", "confidence": "50 % by that date",
                "effect": f"{days:.1f} days left", "reason": "level and trend of the last weeks, with past errors",
                "recommendation": "Make room, or slow what grows, before that date.",
                "runbook_url": watch.runbook or runbook("capacity"),
                "dashboard_url": f"/d/{watch.dashboard}" if watch.dashboard else "/d/sales-home",
            }
            severity = "critical" if days <= VERY_SOON and watch.max_severity == "critical" else "warning"
            yield Standing("capacity", Alert(
                ALERTS["capacity"], severity, since, annotations, team=watch.team, category="capacity",
                cluster=one.label("cluster") or self._place.cluster, tenant=one.label("tenant") or self._place.tenant,
                service=watch.service, entity=one.text, watch=watch.name))

    def _kinds(self, start: float, count: int) -> Kinds:
        kinds = day_kinds(start, HOUR, count)
        for row in range(count) if self._holidays else ():
            if datetime.fromtimestamp(start + row * HOUR, UTC).date() in self._holidays:
                kinds[row] = HOLIDAY
        return kinds


def _day(moment: float) -> str:
    if not np.isfinite(moment):
        return f"not within {CAPACITY_DAYS} days"
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:00 UTC")


def room(limits: Limits) -> int:
    """Series that may be published. What is above a limit would be added up, and a sum of forecasts means nothing."""
    return min(limits.series_per_metric // OF_A_FORECAST, int(SHARES["forecasts"] * limits.series) // OF_A_SERIES)


def split(room: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """A share of the room for each: what it wants, or as much as the others that want more."""
    found, left = {}, room
    for number, name in enumerate(sorted(wanted, key=lambda name: wanted[name])):
        found[name] = min(wanted[name], left // (len(wanted) - number))
        left -= found[name]
    return found

"""Money in the reporting currency: the rate of the day, and no rate is no value, never a rate of 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sales_exporter.collectors import Context, Row
from sales_exporter.config import Business
from sales_exporter.ledger.calendar import Ints

Floats = NDArray[np.float64]

RELATION = "fx_rates"
# A source without the relation still reports what is in the reporting currency already.
_NO_RATES = "(SELECT NULL::date AS day, NULL::text AS currency, NULL::numeric AS rate WHERE false)"
# Rates are not published on weekends and holidays; a stock is valued by the last one, of at most a week ago.
_NEWEST = """
    (SELECT DISTINCT ON (currency) currency, rate FROM {rates}
      WHERE day <= {day} AND day > {day} - 7 ORDER BY currency, day DESC)"""


STALE_DAYS = 7
"""Days after which the newest rate is too old to value a stock."""
# One row a currency: a history of rates does not run into the row budget.
RATES = """
    SELECT currency, array_agg(day - date '1970-01-01' ORDER BY day) AS days,
           array_agg(rate::float8 ORDER BY day) AS rates
      FROM sales.fx_rates WHERE currency = ANY(%(currencies)s) AND isfinite(day)
     GROUP BY currency"""


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates to the reporting currency by currency: days since 1970, ascending, and what one unit is worth."""

    reporting: str
    known: Mapping[str, tuple[Ints, Floats]] = field(default_factory=dict)

    @classmethod
    def of(cls, reporting: str, rows: Iterable[Row]) -> Rates:
        """From the rows of :data:`RATES`."""
        return cls(reporting, {
            row["currency"]: (np.array(row["days"], dtype=np.int64), np.array(row["rates"], dtype=np.float64))
            for row in rows
        })

    @property
    def digest(self) -> object:
        """Equal for equal rates."""
        return self.reporting, tuple((c, days.tobytes(), rates.tobytes()) for c, (days, rates) in self.known.items())

    def dated(self, currency: str, days: Ints) -> Floats:
        """The rates of days, NaN where there is none."""
        if currency not in self.known:
            return np.full(len(days), np.nan)
        dates, values = self.known[currency]
        places = np.minimum(np.searchsorted(dates, days), len(dates) - 1)
        return np.where(dates[places] == days, values[places], np.nan)

    def newest(self, currency: str, day: int) -> float:
        """The newest rate on or before a day, at most a week old; NaN without one."""
        if currency not in self.known:
            return math.nan
        dates, values = self.known[currency]
        place = int(np.searchsorted(dates, day, side="right")) - 1
        return float(values[place]) if place >= 0 and dates[place] > day - STALE_DAYS else math.nan


async def rates(ctx: Context, currencies: Iterable[str]) -> Rates:
    """The rates of these currencies."""
    reporting = ctx.business.reporting_currency
    foreign = sorted(set(currencies) - {reporting})
    if not foreign or RELATION not in ctx.relations:
        return Rates(reporting)
    return Rates.of(reporting, await ctx.db.fetch(RATES, currencies=foreign))


def rates_of_day(relations: Set[str], alias: str, row: str, moment: str) -> str:
    """A LEFT JOIN of the rate for ``row.currency`` on the reporting day of ``moment``."""
    return (
        f"LEFT JOIN {_rates(relations)} AS {alias} ON {alias}.currency = {row}.currency"
        f" AND {alias}.day = ({moment} AT TIME ZONE %(zone)s)::date"
    )


def newest_rates(relations: Set[str], alias: str, row: str, day: str) -> str:
    """A LEFT JOIN of the newest rate for ``row.currency`` on or before ``day``, at most a week old."""
    newest = _NEWEST.format(rates=_rates(relations), day=day)
    return f"LEFT JOIN {newest} AS {alias} ON {alias}.currency = {row}.currency"


def value(amount: str, currency: str, *rates: str) -> str:
    """An amount (numeric) in the reporting currency by the first rate that there is; NULL when there is none."""
    usable = ", ".join(f"nullif({rate}.rate, 'NaN')" for rate in rates)
    return (
        f"(CASE WHEN {currency} = %(reporting)s THEN nullif({amount}, 'NaN')"
        f" ELSE nullif({amount}, 'NaN') * coalesce({usable}) END)"
    )


def parameters(business: Business) -> Mapping[str, str]:
    """What the statements made here need."""
    return {"zone": business.reporting_timezone, "reporting": business.reporting_currency}


def _rates(relations: Set[str]) -> str:
    return f"sales.{RELATION}" if RELATION in relations else _NO_RATES

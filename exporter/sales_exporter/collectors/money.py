"""Money in the reporting currency, as SQL: the rate of the day, and no rate is no value, never a rate of 1."""

from __future__ import annotations

from collections.abc import Mapping, Set

from sales_exporter.config import Business

RELATION = "fx_rates"
# A source without the relation still reports what is in the reporting currency already.
_NO_RATES = "(SELECT NULL::date AS day, NULL::text AS currency, NULL::numeric AS rate WHERE false)"
# Rates are not published on weekends and holidays; a stock is valued by the last one, of at most a week ago.
_NEWEST = """
    (SELECT DISTINCT ON (currency) currency, rate FROM {rates}
      WHERE day <= {day} AND day > {day} - 7 ORDER BY currency, day DESC)"""


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

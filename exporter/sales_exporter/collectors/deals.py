"""Deals as they stood at a moment: won, lost or open, what they are worth and how long they took.

``deals`` is mutable and knows only the present. The past is read from its dates: a deal that was closed at or
after the moment was open then, and one that was opened at or after it did not exist.
"""

from __future__ import annotations

from collections.abc import Set

from sales_exporter.collectors import money, windows

WON, LOST, OPEN = "won", "lost", "open"
CLOSED = "deals closed in the window, before the moment of evaluation"
UNFINISHED = "open deals count as open, in window all, and in no ratio"


def at_moment(relations: Set[str]) -> str:
    """SELECT of one row a deal, at ``%(now)s``, with windows ``%(starts)s``.

    Columns: deal_id, lead_id, rep_id, stage, result (won, lost, open, or ``(other)`` for a status outside the
    contract or one without its date), moment (when it was closed, NULL while open), bucket (number of windows
    that hold the moment), value (in the reporting currency; NULL without a rate) and cycle (seconds from
    opening to closing, never negative; NULL when unknown). Closed deals take the rate of the day they were
    closed on, open ones the newest.
    """
    day = "(to_timestamp(%(now)s) AT TIME ZONE %(zone)s)::date"
    return f"""
    SELECT deal_id, lead_id, rep_id, stage, result, moment,
           width_bucket(coalesce(moment, '-infinity'), {windows.STARTS}) AS bucket,
           {money.value("d.amount", "d.currency", "dated", "newest")} AS value,
           CASE WHEN moment < opened_at THEN 0 ELSE extract(epoch FROM moment - opened_at)::float8 END AS cycle
      FROM (SELECT *, CASE WHEN closed_at < to_timestamp(%(now)s) THEN closed_at END AS moment,
                   CASE WHEN closed_at < to_timestamp(%(now)s) AND status IN ('won', 'lost') THEN status
                        WHEN closed_at >= to_timestamp(%(now)s) OR (closed_at IS NULL AND status = 'open') THEN 'open'
                        ELSE '(other)' END AS result
              FROM sales.deals
             WHERE opened_at IS NULL OR opened_at < to_timestamp(%(now)s)) AS d
           {money.rates_of_day(relations, "dated", "d", "d.moment")}
           {money.newest_rates(relations, "newest", "d", day)} AND d.moment IS NULL"""  # noqa: S608  (constants of this package)

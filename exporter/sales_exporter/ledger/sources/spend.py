"""Spend by day, channel and campaign: mutable, because platforms restate it for days."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import numpy as np

from sales_exporter.ledger.book import BookLayout, Revision
from sales_exporter.ledger.deals import SPEND
from sales_exporter.ledger.rows import REMOVALS, fresh
from sales_exporter.ledger.source import Moment, Names, Part, Reading, Reads, Selection, Source
from sales_exporter.ledger.sources.deals import AMOUNT, KEY

PART_DAYS = 50_000
PARTS = f"""
    SELECT DISTINCT spend_day::text AS edge, spend_day
      FROM (SELECT spend_day, row_number() OVER (ORDER BY spend_day) AS place FROM sales.spend) AS placed
     WHERE mod(place, {PART_DAYS}) = 0 ORDER BY spend_day"""  # noqa: S608  (a constant)
# As the removals have it, whatever the session's date style.
_ID = "concat_ws(chr(31), to_jsonb(spend_day) #>> '{}', channel_id, coalesce(campaign_id, ''))"
# Days that never come and days before all others have no number.
_DAY = "CASE WHEN isfinite(spend_day) THEN spend_day - date '1970-01-01' ELSE 2147483647 END::int4"
_COLUMNS = ("key", "day", "cents", "channel", "campaign", "currency")
_SPEND = f"""
    SELECT {KEY.format(_ID)} AS key, {_DAY} AS day, {AMOUNT.format("amount")} AS cents,
           channel_id AS channel, campaign_id AS campaign, currency"""
_OF_IDS = f"""
    {_SPEND}
      FROM unnest(%(ids)s::text[]) AS t(id)
     CROSS JOIN LATERAL (
           SELECT * FROM sales.spend
            WHERE spend_day = split_part(t.id, chr(31), 1)::date AND channel_id = split_part(t.id, chr(31), 2)
              AND coalesce(campaign_id, '') = split_part(t.id, chr(31), 3) OFFSET 0) AS s"""  # noqa: S608  (names of the contract)
_HASHES = f"SELECT {KEY.format('id')} AS key FROM unnest(%(ids)s::text[]) AS t(id)"  # noqa: S608
_IN_PART = f"""
    {_SPEND}
      FROM sales.spend WHERE spend_day >= %(low)s::date AND spend_day < %(high)s::date"""


class SpendSource(Source):
    """The book of spend."""

    name = "spend"
    reads = ("spend",)
    uses = (REMOVALS,)
    books: ClassVar[tuple[BookLayout, ...]] = (SPEND,)

    async def parts(self, db: Reading) -> list[Part]:
        """Ranges of days."""
        edges = [None, *[row["edge"] for row in await db.fetch(PARTS)], None]
        return [Part(low, high) for low, high in pairwise(edges)]

    async def touched(self, db: Reading, since: str, cutoff: float) -> Sequence[str]:
        """Days of spend that changed or are gone."""
        sql = f"SELECT {_ID} AS key FROM sales.spend WHERE {fresh('changed_tx')}"  # noqa: S608
        if REMOVALS in self.relations:
            sql += f" UNION SELECT key FROM sales.{REMOVALS} WHERE relation = 'spend' AND {fresh('removed_tx')}"  # noqa: S608
        return list((await db.columns(sql, ("key",), old=since))["key"])

    async def read(self, db: Reading, which: Selection, moment: Moment, names: Names) -> Reads:
        """The records of spend as they stand, whatever the moment; of keys, those without a row are gone."""
        if isinstance(which, Part):
            found = await db.columns(
                _IN_PART, _COLUMNS, low=which.low or "-infinity", high=which.high or "infinity")
            wanted = np.zeros(0, dtype=np.int64)
        else:
            found = await db.columns(_OF_IDS, _COLUMNS, ids=list(which))
            wanted = (await db.columns(_HASHES, ("key",), ids=list(which)))["key"]
        made = SPEND.records(
            found["key"], day=found["day"], cents=found["cents"],
            **{name: names.numbered(found[name]) for name in ("channel", "campaign", "currency")})
        revision = Revision(made, np.setdiff1d(wanted, made["key"]))
        return Reads({}, (), len(made), books={SPEND.name: revision})

"""The source itself: is it there, and how old is what we read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sales_exporter.collectors import Collector, Context
from sales_exporter.errors import SourceError
from sales_exporter.model import Sample, gauge

UP = gauge("sales_source_up", "Whether the last look at the source succeeded; postgres is the server, "
           "the others are relations of the contract that exist.", "source")
LAG = gauge("sales_source_lag_seconds", "Seconds since the source could last be read, plus the replay delay of a "
            "standby.", "source")

SERVER = "postgres"
STATE = """
    SELECT pg_is_in_recovery() AS standby,
           coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float8 AS delay
"""


class Source(Collector):
    """Looks every ten seconds; a source that is away is a finding here, not a failure."""

    name = "source"
    interval = 10.0
    metrics = (UP, LAG)

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """State of the server and of each relation that was ever seen."""
        try:
            relations = await ctx.db.relations()
            state = (await ctx.db.fetch(STATE))[0]
        except SourceError:
            return self._samples(ctx.wall, frozenset())
        delay = float(state["delay"]) if state["standby"] else 0.0
        for source in (SERVER, *relations):
            self._seen[source] = ctx.wall - max(0.0, delay)
        return self._samples(ctx.wall, relations | {SERVER})

    def _samples(self, wall: float, up: frozenset[str]) -> Iterator[Sample]:
        # Before the first success the start of watching is the oldest moment that we can speak of.
        self._seen.setdefault(SERVER, wall)
        for source, seen in sorted(self._seen.items()):
            yield UP(float(source in up), source=source)
            # The clock may have been set back since.
            yield LAG(max(0.0, wall - seen), source=source)

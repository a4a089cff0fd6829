"""Runs each watch's queries once and explains what is wrong with them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sales_exporter.errors import SourceError
from sales_exporter.sidecar.history.answers import Vector
from sales_exporter.sidecar.history.client import Client, QueryRejected
from sales_exporter.sidecar.watches.promql import Reading, readings
from sales_exporter.sidecar.watches.watch import Watch

SERVER = "prometheus"
"""Stands in for the watch in troubles of the server, or of many watches."""
GROWTH = frozenset({"rate", "increase", "irate", "resets", "changes", "increase_pure", "rollup_rate",
                    "rollup_increase", "count_over_time", "present_over_time", "absent_over_time"})
"""Functions that read a counter as one. Those of VictoriaMetrics are among them."""
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with a watch, or with the server."""

    code: str
    severity: Literal["error", "warning", "info"]
    watch: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the server says of its metrics; ``types`` is empty where it keeps none."""

    names: AbstractSet[str]
    types: Mapping[str, str]

    def is_counter(self, metric: str) -> bool:
        """By the metadata, else by the name."""
        for suffix in ("", "_bucket", "_count", "_sum", "_total"):
            kind = self.types.get(metric.removesuffix(suffix)) if metric.endswith(suffix) else None
            if kind not in (None, "unknown", "untyped"):
                return kind == "counter" or (kind == "histogram" and suffix in ("_bucket", "_count", "_sum"))
        return metric.endswith(("_total", "_bucket"))


async def trial(client: Client, watches: Sequence[Watch], quiet: AbstractSet[str], series: int,
                at: float) -> list[Trouble]:
    """Ask everything once; a server that does not answer is a trouble, too.

    Of the watches in ``quiet`` missing data is told in one note. ``series`` is the limit of all together.
    """
    try:
        known = Known(await client.names(), await client.types())
    except SourceError as error:
        return [Trouble("server_" + error.reason, "error", SERVER, f"The query API cannot be asked: {error}.",
                        "Mend sidecar.prometheus: url, tenant, login, ca_file; or start the server.")]
    answers = await asyncio.gather(*(_asked(client, watch, at) for watch in watches))
    found = [trouble for watch, answer in zip(watches, answers, strict=True)
             for trouble in examined(watch, answer, known)]
    missing = [trouble.watch for trouble in found if trouble.code in _MISSING and trouble.watch in quiet]
    found = [trouble for trouble in found if not (trouble.code in _MISSING and trouble.watch in quiet)]
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        found.append(Trouble("no_data", "info", SERVER, f"Nothing to see yet for {len(missing)} watches that come with "
                             f"the product: {', '.join(missing[:_LISTED])}{more}.",
                             "Nothing, if what they watch is not in use here."))
    total = sum(min(len(answer["query"].labels), watch.series) for watch, answer in zip(watches, answers, strict=True)
                if isinstance(answer["query"], Vector))
    if total > series:
        found.append(Trouble("too_many_series", "error", SERVER, f"The watches answer with {total:,} series, of which "
                             f"{series:,} are taken.", "Aggregate by fewer labels, or share them with sidecar.shard."))
    return found


_MISSING = frozenset({"no_data", "unknown_metric"})
Answers = Mapping[str, Vector | SourceError]
"""By key of the watch that holds a query."""


def examined(watch: Watch, answers: Answers, known: Known) -> Iterator[Trouble]:
    """What is wrong with one watch, by the answers to its queries. Pure."""
    for key, answer in answers.items():
        if isinstance(answer, SourceError):
            yield _failed(watch, key, answer)
    yield from _counters(watch, known)
    main = answers["query"]
    if isinstance(main, Vector):
        yield from _data(watch, main, known)
        yield from _series(watch, main)
        yield from _matched(watch, main, answers)
        for text in main.notes.texts:
            yield Trouble("server_note", "info", watch.name, f"The server says: {text}.",
                          "Mend what it points at; the answer is used as it is.")


async def _asked(client: Client, watch: Watch, at: float) -> Answers:
    queries = {"query": watch.query, "denominator": watch.denominator, "limit": watch.limit, "money": watch.money}
    found: dict[str, Vector | SourceError] = {}
    for key, query in queries.items():
        if isinstance(query, str):
            try:
                found[key] = await client.instant(query, at)
            except SourceError as error:
                found[key] = error
    return found


def _failed(watch: Watch, key: str, error: SourceError) -> Trouble:
    if isinstance(error, QueryRejected):
        return Trouble("query_rejected", "error", watch.name, f"The server does not take {key}: {error}.",
                       f"Mend {key} of the watch.")
    remedy = f"Mend {key} of the watch, or the server."
    if error.reason in ("deadline", "row_budget"):
        remedy = "Take a shorter range or a recording rule, or raise sidecar.prometheus.timeout."
    return Trouble("query_" + error.reason, "error", watch.name, f"No answer to {key}: {error}.", remedy)


def _counters(watch: Watch, known: Known) -> Iterator[Trouble]:
    wrong: dict[str, Reading] = {reading.metric: reading for reading in readings(watch.query)
                                 if reading.function not in GROWTH and known.is_counter(reading.metric)}
    for metric, reading in wrong.items():
        how = f"through {reading.function}" if reading.function else "as it is"
        yield Trouble("counter_without_rate", "warning", watch.name,
                      f"{metric} is a counter and is read {how}: it only grows, until its process restarts.",
                      f"Read it as rate({metric}[5m]) or increase({metric}[1h]).")


def _data(watch: Watch, answer: Vector, known: Known) -> Iterator[Trouble]:
    if answer.labels:
        if np.isnan(answer.values).all():
            yield Trouble("only_nan", "warning", watch.name, "All its values are NaN or infinite.",
                          "Look for a division by zero, or a quantile over an empty histogram.")
        return
    metrics = list(dict.fromkeys(reading.metric for reading in readings(watch.query)))
    unknown = [metric for metric in metrics if metric not in known.names]
    if unknown:
        yield Trouble("unknown_metric", "warning", watch.name, f"The server knows no metric {', '.join(unknown)}.",
                      "Mend the name, or have it scraped; nothing is watched until then.")
    else:
        yield Trouble("no_data", "warning", watch.name, "The query answers with no series now.",
                      "Mend its matchers, or wait if it only has data at times.")


def _series(watch: Watch, answer: Vector) -> Iterator[Trouble]:
    if len(answer.labels) > watch.series:
        yield Trouble("too_many_series", "error", watch.name,
                      f"The query answers with {len(answer.labels):,} series, of which {watch.series:,} are taken.",
                      "Aggregate by fewer labels, or raise series of the watch.")
    if answer.labels:
        present = {name for labels in answer.labels for name, _ in labels}
        for name in watch.by:
            if name not in present:
                yield Trouble("label_missing", "error", watch.name, f"by names the label {name}, which no series of "
                              "the answer has.", f"Add {name} to the by (…) of the query, or take it out of by.")


def _matched(watch: Watch, main: Vector, answers: Answers) -> Iterator[Trouble]:
    wanted = {_bare(labels) for labels in main.labels}
    for key in ("denominator", "limit"):
        other = answers.get(key)
        if wanted and isinstance(other, Vector) and not wanted & {_bare(labels) for labels in other.labels}:
            yield Trouble("labels_differ", "error", watch.name, f"No series of {key} has the labels of one of query.",
                          f"Aggregate {key} by the same labels as query.")


def _bare(labels: tuple[tuple[str, str], ...]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for pair in labels if pair[0] != "__name__")

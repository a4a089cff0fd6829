"""Calls: how many, answered, successful, passed on, how long, how quickly answered to, and at what cost."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator

from sales_exporter.collectors import Collector, Context, Row, money
from sales_exporter.collectors.call_cells import Facts, counted, currencies, timed, valued
from sales_exporter.collectors.ratios import Ratio, ratio
from sales_exporter.collectors.windows import Windows
from sales_exporter.ledger.calls import FIRST_RESPONSE, RESPONSE_BOUNDS, TALK, TALK_BOUNDS
from sales_exporter.ledger.cells import Cells
from sales_exporter.ledger.view import View
from sales_exporter.model import Definition, Distribution, Metric, Sample, counter, gauge, histogram
from sales_exporter.stats.intervals import wilson

ANSWERED = "answered"
SUCCESS, NO_SUCCESS, UNJUDGED = "success", "no_success", "unjudged"
_WINDOW = "half-open, by started_at, from the full hour (UTC) that holds the moment of evaluation less its length"

_CALL = Definition(
    unit="calls (dial attempts as the source records them)", entry="calls that ended before the moment of evaluation",
    order="written once, at the end", window=_WINDOW, attribution="the agent kind that began it",
    unfinished="calls that have not ended do not count",
)
_JUDGED = Definition(
    unit="calls", entry="calls that ended before the moment of evaluation",
    order="the latest judgement made before the moment, else the call's own", window=_WINDOW,
    attribution="the agent kind that began it",
    unfinished="a call not judged yet is no success of answered or attempted",
)
_COST = Definition(
    unit="money", entry="calls that ended before the moment of evaluation and have a cost and a rate",
    order="the latest judgement made before the moment, else the call's own", window=_WINDOW,
    attribution="the agent kind that began it", unfinished="a call not judged yet is no success",
)
TOTAL = counter(
    "sales_calls_total", "Calls that have ended.", "direction", "agent_kind", "outcome", definition=_CALL,
)
ATTEMPTS = gauge(
    "sales_call_attempts", "Calls of the window by outcome: what the ratios are made of.",
    "direction", "agent_kind", "outcome", "window", definition=_CALL,
)
RESULTS = gauge(
    "sales_call_results", "Calls of the window by whether they were answered and by their judgement "
    "(success, no_success, unjudged): what the success ratios are made of.",
    "agent_kind", "answered", "result", "window", definition=_JUDGED,
)
TRANSFERS = gauge(
    "sales_call_transfers", "Answered calls of the window that were passed on to somebody else.",
    "agent_kind", "window", definition=_CALL,
)
ANSWER = ratio(
    "sales_call_answer_ratio", "Calls with outcome answered of all calls of the window.",
    "direction", "agent_kind", "window", definition=_CALL,
)
SUCCESSES = ratio(
    "sales_call_success_ratio", "Calls judged a success of those answered, of all attempted, or of those judged "
    "at all; the three differ several times over, so the denominator is a label.",
    "agent_kind", "denominator", "window", definition=_JUDGED,
)
TRANSFER = ratio(
    "sales_call_transfer_ratio", "Answered calls that were passed on, of all answered calls of the window.",
    "agent_kind", "window", definition=_CALL,
)
DURATION = histogram(
    "sales_call_duration_seconds", "Talk time of answered calls: talk_seconds, else from answer to end.",
    "agent_kind", bounds=TALK_BOUNDS, definition=_CALL,
)
RESPONSE = histogram(
    "sales_call_first_response_seconds", "Time until the agent's first words, of calls that have one recorded.",
    "agent_kind", bounds=RESPONSE_BOUNDS, definition=_CALL,
)
COST = gauge(
    "sales_call_cost", "Cost of the calls of the window, each at the exchange rate of the day it began on.",
    "agent_kind", "currency", "window", definition=_COST,
)
COSTED = gauge(
    "sales_call_costed", "Calls of the window whose cost is known in the reporting currency, by judgement: what the "
    "cost per success is made of.", "agent_kind", "result", "window", definition=_COST,
)
WITHOUT_RATE = gauge(
    "sales_calls_without_rate", "Calls of the window that have a cost, but no exchange rate of their day in fx_rates; "
    "they are in no cost.", "agent_kind", "window", definition=_COST,
)
PER_SUCCESS = Ratio(
    gauge("sales_call_cost_per_success", "Cost of the calls of the window / successes among those same calls; absent "
          "without a success. Bounds: the mean cost of a call over the Wilson bounds of the success ratio.",
          "agent_kind", "currency", "window", definition=_COST),
    gauge("sales_call_cost_per_success_lower", "Lower 95 % bound of sales_call_cost_per_success.",
          "agent_kind", "currency", "window"),
    gauge("sales_call_cost_per_success_upper", "Upper 95 % bound of sales_call_cost_per_success.",
          "agent_kind", "currency", "window"),
)


class Calls(Collector):
    """Cells of calls answer for all windows and the histograms; only the exchange rates are read anew."""

    name = "calls"
    interval = 60.0
    metrics = (
        TOTAL, ATTEMPTS, RESULTS, TRANSFERS, *ANSWER.metrics, *SUCCESSES.metrics, *TRANSFER.metrics,
        DURATION, RESPONSE, COST, COSTED, WITHOUT_RATE, *PER_SUCCESS.metrics,
    )
    reads = ("calls",)
    folds = ("calls",)

    async def collect(self, ctx: Context) -> Iterable[Sample]:
        """Everything about the calls that had ended by the moment of evaluation."""
        currency = ctx.business.reporting_currency
        rates = await money.rates(ctx, currencies(ctx.ledger))
        rows, calls = await asyncio.to_thread(_read, ctx.ledger, Windows.ending(ctx.now, ctx.business.windows), rates)
        return [
            *totals(rows), *attempts(calls.n), *results(calls.n), *costs(calls, currency),
            *distribution(DURATION, timed(ctx.ledger, TALK)),
            *distribution(RESPONSE, timed(ctx.ledger, FIRST_RESPONSE)),
        ]


def _read(view: View, windows: Windows, rates: money.Rates) -> tuple[list[Row], Facts]:
    rows = counted(view, windows)
    return rows, Facts.of(rows, valued(view, windows, rates), windows)


def totals(rows: Iterable[Row]) -> Iterator[Sample]:
    """Running totals over all time, whatever the windows."""
    for (direction, kind, outcome), n in Cells.of(rows, "direction", "agent_kind", "outcome"):
        yield TOTAL(n, direction=direction, agent_kind=kind, outcome=outcome)


def attempts(calls: Cells) -> Iterator[Sample]:
    """Calls by outcome, and how many were answered, by direction and agent kind."""
    for (direction, kind, outcome, window), n in calls.sum_by("direction", "agent_kind", "outcome", "window"):
        yield ATTEMPTS(n, direction=direction, agent_kind=kind, outcome=outcome, window=window)
    answered = calls.where(outcome=ANSWERED).sum_by("direction", "agent_kind", "window")
    yield from ANSWER.shares(
        ({"direction": direction, "agent_kind": kind, "window": window}, answered.get(direction, kind, window), n)
        for (direction, kind, window), n in calls.sum_by("direction", "agent_kind", "window")
    )


def results(calls: Cells) -> Iterator[Sample]:
    """Judgements and transfers by agent kind, with every denominator published beside its ratio."""
    all_, answered = calls.sum_by("agent_kind", "result", "window"), calls.where(outcome=ANSWERED)
    by_result = answered.sum_by("agent_kind", "result", "window")
    passed_on = answered.where(transferred="True").sum_by("agent_kind", "window")
    shares, transfers = [], []
    for (kind, window), _ in calls.sum_by("agent_kind", "window"):
        labels = {"agent_kind": kind, "window": window}
        of_all = {result: all_.get(kind, result, window) for result in (SUCCESS, NO_SUCCESS, UNJUDGED)}
        of_answered = {result: by_result.get(kind, result, window) for result in of_all}
        for result, n in of_all.items():
            yield RESULTS(of_answered[result], answered="true", result=result, **labels)
            yield RESULTS(n - of_answered[result], answered="false", result=result, **labels)
        yield TRANSFERS(passed_on.get(kind, window), **labels)
        transfers.append((labels, passed_on.get(kind, window), sum(of_answered.values())))
        shares += [
            ({**labels, "denominator": "answered"}, of_answered[SUCCESS], sum(of_answered.values())),
            ({**labels, "denominator": "attempted"}, of_all[SUCCESS], sum(of_all.values())),
            ({**labels, "denominator": "judged"}, of_all[SUCCESS], of_all[SUCCESS] + of_all[NO_SUCCESS]),
        ]
    yield from SUCCESSES.shares(shares)
    yield from TRANSFER.shares(transfers)


def costs(calls: Facts, currency: str) -> Iterator[Sample]:
    """Cost, what is missing in it, and cost per success, by agent kind and window."""
    unpriced = calls.unpriced.sum_by("agent_kind", "window")
    for (kind, window), total in calls.cost.sum_by("agent_kind", "window"):
        labels = {"agent_kind": kind, "window": window}
        known = {result: calls.costed.get(kind, result, window) for result in (SUCCESS, NO_SUCCESS, UNJUDGED)}
        yield WITHOUT_RATE(unpriced.get(kind, window), **labels)
        for result, n in known.items():
            yield COSTED(n, result=result, **labels)
        yield COST(total, currency=currency, **labels)
        yield from PER_SUCCESS(*per_success(total, known[SUCCESS], sum(known.values())), currency=currency, **labels)


def per_success(cost: float, successes: float, calls: float) -> tuple[float, float, float]:
    """Cost of one success with bounds: the cost is known, the share of successes is what is uncertain."""
    if not successes:
        return math.nan, math.nan, math.nan
    bounds = wilson(successes, calls)
    return cost / successes, cost / calls / float(bounds.upper), cost / calls / float(bounds.lower)


def distribution(metric: Metric, rows: Iterable[Row]) -> Iterator[Sample]:
    """A histogram by agent kind from counts and sums by bucket."""
    counts: dict[str, list[int]] = {}
    sums: dict[str, float] = {}
    for row in rows:
        kind = row["agent_kind"]
        counts.setdefault(kind, [0] * (len(metric.bounds) + 1))[row["bucket"]] += row["n"]
        sums[kind] = sums.get(kind, 0.0) + row["total"]
    for kind, buckets in counts.items():
        yield metric(Distribution(tuple(buckets), sums[kind]), agent_kind=kind)

"""What calls contribute to the cells: pure, from arrays of calls and judgements to tallies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sales_exporter.ledger.calendar import SECOND, Calendar, Ints
from sales_exporter.ledger.cube import NOTHING, Layout, Tally

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CALLS = Layout("calls", ("hour", "direction", "kind", "outcome", "result", "transferred:flag"), (("hour", 672),))
"""Calls that have ended, by hour of their start. Transferred is 1 for answered calls that were passed on."""
COSTED = Layout("call_costed", ("hour", "day", "currency:name", "kind", "result"), (("hour", 672),))
"""Those of them that have a cost. Both hour and day (of the reporting zone) of the start: the hour says in which window
a call lies, the day at which rate it is worth something, and in a zone of half hours neither follows from the other.
A cost that is no number bears no currency."""
COST = Layout("call_cost", COSTED.fields, COSTED.coarse)
"""Millionths of the currency, added up."""
TIMES = Layout("call_times", ("day", "what:flag", "kind", "bucket"), (("day", 28),))
"""Lengths of time by reporting day of the start and Prometheus bucket: talk (what 0) and first response (1)."""
TIME_SUMS = Layout("call_time_sums", TIMES.fields[:-1], TIMES.coarse)
"""Microseconds of the same, added up."""
LAYOUTS = (CALLS, COSTED, COST, TIMES, TIME_SUMS)

OTHER = "(other)"
DIRECTIONS = (OTHER, "inbound", "outbound")
KINDS = (OTHER, "human", "ai")
OUTCOMES = (OTHER, "answered", "no_answer", "busy", "failed", "voicemail", "abandoned")
RESULTS = ("no_success", "success", "unjudged")
"""Texts by code; a text that the contract does not name is code 0."""
ANSWERED = OUTCOMES.index("answered")

TALK, FIRST_RESPONSE = 0, 1
TALK_BOUNDS = (5, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600)
RESPONSE_BOUNDS = (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
MILLION = 1_000_000
MOST_COST, MOST_SECONDS = 10**9, 10**9
"""What one call can add to a sum, in units of its currency and in seconds: a corrupt row spoils a figure visibly, and
does not overflow the cell that others share."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls by index: moments in microseconds, codes, seconds (NaN: none), cost in millionths where ``priced``."""

    started: Ints
    ended: Ints
    direction: Ints
    kind: Ints
    outcome: Ints
    result: Ints
    transferred: Flags
    talk: Floats
    response: Floats
    priced: Flags
    cost: Ints
    currency: Ints

    def where(self, chosen: Flags) -> Calls:
        """Those of the mask."""
        return Calls(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Judgements:
    """Judgements in order of call, judged_at and judgement_id; ``call`` is an index into Calls."""

    call: Ints
    success: Flags
    at: Ints

    def where(self, chosen: Flags) -> Judgements:
        """Those of the mask, of the same calls."""
        return Judgements(self.call[chosen], self.success[chosen], self.at[chosen])

    def of(self, chosen: Flags) -> Judgements:
        """Those of the calls of the mask, which are numbered anew."""
        some = chosen[self.call]
        return Judgements((np.cumsum(chosen) - 1)[self.call[some]], self.success[some], self.at[some])


def contributions(calendar: Calendar, calls: Calls, judgements: Judgements, cutoff: int) -> dict[str, Tally]:
    """Tallies by name of the cube, of what ended and was judged before the cutoff (microseconds)."""
    ended = judged(calls, judgements, cutoff).where(calls.ended < cutoff)
    return {**_counted(calendar, ended), **_costs(calendar, ended), **_times(calendar, ended)}


def judged(calls: Calls, judgements: Judgements, cutoff: int) -> Calls:
    """Calls with the latest judgement made before the cutoff in place of their own result."""
    known = judgements.at < cutoff
    result = calls.result.copy()
    # Of several values for one place numpy keeps the last, which is the latest.
    result[judgements.call[known]] = judgements.success[known]
    return replace(calls, result=result)


def _counted(calendar: Calendar, calls: Calls) -> dict[str, Tally]:
    return {CALLS.name: Tally.of(CALLS.pack(
        hour=calendar.hours(calls.started), direction=calls.direction, kind=calls.kind, outcome=calls.outcome,
        result=calls.result, transferred=calls.transferred & (calls.outcome == ANSWERED)))}


def _costs(calendar: Calendar, calls: Calls) -> dict[str, Tally]:
    paid = calls.where(calls.priced)
    keys = COSTED.pack(
        hour=calendar.hours(paid.started), day=calendar.days(paid.started), currency=paid.currency, kind=paid.kind,
        result=paid.result)
    return {COSTED.name: Tally.of(keys), COST.name: Tally.of(keys, paid.cost)}


def _times(calendar: Calendar, calls: Calls) -> dict[str, Tally]:
    counts, sums = NOTHING, NOTHING
    days, answered = calendar.days(calls.started), np.where(calls.outcome == ANSWERED, calls.talk, np.nan)
    for what, bounds, seconds in ((TALK, TALK_BOUNDS, answered), (FIRST_RESPONSE, RESPONSE_BOUNDS, calls.response)):
        # What is no length of time (negative, NaN, infinite) is left out.
        real = (seconds >= 0) & (seconds < np.inf)
        day, kind, lengths = days[real], calls.kind[real], seconds[real]
        buckets = np.searchsorted(np.array(bounds), lengths, side="left")
        whole = np.rint(np.minimum(lengths, MOST_SECONDS) * SECOND).astype(np.int64)
        counts = counts.plus(Tally.of(TIMES.pack(day=day, what=what, kind=kind, bucket=buckets)))
        sums = sums.plus(Tally.of(TIME_SUMS.pack(day=day, what=what, kind=kind), whole))
    return {TIMES.name: counts, TIME_SUMS.name: sums}

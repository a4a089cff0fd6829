"""Calls and judgements of them: metrics at once, rows for calls and call_judgements."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final

from sales_exporter.instrumentation.meter import OTHER, Meter
from sales_exporter.instrumentation.recorders import values
from sales_exporter.instrumentation.recorders.base import Base
from sales_exporter.instrumentation.recorders.relations import CALLS, JUDGEMENTS, Row
from sales_exporter.instrumentation.recorders.writer import Writer
from sales_exporter.instrumentation.store import Cell
from sales_exporter.model import counter, gauge, histogram

DIRECTIONS: Final = frozenset({"inbound", "outbound"})
AGENT_KINDS: Final = frozenset({"human", "ai"})
OUTCOMES: Final = frozenset({"answered", "no_answer", "busy", "failed", "voicemail", "abandoned"})
# The exporter's bounds of talk time and first response, so that panels can lay one over the other.
DURATIONS: Final = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
MOST_SECONDS: Final = 1e9
RESPONSES: Final = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)

# sales_app_: the exporter publishes the same facts from the database as sales_calls_*, and sums must not double.
TOTAL = counter(
    "sales_app_calls_total", "Calls that ended, as this application saw them. A webhook that came twice counts twice "
    "here and is one row in the database. (other): a value that the data contract does not know.",
    "direction", "agent_kind", "outcome")
DURATION = histogram(
    "sales_app_call_duration_seconds", "Time from the start of a call to its end, answered or not.", "agent_kind",
    bounds=DURATIONS)
RESPONSE = histogram(
    "sales_app_call_first_response_seconds", "Time until the agent's first words, of calls that have one recorded.",
    "agent_kind", bounds=RESPONSES)
ACTIVE = gauge(
    "sales_app_calls_active", "Calls that are under way now, of those recorded as they go on.", "direction",
    "agent_kind")
JUDGED = counter("sales_app_call_judgements_total", "Judgements of calls that were recorded.", "success")


class Call:
    """A call that is under way; a context manager, for ``with`` and ``async with``.

    The row is written at the end of the block, once. Without ``ended`` the outcome is answered when ``answered`` or
    ``first_response`` was called, else no_answer; an exception (a cancellation too) makes it failed, unless ``ended``
    came before it. The exception goes on untouched. None of the methods raises.
    """

    __slots__ = ("_active", "_answered", "_begun", "_calls", "_ended", "_facts", "_outcome", "_response", "_started",
                 "call_id")

    def __init__(self, calls: Calls, facts: dict[str, object], call_id: str) -> None:
        self.call_id = call_id
        self._calls = calls
        self._facts = facts
        self._started, self._begun = 0.0, -1.0
        self._answered = self._response = self._ended = -1.0
        self._outcome = ""
        self._active: Cell | None = None

    def answered(self) -> None:
        """Somebody took the call. The first time counts."""
        if self._answered < 0:
            self._answered = time.perf_counter()

    def first_response(self) -> None:
        """The agent said its first words; measured from ``answered``, else from the start. The first time counts."""
        if self._response < 0:
            self._response = time.perf_counter()

    def ended(
        self, outcome: str, *, cost: object = None, currency: str | None = None, success: bool | None = None,
        talk_seconds: float | None = None, hold_seconds: float | None = None, wrap_seconds: float | None = None,
        transferred: bool = False,
    ) -> None:
        """The call is over. ``outcome`` is one of the contract's; the last call of this counts."""
        self._ended = time.perf_counter()
        self._outcome = outcome
        self._facts.update(
            cost=cost, currency=currency, success=success, talk_seconds=talk_seconds, hold_seconds=hold_seconds,
            wrap_seconds=wrap_seconds, transferred=transferred)

    def __enter__(self) -> Call:
        """The call begins."""
        self._begun = time.perf_counter()
        self._active = self._calls.begun(self)
        self._started = self._calls.now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The call is over at the latest now."""
        end = self._ended if self._ended >= 0 else time.perf_counter()
        active, self._active = self._active, None
        if active is not None:
            active[0] -= 1
        if self._begun < 0:
            return
        outcome = self._outcome
        if self._ended < 0:
            answered = self._answered >= 0 or self._response >= 0
            outcome = "failed" if kind is not None else "answered" if answered else "no_answer"
        response = self._response - max(self._answered, self._begun) if self._response >= 0 else None
        self._calls.over(self.call_id, outcome, self._facts, self._started, end - self._begun,
                         self._answered - self._begun if self._answered >= 0 else None,
                         None if response is None else max(0.0, response))
        self._begun = -1.0

    async def __aenter__(self) -> Call:
        """As ``__enter__``."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As ``__exit__``."""
        self.__exit__(kind, error, trace)

    def labels(self) -> tuple[str, str]:
        """Direction and agent kind as label values."""
        return _label(self._facts["direction"], DIRECTIONS), _label(self._facts["agent_kind"], AGENT_KINDS)


class Calls(Base):
    """The call recorder."""

    def __init__(self, meter: Meter, writer: Writer | None, clock: Callable[[], float]) -> None:
        super().__init__(meter, writer, clock)
        self._total, self._active = meter.family(TOTAL), meter.family(ACTIVE)
        self._duration, self._response = meter.family(DURATION), meter.family(RESPONSE)
        self._judged = meter.family(JUDGED)

    def call(
        self, *, call_id: object = None, direction: str = "inbound", agent_kind: str = "ai", lead_id: object = None,
        rep_id: object = None, channel_id: object = None, carrier: str | None = None,
    ) -> Call:
        """Record a call as it goes on, see :class:`Call`. Without ``call_id`` it gets one of ours."""
        try:
            identity = values.fresh_id(self.now()) if call_id is None else values.text(call_id)
        except Exception:
            identity = ""  # refused, and counted, at the end
        return Call(self, {
            "direction": direction, "agent_kind": agent_kind, "lead_id": lead_id, "rep_id": rep_id,
            "channel_id": channel_id, "carrier": carrier}, identity)

    def record_call(
        self, call_id: object, *, direction: str, agent_kind: str, started_at: datetime | float,
        ended_at: datetime | float, outcome: str, answered_at: datetime | float | None = None, lead_id: object = None,
        rep_id: object = None, channel_id: object = None, carrier: str | None = None, success: bool | None = None,
        talk_seconds: float | None = None, hold_seconds: float | None = None, wrap_seconds: float | None = None,
        first_response_seconds: float | None = None, transferred: bool = False, cost: object = None,
        currency: str | None = None,
    ) -> None:
        """Record a call that is over, such as a webhook tells of. Columns and their values are the data contract's.

        Times are datetimes with zone or seconds since 1970. Never raises: what is not fit for the columns is counted as
        dropped, reason invalid.
        """
        try:
            row = (
                values.text(call_id), values.text_or_none(lead_id), values.text_or_none(rep_id),
                values.text_or_none(channel_id), values.text_or_none(carrier), values.text(agent_kind),
                values.text(direction), values.moment(started_at), values.moment_or_none(answered_at),
                values.moment(ended_at), values.text(outcome), values.flag_or_none(success),
                values.number_or_none(talk_seconds), values.number_or_none(hold_seconds),
                values.number_or_none(wrap_seconds), values.number_or_none(first_response_seconds),
                values.flag(transferred), values.money_or_none(cost), values.text_or_none(currency))
            self._count(row)
            self._put(CALLS, row)
        except Exception as error:
            self._refuse(CALLS, "record_call", error)

    def record_judgement(
        self, call_id: object, success: bool, *, judged_at: datetime | float | None = None, judgement_id: object = None
    ) -> str:
        """Record whether a call was a success, known after it; the latest judgement counts. Returns its id.

        Never raises: what is not fit for the columns is counted as dropped, and the id is then empty.
        """
        try:
            at = values.moment(self._clock() if judged_at is None else judged_at)
            identity = values.fresh_id(self._clock()) if judgement_id is None else values.text(judgement_id)
            row = (identity, values.text(call_id), values.flag(success), at)
            self._judged.cell("true" if row[2] else "false")[0] += 1
            self._put(JUDGEMENTS, row)
            return identity
        except Exception as error:
            self._refuse(JUDGEMENTS, "record_judgement", error)
            return ""

    def now(self) -> float:
        """The clock's time; 0 when it has none."""
        try:
            return values.number(self._clock())
        except Exception as error:
            self._failed("clock", error)
            return 0.0

    def begun(self, call: Call) -> Cell | None:
        """Count a call that begins, and the cell to take it from when it ends."""
        try:
            cell = self._active.cell(*call.labels())
            cell[0] += 1
            return cell
        except Exception as error:
            self._failed("call", error)
            return None

    def over(
        self, call_id: str, outcome: str, facts: dict[str, object], started: float, seconds: float,
        answered: float | None, response: float | None,
    ) -> None:
        """Record a call that was followed; ``seconds`` is how long it was, ``answered`` when it was from its start."""
        try:
            at = values.moment(started)
            # From the clock that nobody sets: an end before the start cannot be.
            self.record_call(
                call_id, outcome=outcome, started_at=at, ended_at=at + timedelta(seconds=seconds),
                answered_at=None if answered is None else at + timedelta(seconds=answered),
                first_response_seconds=response, **facts)  # type: ignore[arg-type]
        except Exception as error:
            self._refuse(CALLS, "call", error)

    def _count(self, row: Row) -> None:
        agent = _label(row[5], AGENT_KINDS)
        self._total.cell(_label(row[6], DIRECTIONS), agent, _label(row[10], OUTCOMES))[0] += 1
        started, ended, response = row[7], row[9], row[15]
        assert isinstance(started, datetime)
        assert isinstance(ended, datetime)
        _observe(self._duration.cell(agent), DURATIONS, (ended - started).total_seconds())
        if isinstance(response, float):
            _observe(self._response.cell(agent), RESPONSES, response)


def _observe(cell: Cell, bounds: tuple[float, ...], seconds: float) -> None:
    # One corrupt length must not spoil the sum beyond repair.
    seconds = min(max(seconds, 0.0), MOST_SECONDS)
    place, last = bisect_left(bounds, seconds), len(bounds) + 1
    cell[place] += 1
    cell[last] += seconds


def _label(value: object, known: frozenset[str]) -> str:
    return value if isinstance(value, str) and value in known else OTHER

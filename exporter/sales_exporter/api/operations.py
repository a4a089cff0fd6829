"""All that may be asked of the API."""

from __future__ import annotations

from typing import Any

from sales_exporter.api.asked import (
    ActiveWanted,
    AssignSaid,
    Chosen,
    ChosenPast,
    CommentSaid,
    HistoryWanted,
    Nothing,
    Said,
    SnoozeSaid,
    TimesWanted,
)
from sales_exporter.api.desk import DeskCalls
from sales_exporter.api.live import Live
from sales_exporter.api.operation import Feed, Operation
from sales_exporter.api.pictures import Numbers, business, performance
from sales_exporter.api.schema import (
    Active,
    Alert,
    AlertChange,
    AlertPicture,
    FieldChange,
    History,
    Past,
    PerformancePicture,
    ReadingChange,
    Times,
)

ROOT = "/api/dashboard"
DOCUMENT = "/api/openapi.json"
_CASE = f"{ROOT}/alerts/{{fingerprint}}"


def operations(numbers: Numbers, desk: DeskCalls) -> tuple[Operation[Any, Any], ...]:
    """Every operation but the streams."""
    return (
        Operation("performance", "GET", f"{ROOT}/performance/current", "System, API, models and calls now.",
                  Chosen, None, performance(), numbers.performance, (503,)),
        Operation("performance_history", "GET", f"{ROOT}/performance/history",
                  "One field of either answer over time, down-sampled.",
                  ChosenPast, None, Past, numbers.history, (404, 502, 503)),
        Operation("business", "GET", f"{ROOT}/business/comprehensive",
                  "Key metrics, funnel, return, pipeline, reps, forecasts, insights and recommendations now.",
                  Chosen, None, business(), numbers.business, (503,)),
        Operation("alerts_active", "GET", f"{ROOT}/alerts/active", "Alerts that are not over, worst first.",
                  ActiveWanted, None, Active, desk.active),
        Operation("alerts_history", "GET", f"{ROOT}/alerts/history", "What happened to alerts, the newest first.",
                  HistoryWanted, None, History, desk.history),
        Operation("alerts_times", "GET", f"{ROOT}/alerts/times",
                  "How long it took to acknowledge and to resolve alerts, and which come and go.",
                  TimesWanted, None, Times, desk.times),
        *(Operation(f"alert_{name}", "POST", f"{_CASE}/{name}", summary, Nothing, body, Alert, take, (404, 409))
          for name, summary, body, take in _actions(desk)),
    )


def feeds(live: Live) -> tuple[Feed, ...]:
    """The streams."""
    return (
        Feed("stream_performance", f"{ROOT}/stream/performance", "System, API, models and calls as they change.",
             (PerformancePicture, FieldChange, ReadingChange), live.performance),
        Feed("stream_alerts", f"{ROOT}/stream/alerts", "Open alerts as they change.",
             (AlertPicture, AlertChange), live.alerts),
    )


def _actions(desk: DeskCalls) -> tuple[tuple[str, str, Any, Any], ...]:
    return (
        ("acknowledge", "I have it: silent until it is over.", Said, desk.acknowledge),
        ("unacknowledge", "I have it no more.", Said, desk.unacknowledge),
        ("resolve", "It is over. One of a rule is silenced until it changes next.", Said, desk.resolve),
        ("snooze", "Silent for so many seconds.", SnoozeSaid, desk.snooze),
        ("assign", "It belongs to somebody.", AssignSaid, desk.assign),
        ("comment", "Words for the history.", CommentSaid, desk.comment),
    )

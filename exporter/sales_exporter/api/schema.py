"""What the API answers, version 1. The OpenAPI document is made from these models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sales_exporter.sidecar.desk.model import Kind, Via
from sales_exporter.sidecar.desk.model import State as CaseState

VERSION: Literal[1] = 1

State = Literal["ok", "stale", "no_data", "error"]
"""Read now; the last good reading, because reading failed; Prometheus has no such series; reading failed."""
Unit = Literal["bytes", "count", "currency", "multiple", "number", "percentage_points", "ratio",
               "requests_per_second", "seconds"]
"""A ratio is from 0 to 1 (a return may be outside of it); currency is that of the field's variables."""


class Answer(BaseModel):
    """Base of all models: frozen, nothing beside what is listed."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Numbers(Answer):
    """A value, its bounds, and what it rests on."""

    value: float | None = Field(description="None when there is no number to give.")
    lower: float | None = Field(None, description="Lower bound, where the dashboards state one.")
    upper: float | None = Field(None, description="Upper bound.")
    n: float | None = Field(None, description="How many cases it rests on.")


class Row(Numbers):
    """The same for one combination of labels."""

    labels: dict[str, str]


class Facts(Answer):
    """What is said of each number."""

    unit: Unit
    level: float | None = Field(None, description="Confidence of the bounds, such as 0.95.")
    as_of: float | None = Field(description="Moment that the value is of, in epoch seconds.")
    state: State
    variables: dict[str, str] = Field(description="Variables of the dashboard that it depends on, with their values.")


class Figure(Facts, Numbers):
    """One number."""


class Breakdown(Facts):
    """One number for each combination of labels, in the order of the dashboard."""

    rows: tuple[Row, ...]
    left_out: int = Field(0, description="Rows beyond the limit.")


class Line(Answer):
    """One series over time."""

    labels: dict[str, str]
    points: list[tuple[float, float | None]] = Field(description="Epoch seconds and value; null where there is a gap.")


class Past(Answer):
    """One field over time."""

    version: Literal[1] = VERSION
    metric: str
    part: Literal["value", "lower", "upper", "n"]
    unit: Unit
    method: Literal["lttb", "minmax"]
    start: float
    end: float
    step: float = Field(description="Seconds between two samples before down-sampling.")
    variables: dict[str, str]
    lines: tuple[Line, ...]
    left_out: int = Field(0, description="Series beyond the limit.")


class Alert(Answer):
    """One case of the alert desk. Times are epoch seconds."""

    fingerprint: str
    alertname: str
    severity: str
    state: CaseState
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float
    ends_at: float | None
    pushed: bool = Field(description="Whether the sidecar raised it, so that a resolve by hand is real.")
    generator_url: str
    owner: str
    acknowledged_by: str
    acknowledged_at: float | None
    until: float | None = Field(description="End of a snooze.")
    comment: str
    silenced: bool = Field(description="Whether a silence that is not the desk's mutes it.")
    inhibited: bool
    step: int = Field(description="Steps of the escalation policy that were taken.")
    next_step_at: float | None
    receivers: tuple[str, ...]
    instances: tuple[str, ...] = Field(description="Alertmanagers that show it.")
    version: int = Field(description="Grows with every change.")


class Active(Answer):
    """All that is not over, worst first."""

    version: Literal[1] = VERSION
    as_of: float
    alerts: tuple[Alert, ...]


class AlertChange(Answer):
    """Event change: an alert as it is, by its fingerprint; without a state it is over."""

    name: Literal["change"]
    key: str
    state: Alert | None


class AlertPicture(Answer):
    """Event picture: all that are open, in the place of what was known."""

    states: tuple[AlertChange, ...]


class FieldChange(Answer):
    """Event change: a field by section and name, of the moment at which it became so."""

    name: Literal["change"]
    key: str
    state: Figure | Breakdown


class Moment(Answer):
    """When was read, and how often."""

    as_of: float
    refresh: float


class ReadingChange(Answer):
    """Event reading: fields without a change are the same at this moment."""

    name: Literal["reading"]
    key: Literal[""]
    state: Moment


class PerformancePicture(Answer):
    """Event picture: all fields, in the place of what was known."""

    states: tuple[FieldChange | ReadingChange, ...]


class Event(Answer):
    """One line of the history."""

    number: int
    at: float
    fingerprint: str
    kind: Kind
    by: str
    via: Via
    why: str
    labels: dict[str, str]
    starts_at: float | None


class History(Answer):
    """Events, the newest first."""

    version: Literal[1] = VERSION
    events: tuple[Event, ...]
    next: int | None = Field(description="Value of before for the next page, which may be empty; null "
                                              "when there is none.")


class Flapping(Answer):
    """An alert that comes and goes."""

    fingerprint: str
    labels: dict[str, str]
    times: int
    lasted: float = Field(description="Median of how long it lasted, in seconds.")


class Times(Answer):
    """How long it took, in seconds, over the cases that began in the span."""

    version: Literal[1] = VERSION
    since: float
    until: float
    cases: int
    acknowledge_median: float | None
    acknowledge_p90: float | None
    resolve_median: float | None
    resolve_p90: float | None
    flapping: tuple[Flapping, ...]


class Problem(Answer):
    """Problem details as RFC 9457 has them."""

    type: str
    title: str
    status: int
    detail: str

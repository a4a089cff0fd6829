"""One watch: a query whose series are judged, and what is to be done about what is found."""

from __future__ import annotations

import re
import zoneinfo
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from sales_exporter.config import Section

Kind = Literal["auto", "gauge", "rate", "count", "ratio", "sawtooth", "constant", "sparse"]
Direction = Literal["both", "up", "down"]
Severity = Literal["info", "warning", "critical"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Label = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]
Query = Annotated[str, Field(min_length=1, max_length=4000)]

WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS = {"m": 60.0, "h": 3_600.0, "d": 86_400.0}
_HOURS = re.compile(r"^([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])$")


class Calendar(Section):
    """When a watch may alert. Outside of it, it is judged and learned from all the same."""

    days: tuple[Day, ...] = Field(WEEK, min_length=1, description="Days of the week.")
    hours: str = Field("00:00-24:00", description="From when to when, as 08:00-18:00; over midnight as 22:00-06:00.")
    timezone: str | None = Field(None, description="IANA zone; business.reporting_timezone by default.")

    @field_validator("hours")
    @classmethod
    def _from_to(cls, text: str) -> str:
        start, end = _minutes(text)
        if start == end or max(start, end) > 1440:
            raise ValueError(f"{text!r} is no span of a day, such as 08:00-18:00")
        return text

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                zoneinfo.ZoneInfo(name)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError(f"{name!r} is no IANA time zone, such as Europe/Berlin") from None
        return name

    @property
    def minutes(self) -> tuple[int, int]:
        """Start and end in minutes of the day; the end is the smaller one when the span goes over midnight."""
        return _minutes(self.hours)


class Watch(Section):
    """One query and how its series are to be judged."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="Label watch of everything that comes of it.")
    title: str = Field("", max_length=120, description="What is measured, in words; the name by default.")
    query: Query = Field(description="PromQL whose answer is one sample per series. Counters only through rate or "
                                     "increase.")
    kind: Kind = Field("auto", description="How the series behave; auto finds out.")
    denominator: Query | None = Field(None, description="PromQL of the number of cases behind a ratio, with the same "
                                                        "labels, so that 2 of 4 is no news.")
    window: str | None = Field(None, pattern=r"^[1-9][0-9]{0,3}[mhd]$", description="Time over which the denominator "
                               "counts cases, as in its query, such as 1h: cases of successive windows then add up.")
    by: tuple[Label, ...] = Field((), max_length=8, description="Labels that name the entity in alerts.")
    series: int = Field(1_000, ge=1, le=100_000, description="Series taken at most; the rest is left out and counted.")
    may_be_absent: bool = Field(False, description="Whether it is normal that a series goes away.")

    weight: float = Field(1.0, gt=0, le=100, description="Share of the false-alarm budget, and rank among causes.")
    direction: Direction = Field("both", description="Which way is bad.")
    min_effect_percent: float = Field(5.0, ge=0, le=10_000, description="Least distance from what was expected, in per "
                                                                        "cent of it.")
    min_effect: float = Field(0.0, ge=0, description="Least distance from what was expected, in the unit of the value.")

    team: str = Field("platform", pattern=r"^[a-z][a-z0-9-]{0,31}$", description="Label team of its alerts.")
    category: str = Field("availability", pattern=r"^[a-z][a-z0-9-]{0,31}$",
                          description="Label category of its alerts.")
    service: str = Field("", pattern=r"^([a-z][a-z0-9-]{0,31})?$", description="Label service of its alerts.")
    max_severity: Severity = Field("critical", description="Severity that its alerts reach at most.")
    severity_class: str = Field("normal", pattern=r"^[a-z][a-z0-9_-]{0,31}$",
                                description="Row of the severity thresholds that holds for it.")
    calendar: Calendar = Field(Calendar(), description="When it may alert.")

    forecast: bool = Field(False, description="Whether to forecast its series.")
    limit: float | Query | None = Field(None, description="Where the resource is used up: a number, or PromQL with the "
                                                          "same labels.")
    resource: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,31}$",
                                 description="Name of the resource in capacity dates.")

    unit: str = Field("", max_length=16, description="Unit of the value, for words: s, bytes, ratio, currency, …")
    money: float | Query | None = Field(None, description="What one unit of the value is worth in the reporting "
                                                          "currency: a number, or PromQL.")
    dashboard: str | None = Field(None, pattern=r"^[a-zA-Z0-9_-]{1,40}$", description="UID of the dashboard.")
    runbook: str | None = Field(None, max_length=300, description="Address or path of the runbook.")

    @model_validator(mode="after")
    def _consistent(self) -> Watch:
        if self.denominator is not None and self.kind != "ratio":
            raise ValueError("denominator goes with kind: ratio")
        if self.window is not None and self.denominator is None:
            raise ValueError("window goes with a denominator")
        if self.limit is not None and (self.resource is None or not self.forecast):
            raise ValueError("limit needs a resource and forecast: true")
        if len(set(self.by)) != len(self.by):
            raise ValueError("by: labels repeat")
        return self

    @property
    def words(self) -> str:
        """What is measured, in words."""
        return self.title or self.name.replace("_", " ")

    @property
    def window_seconds(self) -> float | None:
        """The window of the cases."""
        return None if self.window is None else int(self.window[:-1]) * _UNITS[self.window[-1]]


def _minutes(text: str) -> tuple[int, int]:
    found = _HOURS.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no span of a day, such as 08:00-18:00")
    hour, minute, end_hour, end_minute = map(int, found.groups())
    return 60 * hour + minute, 60 * end_hour + end_minute

"""The escalation policy: what happens, and when, while nobody takes an alert. From a YAML file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator, model_validator

from sales_exporter.config import Section, Settings, explain, read_yaml
from sales_exporter.errors import ConfigError
from sales_exporter.files import shipped
from sales_exporter.sidecar.fleet.calendar import Calendar, Hours
from sales_exporter.sidecar.watches.watch import Calendar as Span

FILE = "escalation.yml"
_LENGTH = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_SIZES = (86_400, 3_600, 60, 1)


def _seconds(text: object) -> object:
    found = _LENGTH.fullmatch(text) if isinstance(text, str) and text else None
    if found is None:
        raise ValueError("expected a length of time such as 15m or 1h30m")
    return float(sum(int(number) * size for number, size in zip(found.groups(), _SIZES, strict=True) if number))


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("expected at least one value")
    return names


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=30 * 86_400)]
Values = Annotated[tuple[str, ...], BeforeValidator(lambda text: (text,) if isinstance(text, str) else text),
                   AfterValidator(_some)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Label = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]


class Step(Section):
    """One step: when it is taken, and what it does."""

    after: Seconds = Field(description="Since the alert has been nobody's, such as 15m.")
    raise_severity_to: Literal["info", "warning", "critical"] | None = Field(None, description="Severity of the copy.")
    team: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] | None = Field(None, description="Team of the copy.")
    notify: tuple[Name, ...] = Field((), description="Receivers of the desk (sidecar.desk.receivers) that are told.")
    repeat: Seconds | None = Field(None, description="Tell them again so often, until the next step.")
    hours: Name | None = Field(None, description="Hours, by name; outside of them the step waits until they begin.")

    @model_validator(mode="after")
    def _does_something(self) -> Step:
        if self.raise_severity_to is None and self.team is None and not self.notify:
            raise ValueError("a step does nothing; give raise_severity_to, team or notify")
        if self.repeat is not None and not self.notify:
            raise ValueError("repeat needs notify; what Alertmanager repeats is its repeat_interval")
        return self

    @property
    def copies(self) -> bool:
        """Whether Alertmanager is given a copy of the alert."""
        return self.raise_severity_to is not None or self.team is not None


class Rule(Section):
    """Steps for the alerts that match."""

    name: Name = Field(description="Name in the history.")
    matchers: dict[Label, Values] = Field({}, description="Value of each label, or a list of values.")
    steps: tuple[Step, ...] = Field(min_length=1, max_length=16, description="In the order of their times.")

    @field_validator("steps")
    @classmethod
    def _in_order(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        times = [step.after for step in steps]
        if sorted(set(times)) != times:
            raise ValueError("each step must come after the one before")
        return steps

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the steps are for an alert with these labels."""
        return all(labels.get(name, "") in values for name, values in self.matchers.items())


class Document(Section):
    """The file."""

    hours: dict[Name, Span] = Field({}, description="Days, hours and time zone, by a name of your own.")
    policies: tuple[Rule, ...] = Field((), max_length=100, description="The first one that matches holds.")

    @model_validator(mode="after")
    def _hours_exist(self) -> Document:
        for rule in self.policies:
            for step in rule.steps:
                if step.hours is not None and step.hours not in self.hours:
                    raise ValueError(f"policies: {rule.name}: hours: {step.hours!r} is not among hours; add it there")
        return self


@dataclass(frozen=True, slots=True)
class Policy:
    """A document in force: which steps hold for an alert, and when the next one is due."""

    document: Document
    zone: str
    """Of hours that name none."""
    holidays: frozenset[date] = frozenset()

    def rule(self, labels: Mapping[str, str]) -> Rule | None:
        """The rule for an alert with these labels."""
        return next((rule for rule in self.document.policies if rule.matches(labels)), None)

    def due(self, step: Step, since: float) -> float:
        """When a step is taken, in epoch seconds, if the alert has been nobody's since then."""
        at = since + step.after
        return at if step.hours is None else self._opening(self.document.hours[step.hours], at)

    def _opening(self, span: Span, at: float) -> float:
        """The first moment from ``at`` on that lies within hours; a year of holidays is none."""
        hours = Hours.of(span.days, span.minutes)
        calendar = Calendar.of(span.timezone or self.zone, self.holidays)
        if hours is None or calendar.may_page(hours, at):
            return at
        today, begin = calendar.local(at).date(), time(hours.begin // 60 % 24, hours.begin % 60)
        openings = (datetime.combine(today + timedelta(days), begin, calendar.zone).timestamp() for days in range(366))
        return next((found for found in openings if found >= at and calendar.may_page(hours, found)), at)


def configured(settings: Settings) -> Policy:
    """The policy that the settings name; raises as ``load`` does."""
    own = settings.sidecar
    return load(own.desk.escalation, own.desk.receivers, settings.business.reporting_timezone, own.holidays)


def load(path: Path | None, receivers: Collection[str], zone: str, holidays: Collection[date]) -> Policy:
    """The policy of a file; without one, that of this distribution.

    Raises:
        ConfigError: one line that names the file, the key and what to do.
    """
    file = path if path is not None else shipped("prometheus") / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not UTF-8 text (given as sidecar.desk.escalation)") from None
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(f"{file}: {reason} (given as sidecar.desk.escalation)") from None
    try:
        document = Document.model_validate(read_yaml(text, str(file)))
    except ValidationError as error:
        raise ConfigError(f"{file}: {explain(error)}") from None
    for rule in document.policies:
        for name in {name for step in rule.steps for name in step.notify} - set(receivers):
            raise ConfigError(f"{file}: policies: {rule.name}: notify: {name}: no such receiver; "
                              "add it to sidecar.desk.receivers")
    return Policy(document, zone, frozenset(holidays))

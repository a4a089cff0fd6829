"""What may be asked of the API: query parameters and bodies, each with its bounds."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sales_exporter.api.table import METRICS
from sales_exporter.sidecar.desk.model import Kind
from sales_exporter.sidecar.desk.model import State as CaseState

LABEL = r"""^[^"'`\\$(){}|*+?^\[\]\x00-\x1f\x7f]{1,128}$"""
"""Values of labels that mean themselves in PromQL, within a text and within a regular expression."""
TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
SPAN = r"^[1-9][0-9]{0,3}[mhdw]$"
LATEST = 4_102_444_800.0
"""The year 2100: later moments are mistakes, such as milliseconds."""

Label = Annotated[str, Field(pattern=LABEL)]
Words = Annotated[str, Field(max_length=1_000, pattern=TEXT, description="Words for the history.")]
Name = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Moment = Annotated[float, Field(ge=0, le=LATEST, allow_inf_nan=False)]


_SPAN = re.compile(SPAN)
_LENGTHS = {"m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


def seconds(span: str) -> float:
    """The length of a span such as 30m, 24h, 7d or 4w.

    Raises:
        LookupError: the text is none.
    """
    if not _SPAN.fullmatch(span):
        raise LookupError("no span of time")
    return float(span[:-1]) * _LENGTHS[span[-1]]


class Wish(BaseModel):
    """Base of all: frozen, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Wish):
    """No parameters."""


class Chosen(Wish):
    """Values of dashboard variables; what is not chosen is as on a dashboard that is opened."""

    cluster: Label | None = Field(None, description="By default the first one.")
    tenant: Label | None = Field(None, description="By default the first one of the cluster.")
    job: Label | None = Field(None, description="By default all.")
    instance: Label | None = Field(None, description="By default all.")
    window: Label | None = Field(None, description="Such as 30d; by default that of each dashboard.")
    currency: Label | None = Field(None, description="By default the first one, of which there is one.")


class ChosenPast(Chosen):
    """Which field over which time."""

    metric: str = Field(max_length=80, json_schema_extra={"enum": [*METRICS]},
                        description="Section and field of the other two answers, such as api.latency_p95.")
    range: str = Field("24h", pattern=SPAN, description="Length up to the end, such as 30m, 24h, 7d or 4w.")
    end: Moment | None = Field(None, description="Epoch seconds; now by default.")
    points: int = Field(500, ge=10, le=2_000, description="Points at most, of all lines together.")
    method: Literal["lttb", "minmax"] = Field("lttb", description="Largest triangles keep the shape, "
                                                                  "minimum and maximum every extreme.")
    part: Literal["value", "lower", "upper", "n"] = Field("value", description="Of the field.")


class ActiveWanted(Wish):
    """Which open cases."""

    severity: Label | None = None
    team: Label | None = None
    state: CaseState | None = None


class HistoryWanted(Wish):
    """Which part of the history."""

    since: Moment | None = Field(None, description="Epoch seconds.")
    until: Moment | None = Field(None, description="Epoch seconds.")
    fingerprint: str = Field("", pattern=r"^([0-9a-f]{16})?$")
    alertname: str = Field("", max_length=200)
    kind: Kind | None = None
    before: int | None = Field(None, ge=1, le=2**53, description="Only events with a smaller number: the next page.")
    limit: int = Field(100, ge=1, le=1_000)


class TimesWanted(Wish):
    """Which cases: those that began in a span of at most 400 days."""

    since: Moment | None = Field(None, description="Epoch seconds; 30 days before the end by default.")
    until: Moment | None = Field(None, description="Epoch seconds; now by default.")


class Said(Wish):
    """Words, which may be left out."""

    comment: Words = ""
    by: Name = Field("", description="Who acts, for the history. Where there are users it is the login instead.")


class SnoozeSaid(Said):
    """How long."""

    seconds: float = Field(ge=60, le=30 * 86_400, allow_inf_nan=False)


class AssignSaid(Said):
    """To whom."""

    owner: Name = Field(description="Empty gives it back.")


class CommentSaid(Said):
    """Words that are not left out."""

    comment: Words = Field(min_length=1)

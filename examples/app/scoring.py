"""A small logistic model. Put yours here."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, Field

MODEL, VERSION = "lead-scoring-example", "1"
THRESHOLD = 0.5
HORIZON_SECONDS = 3600.0
"""A lead that is not won within this time counts as lost. Yours will be weeks; with an hour the example soon shows."""

Source = Literal["referral", "web", "event", "cold"]
_SOURCES: dict[Source, float] = {"referral": 1.2, "web": 0.2, "event": 0.0, "cold": -1.3}


class Features(BaseModel):
    """What is known of a lead."""

    employees: int = Field(ge=1, le=1_000_000)
    visits: int = Field(ge=0, le=10_000)
    source: Source


def score(features: Features) -> float:
    """The probability that the lead is won within the horizon."""
    fit = -3.0 + 0.5 * math.log10(features.employees) + 0.9 * math.log1p(features.visits) + _SOURCES[features.source]
    return 1.0 / (1.0 + math.exp(-fit))

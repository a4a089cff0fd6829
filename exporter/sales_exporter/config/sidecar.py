"""The sidecar: what it reads, how it judges, whom it tells."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from sales_exporter.config.desk import Api, Desk
from sales_exporter.config.sections import Section

ClassName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class QueryApi(Section):
    """The Prometheus-compatible API that the sidecar reads."""

    url: str = Field("http://127.0.0.1:9090", pattern=r"^https?://", description="Address of Prometheus, "
                     "VictoriaMetrics, or the query path of Mimir or Thanos.")
    tenant: str | None = Field(None, description="Value of the header X-Scope-OrgID, for Mimir.")
    bearer_file: Path | None = Field(None, description="File with the token to show.")
    user: str | None = Field(None, description="Name for basic authentication.")
    password_file: Path | None = Field(None, description="File with the password for basic authentication.")
    ca_file: Path | None = Field(None, description="Certificates to trust instead of the system's.")
    timeout: float = Field(10.0, gt=0, le=300, description="Seconds that one query may take.")

    @model_validator(mode="after")
    def _one_login(self) -> QueryApi:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("give user and password_file together")
        if self.bearer_file is not None and self.user is not None:
            raise ValueError("give bearer_file or user, not both")
        return self


class DriftSettings(Section):
    """When a model counts as drifting, and when it is worth training anew."""

    floors: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        {}, description="Accuracy that is asked of a model, by its name or by name/version.")
    alpha: float = Field(0.01, gt=0, le=1, description="False alarms of one model a month, of each kind.")
    budget: float = Field(1.0, gt=0, le=1_000, description="False alarms a month of all models together.")
    maturity_days: float = Field(7.0, gt=0, le=366,
                                 description="Days until labels are known: how long drift and advice stay at least.")
    least_loss: float = Field(0.02, ge=0, lt=1, description="Loss of accuracy that no training is worth.")
    retraining_cost: float = Field(0.0, ge=0, description="Cost of training a model anew, in the reporting currency.")
    decision_value: float | None = Field(None, gt=0, description="What one more right decision is worth, in the same "
                                                                 "currency.")
    payback_days: float = Field(90.0, gt=0, le=3_660, description="Days in which a training must have paid for itself.")
    confidence: float = Field(0.9, gt=0.5, lt=1, description="Probability of that from which on it is recommended.")

    def floor_of(self, model: str, version: str) -> float | None:
        """The floor of a version, else of its model; None if neither has one."""
        return self.floors.get(f"{model}/{version}", self.floors.get(model))


class SeverityClass(Section):
    """How bad an anomaly is: weight of its watch × effect in usual deviations × a factor of its duration.

    The factor is 1/2 for a spike, grows with the time since the onset, and is at most 2 (sidecar/fleet/severity.py).
    """

    warning: float = Field(4.0, gt=0, le=1e6, description="Points from which an anomaly is a warning; info below.")
    critical: float = Field(12.0, gt=0, le=1e6, description="Points from which it is critical.")
    escalate_after: float = Field(3_600.0, ge=60, le=604_800,
                                  description="Seconds after which an anomaly counts three times what a spike does.")

    @model_validator(mode="after")
    def _in_order(self) -> SeverityClass:
        if self.critical < self.warning:
            raise ValueError("critical must not be below warning")
        return self


NORMAL = "normal"
"""The class of watches that name none."""


class Severity(Section):
    """Thresholds of severity, by the class that a watch belongs to."""

    classes: dict[ClassName, SeverityClass] = Field({NORMAL: SeverityClass()},
                                                    description="Thresholds by class; there must be normal.")

    @field_validator("classes")
    @classmethod
    def _normal_one(cls, classes: dict[str, SeverityClass]) -> dict[str, SeverityClass]:
        if NORMAL not in classes:
            raise ValueError("the class normal is missing")
        return classes


class Sidecar(Section):
    """What ``sidecar`` watches and whom it tells."""

    listen_address: tuple[str, ...] = Field(("127.0.0.1:18881",), min_length=1, description="host:port, repeatable.")
    prometheus: QueryApi = QueryApi()
    alertmanagers: tuple[str, ...] = Field(("http://127.0.0.1:9093",), max_length=16,
                                           description="Every Alertmanager, one by one, never a balancer before them.")
    push: bool = Field(True, description="Push alerts; without it, the rules over the sidecar's metrics raise them.")
    watches: tuple[Path, ...] = Field((), description="Files with watches of your own.")
    default_watches: bool = Field(True, description="Watch what the product ships with, too.")
    false_alarm_budget: str = Field("1 per week", pattern=r"^[0-9]+(\.[0-9]+)? per (day|week|month)$",
                                    description="False pages that you accept, over all series together.")
    severity: Severity = Severity()
    interval: float = Field(60.0, ge=1, le=900, description="Seconds between two ticks.")
    history: str = Field("4w", pattern=r"^[1-9][0-9]?[dw]$", description="Past that is read once, at the start.")
    holidays: tuple[date, ...] = Field((), description="Days that run like no weekday.")
    drift: DriftSettings = DriftSettings()
    shard: str = Field("1/1", pattern=r"^[1-9][0-9]*/[1-9][0-9]*$", description="This process's share of the series.")
    cluster: str = Field("demo", description="Label cluster of pushed alerts.")
    tenant: str = Field("default", description="Label tenant of pushed alerts.")
    desk: Desk = Desk()
    api: Api = Api()

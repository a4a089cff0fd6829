"""What all servers share: the business, the database, HTTP, logs, limits and storage."""

from __future__ import annotations

import zoneinfo
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Window = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,3}d|all)$")]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(Section):
    """One stage of the funnel, in the order of the list."""

    name: str = Field(min_length=1, max_length=64, description="Stage name as in stage_transitions.to_stage.")
    kind: Literal["open", "won", "lost"] = Field("open", description="Whether a lead in it is open, won or lost.")


DEFAULT_STAGES = (
    Stage(name="lead"),
    Stage(name="contact"),
    Stage(name="qualified"),
    Stage(name="proposal"),
    Stage(name="won", kind="won"),
    Stage(name="lost", kind="lost"),
)


class Business(Section):
    """What the business numbers mean: stages, money, days and windows."""

    stages: tuple[Stage, ...] = Field(DEFAULT_STAGES, min_length=2, max_length=12,
                                      description="Stages in order; the first is where a lead starts.")
    reporting_currency: str = Field("EUR", pattern=r"^[A-Z]{3}$",
                                    description="ISO code that all money is converted to by fx_rates.")
    reporting_timezone: str = Field("UTC", description="IANA zone in which days are cut.")
    windows: tuple[Window, ...] = Field(("7d", "30d", "90d", "all"), min_length=1, max_length=6,
                                        description="Windows of the business gauges, half-open, ending now.")
    conversion_horizons: tuple[Window, ...] = Field(("30d", "90d"), min_length=1, max_length=4,
                                                    description="Horizons of the conversion ratios.")
    pseudonymous_reps: bool = Field(False, description="Leave the names of reps out of sales_rep_info.")
    rep_score_weights: dict[Literal["win_ratio", "revenue", "cycle_time", "volume"], float] = Field(
        {"win_ratio": 0.4, "revenue": 0.3, "cycle_time": 0.15, "volume": 0.15},
        description="Weights of the components of sales_rep_score; they are normalised to 1.")
    channel_limit: int = Field(50, ge=1, le=500, description="Channels kept apart; the rest becomes (other).")
    campaign_limit: int = Field(50, ge=1, le=500, description="Campaigns kept apart, by spend.")
    rep_limit: int = Field(100, ge=1, le=500, description="Reps kept apart, by deals.")
    model_limit: int = Field(20, ge=1, le=200, description="Pairs of model and version kept apart.")

    @field_validator("reporting_timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is no IANA time zone, such as Europe/Berlin") from None
        return name

    @field_validator("stages")
    @classmethod
    def _one_won(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        names = [stage.name for stage in stages]
        if len(set(names)) != len(names):
            raise ValueError("stage names repeat")
        if stages[0].kind != "open" or not any(stage.kind == "won" for stage in stages):
            raise ValueError("the first stage must be open and one stage must be won")
        return stages

    @field_validator("rep_score_weights")
    @classmethod
    def _some_weight(cls, weights: dict[str, float]) -> dict[str, float]:
        if any(weight < 0 for weight in weights.values()) or sum(weights.values()) <= 0:
            raise ValueError("weights must not be negative and must not all be zero")
        return weights

    @property
    def stage_names(self) -> tuple[str, ...]:
        """All stage names in order."""
        return tuple(stage.name for stage in self.stages)

    @property
    def path(self) -> tuple[str, ...]:
        """The stages of the way to a win, in order: every stage that is not lost."""
        return tuple(stage.name for stage in self.stages if stage.kind != "lost")

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Names of the stages of one kind."""
        return tuple(stage.name for stage in self.stages if stage.kind == kind)


class Database(Section):
    """The PostgreSQL source."""

    dsn: SecretStr | None = Field(None, description="libpq connection string; prefer dsn_file.")
    dsn_file: Path | None = Field(None, description="File that holds the connection string.")
    connections: int = Field(2, ge=1, le=4, description="Connections held at most.")
    statement_timeout: float = Field(1.0, gt=0, le=60, description="Seconds that one statement may take.")
    pass_deadline: float = Field(5.0, gt=0, le=300, description="Seconds after which a pass's socket is closed.")
    row_budget: int = Field(50_000, ge=100, le=1_000_000, description="Rows that one query may return.")

    @model_validator(mode="after")
    def _one_dsn(self) -> Database:
        if self.dsn is not None and self.dsn_file is not None:
            raise ValueError("give dsn or dsn_file, not both")
        return self


class Web(Section):
    """The HTTP server."""

    listen_address: tuple[str, ...] = Field(("127.0.0.1:18880",), min_length=1, description="host:port, repeatable.")
    telemetry_path: str = Field("/metrics", pattern=r"^/[A-Za-z0-9/_.-]+$", description="Path of the metrics.")
    config_file: Path | None = Field(None, description="exporter-toolkit web configuration: TLS, users, headers.")
    max_requests: int = Field(40, ge=0, le=10_000, description="Scrapes served at once; 0 means no limit.")
    enable_lifecycle: bool = Field(False, description="Allow POST /-/reload.")
    max_connections: int = Field(256, ge=8, le=10_000, description="Open connections at most.")
    max_connections_per_address: int = Field(32, ge=1, le=10_000, description="The same from one address.")


class Log(Section):
    """Logging to standard error."""

    level: Literal["debug", "info", "warn", "error"] = Field("info", description="Least severity that is logged.")
    format: Literal["logfmt", "json"] = Field("logfmt", description="Format of a log line.")


class CollectorSettings(Section):
    """One collector. Absent values mean the collector's own."""

    enabled: bool = Field(True, description="Whether the collector runs.")
    interval: float | None = Field(None, ge=1, le=86_400, description="Seconds between two passes.")
    max_age: float | None = Field(None, ge=1, le=604_800,
                                  description="Seconds after which its series vanish; three intervals by default.")


class Limits(Section):
    """Guards on what is exported."""

    series: int = Field(20_000, ge=100, le=1_000_000, description="Series exported at most.")
    series_per_metric: int = Field(1_000, ge=10, le=100_000, description="Series of one metric at most.")


class Storage(Section):
    """State that survives a restart."""

    path: Path | None = Field(None, description="Folder of the ledger's state. Without it a restart counts anew. The "
                                                "intake needs it, for its spool.")

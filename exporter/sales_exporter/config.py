"""Typed, frozen configuration from YAML, environment and flags. Every default of the product lives here.

Precedence: flag, then ``SALES_EXPORTER_<FLAG>``, then the file, then the default. Unknown keys are errors.
"""

from __future__ import annotations

import zoneinfo
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from sales_exporter.errors import ConfigError

ENVIRONMENT = "SALES_EXPORTER_"
"""Prefix of the environment variables that set values."""
NOT_TEXT = ("business.stages", "business.rep_score_weights", "collectors", "intake.sources", "sidecar.drift.floors",
            "sidecar.severity.classes")
"""Settings that no single environment variable can hold."""
CONFIG_BYTES = 1 << 20
"""Largest configuration file that is read (reliability.md, S7)."""
YAML_DEPTH = 20
"""Deepest nesting of lists and mappings in a configuration file."""

Window = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,3}d|all)$")]
CollectorName = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
ClassName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


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


class IntakeSource(Section):
    """One sender of events, at ``POST /ingest/<name>``."""

    mapping: str = Field(description="What the events look like: generic, hubspot, retell, salesforce, twilio or vapi.")
    hmac_secret_file: Path | None = Field(None, description="File with the secret that the sender signs with.")
    bearer_file: Path | None = Field(None, description="File with the token that the sender shows.")
    url: str | None = Field(None, pattern=r"^https?://", description="Address that the sender calls, as entered there; "
                                                                     "hubspot and twilio sign it.")
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$", description="Currency of deals whose events name none; "
                                                                          "the reporting currency by default.")
    agent_kind: Literal["human", "ai"] = Field("human", description="Who talks in calls of twilio, which does not say.")

    @model_validator(mode="after")
    def _one_secret(self) -> IntakeSource:
        if (self.hmac_secret_file is None) == (self.bearer_file is None):
            raise ValueError("give one of hmac_secret_file and bearer_file")
        return self


class Intake(Section):
    """Webhook intake. Off without sources."""

    dsn_file: Path | None = Field(None, description="File with the connection string of the intake's own role.")
    sources: dict[SourceName, IntakeSource] = Field(default_factory=dict, description="Senders by name.")
    body_bytes: int = Field(262_144, ge=1024, le=8_388_608, description="Largest body of a request.")
    json_depth: int = Field(20, ge=4, le=100, description="Deepest nesting of a payload.")
    requests_per_second: float = Field(100.0, gt=0, le=100_000, description="Requests of one source, in the long run.")
    burst: int = Field(500, ge=1, le=100_000, description="Requests of one source that may come at once.")
    spool_events: int = Field(100_000, ge=10, le=10_000_000, description="Events that wait for the database at most.")
    spool_bytes: int = Field(67_108_864, ge=65_536, description="Bytes of the events that wait at most.")
    dead_letters: int = Field(10_000, ge=10, le=1_000_000, description="Refused events that are kept; the oldest go.")


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


class Settings(Section):
    """The whole configuration."""

    database: Database = Database()
    business: Business = Business()
    web: Web = Web()
    log: Log = Log()
    collectors: dict[CollectorName, CollectorSettings] = Field(default_factory=dict,
                                                              description="Settings by collector name.")
    limits: Limits = Limits()
    storage: Storage = Storage()
    intake: Intake = Intake()
    sidecar: Sidecar = Sidecar()
    as_of: str | None = Field(None, description="Evaluate at this moment (ISO 8601) instead of now.")

    @field_validator("as_of", mode="before")
    @classmethod
    def _plain_moment(cls, value: object) -> object:
        # YAML reads an unquoted date as a date.
        return value.isoformat() if isinstance(value, date) else value


def parse(text: str, where: str) -> Settings:
    """Settings from the text of a YAML file.

    Raises:
        ConfigError: one line that names the file, the key and what was expected.
    """
    return build(read_yaml(text, where), where)


def build(tree: dict[str, Any], where: str) -> Settings:
    """Settings from a tree of plain values; ``where`` names the origin in errors."""
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from None


def read_yaml(text: str, where: str) -> dict[str, Any]:
    """A mapping from safe YAML: at most 1 MiB, no aliases (which can grow without bound).

    Raises:
        ConfigError: names the file, the line and what was expected.
    """
    if len(text.encode("utf-8", "surrogatepass")) > CONFIG_BYTES:
        raise ConfigError(f"{where}: larger than 1 MiB")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise ConfigError(f"{where}: line {line}: aliases (*name) are not allowed")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            # The parser takes quadratic time over deep nesting.
            if depth > YAML_DEPTH:
                raise ConfigError(f"{where}: line {line}: nested more than {YAML_DEPTH} deep")
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise ConfigError(f"{where}: {place}not valid YAML: {problem}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: not valid YAML: a value cannot be read") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{where}: expected a mapping of keys to values at the top")
    return tree


def explain(error: ValidationError) -> str:
    """The first defect of a validation as ``key: what was expected``, without the offending value."""
    defect = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in defect["loc"]) or "(top level)"
    if defect["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    return f"{key}: {defect['msg'].removeprefix('Value error, ')}"

"""Typed, frozen configuration from YAML, environment and flags. Every default of the product lives here.

Precedence: flag, then ``SALES_EXPORTER_<FLAG>``, then the file, then the default. Unknown keys are errors.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator

from sales_exporter.config.desk import Api, Desk, NoticeReceiver
from sales_exporter.config.intake import Intake, IntakeSource, SourceName
from sales_exporter.config.reading import CONFIG_BYTES, YAML_DEPTH, explain, read_yaml
from sales_exporter.config.sections import (
    DEFAULT_STAGES,
    Business,
    CollectorSettings,
    Database,
    Limits,
    Log,
    Section,
    Stage,
    Storage,
    Web,
    Window,
)
from sales_exporter.config.sidecar import (
    NORMAL,
    DriftSettings,
    QueryApi,
    Severity,
    SeverityClass,
    Sidecar,
)
from sales_exporter.errors import ConfigError

__all__ = [
    "CONFIG_BYTES", "DEFAULT_STAGES", "ENVIRONMENT", "NORMAL", "NOT_TEXT", "YAML_DEPTH", "Api", "Business",
    "CollectorSettings", "Database", "Desk", "DriftSettings", "Intake", "IntakeSource", "Limits", "Log",
    "NoticeReceiver", "QueryApi", "Section", "Settings", "Severity", "SeverityClass", "Sidecar", "SourceName", "Stage",
    "Storage", "Web", "Window", "build", "explain", "parse", "read_yaml",
]

ENVIRONMENT = "SALES_EXPORTER_"
"""Prefix of the environment variables that set values."""
NOT_TEXT = ("business.stages", "business.rep_score_weights", "collectors", "intake.sources", "sidecar.desk.receivers",
            "sidecar.drift.floors", "sidecar.severity.classes")
"""Settings that no single environment variable can hold."""

CollectorName = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]


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

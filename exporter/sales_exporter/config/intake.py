"""Webhook intake: who sends, and how much is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sales_exporter.config.sections import Section

SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


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

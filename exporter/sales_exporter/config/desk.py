"""The alert desk and the dashboard API: who may act, who is told, and how much is answered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sales_exporter.config.sections import Section

ReceiverName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")]
Role = Literal["viewer", "responder"]


class NoticeReceiver(Section):
    """One receiver of the desk's own notices: escalations, and resolves that a silence hid."""

    kind: Literal["ntfy", "webhook"] = Field(description="ntfy: a topic on phones; webhook: JSON by POST.")
    url: str = Field(pattern=r"^https?://", description="Address of the topic, such as https://ntfy.sh/sales, or of "
                                                        "the webhook.")
    token_file: Path | None = Field(None, description="File with the token to show.")
    teams: tuple[str, ...] = Field((), description="Teams whose alerts it is told of; without any, all.")

    @model_validator(mode="after")
    def _topic(self) -> NoticeReceiver:
        if self.kind == "ntfy" and not re.search(r"://[^/?#]+(/[^?#]*)?/[-_A-Za-z0-9]{1,64}$", self.url):
            raise ValueError("the url of an ntfy receiver ends in its topic, such as https://ntfy.sh/sales")
        return self


class Desk(Section):
    """Who may act on alerts, and who is told."""

    responders: tuple[str, ...] = Field((), description="Logins that may acknowledge, resolve, snooze and assign; "
                                                        "others look.")
    notifiers: tuple[str, ...] = Field((), description="Logins that may post to /notify, such as Alertmanager's.")
    without_login: Role = Field("viewer", description="What everybody may do where there are no users; responder on "
                                                      "loopback only.")
    escalation: Path | None = Field(None, description="Escalation policy; prometheus/escalation.yml of this "
                                                      "distribution by default.")
    external_url: str | None = Field(None, pattern=r"^https?://", description="Address that people open, with the "
                                     "prefix that a proxy takes away; links begin with it.")
    grafana_url: str | None = Field("http://127.0.0.1:3000", pattern=r"^https?://", description="Address of Grafana "
                                    "as people open it, for links to dashboards; null leaves them out.")
    key_file: Path | None = Field(None, description="File with the key that signs links; made below storage.path "
                                                    "without one.")
    receivers: dict[ReceiverName, NoticeReceiver] = Field(default_factory=dict,
                                                          description="Receivers of the desk's own notices, by name.")


class Api(Section):
    """How much the dashboard API answers, and to whom."""

    origins: tuple[Origin, ...] = Field((), description="Other sites whose pages may read it (CORS); none by default.")
    requests_per_second: float = Field(20.0, gt=0, le=10_000, description="Requests of one caller, in the long run.")
    burst: int = Field(60, ge=1, le=10_000, description="Requests of one caller that may come at once.")
    streams: int = Field(200, ge=1, le=10_000, description="Open streams at most; web.max_connections must allow them.")
    refresh: float = Field(10.0, ge=1, le=900, description="Seconds between two readings of Prometheus.")

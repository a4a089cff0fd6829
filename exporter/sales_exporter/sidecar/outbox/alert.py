"""An alert: a fixed set of labels, words and numbers in annotations, a start and an end."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from sales_exporter.sidecar.outbox.identity import fingerprint

LABELS = ("alertname", "severity", "team", "category", "cluster", "tenant", "service", "entity", "watch", "escalation")
"""Every label of a pushed alert; nothing that changes while it lasts."""
CUT = 256
"""Longest label or annotation value; longer ones are cut (reliability.md, S8)."""
URL_CUT = 2048
"""The same for annotations whose names end in ``_url``."""
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_URL = re.compile(r"(https?://|/)[!-~]*\Z")


@dataclass(frozen=True, slots=True)
class Alert:
    """What Alertmanager is told. Text is cut and freed of control characters; nothing in it is a template.

    Times are epoch seconds; ``ends_at`` is None while it lasts. A label that is empty is left out. ``fingerprint`` is
    that of the labels, ``subject`` the same without the severity: what a change of severity does not change.

    Raises:
        ValueError: no alertname or severity, a start that is no time or comes after the end, an annotation whose name
            Alertmanager would refuse, or a link that is none.
    """

    alertname: str
    severity: str
    starts_at: float
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    team: str = ""
    category: str = ""
    cluster: str = ""
    tenant: str = ""
    service: str = ""
    entity: str = ""
    watch: str = ""
    escalation: str = ""
    """Step of the escalation policy, for the copy of an alert that nobody took: it is an alert of its own."""
    ends_at: float | None = None
    generator_url: str = ""
    fingerprint: str = field(init=False, compare=False)
    subject: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        for name in LABELS:
            object.__setattr__(self, name, clean(getattr(self, name)))
        if not self.alertname or not self.severity:
            raise ValueError("an alert needs an alertname and a severity")
        if not math.isfinite(self.starts_at) or (self.ends_at is not None and not self.starts_at <= self.ends_at):
            raise ValueError("an alert needs a start, which is not after its end")
        if self.generator_url and not _URL.match(self.generator_url):
            raise ValueError("the link of an alert must be an address or an absolute path, with other signs encoded")
        object.__setattr__(self, "annotations", _annotations(self.annotations))
        labels = self.labels
        object.__setattr__(self, "fingerprint", fingerprint(labels))
        del labels["severity"]
        object.__setattr__(self, "subject", fingerprint(labels))

    @property
    def labels(self) -> dict[str, str]:
        """The labels that are not empty."""
        values = {name: str(getattr(self, name)) for name in LABELS}
        return {name: value for name, value in values.items() if value}

    def lasting(self, starts_at: float, ends_at: float | None) -> Alert:
        """The same alert with another start and end, which must not be before the start."""
        # Not replace(), which would clean and fingerprint anew: this is done for each alert at each resend.
        twin = object.__new__(Alert)
        for name in _FIELDS:
            object.__setattr__(twin, name, getattr(self, name))
        object.__setattr__(twin, "starts_at", starts_at)
        object.__setattr__(twin, "ends_at", ends_at)
        return twin

    def annotated(self, name: str, text: str) -> Alert:
        """The same alert with an annotation more."""
        return replace(self, annotations={**self.annotations, name: text})


_FIELDS = tuple(one.name for one in fields(Alert))


def clean(text: str, longest: int = CUT) -> str:
    """Text on one line without control or invisible characters, cut with an ellipsis.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"an alert holds text, not {type(text).__name__}")
    shown = text[: longest + 1]
    if not shown.isprintable():
        shown = "".join([sign if sign.isprintable() else " " for sign in shown])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _annotations(given: Mapping[str, str]) -> dict[str, str]:
    if not all(_NAME.match(name) for name in given):
        raise ValueError("names of annotations are letters, digits and underscores")
    return {name: clean(text, URL_CUT if name.endswith("_url") else CUT) for name, text in sorted(given.items())}

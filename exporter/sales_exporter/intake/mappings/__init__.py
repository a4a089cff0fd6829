"""Mappings: one file is one vendor, from its payload to rows of the contract and how it proves who it is.

A module in this package that holds a subclass of Vendor is found by itself; nothing else registers it.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from sales_exporter.intake.events import Event
from sales_exporter.intake.signatures import Request, Secret, Way, bearer

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Hints:
    """What the configuration knows and payloads do not say."""

    currency: str = "EUR"
    agent_kind: str = "human"
    stages: Mapping[str, str] = field(default_factory=dict)
    """Kind (open, won, lost) of each configured stage."""


class Vendor(ABC):
    """One vendor. All methods are pure."""

    name: ClassVar[str]
    title: ClassVar[str]
    """What of the vendor is taken, for the OpenAPI document."""
    ways: ClassVar[tuple[Way, ...]]
    """How a source of this vendor may prove who it is."""
    media: ClassVar[str] = JSON
    model: ClassVar[type[BaseModel]]
    """What is read of one event."""
    lists: ClassVar[bool] = False
    """Whether a request may carry a list of events."""
    signs_url: ClassVar[bool] = False
    """Whether the signature covers the address, which then must be configured."""
    bearer_headers: ClassVar[tuple[str, ...]] = ()
    """Headers that carry the bearer besides ``Authorization``."""
    signature_header: ClassVar[str] = ""
    """The header of the signature, for the OpenAPI document."""

    def proves(self, request: Request, secret: Secret, now: float) -> bool:
        """Whether the request comes from who shares the secret; ``now`` in epoch seconds."""
        if secret.way == "bearer":
            return bearer(request.headers, secret, *self.bearer_headers)
        return self.signed(request, secret, now)

    def signed(self, request: Request, secret: Secret, now: float) -> bool:
        """Whether the signature is right; vendors that sign override it."""
        return False

    def parts(self, payload: Any) -> list[Any]:
        """The events of one request."""
        return payload if self.lists and isinstance(payload, list) else [payload]

    @abstractmethod
    def event(self, part: Any, hints: Hints) -> Event | None:
        """The event of one part; None for one that says nothing which the contract holds.

        Raises:
            ValueError: the part is not of the vendor's shape; says what is missing or wrong.
        """


def discover() -> dict[str, Vendor]:
    """Every vendor of this package by name, sorted."""
    found: dict[str, Vendor] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Vendor) and value.__module__ == module.__name__:
                found[value.name] = value()
    return dict(sorted(found.items()))


def status_of(stage: str, hints: Hints, won: str, lost: str) -> str:
    """open, won or lost: as configured for the stage, else by the vendor's own names of closed stages."""
    return hints.stages.get(stage) or {won: "won", lost: "lost"}.get(stage, "open")

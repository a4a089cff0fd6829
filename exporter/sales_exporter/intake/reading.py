"""From the bytes of a request to events: pure, and bounded in what it costs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from sales_exporter.config import explain
from sales_exporter.intake.events import Event
from sales_exporter.intake.mappings import FORM, Hints, Vendor

_FIELDS = 200
_REASON = 300
_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that could not be taken or written, and why. ``payload`` is what came, or the rows if ``accepted``."""

    source: str
    event_id: str | None
    reason: str
    payload: bytes
    received_at: float
    accepted: bool = False

    @property
    def id(self) -> str:
        """The same for the same payload: a vendor that tries again leaves one letter."""
        facts = (self.source.encode(), self.payload, b"accepted" if self.accepted else b"")
        return hashlib.sha256(b"".join(len(one).to_bytes(8) + one for one in facts)).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in one request."""

    events: list[Event] = field(default_factory=list)
    refused: list[tuple[str, bytes]] = field(default_factory=list)
    """Reasons with the parts that they are about."""
    ignored: int = 0


def parsed(body: bytes, media: str, depth: int) -> Any:
    """The payload of a body.

    Raises:
        ValueError: it is none, or nested too deep; says what is wrong.
    """
    if media == FORM:
        return dict(parse_qsl(_text(body), keep_blank_values=True, max_num_fields=_FIELDS))
    try:
        payload = json.loads(_text(body), parse_float=Decimal, parse_int=_whole, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError(f"nested more than {depth} deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from None
    if _deeper(payload, depth):
        raise ValueError(f"nested more than {depth} deep")
    return payload


def read(vendor: Vendor, payload: Any, hints: Hints) -> Reading:
    """The events of a payload, and what cannot be read of it."""
    found = Reading()
    ignored = 0
    for part in vendor.parts(payload):
        try:
            event = vendor.event(part, hints)
        except ValidationError as error:
            found.refused.append((explain(error)[:_REASON], _bytes(part)))
        except ValueError as error:
            found.refused.append((str(error)[:_REASON], _bytes(part)))
        else:
            ignored += event is None
            if event is not None:
                found.events.append(event)
    return Reading(found.events, found.refused, ignored)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError("not JSON: a number with too many digits")
    return int(digits)


def _no_constant(name: str) -> object:
    raise ValueError(f"not JSON: {name}")


def _deeper(payload: Any, depth: int) -> bool:
    layer = [payload]
    for _ in range(depth + 1):
        layer = [inner for outer in layer if isinstance(outer, dict | list)
                 for inner in (outer.values() if isinstance(outer, dict) else outer)]
        if not layer:
            return False
    return True


def _bytes(part: Any) -> bytes:
    """One part of a payload as JSON; numbers with a point become text, which keeps their digits."""
    return json.dumps(part, default=str).encode("utf-8", "surrogatepass")

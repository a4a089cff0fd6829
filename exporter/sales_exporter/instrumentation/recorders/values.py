"""What applications hand over, made fit for the contract's columns, or refused with :class:`Invalid`."""

from __future__ import annotations

import hashlib
import math
import operator
import os
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import SupportsFloat, cast
from uuid import UUID

LONGEST = 256
"""Characters of a text or an id. A longer one keeps its beginning, and a digest of all of it in place of the rest, so
that two ids stay two."""
MOST_MONEY = Decimal(10) ** 12


# Our own: a model's code may seed the one of the module, and ids must not come again. Not os.urandom, which lets go of
# the interpreter: whoever waits for it, such as the writer's thread, would go first.
_chance = random.Random()  # noqa: S311  (ids are no secrets)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_chance.seed)


class Invalid(ValueError):
    """A value that no column can hold. The message names no value."""


def text(value: object) -> str:
    """A text that is not empty; ids may also be integers or UUIDs."""
    found = value if type(value) is str else _as_text(value)
    if not found or "\0" in found:
        raise Invalid("a text is empty or holds NUL")
    if not found.isascii():
        found.encode()  # a lone surrogate is no text
    if len(found) > LONGEST:
        digest = hashlib.blake2b(found.encode(), digest_size=16).hexdigest()
        return f"{found[:LONGEST - 33]}…{digest}"
    return found


def text_or_none(value: object) -> str | None:
    """A text; None and the empty text are none."""
    return None if value is None or (type(value) is str and not value) else text(value)


def number(value: object) -> float:
    """A finite number, of any numeric type."""
    if isinstance(value, str | bytes | bytearray):
        raise Invalid("a text is no number")
    found = float(cast("SupportsFloat", value))
    if not math.isfinite(found):
        raise Invalid("a number is not finite")
    return found


def number_or_none(value: object) -> float | None:
    """A finite number; None is none."""
    return None if value is None else number(value)


def money_or_none(value: object) -> Decimal | None:
    """An amount that ``numeric(18, 6)`` can hold; None is none."""
    if value is None:
        return None
    found = value if isinstance(value, Decimal) else Decimal(repr(number(value)))
    if not found.is_finite() or abs(found) >= MOST_MONEY - 1:
        raise Invalid("an amount is not finite or has too many digits")
    return found


def moment(value: object) -> datetime:
    """A time in UTC, of a datetime with a zone or of seconds since 1970."""
    if not isinstance(value, datetime):
        return datetime.fromtimestamp(number(value), UTC)
    if value.utcoffset() is None:
        raise Invalid("a time has no zone")
    found = value.astimezone(UTC)
    # Subclasses have words of their own for str().
    return found if type(found) is datetime else datetime.fromtimestamp(found.timestamp(), UTC)


def moment_or_none(value: object) -> datetime | None:
    """A time; None is none."""
    return None if value is None else moment(value)


def flag(value: object) -> bool:
    """A truth value: True and False, of Python or numpy, or 1 and 0."""
    found = number(value)
    if found not in (0.0, 1.0):
        raise Invalid("a value is neither true nor false")
    return found == 1.0


def flag_or_none(value: object) -> bool | None:
    """A truth value; None is none."""
    return None if value is None else flag(value)


def fresh_id(now: float) -> str:
    """A new id, ordered by time as UUID version 7 (RFC 9562): rows that come together stay together in an index."""
    chance = _chance.getrandbits(80)
    high = (int(now * 1000) & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | chance >> 68
    low = 0x8000_0000_0000_0000 | chance & 0x3FFF_FFFF_FFFF_FFFF
    found = f"{high:016x}{low:016x}"
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bool):
        raise Invalid("a truth value is no text")
    return str(operator.index(cast("int", value)))

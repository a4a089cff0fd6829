"""Kinds of values in payloads, checked so that PostgreSQL takes whatever passes."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

LONGEST_TEXT = 512
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime(1900, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_LARGEST = Decimal(10) ** 12


class Shape(BaseModel):
    """Base of what is read of a payload. A vendor may send more than we read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _clean(text: str) -> str:
    if "\0" in text or any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        raise ValueError("holds a character that no database stores")
    return text


def _named(value: object) -> object:
    """Ids are text here; some vendors send numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or value.isdigit():
        raise ValueError("expected an ISO 8601 moment such as 2026-01-31T12:00:00Z")
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("expected an ISO 8601 moment such as 2026-01-31T12:00:00Z") from None
    return _within(found if found.tzinfo else found.replace(tzinfo=UTC))


def _millis(value: object) -> datetime:
    number = _number(value)
    try:
        return _within(_EPOCH + timedelta(milliseconds=number))
    except OverflowError:
        raise ValueError("expected milliseconds since 1970") from None


def _either(value: object) -> datetime:
    return _moment(value) if isinstance(value, str) else _millis(value)


def _mail(value: object) -> datetime:
    try:
        found = parsedate_to_datetime(str(value))
    except (ValueError, TypeError, IndexError, OverflowError):
        raise ValueError("expected a moment such as Sat, 31 Jan 2026 12:00:00 +0000") from None
    return _within(found if found.tzinfo else found.replace(tzinfo=UTC))


def _within(moment: datetime) -> datetime:
    if not _FIRST < moment < _LAST:
        raise ValueError("a moment out of range")
    return moment.astimezone(UTC)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError("expected a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("expected a number") from None
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _money(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError("expected an amount")
    try:
        amount = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError("expected an amount") from None
    if not amount.is_finite() or abs(amount) >= _LARGEST:
        raise ValueError("expected a finite amount below 10^12")
    # Seven decimals and more round to none that any column keeps.
    return round(amount, 9)


def _json(kind: Any, **schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **schema})


Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_clean)]
Id = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), BeforeValidator(_named), AfterValidator(_clean),
               WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "maxLength": LONGEST_TEXT})]
Moment = Annotated[datetime, BeforeValidator(_moment), _json("string", format="date-time")]
Millis = Annotated[datetime, BeforeValidator(_millis), _json("number", description="Milliseconds since 1970.")]
MomentOrMillis = Annotated[datetime, BeforeValidator(_either), _json(["string", "number"])]
MailMoment = Annotated[datetime, BeforeValidator(_mail), _json("string", description="As in RFC 2822.")]
Number = Annotated[float, BeforeValidator(_number), _json(["number", "string"])]
Money = Annotated[Decimal, BeforeValidator(_money), _json(["number", "string"])]


_TEXT: TypeAdapter[str] = TypeAdapter(Id | Literal[""])


def text(value: object, name: str) -> str:
    """Text of a value that may be a number, empty for none.

    Raises:
        ValueError: neither; names the field.
    """
    if isinstance(value, Decimal):
        value = format(value, "f")
    try:
        return _TEXT.validate_python("" if value is None else value)
    except ValidationError:
        raise ValueError(f"{name}: expected a short text") from None


def money(value: object, name: str) -> Decimal:
    """An amount.

    Raises:
        ValueError: it is none; names the field.
    """
    try:
        return _money(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None

"""What a request to a part holds: JSON or a form, checked as far as that goes without knowing the subject."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from sales_exporter.runtime.parts import Asked
from sales_exporter.runtime.receiving import Refused, problem, read

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

FIELDS = 64
"""Most fields of a form."""


async def read_json(asked: Asked) -> object:
    """The JSON value that a request holds. No key repeats, and all text can be written as UTF-8.

    Raises:
        Refused: it holds something else (400), says so (415) or is too large (413).
    """
    _only(asked, JSON)
    body = await read(asked.request, asked.connection, asked.body_limit)
    try:
        value: object = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
        # An escaped half of a surrogate pair is found nowhere else.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refused(problem(400, "the body is not JSON (RFC 8259) in UTF-8 with each key once")) from None
    return value


async def read_form(asked: Asked) -> Mapping[str, str]:
    """The fields of a form, each of them once; empty ones too.

    Raises:
        Refused: as of ``read_json``.
    """
    _only(asked, FORM)
    body = await read(asked.request, asked.connection, asked.body_limit)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
        return _unique(fields)
    except ValueError:
        raise Refused(problem(400, f"the body is not a form in UTF-8 with up to {FIELDS} fields, each once")) from None


def _only(asked: Asked, kind: str) -> None:
    """Refuse a body of another type: what a form of another site can send must never be read as JSON."""
    sent = asked.request.headers.getall("Content-Type", ())
    media, _, parameter = sent[0].partition(";") if len(sent) == 1 else ("", "", "")
    charset = parameter.replace(" ", "").replace('"', "").lower()
    if media.strip().lower() != kind or charset not in ("", "charset=utf-8"):
        raise Refused(problem(415, f"the body must be {kind}", last=True, Accept_Post=kind))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key repeats")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)

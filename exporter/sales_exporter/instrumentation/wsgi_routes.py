"""The route templates of Flask and Django, written as OpenTelemetry does: ``/users/{id}``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_CONVERTER = re.compile(r"<(?:[^<>]*:)?([A-Za-z_]\w*)>")
_GROUP = re.compile(r"\(\?P<(\w+)>")
_ANCHORS = re.compile(r"\\[AZbB]|(?<!\\)[\^$]")


def werkzeug_template(request: Any) -> str | None:
    """The rule that Werkzeug matched; None where none did."""
    rule = request.url_rule
    return None if rule is None else _bracketed(rule.rule)


def django_template(request: Any) -> str | None:
    """The route that Django resolved, of includes too; None where none was."""
    match = request.resolver_match
    return None if match is None else _from_django(match.route)


@lru_cache(4096)
def _bracketed(rule: str) -> str:
    return _CONVERTER.sub(r"{\1}", rule)


@lru_cache(4096)
def _from_django(route: str) -> str:
    """``blog/<int:year>/`` and ``^blog/(?P<year>[0-9]{4})/$`` alike become ``/blog/{year}/``."""
    plain = _ungrouped(route) if "(" in route else route
    return "/" + _bracketed(_ANCHORS.sub("", plain).replace("\\", "")).lstrip("/")


def _ungrouped(route: str) -> str:
    """Each outermost group of a regular expression as the name of its parameter."""
    found, depth, place = "", 0, 0
    while place < len(route):
        letter = route[place]
        if letter == "\\":
            found += route[place : place + 2] if depth == 0 else ""
            place += 2
            continue
        if letter == "(":
            if depth == 0:
                name = _GROUP.match(route, place)
                found += f"{{{name[1]}}}" if name else "{}"
            depth += 1
        elif letter == ")":
            depth -= 1
        elif depth == 0:
            found += letter
        place += 1
    return found
